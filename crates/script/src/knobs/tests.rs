use crate::knobs::KnobError;
use crate::machine::{Machine, Settings};

#[test]
fn a_knob_is_set_and_read_by_all_its_names() {
    let mut machine = Machine::new(Settings::default());
    assert_eq!(machine.sysctl("net.ipv4.tcp_sack").as_deref(), Some("1"));
    machine.set_sysctl("/proc/sys/net/ipv4/tcp_sack", "0").unwrap();
    assert_eq!(machine.sysctl("net/ipv4/tcp_sack").as_deref(), Some("0"));
    assert!(!machine.stack().config().tcp.sack);
}

#[test]
fn knobs_that_linux_does_not_have_stand_under_a_name_of_their_own() {
    let mut machine = Machine::new(Settings::default());
    machine.set_sysctl("portolan.tcp_cwv", "1").unwrap();
    assert_eq!(machine.sysctl("portolan.tcp_cwv").as_deref(), Some("1"));
    assert!(machine.stack().config().tcp.cwv);
    assert_eq!(machine.sysctl("net.ipv4.tcp_cwv"), None);
    assert!(machine.set_sysctl("portolan.tcp_sack", "0").is_err());
}

#[test]
fn units_are_the_sysctls_own() {
    let mut machine = Machine::new(Settings::default());
    machine.set_sysctl("net.ipv4.tcp_fin_timeout", "30").unwrap();
    assert_eq!(machine.stack().config().tcp.fin_wait2_us, 30_000_000);
    machine.set_sysctl("net.ipv4.tcp_wmem", "4096 262144 4194304").unwrap();
    assert_eq!(machine.stack().config().tcp.send_buffer.initial, 262_144);
}

#[test]
fn names_and_values_that_do_not_exist_are_refused() {
    let mut machine = Machine::new(Settings::default());
    let error = machine.set_sysctl("net.ipv4.tcp_speed", "9").unwrap_err();
    assert_eq!(error, KnobError::Unknown("net.ipv4.tcp_speed".into()));
    let error = machine.set_sysctl("net.ipv4.tcp_syn_retries", "many").unwrap_err();
    assert_eq!(error, KnobError::BadValue("many".into()));
    assert!(machine.set_sysctl("net.ipv4.tcp_syn_retries", "300").is_err());
}
