certificate
nginx -p "$PWD" -c "$PWD/nginx.conf" &
port 8080
wrk -t2 -c40 -d2s http://127.0.0.1:8080/small >small.txt
wrk -t2 -c10 -d1s http://127.0.0.1:8080/noise >large.txt
for n in $(seq 60); do curl -sS http://127.0.0.1:8080/worker; done | sort -u | wc -l
wrk -t1 -c10 -d2s http://127.0.0.1:8080/small >reload.txt &
load=$!
sleep 0.5
sed -i s/version=1/version=2/ nginx.conf
before=$(pgrep -P "$(cat nginx.pid)" | sort)
kill -HUP "$(cat nginx.pid)"
await bash -c "curl -sS http://127.0.0.1:8080/small | grep -q version=2"
wait $load
for n in $(seq 20); do curl -sS http://127.0.0.1:8080/small; done | sort | uniq -c
kill -QUIT "$(cat nginx.pid)"
wait %1
curl -sS http://127.0.0.1:8080/ 2>/dev/null || echo "refused $?"
