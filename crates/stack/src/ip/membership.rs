//! What routers are told of groups: IGMPv3 (RFC 3376) and MLDv2 (RFC 3810), and to a router that speaks an older version
//! its own (RFC 2236, RFC 2710).
//!
//! A link of Ethernet has members: a socket, a group, and the sources that it wants. What all of them want together is
//! told when it changes, and once more within a second; and a router that asks is answered within the time that it gives.
//! Nothing here grows with what a link says: a query sets a time, or one for a group that has a member.

use alloc::vec::Vec;

use portolan_link::{Instant, Offload};
use portolan_wire::membership::{self, Query, Record, RecordKind, Version, mld};
use portolan_wire::{Address, Family, icmpv6, ipv4, ipv6, protocol};

use crate::LinkId;
use crate::drop::DropReason;
use crate::ip::input::Arrival;
use crate::ip::route::Hop;
use crate::link::Interface;
use crate::link::ethernet::Frame;
use crate::link::output::Class;
use crate::stack::Stack;
use crate::timer::{Kind, Owner, TimerId};

/// RFC 3376 §8.11, RFC 3810 §9.11: what is told unasked is told again within so many microseconds.
const REPEAT_US: u64 = 1_000_000;
/// RFC 3376 §8.12, RFC 3810 §9.12: an older router is believed gone after so many.
const OLD_ROUTER_US: u64 = 260_000_000;
/// Changes that wait to be told again; earlier ones are not.
const PENDING_MAX: usize = 64;
/// Sources of one record: so that it fits a packet.
const SOURCES_MAX: usize = 64;
/// Octets of one report: no link of Ethernet has less than 1280.
const REPORT_MAX: usize = 1200;

/// RFC 2113, RFC 2711: routers are to look at the packet.
const ROUTER_ALERT_V4: [u8; 4] = [148, 4, 0, 0];
const ROUTER_ALERT_V6: [u8; 8] = [protocol::ICMPV6, 0, 5, 2, 0, 0, 1, 0];
/// RFC 3376 §4: internetwork control.
const CONTROL: u8 = 0xc0;

/// Which sources of a group are wanted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Filter {
    /// All but these, and not these alone.
    pub(crate) excludes: bool,
    pub(crate) sources: Vec<Address>,
}

impl Filter {
    /// Every source.
    pub(crate) fn any() -> Filter {
        Filter { excludes: true, sources: Vec::new() }
    }

    pub(crate) fn passes(&self, source: Address) -> bool {
        self.sources.contains(&source) != self.excludes
    }

    fn without(&self, other: &Filter) -> Vec<Address> {
        self.sources.iter().filter(|source| !other.sources.contains(source)).copied().collect()
    }
}

/// A socket's membership.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) socket: u32,
    pub(crate) group: Address,
    pub(crate) filter: Filter,
}

#[derive(Clone, Debug)]
struct Change {
    kind: RecordKind,
    group: Address,
    sources: Vec<Address>,
}

/// What of a link's memberships is still to be told.
#[derive(Debug, Default)]
pub(crate) struct Reporting {
    /// Changes to be told again, and when.
    pending: Vec<Change>,
    repeat_at: Option<Instant>,
    /// When all groups are to be told, of IPv4 and of IPv6.
    all_at: [Option<Instant>; 2],
    /// Groups that were asked about, each with its time; each has a member.
    asked: Vec<(Address, Instant)>,
    /// The older version of a router, and until when it counts.
    old: [Option<(Version, Instant)>; 2],
    timer: Option<TimerId>,
}

impl Reporting {
    /// Its timer, to be cancelled with the link.
    pub(crate) fn take_timer(&mut self) -> Option<TimerId> {
        self.timer.take()
    }

    fn next(&self) -> Option<Instant> {
        let asked = self.asked.iter().map(|(_, at)| *at);
        self.all_at.into_iter().flatten().chain(self.repeat_at).chain(asked).min()
    }

    fn version(&self, family: Family, now: Instant) -> Version {
        let old = self.old.get(index(family)).copied().flatten();
        old.filter(|(_, until)| *until > now).map_or(Version::Current, |(version, _)| version)
    }
}

const fn index(family: Family) -> usize {
    match family {
        Family::V4 => 0,
        Family::V6 => 1,
    }
}

/// RFC 3376 §4, RFC 3810 §6: the group of all hosts is every host's, and what does not leave the host is nobody's business.
fn is_told(group: Address) -> bool {
    let scope = if group.is_v6() { group.octets()[1] & 0x0f } else { 0x0f };
    group != Address::ALL_NODES && group != Address::v4(224, 0, 0, 1) && scope > 1
}

