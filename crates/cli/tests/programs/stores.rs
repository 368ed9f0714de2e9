//! Stores of data, each a server with an event loop of its own: redis.

use crate::harness::Run;
use crate::support::text;

/// `redis-benchmark` keeps 20 connections busy, then pipelines on 50; what it wrote is read back with a script in Lua
/// and by the append-only file after a restart.
const REDIS: &str = r#"
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
"#;

#[test]
fn redis_server_serves_its_benchmark() {
    let Some(run) = Run::of(&["/usr/bin/redis-server", "/usr/bin/redis-benchmark"]) else { return };
    let ran = run.script(REDIS);
    ran.prints(&["3001", "3000000", "same", "1", "3000000", "3002"]);
    for (file, rows) in [("plain.txt", 4), ("pipelined.txt", 2)] {
        let table = text(&ran.left(file));
        assert_eq!(table.matches("requests per second").count(), rows, "{table}");
    }
}
