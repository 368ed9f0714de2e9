//! The fence: which flows the command may begin.
//!
//! One rule: what a `--deny` matches is refused; else what an `--allow` matches passes; else it is refused if there is
//! any `--allow`, and passes if there is none. Before all rules stand the [`reserved`] addresses. A flow is judged where it
//! begins, and whatever belongs to it passes; so do answers to flows that others begin.
//!
//! A rule's name means the addresses that our own DNS answers for that name had in them, at the end of aliases too
//! ([`bindings`]); to a `--deny` also any alias on the way. A name that no rule could let through is not even asked: the answer is NXDOMAIN, with "blocked" as its
//! extended error (RFC 8914 §4.16), because programs say that plainly and at once, and try no other server. The flow of
//! a program that knows an address without having asked is judged by that address alone.
//!
//! A refused flow gets what nftables' `reject with icmpx admin-prohibited` sends: over IPv4 the program sees EHOSTUNREACH,
//! over IPv6 EACCES. The fence holds for what goes through Portolan's sockets. It is no boundary against a hostile
//! program, which may leave these sockets alone and make system calls of its own.
//!
//! [`rule`] is the grammar, [`dns`] the look into DNS messages, [`journal`] tells of refusals. The gateway asks
//! [`Fence::judge`] for each flow, and so does [`link`] where there is no gateway. Start reading there.

pub mod bindings;
pub mod dns;
pub mod journal;
mod known;
pub mod link;
mod packet;
pub mod reserved;
pub mod rule;
mod stream;

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use portolan_wire::Cidr;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Receiver;

use crate::dns::builtin;
use crate::dns::hosts::Hosts;
use crate::owners::{Owners, Process};
use bindings::Bindings;
use journal::{Journal, Refused};
use reserved::Kind;
use rule::{Destination, Protocol, Rule};

/// What the user asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Settings {
    /// `--allow`, in order.
    pub allow: Vec<Rule>,
    /// `--deny`, in order.
    pub deny: Vec<Rule>,
    /// `--deny-log`.
    pub log: Option<PathBuf>,
}

/// The rules, what they know of names, and where refusals are told.
#[derive(Debug)]
pub struct Fence {
    allow: Vec<Rule>,
    deny: Vec<Rule>,
    at_gateway: bool,
    bindings: Mutex<Bindings>,
    /// The gateway's own addresses, the door to the machine's loopback among them.
    ours: OnceLock<Vec<IpAddr>>,
    /// Names that a table of ours gives an address that a rule lets be reached.
    tabled: OnceLock<HashSet<String>>,
    /// Names are remembered also where no rule needs them.
    keeps_names: AtomicBool,
    owners: Arc<Owners>,
    journal: Journal,
    /// Flows that were refused.
    refused: AtomicU64,
}

/// Why something is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reason {
    /// This `--deny` matches.
    Denied(String),
    /// There are `--allow`s, and none matches.
    NotAllowed,
    /// There are `--allow`s, and none by a name.
    NoNames,
    /// The address is reserved.
    Reserved(Kind),
    /// The machine's loopback under another name than its own.
    Loopback,
}

impl Fence {
    /// A fence, and the lines for the user that come out of it. `at_gateway` says that flows leave by the machine's own
    /// sockets. Errors: the log's.
    pub fn new(
        settings: &Settings,
        at_gateway: bool,
        owners: Arc<Owners>,
    ) -> io::Result<(Fence, Receiver<String>)> {
        let (journal, lines) = Journal::open(settings.log.as_deref())?;
        let (allow, deny) = (settings.allow.clone(), settings.deny.clone());
        let (bindings, ours, tabled) = (Mutex::default(), OnceLock::new(), OnceLock::new());
        let keeps_names = AtomicBool::new(false);
        let refused = AtomicU64::new(0);
        Ok((
            Fence { allow, deny, at_gateway, bindings, ours, tabled, keeps_names, owners, journal, refused },
            lines,
        ))
    }

    /// Whether there is any rule.
    pub fn has_rules(&self) -> bool {
        !self.allow.is_empty() || !self.deny.is_empty()
    }

