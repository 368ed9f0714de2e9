//! `--share-loopback`: what the command sends to its own loopback, where nobody of it listens, goes to the machine's.
//!
//! The host's own loopback link intercepts as a gateway's link does, so that its listeners and sockets come first. A
//! connection is answered as the machine's loopback answers it; datagrams go out of one socket per sender. The host's
//! other addresses, which loop back too, are nobody else's.

use std::net::IpAddr;
use std::sync::Arc;

use portolan::{Host, Intercepted};
use portolan_stack::{Intercept, LinkId, Refusal};

use crate::gateway::Counters;
use crate::gateway::tcp;
use crate::gateway::udp::Flows;

/// Shares the machine's loopback with `host` for as long as the host lives. Needs a tokio runtime with I/O and time.
pub fn start(host: &Host, counters: Arc<Counters>) {
    let mut stream = host.intercepted();
    let wanted = Intercept { tcp: true, udp: true, echo: false };
    // The loopback link is always there.
    let _ = host.with_stack(|stack, _| stack.set_intercept(LinkId::LOOPBACK, wanted));
    tokio::spawn(async move {
        let mut flows = Flows::new(counters.clone(), Vec::new());
        while let Some(intercepted) = stream.next().await {
            match intercepted {
                Intercepted::Tcp(request) => match shared(request.flow().local.address.to_ip()) {
                    Some(address) => {
                        let (counters, to) = (counters.clone(), (address, request.flow().local.port).into());
                        tokio::spawn(async move { tcp::carry(&counters, request, to).await });
                    }
                    None => request.refuse(Refusal::Reset),
                },
                Intercepted::Udp(datagram) => match shared(datagram.flow().local.address.to_ip()) {
                    Some(address) => flows.carry(datagram, address),
                    None => datagram.refuse(Refusal::Reset),
                },
                Intercepted::Echo(request) => {
                    let data = request.data().to_vec();
                    let _ = request.reply(&data);
                }
            }
        }
    });
}

/// The machine's address behind one of the command's, if it is the loopback's.
fn shared(address: IpAddr) -> Option<IpAddr> {
    Some(address.to_canonical()).filter(IpAddr::is_loopback)
}
