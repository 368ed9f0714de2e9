//! What the fence reads in DNS messages: the name of a question, the addresses of an answer.

use std::net::IpAddr;
use std::time::Duration;

use domain::base::iana::{Class, ExtendedErrorCode, Rcode};
use domain::base::name::{ParsedName, ToName};
use domain::base::opt::ExtendedError;
use domain::base::{Message, MessageBuilder, ParsedRecord};
use domain::rdata::svcb::value::AllValues;
use domain::rdata::svcb::{Https, Svcb, SvcbRdata};
use domain::rdata::{A, Aaaa, Cname};

use super::{Fence, Reason};
use crate::dns::canonical;

/// What we say that a datagram to us may hold (the value of DNS flag day 2020).
const UDP_PAYLOAD_SIZE: u16 = 1232;

/// The canonical name that a query asks for; `None` when it is no query with one question.
pub fn question(query: &[u8]) -> Option<String> {
    let message = Message::from_octets(query).ok().filter(|message| !message.header().qr())?;
    Some(canonical(&message.sole_question().ok()?.qname().to_string()))
}

/// The answer to a query for a name that must not be asked.
pub fn refusal(query: &[u8], reason: &Reason) -> Option<Vec<u8>> {
    let query = Message::from_octets(query).ok()?;
    let mut answer = MessageBuilder::new_vec().start_error(&query, Rcode::NXDOMAIN);
    answer.header_mut().set_ra(true);
    let mut additional = answer.additional();
    if query.opt().is_some() {
        let text = format!("portolan: {reason}");
        let error = ExtendedError::<Vec<u8>>::new_with_str(ExtendedErrorCode::BLOCKED, &text).ok()?;
        let built = additional.opt(|opt| {
            opt.set_udp_payload_size(UDP_PAYLOAD_SIZE);
            opt.push(&error)
        });
        built.ok()?;
    }
    Some(additional.finish())
}

impl Fence {
    /// The answer to a query for a name that may not be asked, which is told of; `None` when it may be. `asker` is the
    /// protocol and port of the command's host that the query comes from.
    pub fn refuse_query(&self, query: &[u8], asker: (u8, u16)) -> Option<Vec<u8>> {
        let name = question(query)?;
        let reason = self.may_ask(&name).err()?;
        self.refused_name(self.owners.of(asker.0, asker.1), &name, &reason);
        // An empty one never happens: what has a question can be answered.
        Some(refusal(query, &reason).unwrap_or_default())
    }

    /// Binds the addresses of a reply to the name that was asked for, which may be an alias of theirs; for refusals also to
    /// every other name on the way to them.
    pub fn learn(&self, reply: &[u8]) {
        if self.learns()
            && let Ok(message) = Message::from_octets(reply)
        {
            self.learn_from(&message);
        }
    }

    fn learn_from(&self, reply: &Message<&[u8]>) -> Option<()> {
        let name = canonical(&reply.sole_question().ok()?.qname().to_string());
        let owner = reply.canonical_name()?;
        let others = self.refused_aliases(reply);
        let records = reply.answer().ok()?.flatten();
        for record in records.filter(|record| record.class() == Class::IN && record.owner().name_eq(&owner)) {
            let ttl = Duration::from_secs(record.ttl().as_secs().into());
            for address in addresses(&record) {
                self.bind_answer(&name, address, ttl);
                others.iter().for_each(|other| self.bind_alias(other, address, ttl));
            }
        }
        Some(())
    }

    /// The names that aliases of a reply lead to, as far as a `--deny` means them; the host that a service is on (RFC 9460
    /// §2.4) is one too. Every alias counts: a server adds those on the way, and no others.
    fn refused_aliases(&self, reply: &Message<&[u8]>) -> Vec<String> {
        let Ok(records) = reply.answer() else { return Vec::new() };
        let aliases = records.limit_to_in::<Cname<_>>().flatten();
        let mut names: Vec<String> =
            aliases.map(|alias| canonical(&alias.data().cname().to_string())).collect();
        names.extend(records.flatten().filter_map(|record| target(&record)));
        names.retain(|name| self.deny.iter().any(|rule| rule.is_by_name() && rule.means_name(name)));
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// The addresses in a record: its own, or those that it gives as hints for a service (RFC 9460 §7.3), which programs use
/// before they have asked for any other.
fn addresses(record: &ParsedRecord<'_, &[u8]>) -> Vec<IpAddr> {
    if let Ok(Some(a)) = record.to_record::<A>() {
        return vec![a.data().addr().into()];
    }
    if let Ok(Some(aaaa)) = record.to_record::<Aaaa>() {
        return vec![aaaa.data().addr().into()];
    }
    match (record.to_record::<Https<_, _>>(), record.to_record::<Svcb<_, _>>()) {
        (Ok(Some(https)), _) => hints(https.data()),
        (_, Ok(Some(svcb))) => hints(svcb.data()),
        _ => Vec::new(),
    }
}

fn hints<Variant>(service: &SvcbRdata<Variant, &[u8], ParsedName<&[u8]>>) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for value in service.params().iter_all().flatten() {
        match value {
            AllValues::Ipv4Hint(hint) => addresses.extend(hint.iter().map(IpAddr::V4)),
            AllValues::Ipv6Hint(hint) => addresses.extend(hint.iter().map(IpAddr::V6)),
            _ => {}
        }
    }
    addresses
}

/// The canonical name of the host that a service is on, where the record says one.
fn target(record: &ParsedRecord<'_, &[u8]>) -> Option<String> {
    let name = match record.to_record::<Https<_, _>>() {
        Ok(Some(https)) => https.data().target().to_string(),
        _ => record.to_record::<Svcb<_, _>>().ok()??.data().target().to_string(),
    };
    Some(canonical(&name)).filter(|name| !name.is_empty() && name != ".")
}
