//! Languages with event loops and sockets of their own: Python, Ruby, JavaScript, Java.

use crate::harness::Run;

#[test]
fn python_asyncio_and_requests() {
    let Some(run) = Run::of(&["/usr/bin/python3", "/usr/lib/python3/dist-packages/requests"]) else { return };
    run.noise(1_000_000).with(&["aio.py", "fetch.py"]).script("python.sh").prints(&[
        "echoed 6",
        "b'cba'",
        "TLS True",
        "sendfile True",
        "ConnectionRefusedError",
        "session True",
        "threads 8",
        "True",
        "True",
    ]);
}

#[test]
fn puma_and_unicorn_fork_workers_and_are_restarted() {
    let Some(run) = Run::of(&["/usr/bin/puma", "/usr/bin/unicorn", "/usr/bin/curl"]) else { return };
    let ran = run.noise(1_000_000).with(&["config.ru", "unicorn.rb"]).script("puma.sh");
    ran.prints(&["2", "same", "60000", "3", "same", "1"]);
}

#[test]
fn gems_eventmachine_and_async() {
    let gems = ["/usr/share/doc/ruby-eventmachine", "/usr/share/doc/ruby-async"];
    let Some(run) = Run::of(&gems) else { return };
    run.with(&["em.rb", "async.rb"]).script("gems.sh").prints(&[
        "missing 0",
        "datagram",
        "Errno::ECONNREFUSED",
        "echoed 10000",
        "Errno::ECONNREFUSED",
    ]);
}

#[test]
fn node_serves_fetches_and_hands_descriptors_to_workers() {
    let Some(run) = Run::in_full(&["/usr/bin/node"]) else { return };
    run.noise(1_000_000).with(&["node.js", "cluster.js"]).script("node.sh").prints(&[
        "fetched 20",
        "posted true",
        "ECONNREFUSED",
        "00a74ef5",
        "DATAGRAM",
        "six",
        "workers 2",
    ]);
}

#[test]
fn java_serves_fetches_and_transfers_a_file() {
    let Some(run) = Run::in_full(&["/usr/bin/java"]) else { return };
    let ran = run.noise(1_000_000).with(&["Check.java"]).script("java.sh");
    ran.prints(&["fetched 8", "Connection refused", "datagram of 1", "transferred true"]);
}