impl Interface {
    /// What all members of a group want together (RFC 3376 §3.2); `None` if there is none.
    pub(crate) fn wanted(&self, group: Address) -> Option<Filter> {
        let filters =
            || self.members.iter().filter(|member| member.group == group).map(|member| &member.filter);
        filters().next()?;
        let mut included: Vec<Address> =
            filters().filter(|filter| !filter.excludes).flat_map(|filter| &filter.sources).copied().collect();
        included.sort_unstable();
        included.dedup();
        let mut excluding = filters().filter(|filter| filter.excludes);
        let Some(first) = excluding.next() else {
            return Some(Filter { excludes: false, sources: included });
        };
        let rest: Vec<&Filter> = excluding.collect();
        let is_unwanted = |source: &&Address| {
            rest.iter().all(|filter| filter.sources.contains(source)) && !included.contains(source)
        };
        let sources = first.sources.iter().filter(is_unwanted).copied().collect();
        Some(Filter { excludes: true, sources })
    }

    fn told_groups(&self, family: Family) -> Vec<Address> {
        let solicited = self.addresses.iter().map(|cidr| cidr.address()).filter(|own| own.is_v6());
        let solicited = solicited.map(|own| own.solicited_node());
        let joined = self.members.iter().map(|member| member.group);
        let mut groups: Vec<Address> =
            joined.chain(solicited).filter(|group| group.family() == family && is_told(*group)).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }
}

/// RFC 3376 §5.1: what is said of a change.
fn changes(group: Address, before: &Filter, after: &Filter) -> Vec<Change> {
    let change = |kind, mut sources: Vec<Address>| {
        sources.truncate(SOURCES_MAX);
        Change { kind, group, sources }
    };
    match (before.excludes, after.excludes) {
        (true, false) => alloc::vec![change(RecordKind::ToInclude, after.sources.clone())],
        (false, true) => alloc::vec![change(RecordKind::ToExclude, after.sources.clone())],
        (false, false) | (true, true) => {
            let (new, gone) = (after.without(before), before.without(after));
            let (allowed, blocked) = if after.excludes { (gone, new) } else { (new, gone) };
            let both = [(RecordKind::Allow, allowed), (RecordKind::Block, blocked)];
            both.into_iter()
                .filter(|(_, sources)| !sources.is_empty())
                .map(|(kind, sources)| change(kind, sources))
                .collect()
        }
    }
}

impl Stack {
    /// Changes a link's members, and tells what has changed by it.
    pub(crate) fn change_members(
        &mut self,
        link: LinkId,
        group: Address,
        change: impl FnOnce(&mut Vec<Member>),
    ) {
        let now = self.engine.now;
        let Some(interface) = self.interface_mut(link) else { return };
        let before = interface.wanted(group).unwrap_or_default();
        change(&mut interface.members);
        let after = interface.wanted(group).unwrap_or_default();
        if !interface.is_ethernet() || before == after || !is_told(group) {
            return;
        }
        interface.reporting.asked.retain(|(asked, _)| *asked != group || after != Filter::default());
        let told = changes(group, &before, &after);
        let repeat_us = self.engine.random.jitter(1, REPEAT_US);
        self.tell_routers(link, group.family(), &told);
        let Some(interface) = self.interface_mut(link) else { return };
        let reporting = &mut interface.reporting;
        reporting.pending.retain(|pending| pending.group != group);
        reporting.pending.extend(told);
        let surplus = reporting.pending.len().saturating_sub(PENDING_MAX);
        reporting.pending.drain(..surplus);
        reporting.repeat_at = Some(now.plus_micros(repeat_us));
        self.set_membership_timer(link);
    }

    /// A message of IGMP.
    pub(crate) fn igmp_input(&mut self, frame: &mut Frame, arrival: &Arrival) -> Result<(), DropReason> {
        self.one_part(frame);
        let bytes = frame.bytes().get(arrival.header_len..).ok_or(DropReason::IcmpMalformed)?;
        let query = membership::parse_igmp(bytes).map_err(|_| DropReason::IcmpMalformed)?;
        self.on_query(arrival, query.ok_or(DropReason::IcmpIgnored)?)
    }

    /// A query of MLD. RFC 3810 §6.2: one that has crossed a router is none.
    pub(crate) fn mld_input(&mut self, arrival: &Arrival, data: &[u8]) -> Result<(), DropReason> {
        if arrival.hop_limit != 1 || !arrival.src.is_link_local() {
            return Err(DropReason::IcmpIgnored);
        }
        let query = membership::parse_mld_query(data).map_err(|_| DropReason::IcmpMalformed)?;
        self.on_query(arrival, query)
    }

