# Two servers that fork workers around one listening socket; one is restarted in phases, one re-executed.
puma -w 2 -t 2:4 -b tcp://127.0.0.1:9292 -e production config.ru >puma.log 2>&1 &
server=$!
port 9292
await grep -q 'Worker 1.*booted' puma.log
for n in $(seq 40); do curl -sS http://127.0.0.1:9292/pid & waits="${waits-} $!"; done >pids
wait $waits
sort -u pids | wc -l
test "$(curl -sS --data-binary @noise http://127.0.0.1:9292/sum)" = "$(sha256sum <noise | cut -d' ' -f1)" && echo same
kill -USR1 $server
await grep -q 'phase: 1' puma.log
curl -sS http://127.0.0.1:9292/ | wc -c
kill $server
wait $server || true
unicorn -c unicorn.rb -E none config.ru >unicorn.log 2>&1 &
port 9393
for n in $(seq 60); do curl -sS http://127.0.0.1:9393/pid; done | sort -u >old
wc -l <old
test "$(curl -sS --data-binary @noise http://127.0.0.1:9393/sum)" = "$(sha256sum <noise | cut -d' ' -f1)" && echo same
kill -USR2 "$(cat unicorn.pid)"
await test -e unicorn.pid.oldbin -a -e unicorn.pid
await bash -c 'test "$(grep -c "master process ready" unicorn.log)" = 2'
kill -QUIT "$(cat unicorn.pid.oldbin)"
await test ! -e unicorn.pid.oldbin
curl -sS http://127.0.0.1:9393/pid | grep -cvxFf old
kill -QUIT "$(cat unicorn.pid)"
