//! Names for the command: what the control server calls for getaddrinfo and getnameinfo.
//!
//! A small stub resolver. Every question becomes a DNS packet on the command's own wire, so a capture shows it and
//! `--net` impairs it: A and AAAA at the same time, a growing wait before each retry, TCP when an answer was cut
//! short (RFC 1035 §4.2, RFC 7766), the search list of the host's resolv.conf. The order of the answers follows
//! RFC 6724 §6 as far as it can be known before connecting: rule 5, an address whose kind is one of our own first.
//!
//! Start reading in [`Resolver::look_up`].

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::{Message, MessageBuilder, Name, ToName};
use domain::rdata::{A, Aaaa, Ptr};
use portolan_protocol::Family;
use portolan_protocol::reply::LookUpFailure;

use crate::config::Network;
use crate::control::{Found, LookUp, Names};
use crate::dns::exchange::{Exchange, Transport};
use crate::dns::hosts::Hosts;
use crate::dns::resolv_conf::ResolvConf;
use crate::dns::{self, builtin, canonical};
use crate::fence::{Fence, Reason};
use crate::owners::Process;
use crate::wire;

/// What we say that a datagram to us may hold (the value of DNS flag day 2020).
const UDP_PAYLOAD_SIZE: u16 = 1232;

/// First wait for an answer; it doubles with every retry, up to the time-out of resolv.conf.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Tries of one question with one server.
const TRIES: u32 = 4;

/// Addresses whose names are remembered for the summary.
const REMEMBERED_MAX: usize = 4096;

/// The configuration of a [`Resolver`].
#[derive(Clone, Debug, Default)]
pub struct ResolverConfig {
    /// Servers, in order of preference.
    pub servers: Vec<SocketAddr>,
    /// Search list and time-outs; its own servers are not used.
    pub conf: ResolvConf,
    /// Names that are answered without a packet.
    pub hosts: Hosts,
    /// Which names may be asked, and who learns their addresses; `None` for all and nobody.
    pub fence: Option<Arc<Fence>>,
    /// The names of the hosts on the same wire.
    pub wire: Option<wire::Names>,
    /// The command's host name.
    pub hostname: Option<String>,
    /// The command's addresses.
    pub own: Vec<Network>,
}

/// Answers the command's look-ups over its own network `E`.
#[derive(Debug)]
pub struct Resolver<E> {
    config: ResolverConfig,
    network: E,
    remembered: Mutex<HashMap<IpAddr, String>>,
}

impl<E: Exchange> Resolver<E> {
    /// A resolver that sends its questions over `network`.
    pub fn new(config: ResolverConfig, network: E) -> Resolver<E> {
        Resolver { config, network, remembered: Mutex::default() }
    }

    /// The addresses of `name`, which is what the program gave to getaddrinfo; of one family, or of both. With
    /// `only_configured` a family of which the command has no address is left out (AI_ADDRCONFIG). `asker` is the
    /// process, should the name be refused. Cancel safe.
    pub async fn look_up(
        &self,
        name: &[u8],
        family: Option<Family>,
        only_configured: bool,
        asker: Option<u32>,
    ) -> Result<Found, LookUpFailure> {
        let text = std::str::from_utf8(name).map_err(|_| LookUpFailure::NotFound)?;
        let wants = |v4: bool| {
            family.is_none_or(|family| (family == Family::V4) == v4)
                && (!only_configured || self.config.own.iter().any(|own| own.address.is_ipv4() == v4))
        };
        let (v4, v6) = (wants(true), wants(false));
        if let Some(known) = self.known(text) {
            self.bind(text, &known);
            let addresses: Vec<IpAddr> =
                known.into_iter().filter(|address| if address.is_ipv4() { v4 } else { v6 }).collect();
            return self.found(text, String::new(), addresses);
        }
        check_name(text)?;
        let mut failure = LookUpFailure::NotFound;
        for candidate in self.permitted(text, asker) {
            match self.ask_both(&candidate, v4, v6).await {
                Ok((canonical, addresses)) => {
                    let alias = if canonical == dns::canonical(text) { String::new() } else { canonical };
                    return self.found(text, alias, addresses);
                }
                // As in the C library: no data is a better answer than no name, and a server's failure ends it.
                Err(LookUpFailure::NotFound) => {}
                Err(LookUpFailure::NoData) => failure = LookUpFailure::NoData,
                Err(other) => return Err(other),
            }
        }
        Err(failure)
    }

