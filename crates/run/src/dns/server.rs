//! The server at 10.0.2.3: one query in, one answer out.
//!
//! Start with [`Server::answer`]. Answers from tables have a TTL of zero, because the tables end with the run.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use domain::base::iana::{Class, Opcode, Rcode, Rtype};
use domain::base::message_builder::AnswerBuilder;
use domain::base::{Message, MessageBuilder, Name, Ttl};
use domain::rdata::{A, Aaaa, Ptr};
use tokio::sync::Semaphore;

use super::PORT;
use super::builtin::Builtin;
use super::exchange::{Exchange, Transport};
use super::hosts::Hosts;

/// Queries that are passed on at the same time; more are answered SERVFAIL at once.
const PENDING_MAX: usize = 256;

/// The largest answer in a datagram to a client that did not offer more (RFC 1035 §4.2.1).
const UDP_ANSWER_MAX: usize = 512;

/// Answers queries from tables and by asking other servers over `E`.
#[derive(Debug)]
pub struct Server<E> {
    builtin: Builtin,
    hosts: Hosts,
    upstream: Option<Upstream<E>>,
    pending: Semaphore,
}

/// Whom to ask when no table knows a name.
#[derive(Debug)]
pub struct Upstream<E> {
    /// The servers, in order of preference.
    pub servers: Vec<IpAddr>,
    /// How long one of them is waited for.
    pub timeout: Duration,
    /// The network to reach them over.
    pub network: E,
}

/// What a table says of a question.
enum Found {
    /// These records, perhaps none of the type that was asked for.
    Records(Vec<Record>),
    /// There is no such name.
    NoName,
    /// The tables do not know.
    Unknown,
}

enum Record {
    Address(IpAddr),
    Name(String),
}

impl<E: Exchange> Server<E> {
    /// A server. Without `upstream` a name that no table knows does not exist.
    pub fn new(builtin: Builtin, hosts: Hosts, upstream: Option<Upstream<E>>) -> Server<E> {
        Server { builtin, hosts, upstream, pending: Semaphore::new(PENDING_MAX) }
    }

    /// The answer to `query`, which came over `transport`; `None` when it deserves none: it is no query, or too
    /// short to say whose it is.
    pub async fn answer(&self, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let message = Message::from_octets(query).ok()?;
        if message.header().qr() {
            return None;
        }
        if message.header().opcode() != Opcode::QUERY {
            return Some(refusal(&message, Rcode::NOTIMP));
        }
        let Ok(question) = message.sole_question() else {
            return Some(refusal(&message, Rcode::FORMERR));
        };
        let name = super::canonical(&question.qname().to_string());
        let is_in = matches!(question.qclass(), Class::IN | Class::ANY);
        let found = match self.look_in_tables(&name, question.qtype()) {
            // Our names are of one class, and are asked of nobody else in any.
            Found::Records(_) if !is_in => Found::NoName,
            found => found,
        };
        match found {
            Found::Records(records) => Some(table_answer(&message, &records, transport)),
            Found::NoName => Some(refusal(&message, Rcode::NXDOMAIN)),
            Found::Unknown => Some(match &self.upstream {
                None => refusal(&message, Rcode::NXDOMAIN),
                Some(upstream) => self
                    .pass_on(upstream, query, transport)
                    .await
                    .unwrap_or(refusal(&message, Rcode::SERVFAIL)),
            }),
        }
    }

    fn look_in_tables(&self, name: &str, qtype: Rtype) -> Found {
        if let Some(address) = reverse_name_address(name) {
            return match self.builtin.name_of(address).or_else(|| self.hosts.name_of(address)) {
                Some(found) if qtype == Rtype::PTR => Found::Records(vec![Record::Name(found.to_owned())]),
                Some(_) => Found::Records(Vec::new()),
                None => Found::Unknown,
            };
        }
        let addresses = if super::builtin::is_in_zone(name) {
            match self.builtin.addresses(name) {
                Some(addresses) => addresses.to_vec(),
                None => return Found::NoName,
            }
        } else if let Some(addresses) = localhost(name) {
            addresses
        } else {
            self.hosts.addresses(name)
        };
        if addresses.is_empty() {
            return Found::Unknown;
        }
        let wanted = |address: &IpAddr| match qtype {
            Rtype::A => address.is_ipv4(),
            Rtype::AAAA => address.is_ipv6(),
            other => other == Rtype::ANY,
        };
        Found::Records(addresses.into_iter().filter(wanted).map(Record::Address).collect())
    }

