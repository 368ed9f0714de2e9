use crate::testing::{Rig, plain};
use crate::{Config, Signals, State};

#[test]
fn the_handshake_agrees_on_what_both_offer() {
    let mut rig = Rig::connecting(Config::default());
    let syn = rig.sends().unwrap();
    assert!(
        syn.starts_with("S 0:0(0) <mss 1460,sackOK,TS val ") && syn.ends_with(" ecr 0,wscale 7>"),
        "{syn}"
    );
    rig.gets("S. 0:0(0) ack 1 win 500 <mss 1200,sackOK,TS val 9 ecr 1000077,wscale 3>");
    let info = rig.info();
    assert!(info.sack && info.timestamps);
    assert_eq!((info.snd_wscale, info.rcv_wscale, info.snd_mss), (3, 7, 1188));
    assert_eq!(info.snd_wnd, 500, "the window of a SYN is not scaled");
    rig.drain();
    rig.gets(". 1:1(0) ack 1 win 500 <TS val 10 ecr 1>");
    assert_eq!(rig.info().snd_wnd, 4000);
}

#[test]
fn a_peer_without_options_gets_none() {
    let mut rig = Rig::connecting(Config::default());
    rig.drain();
    rig.gets("S. 0:0(0) ack 1 win 500");
    rig.expect(". 1:1(0) ack 1");
    let info = rig.info();
    assert!(!info.sack && !info.timestamps);
    assert_eq!((info.snd_wscale, info.rcv_wscale), (0, 0));
    assert_eq!(info.snd_mss, 536, "RFC 9293 MUST-15");
}

// E2
#[test]
fn a_tiny_mss_is_raised_to_the_least() {
    let mut rig = Rig::established_with(plain(), |_| {}, "S. 0:0(0) ack 1 win 60000 <mss 1>");
    assert_eq!(rig.info().snd_mss, 64);
    rig.write(100);
    rig.expect("P. 1:65(64) ack 1".replace('P', "").trim());
}

// RFC 9293 MUST-10
#[test]
fn simultaneous_open() {
    let mut rig = Rig::in_state(State::SynSent);
    rig.gets("S 0:0(0) win 60000 <mss 1000,sackOK,wscale 0>");
    rig.expect_state(State::SynReceived);
    rig.expect("S. 0:0(0) ack 1 <mss 1460,sackOK,wscale 7>");
    let signals = rig.gets("S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 0>");
    assert!(signals.contains(Signals::ESTABLISHED));
    rig.expect_state(State::Established);
}

#[test]
fn an_ack_of_nothing_we_sent_is_reset_in_syn_sent() {
    let mut rig = Rig::in_state(State::SynSent);
    rig.gets(". 0:0(0) ack 500");
    rig.expect("R 500:500(0)");
    rig.gets("S. 0:0(0) ack 0");
    rig.expect("R 0:0(0)");
    rig.expect_state(State::SynSent);
}

#[test]
fn a_reset_without_our_number_does_not_end_the_opening() {
    let mut rig = Rig::in_state(State::SynSent);
    for line in ["R 0:0(0)", "R. 0:0(0) ack 2", "R. 0:0(0) ack 0"] {
        rig.gets(line);
        rig.expect_state(State::SynSent);
        rig.expect_nothing();
    }
}

// RFC 5961 §4.2, F5
#[test]
fn a_syn_on_an_open_connection_gets_one_challenge() {
    let mut rig = Rig::established();
    for seq in [0, 1, 500, 8_000_000] {
        rig.gets(&std::format!("S {seq}:{seq}(0)"));
    }
    assert_eq!(rig.drain(), [". 1:1(0) ack 1"]);
    rig.expect_state(State::Established);
    assert_eq!(rig.host.stats.challenge_acks, 1);
}

#[test]
fn text_on_a_syn_ack_is_taken() {
    let mut rig = Rig::in_state(State::SynSent);
    rig.gets("S. 0:10(10) ack 1 win 60000");
    rig.expect(". 1:1(0) ack 11");
    rig.read(10);
}

#[test]
fn a_lost_syn_is_sent_again_and_leaves_a_window_of_one_segment() {
    let mut rig = Rig::in_state(State::SynSent);
    assert_eq!(rig.wait().0, 1000);
    rig.expect("S 0:0(0) <mss 1460,sackOK,wscale 7>");
    assert_eq!(rig.wait().0, 2000);
    rig.expect("S 0:0(0) <mss 1460,sackOK,wscale 7>");
    rig.gets("S. 0:0(0) ack 1 win 60000 <mss 1000>");
    let info = rig.info();
    assert_eq!((info.cwnd, info.rto_us), (1000, 3_000_000));
}

// RFC 9293 MUST-22, MUST-23: three minutes at least.
#[test]
fn an_opening_without_an_answer_is_given_up() {
    let mut rig = Rig::in_state(State::SynSent);
    let mut syns = 1;
    let (waited, signals) = rig.wait_until(|rig| {
        syns += rig.drain().len();
        rig.tcb.is_finished()
    });
    assert_eq!((waited, syns), (247_000, 8));
    assert!(waited >= 180_000);
    assert!(signals.contains(Signals::TIMED_OUT));
    assert_eq!(rig.tcb.error(), Some(crate::Error::TimedOut));
}
