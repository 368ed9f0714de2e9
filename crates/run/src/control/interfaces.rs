//! What programs are told of the host's interfaces.

use std::net::IpAddr;

use portolan_link::Medium;
use portolan_protocol::interface::{INTERFACE_ADDRESSES_MAX, Interface, join};
use portolan_protocol::{Address, Reply};
use portolan_stack::LinkId;

use super::network::{Errno, Host};

/// A link-local address of the host's own with its link, as getsockname tells it; any other as it is.
pub(super) fn with_scope(host: &Host, mut address: Address) -> Address {
    if address.lacks_scope() {
        let ip = address.to_socket_addr().ip();
        let link = host.with_stack(|stack, _| {
            stack.links().find(|link| stack.addresses(*link).any(|cidr| cidr.address().to_ip() == ip))
        });
        address.scope = link.map_or(0, index);
    }
    address
}

/// The interface's number; the loopback's is 1.
fn index(link: LinkId) -> u32 {
    u32::from(link.index()) + 1
}

/// Answers with the host's `nth` interface, or that there is none.
pub(super) fn tell(host: &Host, nth: u32, answer: impl FnOnce(Reply<'_>)) {
    host.with_stack(|stack, _| {
        let link = usize::try_from(nth).ok().and_then(|nth| stack.links().nth(nth));
        let known = link.and_then(|link| Some((link, stack.link_name(link)?, stack.link_config(link)?)));
        let Some((link, name, (caps, ethernet))) = known else {
            return answer(Reply::Failed(Errno::NODEV.0));
        };
        let addresses: Vec<_> = stack
            .addresses(link)
            .take(INTERFACE_ADDRESSES_MAX)
            .map(|cidr| match cidr.address().to_ip() {
                IpAddr::V4(v4) => join(v4.to_ipv6_mapped(), cidr.prefix_len()),
                IpAddr::V6(v6) => join(v6, cidr.prefix_len()),
            })
            .collect();
        let has_station = link != LinkId::LOOPBACK && caps.medium == Medium::Ethernet;
        answer(Reply::Interface(Interface {
            index: index(link),
            mtu: caps.mtu.into(),
            ethernet: has_station.then_some(ethernet.0),
            name: name.as_bytes(),
            addresses: &addresses,
        }));
    });
}
