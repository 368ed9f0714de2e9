use std::io;
use std::sync::Mutex;

use super::*;
use crate::config::{Config, LinkChoice};
use crate::plan::Plan;

/// Servers that answer with a fixed code, or never; remembers who was asked.
#[derive(Default)]
struct Scripted {
    codes: Vec<(IpAddr, Rcode)>,
    asked: Mutex<Vec<IpAddr>>,
}

impl Exchange for Scripted {
    async fn exchange(&self, server: SocketAddr, query: &[u8], _: Transport) -> io::Result<Vec<u8>> {
        self.asked.lock().unwrap().push(server.ip());
        match self.codes.iter().find(|(address, _)| *address == server.ip()) {
            Some((_, code)) => Ok(refusal(&Message::from_octets(query).unwrap(), *code)),
            None => std::future::pending().await,
        }
    }
}

fn query(name: &str, qtype: Rtype) -> Vec<u8> {
    let mut builder = MessageBuilder::new_vec().question();
    builder.header_mut().set_id(77);
    builder.header_mut().set_rd(true);
    builder.push((name.parse::<Name<Vec<u8>>>().unwrap(), qtype)).unwrap();
    builder.finish()
}

fn server(link: LinkChoice, network: Option<Scripted>) -> Server<Scripted> {
    let plan = Plan::new(&Config { link: link.clone(), ..Config::default() }).unwrap();
    let hosts = Hosts::parse("192.0.2.1 table.example\n");
    let upstream = network.map(|network| Upstream {
        servers: vec![[10, 0, 0, 1].into(), [10, 0, 0, 2].into()],
        timeout: Duration::from_millis(20),
        network,
    });
    Server::new(Builtin::new(&link, &plan), hosts, upstream)
}

async fn ask(server: &Server<Scripted>, name: &str, qtype: Rtype) -> (Rcode, Vec<String>) {
    let reply = server.answer(&query(name, qtype), Transport::Udp).await.unwrap();
    assert!(super::super::exchange::answers(&reply, &query(name, qtype)));
    let reply = Message::from_octets(reply).unwrap();
    let records = reply.answer().unwrap().limit_to_in::<domain::rdata::AllRecordData<_, _>>();
    (reply.header().rcode(), records.map(|record| record.unwrap().data().to_string()).collect())
}