    /// Asks the servers in turn. An answer that says "not me" counts only when no other server answers.
    async fn pass_on(&self, upstream: &Upstream<E>, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let _permit = self.pending.try_acquire().ok()?;
        let mut unwilling = None;
        for server in &upstream.servers {
            let server = SocketAddr::new(*server, PORT);
            let asked = upstream.network.exchange(server, query, transport);
            let Ok(Ok(reply)) = tokio::time::timeout(upstream.timeout, asked).await else { continue };
            match Message::from_octets(reply.as_slice()).map(|message| message.header().rcode()) {
                Ok(Rcode::SERVFAIL | Rcode::REFUSED | Rcode::NOTIMP) => unwilling = Some(reply),
                _ => return Some(reply),
            }
        }
        unwilling
    }
}

/// RFC 6761 §6.3: `localhost` and every name under it is the loopback address, whatever a table or server says.
pub(crate) fn localhost(name: &str) -> Option<Vec<IpAddr>> {
    (name == "localhost" || name.ends_with(".localhost"))
        .then(|| vec![IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)])
}

fn table_answer(query: &Message<&[u8]>, records: &[Record], transport: Transport) -> Vec<u8> {
    let mut builder = start(query, Rcode::NOERROR);
    let Ok(question) = query.sole_question() else { return builder.finish() };
    let limit = match transport {
        Transport::Tcp => usize::from(u16::MAX),
        Transport::Udp => query.opt().map_or(UDP_ANSWER_MAX, |opt| usize::from(opt.udp_payload_size())),
    };
    builder.set_push_limit(limit.max(UDP_ANSWER_MAX));
    for record in records {
        let owner = question.qname();
        let pushed = match record {
            Record::Address(IpAddr::V4(v4)) => builder.push((owner, Class::IN, Ttl::ZERO, A::new(*v4))),
            Record::Address(IpAddr::V6(v6)) => builder.push((owner, Class::IN, Ttl::ZERO, Aaaa::new(*v6))),
            Record::Name(name) => match name.parse::<Name<Vec<u8>>>() {
                Ok(name) => builder.push((owner, Class::IN, Ttl::ZERO, Ptr::new(name))),
                Err(_) => continue, // a line of /etc/hosts may hold any word
            },
        };
        if pushed.is_err() {
            builder.header_mut().set_tc(true);
            break;
        }
    }
    builder.finish()
}

fn refusal(query: &Message<&[u8]>, rcode: Rcode) -> Vec<u8> {
    start(query, rcode).finish()
}

fn start(query: &Message<&[u8]>, rcode: Rcode) -> AnswerBuilder<Vec<u8>> {
    let mut builder = MessageBuilder::new_vec().start_error(query, rcode);
    builder.header_mut().set_ra(true);
    builder
}

/// The address that a name under in-addr.arpa or ip6.arpa stands for (RFC 1035 §3.5, RFC 3596 §2.5).
pub(crate) fn reverse_name_address(name: &str) -> Option<IpAddr> {
    if let Some(digits) = name.strip_suffix(".in-addr.arpa") {
        let mut octets = [0; 4];
        let mut labels = digits.split('.');
        for octet in octets.iter_mut().rev() {
            *octet = labels.next()?.parse().ok()?;
        }
        return labels.next().is_none().then_some(IpAddr::from(octets));
    }
    let digits = name.strip_suffix(".ip6.arpa")?;
    let mut value = 0u128;
    let mut count = 0;
    for label in digits.rsplit('.') {
        let nibble = (label.len() == 1).then(|| u128::from_str_radix(label, 16).ok())??;
        value = value << 4 | nibble;
        count += 1;
    }
    (count == 32).then(|| IpAddr::from(value.to_be_bytes()))
}

#[cfg(test)]
mod tests;
