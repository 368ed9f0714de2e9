use super::*;
use crate::config::parse_network;

fn config(addresses: &[&str]) -> Config {
    Config {
        addresses: addresses.iter().map(|text| parse_network(text).unwrap()).collect(),
        ..Config::default()
    }
}

#[test]
fn the_defaults_are_those_of_the_manual() {
    let plan = Plan::new(&config(&[])).unwrap();
    let named: Vec<String> = plan.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(named, ["10.0.2.15/24", "fd00::15/64"]);
    assert_eq!(plan.service("10.0.2.2".parse().unwrap()), Some(Service::Gateway));
    assert_eq!(plan.service("fd00::2".parse().unwrap()), Some(Service::Gateway));
    assert_eq!(plan.service("10.0.2.3".parse().unwrap()), Some(Service::Dns));
    assert_eq!(plan.service("10.0.2.15".parse().unwrap()), None);
    assert_eq!(plan.gateways.len(), 2);
}

#[test]
fn services_move_with_the_network() {
    let plan = Plan::new(&config(&["192.168.9.77/28"])).unwrap();
    assert_eq!(plan.service("192.168.9.66".parse().unwrap()), Some(Service::Gateway));
    assert_eq!(plan.addresses_of(Service::Web).count(), 1, "no IPv6 without an IPv6 address");
    let mut given = config(&["192.168.9.77/28"]);
    given.gateways = vec!["192.168.9.65".parse().unwrap()];
    let plan = Plan::new(&given).unwrap();
    assert_eq!(plan.service("192.168.9.65".parse().unwrap()), Some(Service::Gateway));
    assert_eq!(plan.gateways, given.gateways);
}

#[test]
fn a_network_without_room_is_refused() {
    assert!(Plan::new(&config(&["10.0.0.1/30"])).unwrap_err().to_string().contains("/29"));
    assert!(Plan::new(&config(&["fd00::1/127"])).unwrap_err().to_string().contains("/125"));
    assert!(Plan::new(&config(&["10.0.0.3/24"])).unwrap_err().to_string().contains("DNS server"));
}

#[test]
fn nothing_is_routed_with_link_none() {
    let plan = Plan::new(&Config { link: LinkChoice::None, ..Config::default() }).unwrap();
    assert!(plan.gateways.is_empty());
    assert!(plan.is_on_link("10.0.2.4".parse().unwrap()));
}