    fn on_query(&mut self, arrival: &Arrival, query: Query) -> Result<(), DropReason> {
        let (now, link, family) = (self.engine.now, arrival.link, arrival.dst.family());
        // RFC 3376 §5.2: some time within what is given, so that not all answer at once.
        let at = now.plus_micros(self.engine.random.jitter(1, u64::from(query.response_ms) * 1000));
        let interface = self.interface_mut(link).ok_or(DropReason::LinkUnknown)?;
        if !interface.is_ethernet() || !arrival.group {
            return Err(DropReason::IcmpIgnored);
        }
        let is_member = query.group.is_none_or(|group| interface.is_member(group) && is_told(group));
        let Interface { reporting, .. } = interface;
        if query.version != Version::Current
            && let Some(old) = reporting.old.get_mut(index(family))
        {
            *old = Some((query.version, now.plus_micros(OLD_ROUTER_US)));
        }
        let sooner = |known: Instant| known.min(at);
        match query.group {
            _ if !is_member => return Err(DropReason::IcmpIgnored),
            None => {
                if let Some(all_at) = reporting.all_at.get_mut(index(family)) {
                    *all_at = Some(all_at.map_or(at, sooner));
                }
            }
            Some(group) => match reporting.asked.iter_mut().find(|(asked, _)| *asked == group) {
                Some((_, known)) => *known = sooner(*known),
                None => reporting.asked.push((group, at)),
            },
        }
        self.set_membership_timer(link);
        Ok(())
    }

    fn set_membership_timer(&mut self, link: LinkId) {
        let Some(Some(interface)) = self.links.get_mut(usize::from(link.0)) else { return };
        let reporting = &mut interface.reporting;
        let Some(next) = reporting.next() else { return };
        if let Some(timer) = reporting.timer {
            if self.timers.fires_by(timer, next) {
                return;
            }
            self.timers.cancel(timer);
        }
        reporting.timer = Some(self.timers.set(next, Owner { kind: Kind::Membership, index: link.0.into() }));
    }

    /// Tells what is due on a link.
    pub(crate) fn on_membership_timeout(&mut self, index_of_link: u32) {
        let now = self.engine.now;
        let Ok(link) = u16::try_from(index_of_link).map(LinkId) else { return };
        let Some(interface) = self.interface_mut(link) else { return };
        let reporting = &mut interface.reporting;
        reporting.timer = None;
        let is_due = |at: &mut Instant| *at <= now;
        let repeats = reporting.repeat_at.take_if(is_due).is_some();
        let pending = if repeats { core::mem::take(&mut reporting.pending) } else { Vec::new() };
        let all = [Family::V4, Family::V6].map(|family| {
            let at = reporting.all_at.get_mut(index(family));
            (family, at.is_some_and(|at| at.take_if(is_due).is_some()))
        });
        let mut groups: Vec<Address> =
            reporting.asked.iter().filter(|(_, at)| *at <= now).map(|(group, _)| *group).collect();
        reporting.asked.retain(|(_, at)| *at > now);
        for (family, _) in all.into_iter().filter(|(_, is_due)| *is_due) {
            groups.extend(interface.told_groups(family));
        }
        groups.sort_unstable();
        groups.dedup();
        let present: Vec<Change> = groups.into_iter().map(|group| present(interface, group)).collect();
        for family in [Family::V4, Family::V6] {
            for told in [&pending, &present] {
                let told: Vec<Change> =
                    told.iter().filter(|change| change.group.family() == family).cloned().collect();
                self.tell_routers(link, family, &told);
            }
        }
        self.set_membership_timer(link);
    }

    /// Sends records, in the words of the router's version.
    fn tell_routers(&mut self, link: LinkId, family: Family, told: &[Change]) {
        let now = self.engine.now;
        let Some(interface) = self.interface(link) else { return };
        let version = interface.reporting.version(family, now);
        if version != Version::Current {
            return self.tell_old(link, version, told);
        }
        let mut rest = told;
        while !rest.is_empty() {
            let (mut len, mut count) = (0, 0);
            for change in rest {
                len += record(change).len();
                if len > REPORT_MAX && count > 0 {
                    break;
                }
                count += 1;
            }
            let (now, later) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            let records: Vec<Record<'_>> = now.iter().map(record).collect();
            let mut out = [0; 2 * REPORT_MAX];
            let written = membership::emit_report(family, &records, &mut out);
            let to = if family == Family::V4 { Address::v4(224, 0, 0, 22) } else { ALL_MLD_ROUTERS };
            if let Some(message) = written.ok().and_then(|len| out.get(..len)) {
                self.send_membership(link, to, mld::REPORT_V2, message);
            }
            rest = later;
        }
    }