    /// Whether a flow may begin.
    pub fn judge(&self, destination: &Destination, now: Instant) -> Result<(), Reason> {
        if let Some(kind) = reserved::kind(destination.address, self.at_gateway)
            && !reserved::is_lifted(&self.allow, destination, self.at_gateway)
        {
            return Err(Reason::Reserved(kind));
        }
        if !self.has_rules() {
            return Ok(());
        }
        if let Some(denial) = self.denial(destination, now) {
            return Err(denial);
        }
        let mut bindings = self.bindings();
        let names = bindings.opening_names(destination.address, now);
        match self.allow.iter().find(|rule| rule.matches(destination, &names)) {
            Some(rule) if rule.is_by_name() => bindings.touch(destination.address, now),
            Some(_) => {}
            None if self.allow.is_empty() => {}
            None => return Err(Reason::NotAllowed),
        }
        Ok(())
    }

    /// Why a `--deny` refuses a flow, if one does.
    fn denial(&self, destination: &Destination, now: Instant) -> Option<Reason> {
        self.denial_by(destination, now, |_| true)
    }

    /// As for other flows, for one to a service on the private wire. A `--deny` of a network means the machine's, whose
    /// addresses the wire's may be among.
    pub fn denial_on_wire(&self, destination: &Destination, now: Instant) -> Option<Reason> {
        self.denial_by(destination, now, |rule| {
            rule.network().is_none_or(|network| network == Cidr::host(network.address()))
        })
    }

    fn denial_by(&self, to: &Destination, now: Instant, counts: impl Fn(&Rule) -> bool) -> Option<Reason> {
        let bindings = self.bindings();
        let names = bindings.names(to.address, now);
        let rule = self.deny.iter().find(|rule| counts(rule) && rule.refuses(to, &names))?;
        Some(Reason::Denied(rule.to_string()))
    }

    /// Whether a canonical name may be asked for: a rule means it, or a table of ours says that it leads to where a rule
    /// does. A name can carry anything to whoever answers for it, so an `--allow` of an address lets none be asked.
    pub fn may_ask(&self, name: &str) -> Result<(), Reason> {
        // Without a gateway such a name would be asked of a stranger, as any other.
        let is_ours =
            self.at_gateway && (builtin::is_in_zone(name) || crate::dns::server::localhost(name).is_some());
        if is_ours || !self.has_rules() {
            return Ok(());
        }
        if let Some(address) = crate::dns::server::reverse_name_address(name) {
            return self.may_reach(address);
        }
        if let Some(rule) = self.deny.iter().find(|rule| rule.means_all_of(name)) {
            return Err(Reason::Denied(rule.to_string()));
        }
        let is_meant = self.allow.is_empty() || self.allow.iter().any(|rule| rule.means_name(name));
        if is_meant || self.tabled.get().is_some_and(|tabled| tabled.contains(name)) {
            return Ok(());
        }
        let are_networks = self.allow.iter().all(|rule| rule.network().is_some());
        Err(if are_networks { Reason::NoNames } else { Reason::NotAllowed })
    }

    /// Whether some flow to an address could be let through, whatever its port.
    fn may_reach(&self, address: IpAddr) -> Result<(), Reason> {
        let flow = |protocol| Destination { address, port: None, protocol };
        let tries = [Protocol::Tcp, Protocol::Udp, Protocol::Icmp]
            .map(|protocol| self.judge(&flow(protocol), Instant::now()));
        tries.into_iter().reduce(Result::or).unwrap_or(Ok(()))
    }

    /// Whether a datagram from this address and port may come back through the gateway: whether one might go there. What
    /// strangers send is dropped.
    pub fn permits_datagram_from(&self, address: IpAddr, port: u16) -> bool {
        let back = Destination { address, port: Some(port), protocol: Protocol::Udp };
        !self.has_rules() || self.judge(&back, Instant::now()).is_ok()
    }

    /// Whether the host may answer a datagram that came to it over its own link from this address and port: not when a
    /// `--deny` or a reservation keeps it from there.
    pub fn may_answer(&self, address: IpAddr, port: u16) -> bool {
        !self.denies(address, port, Protocol::Udp)
    }

    /// Whether a `--deny` or a reservation refuses a flow there.
    fn denies(&self, address: IpAddr, port: u16, protocol: Protocol) -> bool {
        let destination = Destination { address, port: Some(port), protocol };
        matches!(self.judge(&destination, Instant::now()), Err(Reason::Denied(_) | Reason::Reserved(_)))
    }

    /// A table of ours says that `name` has `address`. Without `ttl` it does so for ever.
    pub fn bind(&self, name: &str, address: IpAddr, ttl: Option<Duration>) {
        if self.learns() {
            self.bindings().bind(name, address, ttl, true, Instant::now());
        }
    }

    /// From now on names are remembered also without rules, for those who ask for [`Fence::name_of`].
    pub fn keep_names(&self) {
        self.keeps_names.store(true, Ordering::Relaxed);
    }

