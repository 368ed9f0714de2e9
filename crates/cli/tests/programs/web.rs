//! The web: curl, nginx with wrk.

use crate::harness::Run;
use crate::support::{noise, text};

/// A server with two workers on sockets of their own (SO_REUSEPORT), sendfile, IPv6 and TLS.
const NGINX: &str = r"
worker_processes 2;
error_log error.log info;
pid nginx.pid;
daemon off;
user nobody nogroup;
events { worker_connections 512; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {
        listen 127.0.0.1:8080 reuseport backlog=1024;
        listen [::1]:8080 reuseport;
        listen 127.0.0.1:8443 ssl;
        ssl_certificate cert.pem;
        ssl_certificate_key key.pem;
        root .;
        location = /small { return 200 'small version=1\n'; }
        location = /worker { return 200 '$pid\n'; }
        location /through/ { proxy_pass http://[::1]:8080/; }
    }
}
";

/// A key and a certificate for `localhost`, made on the spot.
const CERTIFICATE: &str = r#"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null
"#;

const SERVE: &str = r#"
nginx -p "$PWD" -c "$PWD/nginx.conf" &
port 8080
"#;

#[test]
fn curl_fetches_by_http_tls_and_ipv6_in_parallel_and_is_refused() {
    let Some(run) = Run::of(&["/usr/bin/curl", "/usr/bin/openssl", "/usr/sbin/nginx"]) else { return };
    let script = r#"
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
"#;
    let run = run.file("nginx.conf", NGINX).file("noise", noise(3_000_000));
    let ran = run.script(&[CERTIFICATE, SERVE, script].concat());
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
    let script = r#"
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
"#;
    let run = run.file("nginx.conf", NGINX).file("noise", noise(300_000));
    let ran = run.script(&[CERTIFICATE, SERVE, script].concat());
    ran.prints(&["2", "     20 small version=2", "refused 7"]);
    for table in ["small.txt", "large.txt", "reload.txt"] {
        let is_reload = table == "reload.txt";
        let table = text(&ran.left(table));
        // The old workers close connections that wait for a request, and wrk calls that an error of reading: each of its
        // ten at most once, on the kernel as here.
        let errors = table
            .split_once("Socket errors: connect 0, read ")
            .map(|(_, rest)| rest.split_once(", write 0, timeout 0"));
        match errors {
            Some(Some((reads, _))) if is_reload => assert!(reads.parse::<u32>().unwrap() <= 10, "{table}"),
            _ => assert!(!table.contains("Socket errors"), "{table}"),
        }
        assert!(!table.contains("Non-2xx"), "{table}");
        let done = table.lines().find_map(|line| line.trim().split_once(" requests in "));
        let done: u64 = done.unwrap_or_else(|| panic!("{table}")).0.parse().unwrap();
        assert!(done > 100, "{table}");
    }
}
