//! The web: curl, wget, openssl, nginx with wrk.

use crate::harness::Run;
use crate::support::text;

#[test]
fn curl_fetches_by_http_tls_and_ipv6_in_parallel_and_is_refused() {
    let Some(run) = Run::of(&["/usr/bin/curl", "/usr/bin/openssl", "/usr/sbin/nginx"]) else { return };
    let ran = run.with(&["nginx.conf"]).noise(3_000_000).script("curl.sh");
    let mut lines = ran.stdout.lines();
    let sum = lines.next().unwrap();
    for what in ["HTTP", "IPv6", "TLS", "proxied", "parallel"] {
        assert_eq!(lines.next(), Some(sum), "{what}\n{}", ran.stderr);
    }
    let rest: Vec<_> = lines.collect();
    assert_eq!(rest, ["20", "range", "refused 7", "untrusted 60", "refused 7", "404"], "{}", ran.stderr);
}

#[test]
fn nginx_serves_wrk_with_two_workers_and_reloads_under_load() {
    let Some(run) = Run::of(&["/usr/sbin/nginx", "/usr/bin/wrk", "/usr/bin/curl"]) else { return };
    let ran = run.with(&["nginx.conf"]).noise(300_000).script("nginx.sh");
    ran.prints(&["2", "     20 small version=2", "refused 7"]);
    for table in ["small.txt", "large.txt", "reload.txt"] {
        let is_reload = table == "reload.txt";
        let table = text(&ran.left(table));
        // The old workers close connections that wait for a request, and wrk calls that an error of reading: each of its
        // ten once or, if it comes to an old worker again, twice: on the kernel as here.
        let errors = table
            .split_once("Socket errors: connect 0, read ")
            .map(|(_, rest)| rest.split_once(", write 0, timeout 0"));
        match errors {
            Some(Some((reads, _))) if is_reload => assert!(reads.parse::<u32>().unwrap() <= 20, "{table}"),
            _ => assert!(!table.contains("Socket errors"), "{table}"),
        }
        assert!(!table.contains("Non-2xx"), "{table}");
        let done = table.lines().find_map(|line| line.trim().split_once(" requests in "));
        let done: u64 = done.unwrap_or_else(|| panic!("{table}")).0.parse().unwrap();
        assert!(done > 100, "{table}");
    }
}

#[test]
fn wget_mirrors_resumes_and_is_refused() {
    let Some(run) = Run::of(&["/usr/bin/wget", "/usr/bin/python3"]) else { return };
    run.script("wget.sh").prints(&["mirrored", "one", "refused 4", "absent 8", "102400"]);
}

#[test]
fn openssl_talks_tls_and_dtls_with_itself() {
    let Some(run) = Run::of(&["/usr/bin/openssl"]) else { return };
    let ran = run.noise(1_000_000).script("openssl.sh");
    ran.prints(&["same", "TLSv1.3", "other name", "answer", "question"]);
}