    /// The name of an address, for getnameinfo. Cancel safe.
    pub async fn reverse(&self, address: IpAddr) -> Result<String, LookUpFailure> {
        let address = address.to_canonical();
        if let Some(name) = self.config.hosts.name_of(address) {
            return Ok(name.to_owned());
        }
        if let Some(name) = self.config.wire.as_ref().and_then(|wire| wire.name_of(address)) {
            return Ok(name);
        }
        if let Some(name) = self.config.hostname.as_ref().filter(|_| self.is_own(address)) {
            return Ok(name.clone());
        }
        if address.is_loopback() {
            return Ok("localhost".to_owned());
        }
        let question = Name::<Vec<u8>>::reverse_from_addr(address).map_err(|_| LookUpFailure::Failed)?;
        let reply = self.ask(&question, Rtype::PTR).await?;
        let owner = reply.canonical_name().ok_or(LookUpFailure::Failed)?;
        let records = reply.answer().map_err(|_| LookUpFailure::Failed)?.limit_to_in::<Ptr<_>>().flatten();
        let named: Option<String> =
            records.filter(|record| record.owner() == &owner).map(|record| record.data().to_string()).next();
        named.map(|name| canonical(&name)).filter(|name| is_printable(name)).ok_or(LookUpFailure::NotFound)
    }

    /// The name under which the command looked `address` up, for the summary.
    pub fn remembered(&self, address: IpAddr) -> Option<String> {
        self.remembered.lock().ok()?.get(&address).cloned()
    }

