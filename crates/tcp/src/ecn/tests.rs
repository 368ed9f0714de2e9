use super::*;
use crate::embryo::Agreed;
use crate::testing::{Rig, plain};
use crate::{Embryo, PassiveOpen, SocketOptions};
use portolan_link::Instant;

const SYN_ACK: &str = "SE. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 0>";

fn asking() -> Config {
    Config { ecn: Ecn::On, ..plain() }
}

/// An open connection with ECN.
fn rig() -> Rig {
    let mut rig = Rig::connecting(asking());
    rig.expect("SEW 0:0(0) <mss 1460,sackOK,wscale 7>");
    rig.gets(SYN_ACK);
    rig.expect(". 1:1(0) ack 1");
    rig
}

/// As the connection prints its flags, whatever their order.
fn has(line: &str, flag: char) -> bool {
    line.trim_start_matches("[ect0] ").split(' ').next().unwrap().contains(flag)
}

// RFC 3168 §6.1.1
// RFC 9293 SHLD-8
#[test]
fn a_connection_asks_and_the_peer_agrees_or_not() {
    assert!(rig().info().ecn);
    for syn_ack in ["S. 0:0(0) ack 1 win 60000 <mss 1000>", "SEW. 0:0(0) ack 1 win 60000 <mss 1000>"] {
        let mut rig = Rig::connecting(asking());
        rig.drain();
        rig.gets(syn_ack);
        assert!(!rig.info().ecn, "{syn_ack}");
        rig.drain();
        rig.write(1000);
        rig.expect("P. 1:1001(1000) ack 1");
    }
    let mut silent = Rig::connecting(plain());
    silent.expect("S 0:0(0) <mss 1460,sackOK,wscale 7>");
    silent.gets(SYN_ACK);
    assert!(!silent.info().ecn, "who does not ask gets none");
}

// RFC 3168 §6.1.1.1
#[test]
fn a_syn_that_is_sent_again_asks_no_more() {
    let mut rig = Rig::connecting(asking());
    rig.drain();
    rig.wait_until(|rig| rig.tcb.has(Marks::SYN_DUE));
    rig.expect("S 0:0(0) <mss 1460,sackOK,wscale 7>");
    rig.gets(SYN_ACK);
    assert!(!rig.info().ecn);
}

// RFC 3168 §6.1.1
#[test]
fn a_listener_agrees_as_its_knob_says() {
    let agreed = |ecn, line| {
        let config = Config { ecn, ..plain() };
        let segment = crate::testing::notation::parse(line).0;
        let options = SocketOptions::new(&config);
        let open = PassiveOpen {
            now: Instant::from_millis(1),
            config: &config,
            options: &options,
            mss: 1460,
            timestamp_offset: 0,
        };
        let embryo = Embryo::on_syn(&open, &segment, SeqNumber(1));
        assert_eq!(
            embryo.syn_ack(Instant::from_millis(1)).flags.contains(Flags::ECE),
            embryo.has(Agreed::ECN)
        );
        embryo.has(Agreed::ECN)
    };
    let asks = "SEW 0:0(0) win 60000 <mss 1000>";
    assert!(agreed(Ecn::Passive, asks) && agreed(Ecn::On, asks));
    assert!(!agreed(Ecn::Off, asks));
    assert!(!agreed(Ecn::On, "SE 0:0(0) win 60000 <mss 1000>"));
    assert!(!agreed(Ecn::On, "[ect0] SEW 0:0(0) win 60000 <mss 1000>"), "no TCP sends a SYN that is capable");
}

// RFC 3168 §6.1.2, §6.1.4, §6.1.5
#[test]
fn only_new_text_can_be_marked() {
    let mut rig = rig();
    rig.write(1000);
    rig.expect("[ect0] P. 1:1001(1000) ack 1");
    rig.wait_until(|rig| rig.host.stats.timeouts > 0);
    rig.expect("P. 1:1001(1000) ack 1");
    rig.gets("P. 1:101(100) ack 1001 win 60000");
    rig.read(100);
    assert!(rig.drain().iter().all(|line| line.starts_with(". ")));
}

