use domain::base::iana::Rcode;
use domain::base::{Message, MessageBuilder, Name, Ttl};
use domain::rdata::svcb::{Https, SvcParams};
use domain::rdata::{A, Cname};

use super::*;

fn fence(allow: &[&str], deny: &[&str]) -> Fence {
    let rules = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let settings = Settings { allow: rules(allow), deny: rules(deny), log: None };
    Fence::new(&settings, false, Arc::default()).unwrap().0
}

fn to(address: &str, port: u16) -> Destination {
    Destination { address: address.parse().unwrap(), port: Some(port), protocol: Protocol::Tcp }
}

fn passes(fence: &Fence, address: &str, port: u16) -> bool {
    fence.judge(&to(address, port), Instant::now()).is_ok()
}

/// A reply to a question for `asked`: aliases, then addresses of the last one, then one of somebody else.
pub(crate) fn reply(asked: &str, aliases: &[&str], addresses: &[[u8; 4]], ttl: u32) -> Vec<u8> {
    let name = |text: &str| text.parse::<Name<Vec<u8>>>().unwrap();
    let mut question = MessageBuilder::new_vec().question();
    question.push((name(asked), domain::base::Rtype::A)).unwrap();
    let query = question.into_message();
    let mut answer = MessageBuilder::new_vec().start_answer(&query, Rcode::NOERROR).unwrap();
    let mut owner = asked;
    for alias in aliases {
        answer.push((name(owner), Ttl::from_secs(ttl), Cname::new(name(alias)))).unwrap();
        owner = alias;
    }
    for address in addresses {
        answer.push((name(owner), Ttl::from_secs(ttl), A::new((*address).into()))).unwrap();
    }
    answer.push((name("stranger.test"), Ttl::from_secs(ttl), A::new([203, 0, 113, 9].into()))).unwrap();
    answer.finish()
}

#[test]
fn without_rules_all_passes_and_one_allow_closes_the_rest() {
    assert!(passes(&fence(&[], &[]), "192.0.2.1", 80));
    let closed = fence(&["192.0.2.0/24:443"], &[]);
    assert!(passes(&closed, "192.0.2.1", 443));
    assert_eq!(closed.judge(&to("192.0.2.1", 80), Instant::now()), Err(Reason::NotAllowed));
    assert_eq!(closed.judge(&to("198.51.100.1", 443), Instant::now()), Err(Reason::NotAllowed));
}

#[test]
fn deny_beats_allow_whatever_the_order() {
    let fence = fence(&["192.0.2.7", "*"], &["192.0.2.0/24:80"]);
    assert_eq!(
        fence.judge(&to("192.0.2.7", 80), Instant::now()),
        Err(Reason::Denied("192.0.2.0/24:80".into()))
    );
    assert!(passes(&fence, "192.0.2.7", 443));
    assert!(passes(&fence, "198.51.100.1", 80));
}

#[test]
fn a_name_means_the_addresses_of_its_answers() {
    let fence = fence(&["example.test:443"], &[]);
    assert!(!passes(&fence, "192.0.2.7", 443), "nobody has asked yet");
    fence.learn(&reply(
        "Example.TEST",
        &["cdn.other.test", "edge.other.test"],
        &[[192, 0, 2, 7], [192, 0, 2, 8]],
        60,
    ));
    assert!(passes(&fence, "192.0.2.7", 443) && passes(&fence, "192.0.2.8", 443), "at the end of aliases");
    assert!(!passes(&fence, "192.0.2.7", 80));
    assert!(!passes(&fence, "203.0.113.9", 443), "a record that answers another question");
    fence.learn(&reply("other.test", &[], &[[198, 51, 100, 1]], 60));
    assert!(!passes(&fence, "198.51.100.1", 443));
}

/// A reply to a question for the HTTPS record of `asked`, by way of an alias: a service on `target` with hints.
fn https_reply(asked: &str, target: &str, hints: &[&str]) -> Vec<u8> {
    let name = |text: &str| text.parse::<Name<Vec<u8>>>().unwrap();
    let mut question = MessageBuilder::new_vec().question();
    question.push((name(asked), domain::base::Rtype::HTTPS)).unwrap();
    let query = question.into_message();
    let mut answer = MessageBuilder::new_vec().start_answer(&query, Rcode::NOERROR).unwrap();
    // ipv4hint is key 4, ipv6hint 6.
    let mut params = Vec::new();
    for (key, is_v4) in [(4, true), (6, false)] {
        let addresses = hints.iter().map(|hint| hint.parse::<IpAddr>().unwrap());
        let octets: Vec<u8> = addresses
            .filter(|ip| ip.is_ipv4() == is_v4)
            .flat_map(|ip| match ip {
                IpAddr::V4(v4) => v4.octets().to_vec(),
                IpAddr::V6(v6) => v6.octets().to_vec(),
            })
            .collect();
        if !octets.is_empty() {
            params.extend([0, key, 0, octets.len() as u8]);
            params.extend(octets);
        }
    }
    let data = Https::new(1, name(target), SvcParams::from_octets(params).ok().unwrap()).unwrap();
    answer.push((name(asked), Ttl::from_secs(60), Cname::new(name("edge.test")))).unwrap();
    answer.push((name("edge.test"), Ttl::from_secs(60), data)).unwrap();
    answer.finish()
}

