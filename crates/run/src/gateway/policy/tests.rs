use super::*;
use crate::config::Config;
use crate::fence::Settings;
use crate::fence::reserved::Kind;
use crate::fence::rule::Protocol;

fn policy(carries: bool, allow: &[&str], deny: &[&str]) -> (Policy, Plan) {
    let rules = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let settings = Settings { allow: rules(allow), deny: rules(deny), log: None };
    let (fence, _) = Fence::new(&settings, true, Arc::default()).unwrap();
    let plan = Plan::new(&Config::default()).unwrap();
    fence.bind("host.portolan.internal", "10.0.2.5".parse().unwrap(), None);
    fence.reserve(plan.services.iter().map(|service| service.address));
    (Policy { carries, fence: Arc::new(fence) }, plan)
}

fn judge_with((policy, plan): &(Policy, Plan), address: &str) -> Verdict {
    let address = address.parse::<IpAddr>().unwrap().to_canonical();
    policy.judge(plan, &Destination { address, port: Some(80), protocol: Protocol::Tcp })
}

fn judge(carries: bool, address: &str) -> Verdict {
    judge_with(&policy(carries, &[], &[]), address)
}

fn carried(address: &str) -> Verdict {
    Verdict::Carry(address.parse().unwrap())
}

#[test]
fn the_world_is_carried_and_the_hosts_loopback_has_one_name() {
    assert_eq!(judge(true, "192.0.2.1"), carried("192.0.2.1"));
    assert_eq!(judge(true, "2001:db8::1"), carried("2001:db8::1"));
    assert_eq!(judge(true, "10.0.2.5"), carried("127.0.0.1"));
    assert_eq!(judge(true, "fd00::5"), carried("::1"));
    assert_eq!(judge(true, "10.0.2.4"), Verdict::Service(Service::Web));
}

#[test]
fn j7_the_machines_loopback_is_reached_by_its_one_name_only() {
    for address in [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "0.1.2.3",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::127.0.0.1",
        "2002:7f00:1::",
    ] {
        assert_eq!(judge(true, address), Verdict::Forbid(Reason::Loopback), "{address}");
        let open = policy(true, &["127.0.0.0/8", "::1", "*"], &[]);
        assert_eq!(judge_with(&open, address), Verdict::Forbid(Reason::Loopback), "no rule opens {address}");
    }
    // The gateway's address is no door to it, and with rules the one door needs its own.
    assert_eq!(judge(true, "10.0.2.2"), Verdict::Service(Service::Gateway));
    let others = policy(true, &["example.test"], &[]);
    assert_eq!(judge_with(&others, "10.0.2.5"), Verdict::Forbid(Reason::NotAllowed));
    let named = policy(true, &["host.portolan.internal:80"], &[]);
    assert_eq!(judge_with(&named, "10.0.2.5"), carried("127.0.0.1"));
    let denied = policy(true, &[], &["host.portolan.internal"]);
    assert!(matches!(judge_with(&denied, "10.0.2.5"), Verdict::Forbid(Reason::Denied(_))));
}

#[test]
fn j8_metadata_and_link_local_are_forbidden_in_every_form() {
    for (address, kind) in [
        ("169.254.169.254", Kind::Metadata),
        ("169.254.170.2", Kind::Metadata),
        ("100.100.100.200", Kind::Metadata),
        ("168.63.129.16", Kind::Metadata),
        ("fd00:ec2::254", Kind::Metadata),
        ("fd20:ce::254", Kind::Metadata),
        ("::ffff:169.254.169.254", Kind::Metadata),
        ("64:ff9b::169.254.169.254", Kind::Metadata),
        ("2002:a9fe:a9fe::1", Kind::Metadata),
        ("169.254.1.1", Kind::LinkLocal),
        ("fe80::1", Kind::LinkLocal),
    ] {
        assert_eq!(judge(true, address), Verdict::Forbid(Reason::Reserved(kind)), "{address}");
        let wide = policy(true, &["*", "0.0.0.0/0", "::/0"], &[]);
        assert_eq!(
            judge_with(&wide, address),
            Verdict::Forbid(Reason::Reserved(kind)),
            "not opened: {address}"
        );
    }
    for private in ["10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd12::1"] {
        assert_eq!(judge(true, private), carried(private), "a decision: private networks are reached");
    }
    let meant = policy(true, &["169.254.169.254"], &[]);
    assert_eq!(judge_with(&meant, "169.254.169.254"), carried("169.254.169.254"));
    assert_eq!(judge_with(&meant, "169.254.170.2"), Verdict::Forbid(Reason::Reserved(Kind::Metadata)));
    let link = policy(true, &["169.254.0.0/16"], &[]);
    assert_eq!(judge_with(&link, "169.254.1.1"), carried("169.254.1.1"));
    assert_eq!(judge_with(&link, "169.254.169.254"), Verdict::Forbid(Reason::Reserved(Kind::Metadata)));
    // A name whose owner points it there opens nothing.
    let named = policy(true, &["rebound.test"], &[]);
    named.0.fence.bind("rebound.test", "169.254.169.254".parse().unwrap(), None);
    assert_eq!(judge_with(&named, "169.254.169.254"), Verdict::Forbid(Reason::Reserved(Kind::Metadata)));
}

