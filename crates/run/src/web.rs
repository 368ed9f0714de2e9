//! The built-in server, `http://portolan.internal/`: the first command works on a machine without a network.
//!
//! `/` a status page; `/bytes/SIZE`, octets of known content; `/delay/MS`, an answer after a while; `/echo`, what was
//! sent. HTTP/1.1 (RFC 9110, RFC 9112) is hyper's: its limits, its chunks and its refusals are better kept there
//! than here. Start with [`serve`], which takes any connection.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

/// How long a client may take to send its header.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Octets of header at most.
const HEADER_MAX: usize = 64 * 1024;
/// The longest answer of `/delay`, in milliseconds: an hour.
const DELAY_MAX_MS: u64 = 3_600_000;
/// The content of `/bytes` repeats after so many octets.
const PERIOD: usize = 65_536;

/// The status page; ROWS stands for what [`Status`] says.
const PAGE: &str = "<!doctype html>
<html lang=\"en\">
<head><meta charset=\"utf-8\"><title>Portolan</title></head>
<body>
<h1>Portolan</h1>
<p>This page came over your command's own TCP/IP stack.</p>
<table>
ROWS</table>
<dl>
<dt><a href=\"/bytes/1K\">/bytes/SIZE</a></dt>
<dd>SIZE octets, digits with an optional K, M or G for powers of 1024; octet i is (i * 167 + (i &gt;&gt; 8)) mod 256</dd>
<dt><a href=\"/delay/250\">/delay/MS</a></dt><dd>an answer after MS milliseconds</dd>
<dt>/echo</dt><dd>what was sent</dd>
</dl>
</body>
</html>
";

/// What the status page says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// Names and values, one line each.
    pub lines: Vec<(String, String)>,
}

/// Octet `i` of `/bytes/SIZE`: `(i * 167 + (i >> 8)) mod 256`.
pub fn octet(i: u64) -> u8 {
    (i.wrapping_mul(167).wrapping_add(i >> 8) & 0xff) as u8
}

/// Serves one connection to its end. Cancel safe: dropping the future drops the connection.
pub async fn serve<S>(stream: S, status: Arc<Status>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let pattern = pattern();
    let service = service_fn(move |request| {
        let (status, pattern) = (status.clone(), pattern.clone());
        async move { Ok::<_, Infallible>(answer(request, &status, pattern).await) }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_MAX)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(io::Error::other)
}

type Answer = Response<Either<Full<Bytes>, Either<Pattern, Incoming>>>;

async fn answer(request: Request<Incoming>, status: &Status, pattern: Bytes) -> Answer {
    let path = request.uri().path().to_owned();
    if path == "/echo" {
        return echo(request);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused =
            text(StatusCode::METHOD_NOT_ALLOWED, format!("{} is not allowed here\n", request.method()));
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    if path == "/" {
        let mut page = text(StatusCode::OK, page(status));
        page.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        return page;
    }
    if let Some(size) = path.strip_prefix("/bytes/") {
        return match parse_size(size) {
            Some(size) => octets(Pattern { pattern, at: 0, end: size }),
            None => {
                text(StatusCode::BAD_REQUEST, "SIZE is digits with an optional K, M or G: /bytes/2M\n".into())
            }
        };
    }
    if let Some(ms) = path.strip_prefix("/delay/") {
        return match parse_digits(ms).filter(|ms| *ms <= DELAY_MAX_MS) {
            Some(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                text(StatusCode::OK, format!("{ms} ms later\n"))
            }
            None => text(
                StatusCode::BAD_REQUEST,
                format!("MS is a number of at most {DELAY_MAX_MS}: /delay/250\n"),
            ),
        };
    }
    text(StatusCode::NOT_FOUND, "not here; there are /, /bytes/SIZE, /delay/MS and /echo\n".into())
}

fn text(code: StatusCode, body: String) -> Answer {
    let mut response = Response::new(Either::Left(Full::new(Bytes::from(body))));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn octets(body: Pattern) -> Answer {
    let mut response = Response::new(Either::Right(Either::Left(body)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response
}

/// What came in goes out as it arrives; hyper's windows are the back-pressure.
fn echo(request: Request<Incoming>) -> Answer {
    let kind = request.headers().get(CONTENT_TYPE).cloned();
    let mut response = Response::new(Either::Right(Either::Right(request.into_body())));
    let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn page(status: &Status) -> String {
    let mut rows = String::new();
    for (name, value) in &status.lines {
        rows.push_str(&format!("<tr><th>{}</th><td>{}</td></tr>\n", in_html(name), in_html(value)));
    }
    PAGE.replace("ROWS", &rows)
}

/// Text that cannot end an element or begin one.
fn in_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Digits, with an optional K, M or G for powers of 1024.
fn parse_size(text: &str) -> Option<u64> {
    let (digits, shift) = match text.strip_suffix(['K', 'M', 'G']) {
        Some(digits) if text.ends_with('K') => (digits, 10),
        Some(digits) if text.ends_with('M') => (digits, 20),
        Some(digits) => (digits, 30),
        None => (text, 0),
    };
    parse_digits(digits)?.checked_mul(1 << shift)
}

fn parse_digits(text: &str) -> Option<u64> {
    if text.bytes().all(|c| c.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// One period of the content, twice over, so that a frame may start anywhere.
fn pattern() -> Bytes {
    static PATTERN: std::sync::OnceLock<Bytes> = std::sync::OnceLock::new();
    PATTERN.get_or_init(|| (0..2 * PERIOD as u64).map(octet).collect::<Vec<u8>>().into()).clone()
}

/// The body of `/bytes`: slices of one shared table, nothing is copied or allocated.
struct Pattern {
    pattern: Bytes,
    at: u64,
    end: u64,
}

impl Body for Pattern {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let left = self.end - self.at;
        if left == 0 {
            return Poll::Ready(None);
        }
        let start = (self.at % PERIOD as u64) as usize;
        let len = left.min(PERIOD as u64) as usize;
        self.at += len as u64;
        Poll::Ready(Some(Ok(Frame::data(self.pattern.slice(start..start + len)))))
    }

    fn is_end_stream(&self) -> bool {
        self.at == self.end
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end - self.at)
    }
}

#[cfg(test)]
mod tests;