#[test]
fn hints_of_a_service_are_addresses_of_the_name_that_was_asked_for() {
    let hints = ["192.0.2.7", "192.0.2.8", "2001:db8::7"];
    let closed = fence(&["example.test:443"], &[]);
    closed.learn(&https_reply("example.test", ".", &hints));
    assert!(hints.iter().all(|hint| passes(&closed, hint, 443) && !passes(&closed, hint, 80)));
    let other = fence(&["edge.test", "host.test"], &[]);
    other.learn(&https_reply("example.test", "host.test", &hints));
    assert!(!passes(&other, "192.0.2.7", 443), "what was asked for is no allowed name");
    let port = fence(&["example.test:8443"], &[]);
    port.learn(&https_reply("_8443._https.example.test", ".", &hints));
    assert!(passes(&port, "2001:db8::7", 8443), "RFC 9460 §2.3: the port is a label");
    let denied = fence(&[], &["host.test"]);
    denied.learn(&https_reply("example.test", "host.test", &hints));
    assert!(!passes(&denied, "192.0.2.7", 443), "the host that it is on is refused");
    let rebound = fence(&["example.test"], &[]);
    rebound.learn(&https_reply("example.test", ".", &["127.0.0.1"]));
    assert!(!passes(&rebound, "127.0.0.1", 443), "no answer opens the loopback");

    let good = https_reply("example.test", "host.test", &hints);
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        closed.learn(&bad);
        closed.learn(&good[..at]);
    }
}

#[test]
fn datagrams_come_back_from_where_they_may_go_to() {
    let closed = fence(&["udp:192.0.2.7:69", "udp:192.0.2.0/24:1024-65535"], &["192.0.2.8"]);
    let from =
        |fence: &Fence, address: &str, port| fence.permits_datagram_from(address.parse().unwrap(), port);
    assert!(from(&closed, "192.0.2.7", 69) && from(&closed, "192.0.2.7", 4000));
    assert!(!from(&closed, "192.0.2.7", 70) && !from(&closed, "192.0.2.8", 4000));
    assert!(!from(&closed, "203.0.113.1", 69));
    let open = fence(&[], &["udp:4001"]);
    assert!(from(&open, "192.0.2.7", 4000), "a refused port is no refusal of the others");
    assert!(!from(&open, "192.0.2.7", 4001));
}

#[test]
fn a_refused_port_is_no_refusal_of_later_fragments() {
    let fragment = |protocol| Destination { port: None, protocol, ..to("192.0.2.7", 0) };
    let judge = |fence: &Fence, protocol| fence.judge(&fragment(protocol), Instant::now()).is_ok();
    let by_port = fence(&[], &["udp:4001", "192.0.2.7:80"]);
    assert!(
        judge(&by_port, Protocol::Udp) && judge(&by_port, Protocol::Tcp) && judge(&by_port, Protocol::Icmp)
    );
    assert!(
        !judge(&fence(&[], &["udp"]), Protocol::Udp) && !judge(&fence(&[], &["192.0.2.7"]), Protocol::Udp)
    );
    assert!(judge(&fence(&["udp:4000"], &[]), Protocol::Udp), "the first one was judged by its port");
}

#[test]
fn no_answer_opens_the_loopback_but_for_a_name_that_means_it() {
    let fence = fence(&["rebound.test", "app.localhost"], &["rebound.test:22"]);
    for address in [[127, 0, 0, 1], [127, 8, 8, 8], [0, 0, 0, 0], [192, 0, 2, 7]] {
        fence.learn(&reply("rebound.test", &[], &[address], 60));
    }
    assert!(passes(&fence, "192.0.2.7", 80));
    for address in ["127.0.0.1", "127.8.8.8", "0.0.0.0"] {
        assert_eq!(fence.judge(&to(address, 80), Instant::now()), Err(Reason::NotAllowed), "{address}");
    }
    let denied = Err(Reason::Denied("rebound.test:22".into()));
    assert_eq!(fence.judge(&to("127.0.0.1", 22), Instant::now()), denied, "a refusal takes every answer");
    fence.learn(&reply("app.localhost", &[], &[[127, 0, 0, 1]], 60));
    assert!(passes(&fence, "127.0.0.1", 80));
}

#[test]
fn a_binding_ends_unless_it_is_used() {
    let fence = fence(&["example.test"], &[]);
    fence.learn(&reply("example.test", &[], &[[192, 0, 2, 7]], 1));
    let (now, flow) = (Instant::now(), to("192.0.2.7", 80));
    let later = |secs| now + Duration::from_secs(secs);
    assert!(fence.judge(&flow, later(290)).is_ok());
    assert!(fence.judge(&flow, later(580)).is_ok(), "used since");
    assert_eq!(fence.judge(&flow, later(1000)), Err(Reason::NotAllowed));
}

