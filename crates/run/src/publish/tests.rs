use super::*;
use crate::config::{Config, parse_network};

fn seen(config: &Config, client: &str) -> (String, String) {
    let plan = Plan::new(config).unwrap();
    let (source, to) = on_the_wire(&plan, client.parse().unwrap(), 80).unwrap();
    (source.to_string(), to.to_string())
}

#[test]
fn a_client_keeps_its_name_where_it_can_be_answered() {
    let config = Config::default();
    for (client, source, to) in [
        ("192.0.2.7:4000", "192.0.2.7:4000", "10.0.2.15:80"),
        ("[2001:db8::7]:4000", "[2001:db8::7]:4000", "[fd00::15]:80"),
        ("127.0.0.1:4000", "10.0.2.5:4000", "10.0.2.15:80"),
        ("127.9.9.9:4000", "10.0.2.5:4000", "10.0.2.15:80"),
        ("[::1]:4000", "[fd00::5]:4000", "[fd00::15]:80"),
        ("10.0.2.15:4000", "10.0.2.2:4000", "10.0.2.15:80"),
        ("10.0.2.99:4000", "10.0.2.2:4000", "10.0.2.15:80"),
        ("[fe80::1]:4000", "[fd00::2]:4000", "[fd00::15]:80"),
    ] {
        assert_eq!(seen(&config, client), (source.to_owned(), to.to_owned()), "{client}");
    }
}

#[test]
fn a_client_of_a_family_that_the_command_lacks_is_the_gateway() {
    let config = Config { addresses: vec![parse_network("fd07::7/64").unwrap()], ..Config::default() };
    assert_eq!(seen(&config, "192.0.2.7:4000"), ("[fd07::2]:4000".to_owned(), "[fd07::7]:80".to_owned()));
}
