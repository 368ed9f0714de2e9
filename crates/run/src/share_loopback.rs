//! `--share-loopback`: what the command sends to its own loopback, where nobody of it listens, goes to the machine's.
//!
//! The host's own loopback link intercepts as a gateway's link does, so that its listeners and sockets come first. A
//! connection is answered as the machine's loopback answers it; datagrams go out of one socket per sender. The host's
//! other addresses, which loop back too, are nobody else's. The [fence](crate::fence) is asked as for flows that leave
//! by the gateway.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use portolan::{Host, Intercepted};
use portolan_stack::{Intercept, LinkId, Refusal};
use portolan_wire::FlowKey;

use crate::fence::Fence;
use crate::gateway::policy::FORBIDDEN;
use crate::gateway::udp::Flows;
use crate::gateway::{Counters, destination_of, tcp};

/// Shares the machine's loopback with `host` for as long as the host lives. Needs a tokio runtime with I/O and time.
pub fn start(host: &Host, fence: Arc<Fence>, counters: Arc<Counters>) {
    let mut stream = host.intercepted();
    let wanted = Intercept { tcp: true, udp: true, echo: false };
    // The loopback link is always there.
    let _ = host.with_stack(|stack, _| stack.set_intercept(LinkId::LOOPBACK, wanted));
    tokio::spawn(async move {
        let mut flows = Flows::new(counters.clone(), fence.clone(), Vec::new());
        while let Some(intercepted) = stream.next().await {
            match intercepted {
                Intercepted::Tcp(request) => match judge(&fence, request.flow()) {
                    Ok(address) => {
                        let (counters, to) = (counters.clone(), (address, request.flow().local.port).into());
                        tokio::spawn(async move { tcp::carry(&counters, request, to).await });
                    }
                    Err(refusal) => request.refuse(refusal),
                },
                Intercepted::Udp(datagram) => match judge(&fence, datagram.flow()) {
                    Ok(address) => flows.carry(datagram, address),
                    Err(refusal) => datagram.refuse(refusal),
                },
                // It is not asked for.
                Intercepted::Echo(_) => {}
            }
        }
    });
}

/// The machine's address that a flow goes to, or how it is refused.
fn judge(fence: &Fence, flow: &FlowKey) -> Result<IpAddr, Refusal> {
    let destination = destination_of(flow);
    if !destination.address.is_loopback() {
        return Err(Refusal::Reset);
    }
    fence.judge(&destination, Instant::now()).map(|()| destination.address).map_err(|reason| {
        fence.refused(flow.remote.port, &destination, &reason);
        FORBIDDEN
    })
}