    /// What needs no packet: addresses in text form, `localhost`, our own name, the table of hosts.
    fn known(&self, text: &str) -> Option<Vec<IpAddr>> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(vec![address]);
        }
        let name = canonical(text);
        if let Some(addresses) = dns::server::localhost(&name) {
            return Some(addresses);
        }
        if self.config.hostname.as_deref() == Some(name.as_str()) {
            return Some(self.config.own.iter().map(|own| own.address).collect());
        }
        let on_wire = self.config.wire.as_ref().map(|wire| wire.addresses(&name)).unwrap_or_default();
        if !on_wire.is_empty() {
            return Some(on_wire);
        }
        Some(self.config.hosts.addresses(&name)).filter(|addresses| !addresses.is_empty())
    }

    /// The names to ask for, in order: the search list before or after the name as it stands, by its dots.
    fn candidates(&self, text: &str) -> Vec<String> {
        let plain = canonical(text);
        let in_zone = plain == builtin::ZONE || plain.ends_with(&format!(".{}", builtin::ZONE));
        if text.ends_with('.') || in_zone {
            return vec![plain];
        }
        let searched = self.config.conf.search.iter().map(|domain| format!("{plain}.{domain}"));
        let dots = plain.bytes().filter(|octet| *octet == b'.').count();
        if dots >= self.config.conf.ndots {
            std::iter::once(plain.clone()).chain(searched).collect()
        } else {
            searched.chain(std::iter::once(plain.clone())).collect()
        }
    }

    /// Tells the fence of a name that was found in a table. Others' tables may change: so not for ever.
    fn bind(&self, text: &str, addresses: &[IpAddr]) {
        if let Some(fence) = self.config.fence.as_ref().filter(|_| text.parse::<IpAddr>().is_err()) {
            let name = canonical(text);
            addresses.iter().for_each(|address| fence.bind(&name, *address, Some(Duration::ZERO)));
        }
    }

    /// Those of the candidates that the fence lets be asked. When it lets none, that is told.
    fn permitted(&self, text: &str, asker: Option<u32>) -> Vec<String> {
        let mut candidates = self.candidates(text);
        let Some(fence) = &self.config.fence else { return candidates };
        let mut refused: Option<Reason> = None;
        candidates.retain(|name| fence.may_ask(name).map_err(|reason| refused = Some(reason)).is_ok());
        if let Some(reason) = refused.filter(|_| candidates.is_empty()) {
            fence.refused_name(asker.map(Process::find), &canonical(text), &reason);
        }
        candidates
    }

    async fn ask_both(&self, name: &str, v4: bool, v6: bool) -> Result<(String, Vec<IpAddr>), LookUpFailure> {
        let question: Name<Vec<u8>> = name.parse().map_err(|_| LookUpFailure::NotFound)?;
        let ask = async |wanted: bool, rtype: Rtype| match wanted {
            true => self.ask(&question, rtype).await.and_then(|reply| addresses_in(&reply)).map(Some),
            false => Ok(None),
        };
        let (from_v4, from_v6) = tokio::join!(ask(v4, Rtype::A), ask(v6, Rtype::AAAA));
        match (from_v4, from_v6) {
            // One family's servers may fail while the other's answer serves.
            (Ok(Some(four)), Ok(Some(six))) => Ok(self.in_order(four, six)),
            (Ok(Some(found)), _) | (_, Ok(Some(found))) => Ok(found),
            (Ok(None), Ok(None)) => Err(LookUpFailure::NoData),
            (Err(failure), Ok(None)) | (Ok(None), Err(failure)) => Err(failure),
            (Err(four), Err(six)) => Err(worse(four, six)),
        }
    }

    fn in_order(&self, four: (String, Vec<IpAddr>), six: (String, Vec<IpAddr>)) -> (String, Vec<IpAddr>) {
        let (canonical, four) = four;
        let (first, last): (Vec<IpAddr>, Vec<IpAddr>) = six
            .1
            .into_iter()
            .partition(|address| self.config.own.iter().any(|own| same_kind(own.address, *address)));
        (canonical, first.into_iter().chain(four).chain(last).collect())
    }

    fn is_own(&self, address: IpAddr) -> bool {
        self.config.own.iter().any(|own| own.address == address)
    }

    fn found(&self, name: &str, canonical: String, addresses: Vec<IpAddr>) -> Result<Found, LookUpFailure> {
        if addresses.is_empty() {
            return Err(LookUpFailure::NoData);
        }
        if let Ok(mut remembered) = self.remembered.lock()
            && name.parse::<IpAddr>().is_err()
        {
            for address in &addresses {
                if remembered.len() < REMEMBERED_MAX || remembered.contains_key(address) {
                    remembered.insert(*address, dns::canonical(name));
                }
            }
        }
        Ok(Found { canonical, addresses })
    }

    /// One question, until a server has answered it: each server in turn, with a longer wait each time round.
    async fn ask(&self, name: &Name<Vec<u8>>, rtype: Rtype) -> Result<Message<Vec<u8>>, LookUpFailure> {
        let mut failure = LookUpFailure::TryAgain;
        let mut wait = FIRST_WAIT;
        for _ in 0..TRIES {
            for server in &self.config.servers {
                let Some(reply) = self.ask_server(*server, name, rtype, wait).await else { continue };
                match reply.header().rcode() {
                    Rcode::NOERROR => {
                        self.config.fence.iter().for_each(|fence| fence.learn(reply.as_slice()));
                        return Ok(reply);
                    }
                    Rcode::NXDOMAIN => return Err(LookUpFailure::NotFound),
                    Rcode::SERVFAIL => failure = LookUpFailure::TryAgain,
                    _ => failure = LookUpFailure::Failed,
                }
            }
            if failure == LookUpFailure::Failed {
                break;
            }
            wait = (wait * 2).min(self.config.conf.timeout.max(FIRST_WAIT));
        }
        Err(failure)
    }

    async fn ask_server(
        &self,
        server: SocketAddr,
        name: &Name<Vec<u8>>,
        rtype: Rtype,
        wait: Duration,
    ) -> Option<Message<Vec<u8>>> {
        let query = question(name, rtype)?;
        let udp = self.network.exchange(server, &query, Transport::Udp);
        let reply = Message::from_octets(tokio::time::timeout(wait, udp).await.ok()?.ok()?).ok()?;
        if !reply.header().tc() {
            return Some(reply);
        }
        let tcp = self.network.exchange(server, &query, Transport::Tcp);
        let whole = tokio::time::timeout(self.config.conf.timeout, tcp).await;
        // A server that cuts answers short and refuses TCP: what it did say is better than nothing.
        whole.ok().and_then(Result::ok).and_then(|octets| Message::from_octets(octets).ok()).or(Some(reply))
    }
}

