use super::*;

fn host(text: &str) -> HostConfig {
    let mut config = HostConfig::default();
    parse_sysctl(text).unwrap().apply(&mut config);
    config
}

#[test]
fn a_knob_changes_its_field() {
    assert_eq!(host("net.ipv4.ip_unprivileged_port_start=80").ip_unprivileged_port_start, 80);
    assert_eq!(host("net.ipv4.ip_local_port_range=40000 40003").ephemeral_ports, (40_000, 40_003));
    assert_eq!(host("net/ipv4/ip_local_port_range = 40000\t40003").ephemeral_ports, (40_000, 40_003));
    assert_eq!(host("net.ipv4.ip_default_ttl=3").hop_limit, 3);
    assert_eq!(host("net.ipv4.tcp_syn_retries=2").tcp.syn_retries, 2);
    assert_eq!(host("net.ipv4.tcp_max_tw_buckets=0").time_wait_max, 0);
    assert_eq!(host("net.core.somaxconn=1").somaxconn, 1);
}

#[test]
fn a_wrong_setting_names_the_knob_the_value_and_what_is_allowed() {
    for (text, said) in [
        ("net.ipv4.ip_default_ttl", "no '='"),
        ("net.ipv4.no_such=1", "ip_local_port_range"),
        ("net.ipv4.ip_default_ttl=0", "from 1 to 255"),
        ("net.ipv4.ip_default_ttl=256", "from 1 to 255"),
        ("net.ipv4.ip_default_ttl=+1", "from 1 to 255"),
        ("net.ipv4.ip_local_port_range=2 1", "not above"),
        ("net.ipv4.ip_local_port_range=1", "two ports"),
        ("net.ipv4.ip_unprivileged_port_start=65536", "from 0 to 65535"),
        ("net.core.somaxconn=", "from 1 to 65535"),
    ] {
        let ConfigError(line) = parse_sysctl(text).unwrap_err();
        assert!(line.contains(said) && !line.contains('\n'), "{text}: {line}");
    }
}
