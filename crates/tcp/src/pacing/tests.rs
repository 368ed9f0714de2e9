use super::*;
use crate::testing::{Rig, plain};
use crate::{Config, SocketOptions};

const SYN_ACK: &str = "S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 0>";

/// A connection with a round trip of 100 ms and a window of 20 segments, of which none is used.
fn rig(config: Config, options: impl Fn(&mut SocketOptions)) -> Rig {
    let mut rig = Rig::connecting_with(config, options);
    rig.drain();
    rig.host.now = rig.host.now.plus_micros(100_000);
    rig.gets(SYN_ACK);
    rig.drain();
    rig.write(10_000);
    assert_eq!(rig.drain().len(), 10, "the initial window goes at once");
    rig.host.now = rig.host.now.plus_micros(100_000);
    rig.gets(". 1:1(0) ack 10001 win 60000");
    rig
}

/// When segments leave, in microseconds from now, and how many at each time.
fn departures(rig: &mut Rig, trains: usize) -> std::vec::Vec<(u64, usize)> {
    let began = rig.host.now;
    let mut all = std::vec::Vec::new();
    while all.len() < trains {
        let count = rig.drain().len();
        if count > 0 {
            all.push((rig.host.now.micros_since(began), count));
        }
        let next = rig.tcb.next_deadline().expect("a deadline");
        assert!(next > rig.host.now, "a deadline that has passed");
        rig.host.now = next;
        let _ = rig.tcb.on_deadline(&mut rig.host.cx());
    }
    all
}

/// Twenty segments in 100 ms, twice as fast in slow start: two segments every 5 ms. The first segment is late, and makes
/// up for half of its time.
#[test]
fn a_window_is_spread_over_the_round_trip() {
    let mut rig = rig(Config { pacing: true, ..plain() }, |_| {});
    assert_eq!(rig.tcb.window_rate(&rig.host.cx()), Some(400_000));
    rig.write(14_000);
    assert_eq!(departures(&mut rig, 4), [(0, 2), (3_750, 2), (8_750, 2), (13_750, 2)]);
}

#[test]
fn an_application_sets_the_rate() {
    let limit = |options: &mut SocketOptions| options.seldom.max_pacing_rate = 100_000;
    let mut rig = rig(plain(), limit);
    rig.write(10_000);
    let times = departures(&mut rig, 3);
    assert!(times.iter().all(|(_, count)| *count == 2), "{times:?}");
    assert_eq!(times[2].0 - times[1].0, 20_000, "2,000 octets at 100,000 in a second");
}

#[test]
fn without_a_knob_the_window_is_all_that_limits() {
    let mut rig = rig(plain(), |_| {});
    rig.write(14_000);
    assert_eq!(rig.drain().len(), 14);
    assert_eq!(rig.tcb.pacing_rate(&rig.host.cx()), None);
}

/// A fast path: a train is a millisecond's worth.
#[test]
fn a_train_grows_with_the_rate() {
    let mut pacing = Pacing::IDLE;
    let (rate, train) = (10_240_000, 10_000);
    let now = Instant::from_millis(1_000);
    let mut sent = 0;
    while !pacing.holds(now) {
        pacing.on_sent(now, 1_000, rate, train);
        sent += 1;
    }
    assert_eq!(sent, 10);
    assert_eq!(
        pacing.next_at.micros_since(now),
        927,
        "976 us, less half of the first segment, which was late"
    );
    assert!(!pacing.holds(Instant::from_millis(1_001)));
}

/// A timer that fires up to 10 ms late costs nothing of the rate; what is later is lost.
#[test]
fn a_late_timer_is_made_up_for() {
    let (rate, train) = (10_240_000, 10_000);
    let sent_in_a_second = |late_us: u64, waits: bool| {
        let mut pacing = Pacing::IDLE;
        let (began, mut now, mut sent) = (Instant::from_millis(1_000), Instant::from_millis(1_000), 0);
        while now.micros_since(began) < 1_000_000 {
            while !pacing.holds(now) {
                pacing.on_sent(now, 1_000, rate, train);
                sent += 1_000;
            }
            pacing.note(waits);
            now = pacing.next_at.plus_micros(late_us);
        }
        sent
    };
    for late_us in [0, 500, 2_000, 8_000] {
        let sent = sent_in_a_second(late_us, true);
        assert!((10_000_000..10_500_000).contains(&sent), "{late_us} us late: {sent}");
    }
    assert!(sent_in_a_second(30_000, true) < 5_000_000);
    assert!(sent_in_a_second(8_000, false) < 2_000_000, "nothing waited");
}

/// Nothing else that is due waits for the pace, and an ACK least of all.
#[test]
fn acks_are_not_paced() {
    let mut rig = rig(Config { pacing: true, ..plain() }, |_| {});
    rig.write(14_000);
    rig.drain();
    rig.gets(". 1:1001(1000) ack 10001 win 60000");
    rig.gets(". 1001:2001(1000) ack 10001 win 60000");
    rig.expect(". 12001:12001(0) ack 2001");
}
