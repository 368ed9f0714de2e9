//! Stores of data and queues, each a server with an event loop of its own: redis, memcached, mosquitto, postgresql,
//! etcd.

use crate::harness::Run;
use crate::support::text;

/// `redis-benchmark` keeps 20 connections busy, then pipelines on 50; what was written is read back, also after a
/// restart from the append-only file.
#[test]
fn redis_server_serves_its_benchmark() {
    let Some(run) = Run::of(&["/usr/bin/redis-server", "/usr/bin/redis-benchmark"]) else { return };
    let ran = run.script("redis.sh");
    ran.prints(&["3001", "3000000", "same", "1", "3000000", "3002"]);
    for (file, rows) in [("plain.txt", 4), ("pipelined.txt", 2)] {
        let table = text(&ran.left(file));
        assert_eq!(table.matches("requests per second").count(), rows, "{table}");
    }
}

#[test]
fn memcached_with_four_threads_loses_nothing() {
    let Some(run) = Run::of(&["/usr/bin/memcached", "/usr/bin/memccat"]) else { return };
    run.noise(1_000_000).script("memcached.sh").prints(&["same", "get_misses: 0"]);
}

#[test]
fn mosquitto_passes_messages_of_every_quality_on() {
    let Some(run) = Run::of(&["/usr/sbin/mosquitto", "/usr/bin/mosquitto_pub"]) else { return };
    let lines = ["news/a one", "news/b two", "news/c three", "Error: Connection refused"];
    run.script("mosquitto.sh").prints(&lines);
}

#[test]
fn postgresql_serves_psql_and_pgbench() {
    let Some(run) = Run::in_full(&["/usr/lib/postgresql/15/bin/postgres", "/usr/bin/psql"]) else { return };
    run.script("postgresql.sh").prints(&[
        "50000|91e2d486569c25f96f5f2501b1fa18ae",
        "::1|5433",
        "50000",
        "payload \"hello\"",
        "processed: 160/160",
        "Connection refused",
        "canceling statement",
    ]);
}

/// A Go program makes its system calls itself, so only the engine seccomp has it.
#[test]
fn etcd_serves_etcdctl_under_seccomp() {
    let Some(run) = Run::in_full(&["/usr/bin/etcd", "/usr/bin/etcdctl"]) else { return };
    run.options(&["--engine", "seccomp"]).script("etcd.sh").prints(&["key", "value"]);
}
