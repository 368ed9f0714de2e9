certificate
nginx -p "$PWD" -c "$PWD/nginx.conf" &
port 8080
sum() { sha256sum "$@" | cut -d' ' -f1 | sort -u; }
sum noise
curl -sS http://127.0.0.1:8080/noise | sum
curl -sS 'http://[::1]:8080/noise' | sum
curl -sS --cacert cert.pem https://localhost:8443/noise | sum
curl -sS http://127.0.0.1:8080/through/noise | sum
curl -sS --no-progress-meter --parallel --parallel-immediate --parallel-max 20 -o 'copy#1' 'http://127.0.0.1:8080/noise?[1-20]'
sum copy*; ls copy* | wc -l
curl -sS -r 1000000-1000009 http://127.0.0.1:8080/noise | cmp - <(tail -c +1000001 noise | head -c 10) && echo range
curl -sS http://127.0.0.1:8999/ 2>/dev/null || echo "refused $?"
curl -sS https://localhost:8443/ 2>/dev/null || echo "untrusted $?"
curl -sS -m 1 --connect-to ::127.0.0.1:8998 http://x.example/ 2>/dev/null || echo "refused $?"
curl -sS -o /dev/null -w '%{http_code}\n' http://127.0.0.1:8080/absent
