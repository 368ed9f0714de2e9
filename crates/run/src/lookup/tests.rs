use std::io;
use std::sync::Mutex;

use domain::base::Ttl;
use domain::rdata::Cname;

use super::*;

/// A server with a table: (name, type) to what the records are, or a code.
struct Table {
    code: Rcode,
    aliases: Vec<(&'static str, &'static str)>,
    addresses: Vec<(&'static str, IpAddr)>,
    cut: bool,
    asked: Mutex<Vec<(String, Rtype, Transport)>>,
}

impl Default for Table {
    fn default() -> Table {
        Table {
            code: Rcode::NOERROR,
            aliases: vec![],
            addresses: vec![],
            cut: false,
            asked: Mutex::default(),
        }
    }
}

impl Exchange for &Table {
    async fn exchange(&self, _: SocketAddr, query: &[u8], transport: Transport) -> io::Result<Vec<u8>> {
        let query = Message::from_octets(query).unwrap();
        let question = query.sole_question().unwrap();
        let mut name = canonical(&question.qname().to_string());
        self.asked.lock().unwrap().push((name.clone(), question.qtype(), transport));
        let known = self.addresses.iter().any(|(known, _)| *known == name)
            || self.aliases.iter().any(|(known, _)| *known == name);
        let code = if self.code == Rcode::NOERROR && !known { Rcode::NXDOMAIN } else { self.code };
        let mut builder = MessageBuilder::new_vec().start_answer(&query, code).unwrap();
        if self.cut && transport == Transport::Udp {
            builder.header_mut().set_tc(true);
            return Ok(builder.finish());
        }
        while let Some((_, to)) = self.aliases.iter().find(|(from, _)| *from == name) {
            let (owner, target): (Name<Vec<u8>>, Name<Vec<u8>>) =
                (name.parse().unwrap(), to.parse().unwrap());
            builder.push((owner, Ttl::ZERO, Cname::new(target))).unwrap();
            name = (*to).to_owned();
            if builder.counts().ancount() > 30 {
                break;
            }
        }
        for (owner, address) in self.addresses.iter().filter(|(known, _)| *known == name) {
            let owner: Name<Vec<u8>> = owner.parse().unwrap();
            match address {
                IpAddr::V4(v4) if question.qtype() == Rtype::A => {
                    builder.push((owner, Ttl::ZERO, A::new(*v4))).unwrap();
                }
                IpAddr::V6(v6) if question.qtype() == Rtype::AAAA => {
                    builder.push((owner, Ttl::ZERO, Aaaa::new(*v6))).unwrap();
                }
                _ => {}
            }
        }
        Ok(builder.finish())
    }
}

fn resolver(table: &Table) -> Resolver<&Table> {
    let config = ResolverConfig {
        servers: vec![([10, 0, 2, 3], 53).into()],
        conf: ResolvConf { search: vec!["corp.example".into()], ..ResolvConf::default() },
        fence: None,
        hosts: Hosts::parse("192.0.2.1 table\n"),
        wire: None,
        hostname: Some("me".into()),
        own: vec![crate::plan::DEFAULT_V4, crate::plan::DEFAULT_V6],
    };
    Resolver::new(config, table)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

async fn addresses(resolver: &Resolver<&Table>, name: &str) -> Result<Vec<IpAddr>, LookUpFailure> {
    resolver.look_up(name.as_bytes(), None, false, None).await.map(|found| found.addresses)
}

#[tokio::test]
async fn both_families_are_asked_and_put_in_order() {
    let table = Table {
        addresses: vec![
            ("x.example", ip("2001:db8::1")),
            ("x.example", ip("192.0.2.9")),
            ("x.example", ip("fd00::9")),
        ],
        ..Table::default()
    };
    let resolver = resolver(&table);
    let found = addresses(&resolver, "x.example").await.unwrap();
    assert_eq!(
        found,
        [ip("fd00::9"), ip("192.0.2.9"), ip("2001:db8::1")],
        "our own IPv6 address is unique local"
    );
    assert_eq!(resolver.remembered(ip("192.0.2.9")).as_deref(), Some("x.example"));
    let four = resolver.look_up(b"x.example", Some(Family::V4), false, None).await.unwrap();
    assert_eq!(four.addresses, [ip("192.0.2.9")]);
}

#[tokio::test]
async fn aliases_are_followed_and_loops_end() {
    let table = Table {
        aliases: vec![
            ("www.example", "a.example"),
            ("a.example", "b.example"),
            ("loop.example", "loop.example"),
        ],
        addresses: vec![("b.example", ip("192.0.2.9"))],
        ..Table::default()
    };
    let found = resolver(&table).look_up(b"www.example", Some(Family::V4), false, None).await.unwrap();
    assert_eq!((found.canonical.as_str(), found.addresses), ("b.example", vec![ip("192.0.2.9")]));
    assert_eq!(addresses(&resolver(&table), "loop.example").await, Err(LookUpFailure::Failed));
}

#[tokio::test]
async fn a_cut_answer_is_asked_again_over_tcp() {
    let table = Table { addresses: vec![("x.example", ip("192.0.2.9"))], cut: true, ..Table::default() };
    assert_eq!(addresses(&resolver(&table), "x.example").await, Ok(vec![ip("192.0.2.9")]));
    assert!(table.asked.lock().unwrap().iter().any(|(_, _, transport)| *transport == Transport::Tcp));
}

#[tokio::test]
async fn short_names_go_through_the_search_list_and_built_in_ones_do_not() {
    let table = Table { addresses: vec![("web.corp.example", ip("192.0.2.9"))], ..Table::default() };
    assert_eq!(addresses(&resolver(&table), "web").await, Ok(vec![ip("192.0.2.9")]));
    table.asked.lock().unwrap().clear();
    assert_eq!(addresses(&resolver(&table), "portolan.internal").await, Err(LookUpFailure::NotFound));
    assert_eq!(addresses(&resolver(&table), "web.").await, Err(LookUpFailure::NotFound));
    assert!(table.asked.lock().unwrap().iter().all(|(name, _, _)| !name.ends_with("corp.example")));
}

#[tokio::test]
async fn what_is_known_costs_no_packet() {
    let table = Table::default();
    let resolver = resolver(&table);
    assert_eq!(addresses(&resolver, "192.0.2.77").await, Ok(vec![ip("192.0.2.77")]));
    assert_eq!(addresses(&resolver, "LocalHost").await, Ok(vec![ip("::1"), ip("127.0.0.1")]));
    assert_eq!(addresses(&resolver, "table").await, Ok(vec![ip("192.0.2.1")]));
    assert_eq!(addresses(&resolver, "me").await, Ok(vec![ip("10.0.2.15"), ip("fd00::15")]));
    assert_eq!(resolver.reverse(ip("192.0.2.1")).await, Ok("table".into()));
    assert_eq!(resolver.look_up(b"table", Some(Family::V6), false, None).await, Err(LookUpFailure::NoData));
    assert!(table.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn names_that_are_none_are_refused_without_a_packet() {
    let table = Table::default();
    let resolver = resolver(&table);
    let long = ["a"; 130].join(".");
    for name in
        ["", ".", "a..b", ".a", "a b", "a\u{1b}[2J", "a\0b", "b\u{fc}cher.example", &"x".repeat(64), &long]
    {
        assert_eq!(addresses(&resolver, name).await, Err(LookUpFailure::NotFound), "{name:?}");
    }
    assert_eq!(resolver.look_up(b"\xff\xfe", None, false, None).await, Err(LookUpFailure::NotFound));
    assert!(table.asked.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_apart() {
    let with = |code| Table { code, ..Table::default() };
    assert_eq!(addresses(&resolver(&with(Rcode::SERVFAIL)), "x.y").await, Err(LookUpFailure::TryAgain));
    assert_eq!(addresses(&resolver(&with(Rcode::REFUSED)), "x.y").await, Err(LookUpFailure::Failed));
    assert_eq!(addresses(&resolver(&with(Rcode::NXDOMAIN)), "x.y").await, Err(LookUpFailure::NotFound));
    let nothing = Table { addresses: vec![("x.y", ip("192.0.2.9"))], ..Table::default() };
    let only_six = resolver(&nothing).look_up(b"x.y", Some(Family::V6), false, None).await;
    assert_eq!(only_six, Err(LookUpFailure::NoData));
}

#[tokio::test]
async fn the_fence_learns_names_and_keeps_others_from_being_asked() {
    use crate::fence::rule::{Destination, Protocol};
    use crate::fence::{Fence, Settings};

    let table = Table { addresses: vec![("x.example", ip("192.0.2.7"))], ..Table::default() };
    let allow = ["x.example", "table"].map(|text| text.parse().unwrap()).to_vec();
    let settings = Settings { allow, ..Settings::default() };
    let fence = Arc::new(Fence::new(&settings, false, Arc::default()).unwrap().0);
    let mut resolver = resolver(&table);
    resolver.config.fence = Some(fence.clone());
    let passes = |address: &str| {
        let flow = Destination { address: ip(address), port: Some(80), protocol: Protocol::Tcp };
        fence.judge(&flow, std::time::Instant::now()).is_ok()
    };
    assert!(!passes("192.0.2.1") && !passes("192.0.2.7"));
    assert!(addresses(&resolver, "table").await.is_ok() && passes("192.0.2.1"), "from a table of ours");
    assert!(addresses(&resolver, "x.example").await.is_ok() && passes("192.0.2.7"), "from an answer");
    assert_eq!(addresses(&resolver, "y.example").await, Err(LookUpFailure::NotFound));
    assert!(table.asked.lock().unwrap().iter().all(|(name, ..)| !name.starts_with("y.")), "not asked");
}