#[test]
fn names_that_could_lead_nowhere_are_not_asked() {
    let settings = Settings {
        allow: vec!["example.test:443".parse().unwrap(), "10.0.0.0/8".parse().unwrap()],
        deny: vec!["bad.example.test".parse().unwrap()],
        log: None,
    };
    let named = Fence::new(&settings, true, Arc::default()).unwrap().0;
    let alone = Fence::new(&settings, false, Arc::default()).unwrap().0;
    assert!(alone.may_ask("text.portolan.internal").is_err() && alone.may_ask("text.localhost").is_err());
    for (name, is_asked) in [
        ("example.test", true),
        ("other.test", false),
        ("bad.example.test", false),
        ("portolan.internal", true),
        ("localhost", true),
        ("1.2.0.10.in-addr.arpa", true),
        ("1.2.0.192.in-addr.arpa", false),
    ] {
        assert_eq!(named.may_ask(name).is_ok(), is_asked, "{name}");
    }
    let by_address = fence(&["10.0.0.0/8"], &[]);
    by_address.adopt(&Hosts::parse("10.1.1.1 inside.test\n192.0.2.1 outside.test\n"));
    assert_eq!(by_address.may_ask("other.test"), Err(Reason::NoNames), "a name carries text to a stranger");
    assert!(by_address.may_ask("inside.test").is_ok(), "a table of ours answers");
    assert!(by_address.may_ask("outside.test").is_err());
    assert!(fence(&["10.0.0.0/8", "udp:53"], &[]).may_ask("other.test").is_ok(), "queries are meant");
    assert!(fence(&["example.test", "udp:53"], &[]).may_ask("other.test").is_ok(), "any host, by one port");
    assert!(fence(&[], &["bad.test:80"]).may_ask("bad.test").is_ok(), "another port may be meant");
    assert!(fence(&[], &["bad.test"]).may_ask("good.test").is_ok());
}

#[test]
fn a_name_that_is_not_asked_does_not_exist_and_says_why() {
    let mut question = MessageBuilder::new_vec().question();
    question.push((Name::<Vec<u8>>::vec_from_str("other.test").unwrap(), domain::base::Rtype::A)).unwrap();
    let mut additional = question.additional();
    additional
        .opt(|opt| {
            opt.set_udp_payload_size(1232);
            Ok(())
        })
        .unwrap();
    let query = additional.finish();
    assert_eq!(dns::question(&query).as_deref(), Some("other.test"));
    let refusal = Message::from_octets(dns::refusal(&query, &Reason::NotAllowed).unwrap()).unwrap();
    assert_eq!(refusal.header().rcode(), Rcode::NXDOMAIN);
    let error = refusal.opt().unwrap().opt().extended_error().unwrap();
    assert_eq!(error.code(), domain::base::iana::ExtendedErrorCode::BLOCKED);
    assert_eq!(error.text_slice(), Some(&b"portolan: no --allow matches"[..]));
    assert_eq!(dns::question(&refusal.into_octets()), None, "an answer asks nothing");
}

#[test]
fn tables_of_hosts_are_taken_over_for_the_names_in_rules() {
    let fence = fence(&["table.test"], &[]);
    fence.adopt(&Hosts::parse("192.0.2.7 table.test alias.test\n192.0.2.8 other.test\n"));
    assert!(passes(&fence, "192.0.2.7", 80));
    assert!(!passes(&fence, "192.0.2.8", 80));
}

#[test]
fn nonsense_from_the_network_teaches_nothing() {
    let fence = fence(&["example.test"], &[]);
    let good = reply("example.test", &["a.test"], &[[192, 0, 2, 7]], 60);
    for len in 0..good.len() {
        fence.learn(&good[..len]);
    }
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        fence.learn(&bad);
        let _ = dns::question(&bad);
    }
    let looped = reply("example.test", &["a.test", "example.test"], &[[192, 0, 2, 9]], 60);
    fence.learn(&looped);
}

#[test]
fn a_refused_name_is_refused_by_its_aliases_too_and_an_allowed_one_is_not_widened() {
    let answer = reply("alias.test", &["bad.test", "edge.test"], &[[192, 0, 2, 7]], 60);
    for denied in ["bad.test", "edge.test", "*.test"] {
        let fence = fence(&[], &[denied]);
        fence.learn(&answer);
        assert!(!passes(&fence, "192.0.2.7", 80), "{denied}");
        fence.learn(&reply("good.example", &[], &[[192, 0, 2, 8]], 60));
        assert!(passes(&fence, "192.0.2.8", 80), "{denied}");
    }
    let closed = fence(&["edge.test"], &["bad.test:22"]);
    closed.learn(&answer);
    assert!(!passes(&closed, "192.0.2.7", 80), "what was asked for is no allowed name");
}