impl<E: Exchange> Names for Resolver<E> {
    fn by_name<'a>(
        &'a self,
        name: &'a [u8],
        family: Option<Family>,
        only_configured: bool,
        asker: Option<u32>,
    ) -> LookUp<'a, Found> {
        Box::pin(self.look_up(name, family, only_configured, asker))
    }

    fn by_address(&self, address: IpAddr) -> LookUp<'_, String> {
        Box::pin(self.reverse(address))
    }
}

/// A query with a random id, recursion desired and room for a long answer (RFC 6891).
fn question(name: &Name<Vec<u8>>, rtype: Rtype) -> Option<Vec<u8>> {
    let mut id = [0; 2];
    getrandom::fill(&mut id).ok()?;
    let mut builder = MessageBuilder::new_vec().question();
    builder.header_mut().set_id(u16::from_be_bytes(id));
    builder.header_mut().set_rd(true);
    builder.push((name, rtype)).ok()?;
    let mut builder = builder.additional();
    builder
        .opt(|opt| {
            opt.set_udp_payload_size(UDP_PAYLOAD_SIZE);
            Ok(())
        })
        .ok()?;
    Some(builder.finish())
}

/// The last alias and the addresses that belong to it.
fn addresses_in(reply: &Message<Vec<u8>>) -> Result<(String, Vec<IpAddr>), LookUpFailure> {
    let owner = reply.canonical_name().ok_or(LookUpFailure::Failed)?;
    let records = reply.answer().map_err(|_| LookUpFailure::Failed)?;
    let mut addresses = Vec::new();
    for record in
        records.flatten().filter(|record| record.class() == Class::IN && record.owner().name_eq(&owner))
    {
        if let Ok(Some(a)) = record.to_record::<A>() {
            addresses.push(IpAddr::V4(a.data().addr()));
        } else if let Ok(Some(aaaa)) = record.to_record::<Aaaa>() {
            addresses.push(IpAddr::V6(aaaa.data().addr()));
        }
    }
    let name = canonical(&owner.to_string());
    if addresses.is_empty() {
        return Err(LookUpFailure::NoData);
    }
    Ok((if is_printable(&name) { name } else { String::new() }, addresses))
}

/// Refuses what is no host name, before a packet is spent on it: empty labels, spaces, escapes, controls, other
/// alphabets (an application turns those into punycode itself). Underscores are let through.
fn check_name(text: &str) -> Result<(), LookUpFailure> {
    let plain = text.strip_suffix('.').unwrap_or(text);
    let good = plain.len() <= 253
        && plain.split('.').all(|label| (1..=63).contains(&label.len()))
        && is_printable(plain)
        && !plain.contains(['\\', '/', '"', '@', ':']);
    if good { Ok(()) } else { Err(LookUpFailure::NotFound) }
}

fn is_printable(name: &str) -> bool {
    name.bytes().all(|octet| octet.is_ascii_graphic())
}

/// RFC 6724 §2.1, the labels that matter here: unique local addresses go with each other, all others too.
fn same_kind(own: IpAddr, other: IpAddr) -> bool {
    match (own, other) {
        (IpAddr::V6(own), IpAddr::V6(other)) => own.is_unique_local() == other.is_unique_local(),
        _ => false,
    }
}

/// What to say when both families failed in different ways: that which is worth trying again, else that which
/// admits that the name exists.
fn worse(one: LookUpFailure, other: LookUpFailure) -> LookUpFailure {
    for failure in [LookUpFailure::TryAgain, LookUpFailure::Failed, LookUpFailure::NoData] {
        if one == failure || other == failure {
            return failure;
        }
    }
    LookUpFailure::NotFound
}

#[cfg(test)]
mod tests;