#[test]
fn groups_are_silent_and_strangers_on_the_wire_unreachable() {
    for address in ["255.255.255.255", "224.0.0.251", "ff02::fb"] {
        assert_eq!(judge(true, address), Verdict::Refuse(Refusal::Silent));
    }
    let host = Verdict::Refuse(Refusal::Unreachable(UnreachableCode::Host));
    assert_eq!(judge(true, "10.0.2.99"), host);
    assert_eq!(judge(true, "fd00::99"), host);
}

#[test]
fn a_wire_that_leads_nowhere_still_has_its_services() {
    let network = Verdict::Refuse(Refusal::Unreachable(UnreachableCode::Network));
    assert_eq!(judge(false, "192.0.2.1"), network);
    assert_eq!(judge(false, "10.0.2.4"), Verdict::Service(Service::Web));
    assert_eq!(judge(false, "10.0.2.5"), Verdict::Service(Service::HostLoopback), "but it is not carried");
}

#[test]
fn the_services_are_on_this_side_of_the_fence() {
    let closed = policy(true, &["example.test"], &["10.0.0.0/8"]);
    assert_eq!(judge_with(&closed, "10.0.2.4"), Verdict::Service(Service::Web));
    assert_eq!(judge_with(&closed, "192.0.2.1"), Verdict::Forbid(Reason::NotAllowed));
}

#[test]
fn an_answer_from_the_network_is_no_door_to_the_machines_loopback() {
    let closed = policy(true, &["rebound.test"], &[]);
    let reply = |address| crate::fence::tests::reply("rebound.test", &[], &[address], 60);
    closed.0.fence.learn(&reply([10, 0, 2, 5]));
    closed.0.fence.learn(&reply([192, 0, 2, 1]));
    assert_eq!(judge_with(&closed, "10.0.2.5"), Verdict::Forbid(Reason::NotAllowed));
    assert_eq!(judge_with(&closed, "192.0.2.1"), carried("192.0.2.1"));
    let meant = policy(true, &["host.portolan.internal"], &[]);
    meant.0.fence.learn(&crate::fence::tests::reply("host.portolan.internal", &[], &[[10, 0, 2, 5]], 0));
    assert_eq!(judge_with(&meant, "10.0.2.5"), carried("127.0.0.1"), "our own name stays the door");
}

#[test]
fn what_stays_on_the_wire_needs_no_allow_and_obeys_a_deny() {
    let denied = |rule: &str| Verdict::Forbid(Reason::Denied(rule.to_owned()));
    let named = policy(true, &["example.test"], &[]);
    assert_eq!(judge_with(&named, "10.0.2.4"), Verdict::Service(Service::Web));
    for rule in ["*", "10.0.2.4/32", "tcp:*:80"] {
        assert_eq!(judge_with(&policy(true, &["*"], &[rule]), "10.0.2.4"), denied(rule));
        assert_eq!(judge_with(&policy(false, &[], &[rule]), "10.0.2.4"), denied(rule));
    }
    let everything = policy(true, &[], &["*"]);
    assert_eq!(judge_with(&everything, "10.0.2.2"), denied("*"));
    assert_eq!(
        judge_with(&everything, "10.0.2.3"),
        Verdict::Service(Service::Dns),
        "which refuses each name"
    );
}
