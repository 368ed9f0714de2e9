//! DNS over the command's own host: what makes a look-up visible on its wire.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use portolan::{Host, TcpStream, UdpSocket};

use crate::dns::exchange::{Exchange, MESSAGE_MAX, Transport, answers, exchange_over_stream};

impl Exchange for Host {
    async fn exchange(&self, server: SocketAddr, query: &[u8], transport: Transport) -> io::Result<Vec<u8>> {
        match transport {
            Transport::Udp => {
                // A fresh socket for each query: its port is drawn at random (RFC 5452 §9.2).
                let any: SocketAddr = match server {
                    SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                    SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
                };
                let socket = UdpSocket::bind(self, any)?;
                socket.connect(server)?;
                socket.send(query).await?;
                let mut buffer = vec![0; MESSAGE_MAX];
                loop {
                    let len = socket.recv(&mut buffer).await?;
                    if let Some(reply) = buffer.get(..len).filter(|reply| answers(reply, query)) {
                        return Ok(reply.to_vec());
                    }
                }
            }
            Transport::Tcp => exchange_over_stream(TcpStream::connect(self, server).await?, query).await,
        }
    }
}