    /// An old router knows no sources: a group has members, or it has none.
    fn tell_old(&mut self, link: LinkId, version: Version, told: &[Change]) {
        for change in told {
            let leaves = change.kind == RecordKind::ToInclude && change.sources.is_empty()
                || change.kind == RecordKind::Block
                    && self.interface(link).is_none_or(|interface| interface.wanted(change.group).is_none());
            if leaves && version == Version::Oldest {
                continue;
            }
            let mut out = [0; 24];
            let written = membership::emit_old(change.group, version, leaves, &mut out);
            let (to, ty) = match (leaves, change.group.family()) {
                (false, _) => (change.group, mld::REPORT),
                (true, Family::V4) => (Address::v4(224, 0, 0, 2), mld::DONE),
                (true, Family::V6) => (ALL_ROUTERS, mld::DONE),
            };
            if let Some(message) = written.ok().and_then(|len| out.get(..len)) {
                self.send_membership(link, to, ty, message);
            }
        }
    }

    /// Sends a message: IGMP as it is, MLD behind the type.
    fn send_membership(&mut self, link: LinkId, dst: Address, ty: u8, message: &[u8]) {
        let Some(interface) = self.interface(link) else { return };
        let addresses = || interface.addresses.iter().map(|cidr| cidr.address());
        let hop = Hop { link, next_hop: dst, mtu: interface.caps.mtu, advertised_mss: None };
        let mut packet = alloc::vec![0; REPORT_MAX * 2 + 64];
        let len = match dst.family() {
            Family::V4 => {
                let src = addresses().find(|own| own.is_v4()).unwrap_or(Address::V4_UNSPECIFIED);
                emit_v4(src, dst, message, &mut packet)
            }
            Family::V6 => {
                let src = addresses().find(|own| own.is_v6() && own.is_link_local());
                emit_v6(src.unwrap_or(Address::UNSPECIFIED), dst, ty, message, &mut packet)
            }
        };
        if let Some(packet) = len.and_then(|len| packet.get(..len)) {
            let packet = self.engine.pool.copy(packet);
            // A link that takes nothing is counted, and told again by the next query.
            let _ = self.send_packet(hop, packet, Offload::default(), Class::Reply);
        }
    }
}

/// ff02::16 (RFC 3810 §5.2.14) and ff02::2.
const ALL_MLD_ROUTERS: Address = Address::from_octets([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x16]);
const ALL_ROUTERS: Address = Address::from_octets([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);

fn record(change: &Change) -> Record<'_> {
    Record { kind: change.kind, group: change.group, sources: &change.sources }
}

/// What is wanted of a group now. A group that the host itself is in, as that of its addresses, is wanted from all.
fn present(interface: &Interface, group: Address) -> Change {
    let Filter { excludes, mut sources } = interface.wanted(group).unwrap_or_else(Filter::any);
    sources.truncate(SOURCES_MAX);
    Change { kind: if excludes { RecordKind::IsExclude } else { RecordKind::IsInclude }, group, sources }
}

fn emit_v4(src: Address, dst: Address, message: &[u8], out: &mut [u8]) -> Option<usize> {
    let header = ipv4::Emit {
        src,
        dst,
        protocol: protocol::IGMP,
        ttl: 1,
        tos: CONTROL,
        id: 0,
        dont_fragment: true,
        more_fragments: false,
        fragment_offset: 0,
        payload_len: u16::try_from(message.len()).ok()?,
    };
    let at = header.emit_with_options(&ROUTER_ALERT_V4, out).ok()?;
    out.get_mut(at..at + message.len())?.copy_from_slice(message);
    Some(at + message.len())
}

fn emit_v6(src: Address, dst: Address, ty: u8, message: &[u8], out: &mut [u8]) -> Option<usize> {
    let payload = ROUTER_ALERT_V6.len() + 4 + message.len();
    let header = ipv6::Emit {
        src,
        dst,
        next_header: protocol::HOP_BY_HOP,
        hop_limit: 1,
        traffic_class: 0,
        flow_label: 0,
        payload_len: u16::try_from(payload).ok()?,
    };
    let at = header.emit(out).ok()?;
    out.get_mut(at..)?.first_chunk_mut().map(|place| *place = ROUTER_ALERT_V6)?;
    let at = at + ROUTER_ALERT_V6.len();
    let len = icmpv6::Message::Other { ty, code: 0 }.emit(src, dst, message, out.get_mut(at..)?).ok()?;
    Some(at + len)
}
