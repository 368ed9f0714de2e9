use crate::testing::{Rig, plain};
use crate::{CaState, Config};

/// A connection that has just begun, and one in which 3 Gi octets have gone before.
fn near_and_far(config: &Config) -> [Rig; 2] {
    let rig = || {
        let syn_ack = "S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 0>";
        Rig::established_with(config.clone(), |_| {}, syn_ack)
    };
    [rig(), rig().far_along()]
}

// RFC 2883 §4, RFC 3708: however far the ISS lies back.
#[test]
fn duplicates_count_wherever_the_initial_number_is() {
    for mut rig in near_and_far(&plain()) {
        rig.write(10_000);
        rig.drain();
        rig.pass_ms(10);
        rig.gets(". 1:1(0) ack 1 <sack 2001:8001>");
        assert_eq!(rig.drain().len(), 2);
        rig.pass_ms(2);
        rig.gets(". 1:1(0) ack 10001");
        assert_eq!((rig.info().ca_state, rig.info().cwnd), (CaState::Open, 5000));
        rig.gets(". 1:1(0) ack 10001 <sack 1:2001>");
        assert_eq!((rig.info().dsack_dups, rig.host.stats.dsacks_received), (2, 1));
        assert_eq!((rig.info().cwnd, rig.info().ssthresh), (10_000, u32::MAX), "the reduction is taken back");
    }
}

// RFC 8985 §7.4.2
#[test]
fn a_duplicate_of_a_probe_counts_wherever_the_initial_number_is() {
    for mut rig in near_and_far(&Config { loss_probes: true, ..plain() }) {
        rig.write(4000);
        assert_eq!(rig.drain().len(), 4);
        rig.wait();
        rig.expect("P. 3001:4001(1000) ack 1");
        rig.pass_ms(20);
        rig.gets(". 1:1(0) ack 4001");
        rig.gets(". 1:1(0) ack 4001 <sack 3001:4001>");
        rig.write(2000);
        rig.drain();
        rig.gets(". 1:1(0) ack 6001");
        assert_eq!((rig.host.stats.loss_probe_recoveries, rig.info().ssthresh), (0, u32::MAX));
    }
}

// RFC 2883 §4: a block that lies farther back than any window reached can be no duplicate.
#[test]
fn a_duplicate_from_long_ago_is_none() {
    for mut rig in near_and_far(&plain()) {
        rig.write(2000);
        rig.drain();
        rig.wait();
        rig.expect(". 1:1001(1000) ack 1");
        for forged in ["-70000:-69000", "-1500000000:-1499999000"] {
            rig.gets(&std::format!(". 1:1(0) ack 2001 <sack {forged}>"));
        }
        assert_eq!((rig.info().dsack_dups, rig.host.stats.dsacks_received), (0, 0));
    }
}

// RFC 2018 §5
#[test]
fn blocks_count_wherever_the_initial_number_is() {
    for mut rig in near_and_far(&plain()) {
        rig.write(10_000);
        rig.drain();
        rig.gets(". 1:1(0) ack 1 <sack 2001:4001 6001:7001>");
        assert_eq!((rig.info().sacked, rig.info().ca_state), (3000, CaState::Recovery));
        rig.expect(". 1:1001(1000) ack 1");
    }
}
