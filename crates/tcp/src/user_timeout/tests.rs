use super::{decode, encode};
use crate::testing::{Rig, plain};
use crate::{Config, Error, OptionFlags, Signals, SocketOptions};

const SYN_ACK: &str = "S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 0>";

fn config() -> Config {
    Config { user_timeout_option: true, advertised_timeout_s: 200, ..plain() }
}

/// A connection of a host with RFC 5482, whose peer says `value` by a segment.
fn told(value: u16, change: impl Fn(&mut SocketOptions)) -> Rig {
    let mut rig = Rig::connecting_with(config(), change);
    rig.drain();
    rig.pass_ms(10);
    rig.gets(SYN_ACK);
    rig.drain();
    says(&mut rig, value);
    rig
}

fn says(rig: &mut Rig, value: u16) {
    let (mut segment, text) = crate::testing::notation::parse(". 1:1(0) ack 1 win 60000");
    segment.options.user_timeout = Some(value);
    rig.gets_segment(&segment, &text);
}

/// The values of the option in what is sent next, segment by segment.
fn values(rig: &mut Rig) -> std::vec::Vec<Option<u16>> {
    core::iter::from_fn(|| rig.poll(u32::MAX)).map(|(plan, _)| plan.options.user_timeout).collect()
}

fn change(rig: &mut Rig, change: impl Fn(&mut SocketOptions)) {
    let mut options = rig.tcb.options(&rig.host.slabs);
    change(&mut options);
    rig.tcb.set_options(&mut rig.host.cx(), &options);
}

/// Seconds until text that nobody acknowledges ends the connection.
fn patience_s(rig: &mut Rig) -> u64 {
    rig.write(100);
    rig.drain();
    let (waited_ms, signals) = rig.wait_until(|rig| {
        rig.drain();
        rig.tcb.is_finished()
    });
    assert!(signals.contains(Signals::TIMED_OUT));
    assert_eq!(rig.try_read(), Err(Error::TimedOut));
    waited_ms / 1_000
}

// RFC 5482 §3.3, §3.4
#[test]
fn values_are_seconds_or_minutes_and_never_zero() {
    for (seconds, value) in [(0, 1), (1, 1), (300, 300), (32_767, 32_767), (32_768, 0x8000 | 547)] {
        assert_eq!(encode(seconds), value);
    }
    assert_eq!(encode(u32::MAX), u16::MAX);
    for (value, seconds) in [(0, None), (0x8000, None), (7, Some(7)), (0x8005, Some(300))] {
        assert_eq!(decode(value), seconds);
    }
}

// RFC 5482 §3
#[test]
fn it_is_off_unless_it_is_wanted() {
    let mut rig = Rig::connecting_with(plain(), |_| {});
    assert_eq!(values(&mut rig), [None]);
    rig.gets(SYN_ACK);
    assert_eq!(values(&mut rig), [None]);
    says(&mut rig, 500);
    assert_eq!(rig.tcb.adopted_timeout_s(&rig.host.cx()), 0);
    assert_eq!(rig.host.slabs.in_use(), 0, "and takes no memory");
    let mut rig =
        Rig::connecting_with(config(), |options| options.seldom.user_timeout_option.enabled = Some(false));
    assert_eq!(values(&mut rig), [None]);
}

// RFC 5482 §3
#[test]
fn the_syn_and_the_first_ack_say_it_and_so_does_a_change() {
    let mut rig = Rig::connecting_with(config(), |_| {});
    assert_eq!(values(&mut rig), [Some(200)]);
    rig.pass_ms(10);
    rig.gets(SYN_ACK);
    assert_eq!(values(&mut rig), [Some(200)]);
    rig.gets("P. 1:11(10) ack 1 win 60000");
    rig.write(10);
    assert_eq!(values(&mut rig), [None]);
    change(&mut rig, |options| options.common.user_timeout_ms = 90_500);
    assert_eq!(values(&mut rig), [Some(91)]);
    change(&mut rig, |options| options.seldom.user_timeout_option.advertised_s = Some(60_000));
    assert_eq!(values(&mut rig), [Some(0x8000 | 1000)]);
}

