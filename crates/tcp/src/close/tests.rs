use crate::testing::Rig;
use crate::{Error, FinWait2, Signals, State};

#[test]
fn close_sends_what_is_queued_and_then_a_fin() {
    let mut rig = Rig::established();
    rig.write(1500);
    rig.close();
    assert_eq!(
        rig.drain(),
        [
            "F. 1:1501(1500) ack 1".replace("F. 1:1501(1500)", ". 1:1001(1000)"),
            "FP. 1001:1501(500) ack 1".into()
        ]
    );
    rig.expect_state(State::FinWait1);
}

// RFC 2525 §2.17
#[test]
fn close_with_unread_text_resets() {
    let mut rig = Rig::established();
    rig.gets("P. 1:11(10) ack 1");
    let signals = rig.close();
    assert!(signals.contains(Signals::CLOSED | Signals::TRANSMIT));
    assert!(!rig.tcb.is_finished());
    rig.expect("R. 1:1(0) ack 11");
    assert!(rig.tcb.is_finished());
}

#[test]
fn close_while_opening_ends_at_once() {
    let mut rig = Rig::in_state(State::SynSent);
    assert!(rig.close().contains(Signals::CLOSED));
    rig.expect_nothing();
    assert!(rig.tcb.is_finished());
}

#[test]
fn close_in_syn_received_waits_for_the_handshake() {
    let mut rig = Rig::in_state(State::SynReceived);
    rig.close();
    rig.expect_nothing();
    rig.gets(". 1:1(0) ack 1");
    rig.expect_state(State::FinWait1);
    rig.expect("F. 1:1(0) ack 1");
}

#[test]
fn abort_resets_only_where_the_peer_does_not_know() {
    for state in [State::SynReceived, State::Established, State::FinWait1, State::FinWait2, State::CloseWait]
    {
        let mut rig = Rig::in_state(state);
        assert!(rig.tcb.abort(&mut rig.host.cx()).contains(Signals::TRANSMIT), "{state:?}");
        assert!(rig.sends().unwrap().starts_with("R. "), "{state:?}");
        assert!(rig.tcb.is_finished());
    }
    for state in [State::SynSent, State::Closing, State::LastAck, State::TimeWait] {
        let mut rig = Rig::in_state(state);
        rig.tcb.abort(&mut rig.host.cx());
        rig.expect_nothing();
        assert!(rig.tcb.is_finished());
    }
}

#[test]
fn an_orphan_waits_in_fin_wait_2_for_a_minute_whatever_the_peer_sends() {
    let mut rig = Rig::established();
    rig.close();
    rig.drain();
    rig.gets(". 1:1(0) ack 2");
    rig.expect_state(State::FinWait2);
    rig.pass_ms(30_000);
    rig.gets(". 1:1(0) ack 2");
    let (waited, signals) = rig.wait();
    assert_eq!(waited, 30_000);
    assert!(signals.contains(Signals::CLOSED));
}

#[test]
fn an_orphan_waits_in_fin_wait_2_as_long_as_its_option_says() {
    for (fin_wait2, expected_ms) in [(FinWait2::Seconds(5), 5_000), (FinWait2::Never, 0)] {
        let mut rig = Rig::established();
        let mut options = rig.tcb.options(rig.host.cx().slabs);
        options.seldom.fin_wait2 = fin_wait2;
        rig.tcb.set_options(&mut rig.host.cx(), &options);
        rig.close();
        rig.drain();
        rig.gets(". 1:1(0) ack 2");
        let (waited, signals) = rig.wait();
        assert_eq!(waited, expected_ms);
        assert!(signals.contains(Signals::CLOSED));
    }
}

#[test]
fn half_close_leaves_the_other_half_open() {
    let mut rig = Rig::in_state(State::FinWait2);
    rig.gets("P. 1:101(100) ack 2");
    rig.read(100);
    assert_eq!(rig.tcb.write(&mut rig.host.cx(), b"x"), Err(Error::BrokenPipe));
    let mut rig = Rig::in_state(State::CloseWait);
    rig.write(100);
    rig.expect("P. 1:101(100) ack 2");
}

// RFC 9293 MUST-13
#[test]
fn time_wait_lasts_a_minute_and_begins_again_with_the_fin() {
    let mut rig = Rig::in_state(State::TimeWait);
    rig.pass_ms(50_000);
    rig.gets("F. 1:1(0) ack 2");
    rig.expect(". 2:2(0) ack 2");
    let (waited, signals) = rig.wait();
    assert_eq!(waited, 60_000);
    assert!(signals.contains(Signals::CLOSED));
    assert!(rig.tcb.is_finished());
}

// RFC 5927 §4.1, §5.2
// RFC 9293 MUST-56
#[test]
fn unreachable_ends_an_opening_and_nothing_else() {
    let mut rig = Rig::in_state(State::SynSent);
    let forged = rig.tcb.snd.iss + 1;
    rig.tcb.on_unreachable(&mut rig.host.cx(), forged, true, Error::HostUnreachable);
    rig.expect_state(State::SynSent);
    let seq = rig.tcb.snd.iss;
    rig.tcb.on_unreachable(&mut rig.host.cx(), seq, false, Error::HostUnreachable);
    rig.expect_state(State::Closed);
    assert_eq!(rig.tcb.error(), Some(Error::HostUnreachable));
    let mut rig = Rig::established();
    rig.write(10);
    rig.drain();
    let seq = rig.tcb.snd.una;
    rig.tcb.on_unreachable(&mut rig.host.cx(), seq, true, Error::HostUnreachable);
    rig.expect_state(State::Established);
}

#[test]
fn nobody_answers_an_orphan_for_ever() {
    let mut rig = Rig::established();
    rig.write(10);
    rig.close();
    let (waited, _) = rig.wait_until(|rig| {
        rig.drain();
        rig.tcb.is_finished()
    });
    assert!(waited < 300_000, "{waited} ms");
}