#[tokio::test]
async fn built_in_names_are_answered_and_never_passed_on() {
    let egress = server(LinkChoice::Egress, Some(Scripted::default()));
    assert_eq!(ask(&egress, "portolan.internal", Rtype::A).await, (Rcode::NOERROR, vec!["10.0.2.4".into()]));
    assert_eq!(
        ask(&egress, "Portolan.INTERNAL", Rtype::AAAA).await,
        (Rcode::NOERROR, vec!["fd00::4".into()])
    );
    assert_eq!(ask(&egress, "host.portolan.internal", Rtype::A).await.1, ["10.0.2.5"]);
    assert_eq!(ask(&egress, "gateway.portolan.internal", Rtype::A).await.1, ["10.0.2.2"]);
    assert_eq!(ask(&egress, "portolan.internal", Rtype::MX).await, (Rcode::NOERROR, vec![]));
    assert_eq!(ask(&egress, "x.portolan.internal", Rtype::A).await.0, Rcode::NXDOMAIN);
    assert_eq!(ask(&egress, "4.2.0.10.in-addr.arpa", Rtype::PTR).await.1, ["portolan.internal."]);
    assert!(egress.upstream.unwrap().network.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn without_a_network_only_the_web_server_has_a_name() {
    let none = server(LinkChoice::None, None);
    assert_eq!(ask(&none, "portolan.internal", Rtype::A).await.1, ["10.0.2.4"]);
    assert_eq!(ask(&none, "host.portolan.internal", Rtype::A).await.0, Rcode::NXDOMAIN);
    assert_eq!(ask(&none, "example.com", Rtype::A).await.0, Rcode::NXDOMAIN);
}

#[tokio::test]
async fn the_hosts_table_comes_before_the_servers() {
    let egress = server(LinkChoice::Egress, Some(Scripted::default()));
    assert_eq!(ask(&egress, "table.example", Rtype::A).await, (Rcode::NOERROR, vec!["192.0.2.1".into()]));
    assert_eq!(
        ask(&egress, "table.example", Rtype::AAAA).await,
        (Rcode::NOERROR, vec![]),
        "no data, not no name"
    );
    assert_eq!(ask(&egress, "a.localhost", Rtype::A).await.1, ["127.0.0.1"]);
    assert_eq!(ask(&egress, "1.2.0.192.in-addr.arpa", Rtype::PTR).await.1, ["table.example."]);
}

#[tokio::test]
async fn the_next_server_is_asked_when_one_is_silent_or_unwilling() {
    for codes in [
        vec![([10, 0, 0, 2].into(), Rcode::NXDOMAIN)],
        vec![([10, 0, 0, 1].into(), Rcode::SERVFAIL), ([10, 0, 0, 2].into(), Rcode::NXDOMAIN)],
    ] {
        let egress = server(LinkChoice::Egress, Some(Scripted { codes, ..Scripted::default() }));
        assert_eq!(ask(&egress, "example.com", Rtype::A).await.0, Rcode::NXDOMAIN);
        assert_eq!(egress.upstream.unwrap().network.asked.lock().unwrap().len(), 2);
    }
    let silent = server(LinkChoice::Egress, Some(Scripted::default()));
    assert_eq!(ask(&silent, "example.com", Rtype::A).await.0, Rcode::SERVFAIL);
}

#[tokio::test]
async fn what_is_no_query_gets_no_answer_or_a_refusal() {
    let egress = server(LinkChoice::Egress, Some(Scripted::default()));
    let good = query("example.com", Rtype::A);
    assert_eq!(egress.answer(&good[..11], Transport::Udp).await, None);
    let mut reply = good.clone();
    reply[2] |= 0x80;
    assert_eq!(
        egress.answer(&reply, Transport::Udp).await,
        None,
        "a reply is not answered: two servers would loop"
    );
    let rcode = |reply: Option<Vec<u8>>| Message::from_octets(reply.unwrap()).unwrap().header().rcode();
    let mut update = good.clone();
    update[2] |= 5 << 3;
    assert_eq!(rcode(egress.answer(&update, Transport::Udp).await), Rcode::NOTIMP);
    assert_eq!(rcode(egress.answer(&good[..12], Transport::Udp).await), Rcode::FORMERR);
    assert_eq!(rcode(egress.answer(&good[..15], Transport::Udp).await), Rcode::FORMERR);
    let pointer_loop = [&good[..12], &[0xc0, 12, 0, 1, 0, 1]].concat();
    assert_eq!(rcode(egress.answer(&pointer_loop, Transport::Udp).await), Rcode::FORMERR);
}

#[test]
fn reverse_names_are_read() {
    assert_eq!(reverse_name_address("1.2.0.192.in-addr.arpa"), Some([192, 0, 2, 1].into()));
    let v6 = format!("4.{}0.0.d.f.ip6.arpa", "0.".repeat(27));
    assert_eq!(reverse_name_address(&v6), Some("fd00::4".parse().unwrap()));
    for name in
        ["1.2.3.in-addr.arpa", "256.0.0.1.in-addr.arpa", "1.2.3.4.5.in-addr.arpa", "xy.ip6.arpa", "arpa"]
    {
        assert_eq!(reverse_name_address(name), None, "{name}");
    }
}

#[tokio::test]
async fn our_names_are_asked_of_nobody_in_any_class() {
    let egress = server(LinkChoice::Egress, Some(Scripted::default()));
    for name in ["portolan.internal", "text.portolan.internal", "localhost", "table.example"] {
        let mut chaos = query(name, Rtype::A);
        let class_at = chaos.len() - 1;
        chaos[class_at] = 3;
        let reply = egress.answer(&chaos, Transport::Udp).await.unwrap();
        assert_eq!(Message::from_octets(reply).unwrap().header().rcode(), Rcode::NXDOMAIN, "{name}");
    }
    assert!(egress.upstream.unwrap().network.asked.lock().unwrap().is_empty());
}