// RFC 5482 §3.1
#[test]
fn the_more_patient_side_decides_within_limits() {
    let mut rig = told(0, |_| {});
    for (value, adopted) in [
        (0x8000, 0),
        (20, 200),
        (500, 500),
        (u16::MAX, Config::default().adopted_timeout_s.1),
        (0, Config::default().adopted_timeout_s.1),
        (300, 300),
    ] {
        says(&mut rig, value);
        assert_eq!(rig.tcb.adopted_timeout_s(&rig.host.cx()), adopted, "{value:#x}");
    }
    change(&mut rig, |options| options.seldom.user_timeout_option.advertised_s = Some(5));
    says(&mut rig, 7);
    assert_eq!(rig.tcb.adopted_timeout_s(&rig.host.cx()), Config::default().adopted_timeout_s.0);
}

// RFC 5482 §3.1, RFC 9293 MUST-21
#[test]
fn who_has_set_a_user_timeout_keeps_it_unless_the_peer_may_change_it() {
    let mut rig = told(500, |options| options.common.user_timeout_ms = 3_000);
    assert_eq!(rig.tcb.user_timeout_us(&rig.host.cx()), 3_000_000);
    change(&mut rig, |options| options.seldom.user_timeout_option.changeable = Some(true));
    assert_eq!(rig.tcb.user_timeout_us(&rig.host.cx()), 500_000_000);
    change(&mut rig, |options| {
        options.common.user_timeout_ms = 0;
        options.seldom.user_timeout_option.changeable = Some(false);
    });
    assert_eq!(rig.tcb.user_timeout_us(&rig.host.cx()), 0);
}

// RFC 5482 §1: an outage that both sides sit out, or one that is given up early.
#[test]
fn the_adopted_timeout_takes_the_place_of_the_number_of_retransmissions() {
    let patient = patience_s(&mut told(0x8000 | 40, |_| {}));
    assert!((2_400..2_600).contains(&patient), "{patient} s");
    let usual = patience_s(&mut told(0, |_| {}));
    assert!((600..1_300).contains(&usual), "{usual} s");
    let hasty = patience_s(&mut told(20, |_| {}));
    assert!((200..400).contains(&hasty), "{hasty} s");
}

// RFC 5482 §4.2
#[test]
fn keepalive_is_more_patient_than_the_adopted_timeout() {
    let first_probe_s = |value| {
        let mut rig = told(value, |options| {
            options.common.flags |= OptionFlags::KEEPALIVE;
            options.seldom.keepalive.time_s = 60;
        });
        let (ms, _) = rig.wait_until(|rig| rig.host.stats.keepalive_probes > 0);
        ms / 1_000
    };
    assert_eq!(first_probe_s(0), 60);
    assert_eq!(first_probe_s(500), 501);
}

#[test]
fn the_option_yields_to_others() {
    let mut rig = Rig::connecting_with(Config { timestamps: true, ..config() }, |_| {});
    assert_eq!(values(&mut rig), [Some(200)]);
    rig.pass_ms(10);
    rig.gets("S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,TS val 1 ecr 0,wscale 0>");
    let (plan, _) = rig.poll(u32::MAX).unwrap();
    assert!(plan.options.len() <= 40);
}

// RFC 9293 MUST-37: what the peer asks for is about acknowledgements, and answers keep a shut window's connection open.
#[test]
fn a_reader_that_pauses_for_longer_than_it_asked_for_is_waited_for() {
    let mut rig = told(200, |_| {});
    rig.gets(". 1:1(0) ack 1 win 0");
    rig.write(5_000);
    for _ in 0..30 {
        rig.wait_until(|rig| rig.tcb.wants_transmit(&rig.host.cx()));
        assert_eq!(rig.drain().len(), 1);
        rig.gets(". 1:1(0) ack 1 win 0");
    }
    assert!(!rig.tcb.is_finished());
}
