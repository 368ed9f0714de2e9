//! One query, one answer: the part of DNS that needs a network.
//!
//! [`Exchange`] is that network: the machine's own sockets ([`HostSockets`]) behind the gateway, the command's host
//! for its look-ups, a table in tests.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use domain::base::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The largest DNS message (RFC 1035 §4.2.2).
pub const MESSAGE_MAX: usize = 65_535;

/// What carries a query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// One datagram each way.
    Udp,
    /// A connection with a two-octet length before each message (RFC 7766).
    Tcp,
}

/// A network that DNS servers can be asked over.
pub trait Exchange: Send + Sync {
    /// Sends `query` to `server` and returns the answer to it; replies to other queries are passed over. Waits
    /// without limit: the caller bounds it. Dropping the future gives everything back.
    fn exchange(
        &self,
        server: SocketAddr,
        query: &[u8],
        transport: Transport,
    ) -> impl Future<Output = io::Result<Vec<u8>>> + Send;
}

/// The machine's own sockets.
#[derive(Clone, Copy, Debug)]
pub struct HostSockets;

impl Exchange for HostSockets {
    async fn exchange(&self, server: SocketAddr, query: &[u8], transport: Transport) -> io::Result<Vec<u8>> {
        match transport {
            Transport::Udp => {
                // A fresh socket for each query: the kernel draws its port, which a forger would have to guess.
                let any: SocketAddr = match server {
                    SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                    SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
                };
                let socket = tokio::net::UdpSocket::bind(any).await?;
                socket.connect(server).await?;
                socket.send(query).await?;
                let mut buffer = vec![0; MESSAGE_MAX];
                loop {
                    let len = socket.recv(&mut buffer).await?;
                    if let Some(reply) = buffer.get(..len).filter(|reply| answers(reply, query)) {
                        return Ok(reply.to_vec());
                    }
                }
            }
            Transport::Tcp => {
                let stream = tokio::net::TcpStream::connect(server).await?;
                exchange_over_stream(stream, query).await
            }
        }
    }
}

/// Asks over a connection that is open already (RFC 7766).
pub async fn exchange_over_stream<S>(mut stream: S, query: &[u8]) -> io::Result<Vec<u8>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    write_message(&mut stream, query).await?;
    loop {
        let reply = read_message(&mut stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if answers(&reply, query) {
            return Ok(reply);
        }
    }
}

/// Reads one message behind its length; `None` at the end of the stream.
pub async fn read_message<S: tokio::io::AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<Vec<u8>>> {
    let len = match stream.read_u16().await {
        Ok(len) => len,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut message = vec![0; usize::from(len)];
    stream.read_exact(&mut message).await?;
    Ok(Some(message))
}

/// Writes one message behind its length, in one piece.
pub async fn write_message<S: tokio::io::AsyncWrite + Unpin>(
    stream: &mut S,
    message: &[u8],
) -> io::Result<()> {
    let len = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.write_all(&[&len.to_be_bytes(), message].concat()).await?;
    stream.flush().await
}

/// Whether `reply` answers `query`: the same id and the same question (RFC 5452 §9.1). A server that could not
/// read the question leaves it out.
pub fn answers(reply: &[u8], query: &[u8]) -> bool {
    let (Ok(reply), Ok(query)) = (Message::from_octets(reply), Message::from_octets(query)) else {
        return false;
    };
    let header = reply.header();
    if !header.qr() || header.id() != query.header().id() {
        return false;
    }
    match (reply.header_counts().qdcount(), reply.sole_question(), query.sole_question()) {
        (0, _, _) => reply.is_error(),
        (_, Ok(got), Ok(asked)) => {
            got.qtype() == asked.qtype() && got.qclass() == asked.qclass() && got.qname() == asked.qname()
        }
        _ => false,
    }
}
