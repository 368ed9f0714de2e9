redis-server --port 6379 --save "" --appendonly yes --daemonize no >redis.log &
port 6379
redis-benchmark -q -n 3000 -c 20 -t set,incr,lrange_100 >plain.txt
redis-benchmark -q -n 20000 -c 50 -P 16 -t set,get >pipelined.txt
redis-cli incr 'counter:__rand_int__'
head -c 3000000 /dev/urandom >value
redis-cli -x set big <value >/dev/null
redis-cli strlen big
redis-cli eval 'return redis.sha1hex(redis.call("get", KEYS[1]))' 1 big >sum
test "$(cat sum)" = "$(sha1sum <value | cut -d' ' -f1)" && echo same
(redis-cli subscribe news >heard & echo $! >subscriber)
await grep -q subscribe heard
redis-cli publish news hello
await grep -q hello heard
kill "$(cat subscriber)"
redis-cli shutdown || true
wait %1 || true
redis-server --port 6379 --save "" --appendonly yes --daemonize no >>redis.log &
await bash -c 'redis-cli ping | grep -q PONG'
redis-cli strlen big
redis-cli incr 'counter:__rand_int__'
