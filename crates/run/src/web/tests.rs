use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

async fn ask(request: &str) -> Vec<u8> {
    let (mut client, server) = tokio::io::duplex(64 * 1024);
    let status = Arc::new(Status { lines: vec![("link".into(), "<egress>".into())] });
    let served = tokio::spawn(serve(server, status));
    client.write_all(request.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    let mut reply = Vec::new();
    client.read_to_end(&mut reply).await.unwrap();
    let _ = served.await.unwrap();
    reply
}

async fn get(path: &str) -> (u16, Vec<u8>) {
    let reply =
        ask(&format!("GET {path} HTTP/1.1\r\nHost: portolan.internal\r\nConnection: close\r\n\r\n")).await;
    let end = reply.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    (std::str::from_utf8(&reply[9..12]).unwrap().parse().unwrap(), reply[end + 4..].to_vec())
}

#[tokio::test]
async fn the_status_page_tells_what_it_is_given() {
    let (code, body) = get("/").await;
    let body = String::from_utf8(body).unwrap();
    assert_eq!(code, 200);
    assert!(body.contains("<th>link</th><td>&lt;egress&gt;</td>") && body.contains("/bytes/SIZE"), "{body}");
}

#[tokio::test]
async fn bytes_have_the_documented_content() {
    for (path, len) in [
        ("/bytes/0", 0),
        ("/bytes/1", 1),
        ("/bytes/70001", 70_001),
        ("/bytes/3K", 3072),
        ("/bytes/2M", 2 << 20),
    ] {
        let (code, body) = get(path).await;
        assert_eq!((code, body.len()), (200, len), "{path}");
        assert!(
            body.iter().enumerate().all(|(i, o)| usize::from(*o) == (i * 167 + (i >> 8)) % 256),
            "{path}"
        );
    }
}

#[tokio::test]
async fn nonsense_is_refused() {
    for (path, wanted) in [
        ("/bytes/", 400),
        ("/bytes/x", 400),
        ("/bytes/-1", 400),
        ("/bytes/1k", 400),
        ("/bytes/1KK", 400),
        ("/bytes/99999999999999999999", 400),
        ("/bytes/18446744073709551615G", 400),
        ("/bytes/%31", 400),
        ("/delay/x", 400),
        ("/delay/3600001", 400),
        ("/nothing", 404),
    ] {
        assert_eq!(get(path).await.0, wanted, "{path}");
    }
    assert!(ask("nonsense\r\n\r\n").await.starts_with(b"HTTP/1.1 400"));
    let post = ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await;
    assert!(post.starts_with(b"HTTP/1.1 405"));
}

#[tokio::test]
async fn a_head_request_gets_the_length_alone() {
    let reply = ask("HEAD /bytes/1G HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let text = String::from_utf8(reply).unwrap().to_ascii_lowercase();
    assert!(text.contains("content-length: 1073741824") && text.ends_with("\r\n\r\n"), "{text}");
}

#[tokio::test]
async fn echo_gives_back_what_was_sent() {
    let reply =
        ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello").await;
    assert!(reply.starts_with(b"HTTP/1.1 200") && reply.windows(5).any(|five| five == b"hello"));
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_waited_for() {
    let before = tokio::time::Instant::now();
    assert_eq!(get("/delay/250").await.0, 200);
    assert!(before.elapsed() >= Duration::from_millis(250));
}