    /// A name that leads to this address, as far as names are remembered.
    pub fn name_of(&self, address: IpAddr) -> Option<String> {
        self.bindings().names(address, Instant::now()).first().map(|name| (*name).to_owned())
    }

    fn learns(&self) -> bool {
        self.has_rules() || self.keeps_names.load(Ordering::Relaxed)
    }

    /// These addresses are the gateway's own: no answer from the network opens them, only a name of ours.
    pub fn reserve(&self, ours: impl IntoIterator<Item = IpAddr>) {
        // Set once, when the gateway is made.
        let _ = self.ours.set(ours.into_iter().collect());
    }

    /// An answer to a question for `name` had `address` in it. Whoever answers for a name must not open the machine's
    /// loopback or the gateway's addresses by it (DNS rebinding); names under `localhost` mean the loopback by themselves.
    fn bind_answer(&self, name: &str, address: IpAddr, ttl: Duration) {
        let canonical = address.to_canonical();
        let is_ours = self.ours.get().is_some_and(|ours| ours.contains(&canonical));
        let is_named_loopback = crate::dns::server::localhost(name).is_some();
        let opens = !is_ours && (is_named_loopback || !reserved::is_loopback(canonical));
        self.bindings().bind(name, address, Some(ttl), opens, Instant::now());
    }

    /// Takes over what a table of hosts says of names in rules.
    pub fn adopt(&self, hosts: &Hosts) {
        let is_meant = |name: &str| {
            self.allow.iter().chain(&self.deny).any(|rule| rule.is_by_name() && rule.means_name(name))
        };
        if !self.has_rules() {
            return;
        }
        let mut tabled = HashSet::new();
        for (address, names) in hosts.entries() {
            names.iter().filter(|name| is_meant(name)).for_each(|name| self.bind(name, address, None));
            if self.may_reach(address).is_ok() {
                tabled.extend(names.iter().cloned());
            }
        }
        // Adopted once, when the gateway is made.
        let _ = self.tabled.set(tabled);
    }

    /// An answer led to `address` by way of `name`, which nobody asked for: only a `--deny` looks at that.
    fn bind_alias(&self, name: &str, address: IpAddr, ttl: Duration) {
        self.bindings().bind(name, address, Some(ttl), false, Instant::now());
    }

    /// Counts and tells of a flow that was refused, which came from this port of the command's host.
    pub fn refused(&self, from_port: u16, destination: &Destination, reason: &Reason) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let number = destination.protocol.number(destination.address);
        let name = self.name_of(destination.address);
        self.journal.tell(&Refused {
            process: self.owners.of(number, from_port),
            name,
            address: Some(destination.address),
            port: destination.port,
            protocol: destination.protocol.to_string(),
            rule: reason.to_string(),
        });
    }

    /// Tells of a name that was not asked.
    pub fn refused_name(&self, process: Option<Process>, name: &str, reason: &Reason) {
        self.journal.tell(&Refused {
            process,
            name: Some(name.to_owned()),
            address: None,
            port: None,
            protocol: "dns".to_owned(),
            rule: reason.to_string(),
        });
    }

    /// How many flows were refused so far; a datagram or echo that was is one.
    pub fn refused_flows(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Keeps the log complete but for the last second, for as long as it is polled. Needs a tokio runtime with time.
    pub async fn keep_log(&self) {
        self.journal.keep().await;
    }

    /// Completes the log.
    pub fn flush_log(&self) {
        self.journal.flush();
    }

    /// Those who hold the command's ports.
    pub fn owners(&self) -> &Arc<Owners> {
        &self.owners
    }

    /// As if every binding had ended.
    #[cfg(test)]
    fn forget(&self) {
        *self.bindings() = Bindings::default();
    }

    fn bindings(&self) -> MutexGuard<'_, Bindings> {
        self.bindings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Denied(rule) => write!(f, "--deny {rule}"),
            Reason::NotAllowed => f.write_str("no --allow matches"),
            Reason::NoNames => f.write_str("no --allow is by name; --allow udp:53 lets every name be asked"),
            Reason::Reserved(Kind::Metadata) => {
                f.write_str("a cloud's metadata service; --allow with this address permits it")
            }
            Reason::Reserved(Kind::LinkLocal) => {
                f.write_str("link-local; --allow with this address or its network permits it")
            }
            Reason::Loopback => f.write_str("the machine's loopback is host.portolan.internal"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
