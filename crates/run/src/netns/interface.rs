//! The command's interface: one end of a veth pair, whose other end is in a namespace that nobody is in.
//!
//! So the command sees the one interface that is its own, and the other end's namespace lives for as long as the packet
//! socket that the stack process has there.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use portolan_drivers::Packet;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::message::Setup;
use super::netlink::{Kind, Request, Tables};
use crate::config::Network;
use crate::os::namespace::unshare;

/// What the command sees, under the name that the other engines' hosts have for it.
const INSIDE: &str = "portolan0";
/// The other end.
pub(crate) const OUTSIDE: &str = "gateway";

/// `IFLA_*`, `IFA_*` and `RTA_*`, of `linux/if_link.h`, `linux/if_addr.h` and `linux/rtnetlink.h`.
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_NET_NS_FD: u16 = 28;
const VETH_INFO_PEER: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_F_NODAD: u8 = 0x02;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_STATIC: u8 = 4;
const RTN_UNICAST: u8 = 1;
const IFF_UP: u32 = 1;

/// A step that failed, and what the system said.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {error}")]
pub(super) struct Failure {
    pub(super) step: &'static str,
    pub(super) error: io::Error,
}

impl Failure {
    pub(super) fn at(step: &'static str) -> impl Fn(io::Error) -> Failure {
        move |error| Failure { step, error }
    }
}

/// Makes both ends, from a network namespace that is empty and becomes the other end's. This process is in the
/// command's afterwards. Returns the packet socket of the other end.
pub(super) fn make(setup: &Setup) -> Result<OwnedFd, Failure> {
    let here = || fs::File::open("/proc/self/ns/net").map_err(Failure::at("opening /proc/self/ns/net"));
    let outside = here()?;
    unshare(libc::CLONE_NEWNET).map_err(Failure::at("making a network namespace"))?;
    let inside = here()?;
    let tables = Tables::open().map_err(Failure::at("opening a netlink socket"))?;
    tables.ask(pair(setup, &outside)).map_err(Failure::at("making a veth pair"))?;
    be_quiet(INSIDE);
    let lo = tables.index("lo").map_err(Failure::at("finding lo"))?;
    tables.ask(up(lo)).map_err(Failure::at("setting lo up"))?;
    let index = tables.index(INSIDE).map_err(Failure::at("finding the interface"))?;
    tables.ask(up(index)).map_err(Failure::at("setting the interface up"))?;
    for network in &setup.addresses {
        tables.ask(address(index, *network)).map_err(Failure::at("setting an address"))?;
    }
    let enter = |namespace: &fs::File| {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|errno| Failure::at("entering a network namespace")(errno.into()))
    };
    enter(&outside)?;
    let socket = open_outside(setup.mtu)?;
    enter(&inside)?;
    // An interface has routes only when both of its ends are up.
    for gateway in &setup.gateways {
        tables.ask(route(index, *gateway)).map_err(Failure::at("setting a route"))?;
    }
    Ok(socket)
}

/// The other end, silent but for what the stack process sends.
fn open_outside(mtu: u16) -> Result<OwnedFd, Failure> {
    let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{OUTSIDE}/disable_ipv6"), "1");
    let tables = Tables::open().map_err(Failure::at("opening a netlink socket"))?;
    let index = tables.index(OUTSIDE).map_err(Failure::at("finding the other end"))?;
    tables.ask(up(index)).map_err(Failure::at("setting the other end up"))?;
    let packet = Packet::open(OUTSIDE, Some(mtu), true)
        .map_err(|error| Failure { step: "opening a packet socket", error: io::Error::other(error) })?;
    packet.as_fd().try_clone_to_owned().map_err(Failure::at("keeping the packet socket"))
}

/// Nobody else is on this wire: no address can be taken, and no router says anything. A system without IPv6, or with
/// /proc/sys read-only, is none of ours to complain of.
fn be_quiet(name: &str) {
    for (key, value) in [("accept_dad", "0"), ("router_solicitations", "0"), ("accept_ra", "0")] {
        let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{name}/{key}"), value);
    }
}

/// `struct ifinfomsg`: family, type, index, flags, and which flags change.
fn interface(index: u32, flags: u32) -> Vec<u8> {
    [&[0; 4][..], &index.to_ne_bytes(), &flags.to_ne_bytes(), &flags.to_ne_bytes()].concat()
}

fn pair(setup: &Setup, outside: &fs::File) -> Request {
    let mtu = u32::from(setup.mtu).to_ne_bytes();
    let namespace = outside.as_raw_fd().to_ne_bytes();
    Request::create(Kind::Link, &interface(0, 0))
        .with_text(IFLA_IFNAME, INSIDE)
        .with(IFLA_MTU, &mtu)
        .with(IFLA_ADDRESS, &setup.station)
        .nest(IFLA_LINKINFO, &[], |info| {
            info.with(IFLA_INFO_KIND, b"veth").nest(IFLA_INFO_DATA, &[], |data| {
                data.nest(VETH_INFO_PEER, &interface(0, 0), |peer| {
                    peer.with_text(IFLA_IFNAME, OUTSIDE).with(IFLA_MTU, &mtu).with(IFLA_NET_NS_FD, &namespace)
                })
            })
        })
}

fn up(index: u32) -> Request {
    Request::change(Kind::Link, &interface(index, IFF_UP))
}

/// `struct ifaddrmsg`: family, prefix, flags, scope, index.
fn address(index: u32, network: Network) -> Request {
    let (family, flags) = match network.address {
        IpAddr::V4(_) => (libc::AF_INET, 0),
        IpAddr::V6(_) => (libc::AF_INET6, IFA_F_NODAD),
    };
    let head = [family_octet(family), network.prefix, flags, 0];
    let own = octets(network.address);
    let request = Request::create(Kind::Address, &[&head[..], &index.to_ne_bytes()].concat());
    let request = request.with(IFA_LOCAL, &own).with(IFA_ADDRESS, &own);
    match network.address {
        IpAddr::V4(v4) if network.prefix < 31 => {
            let broadcast = u32::from(v4) | u32::MAX.checked_shr(u32::from(network.prefix)).unwrap_or(0);
            request.with(IFA_BROADCAST, &broadcast.to_be_bytes())
        }
        _ => request,
    }
}

/// `struct rtmsg`, whose destination is everything: family, prefixes, TOS, table, protocol, scope, type, flags.
fn route(index: u32, gateway: IpAddr) -> Request {
    let family = if gateway.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let head = [family_octet(family), 0, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, 0, RTN_UNICAST, 0, 0, 0, 0];
    Request::create(Kind::Route, &head)
        .with(RTA_GATEWAY, &octets(gateway))
        .with(RTA_OIF, &index.to_ne_bytes())
}

fn family_octet(family: i32) -> u8 {
    u8::try_from(family).unwrap_or(0)
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}