// RFC 3168 §6.1.3
#[test]
fn a_mark_is_echoed_until_the_sender_has_reduced_its_window() {
    let mut rig = rig();
    rig.gets("[ce] P. 1:101(100) ack 1 win 60000");
    for line in rig.drain() {
        assert!(has(&line, 'E'), "{line}");
    }
    rig.gets("[ect0] P. 101:201(100) ack 1 win 60000");
    rig.write(10);
    assert!(has(&rig.sends().unwrap(), 'E'), "also on text");
    rig.gets("[ect0] PW. 201:301(100) ack 11 win 60000");
    assert!(!has(&rig.sends().unwrap(), 'E'), "acknowledged at once, without echo");
    rig.gets("[ce] PW. 301:401(100) ack 11 win 60000");
    assert!(has(&rig.sends().unwrap(), 'E'), "reduced, and marked again");
}

// H5. RFC 3168 §6.1.2: once in a window of text, and never below the smallest window, whatever a peer claims.
#[test]
fn h5_a_peer_that_always_echoes_leaves_a_window_to_send_with() {
    let mut rig = rig();
    let (mut una, mut reductions, mut windows) = (1, 0, 0);
    for _ in 0..50 {
        rig.write(2_000);
        let mut first = true;
        for line in rig.drain() {
            assert_eq!(has(&line, 'W'), first && windows > 0, "{line}");
            first = false;
        }
        let nxt = rig.tcb.snd.nxt.since(SeqNumber(crate::testing::ISS)).unwrap();
        windows += 1;
        while una < nxt {
            let before = rig.info().ssthresh;
            una = nxt.min(una + 500);
            rig.gets(&std::format!("E. 1:1(0) ack {una} win 60000"));
            reductions += u32::from(rig.info().ssthresh < before);
            assert!(rig.info().cwnd >= 2_000, "{}", rig.info().cwnd);
            if una == nxt {
                break;
            }
        }
    }
    assert!((1..=windows).contains(&reductions), "{reductions} reductions in {windows} windows");
    assert!(rig.info().delivered_ce >= 90_000);
}

// RFC 8511 §3
#[test]
fn a_mark_takes_less_than_a_loss_if_that_is_wanted() {
    for (congestion, abe, cwnd) in [
        (CongestionAlgorithm::NewReno, false, 5_000),
        (CongestionAlgorithm::NewReno, true, 8_000),
        (CongestionAlgorithm::Cubic, false, 7_000),
        (CongestionAlgorithm::Cubic, true, 8_500),
    ] {
        let mut rig = Rig::connecting(Config { congestion, abe, ..asking() });
        rig.drain();
        rig.gets(SYN_ACK);
        rig.write(10_000);
        rig.drain();
        rig.gets("E. 1:1(0) ack 1001 win 60000");
        assert_eq!(rig.info().ssthresh, cwnd, "{congestion:?}, abe {abe}");
    }
}

/// RFC 8257 §3.2: with a delayed ACK outstanding, the change is told at once, and what came before as it was.
#[test]
fn dctcp_echoes_every_mark_and_no_more() {
    let options = |options: &mut SocketOptions| options.common.congestion = CongestionAlgorithm::Dctcp;
    let mut rig = Rig::connecting_with(plain(), options);
    rig.expect("[ect0] SEW 0:0(0) <mss 1460,sackOK,wscale 7>");
    rig.gets(SYN_ACK);
    rig.drain();
    rig.gets("[ect0] . 1:1001(1000) ack 1 win 60000");
    rig.expect_nothing();
    rig.gets("[ce] . 1001:2001(1000) ack 1 win 60000");
    let acks = rig.drain();
    assert_eq!(acks.len(), 2, "{acks:?}");
    assert!(acks[0].contains("ack 1001") && !has(&acks[0], 'E'), "{acks:?}");
    assert!(acks[1].contains("ack 2001") && has(&acks[1], 'E'), "{acks:?}");
    rig.gets("[ect0] P. 2001:3001(1000) ack 1 win 60000");
    let acks = rig.drain();
    assert!(acks.last().is_some_and(|ack| !has(ack, 'E') && ack.contains("ack 3001")), "{acks:?}");
    assert!(acks.iter().all(|ack| ack.starts_with("[ect0]")), "{acks:?}");
}

// H5. RFC 3168 §6.1.2: the echoes of one window of text reduce the window once.
#[test]
fn echoes_of_one_window_reduce_the_window_once() {
    let mut rig = rig();
    rig.write(10_000);
    assert_eq!(rig.drain().len(), 10);
    rig.gets("E. 1:1(0) ack 1001 win 60000");
    let once = rig.info().ssthresh;
    assert!(once < u32::MAX);
    for una in (2001..=10_001).step_by(1000) {
        rig.gets(&std::format!("E. 1:1(0) ack {una} win 60000"));
        assert_eq!(rig.info().ssthresh, once, "{una}");
    }
}
