//! The windows of our congestion controllers beside those of quinn-proto, which others wrote for QUIC: the same
//! acknowledgements and losses at the same times must give nearly the same curve.
//!
//! Each round trip the window is sent and acknowledged evenly, and in some round trips one packet is lost. What QUIC
//! and TCP do differently is left out: a timeout, an idle sender, a window that the application does not fill.

mod estimator;

use std::sync::Arc;
use std::time::Duration;

use portolan_link::Instant;
use portolan_tcp::Config;
use portolan_tcp::congestion::{
    AckSample, CcContext, CongestionControl, CongestionEvent, Cubic, NewReno, Sent,
};
use portolan_wire::SeqNumber;
use quinn_proto::RttEstimator;
use quinn_proto::congestion::{ControllerFactory, CubicConfig, NewRenoConfig};

/// Octets of a packet, and of the initial window.
const MSS: u16 = 1200;
const INITIAL: u32 = 10 * MSS as u32;
/// How far curves may lie apart: so many packets, or this share in percent, whichever is more.
const PACKETS_OFF: u32 = 2;

/// A path on which everything goes well but for some losses.
struct Path {
    rtt: Duration,
    rounds: u32,
    /// The rounds in which a packet is lost.
    losses: &'static [u32],
}

/// The window in packets at the end of each round trip.
type Curve = Vec<u32>;

/// What our controller makes of a path.
fn ours(control: &mut dyn CongestionControl, path: &Path) -> Curve {
    let config = Config::default();
    let rtt_us = u32::try_from(path.rtt.as_micros()).unwrap();
    let (mut sent, mut curve, mut delivered_total) = (0_u32, Vec::new(), 0);
    for round in 0..path.rounds {
        let window = control.window();
        let count = (window / u32::from(MSS)).max(1);
        let mut cx = CcContext {
            now: Instant::ZERO,
            mss: MSS,
            srtt_us: rtt_us,
            rto_us: rtt_us * 2,
            in_flight: window,
            outstanding: window,
            una: SeqNumber(sent),
            nxt: SeqNumber(sent + window),
            random: 7,
            config: &config,
        };
        // After a loss the rest of the window is acknowledged in recovery.
        let in_recovery = round > 0 && path.losses.contains(&(round - 1));
        for packet in 0..count {
            cx.now = at(path, round, packet, count);
            cx.una = SeqNumber(sent + packet * u32::from(MSS));
            cx.nxt = cx.una + window;
            let mss = u32::from(MSS);
            control.on_transmit(&mut cx, &Sent { text_len: mss, retransmission: false, app_limited: false });
            delivered_total += u64::from(MSS);
            let sample = AckSample {
                acked: mss,
                delivered: mss,
                lost: 0,
                marked: 0,
                delivered_total,
                prior_in_flight: window,
                rtt_us: Some(rtt_us),
                rate: None,
                window_limited: true,
                app_limited: false,
                in_recovery,
            };
            control.on_ack(&mut cx, &sample);
        }
        sent += count * u32::from(MSS);
        if in_recovery {
            control.on_recovered(&mut cx);
        }
        if path.losses.contains(&round) {
            (cx.outstanding, cx.in_flight) = (control.window(), control.window());
            control.on_congestion(&mut cx, CongestionEvent::Loss);
        }
        curve.push(control.window() / u32::from(MSS));
    }
    curve
}

/// What a controller of quinn-proto makes of it.
fn theirs(factory: Arc<dyn ControllerFactory + Send + Sync>, path: &Path, rtt: &RttEstimator) -> Curve {
    let start = std::time::Instant::now();
    let mut control = factory.build(start, MSS);
    let (mut number, mut curve) = (0, Vec::new());
    let moment = |instant: Instant| start + Duration::from_nanos(instant.as_nanos());
    for round in 0..path.rounds {
        let count = u32::try_from(control.window() / u64::from(MSS)).unwrap().max(1);
        for packet in 0..count {
            let now = moment(at(path, round, packet, count));
            number += 1;
            control.on_sent(now, MSS.into(), number);
            control.on_ack(now, now - path.rtt, MSS.into(), false, rtt);
            control.on_end_acks(now, control.window(), false, Some(number));
        }
        if path.losses.contains(&round) {
            // Of the last packets of the round, so that the acknowledgements of the next one fall into recovery.
            let now = moment(at(path, round, count - 1, count));
            control.on_congestion_event(now, now - path.rtt / 2, false, MSS.into());
        }
        curve.push(u32::try_from(control.window()).unwrap() / u32::from(MSS));
    }
    curve
}

/// When a packet of a round is acknowledged. The first round is the second, so that its packets were sent after the start.
fn at(path: &Path, round: u32, packet: u32, count: u32) -> Instant {
    let rounds = path.rtt * (round + 1);
    Instant::ZERO + rounds + path.rtt * (packet + 1) / (count + 1)
}

fn compare(name: &str, ours: &Curve, theirs: &Curve, percent: u32) {
    for (round, (own, other)) in ours.iter().zip(theirs).enumerate() {
        let allowed = PACKETS_OFF.max(own.max(other) * percent / 100);
        assert!(
            own.abs_diff(*other) <= allowed,
            "{name}, round {round}: {own} packets, quinn-proto has {other}\nours:   {ours:?}\ntheirs: {theirs:?}"
        );
    }
    assert!(ours.iter().max() > ours.first(), "the window has moved: {ours:?}");
}

const SHORT: Path = Path { rtt: Duration::from_millis(20), rounds: 60, losses: &[4, 25, 40] };
const LONG: Path = Path { rtt: Duration::from_millis(100), rounds: 120, losses: &[5, 50] };
const LONGER: Path = Path { rtt: Duration::from_millis(200), rounds: 80, losses: &[4] };

// RFC 5681 §3.1
#[test]
fn new_reno_follows_the_curve_of_quinn_proto() {
    for path in [&SHORT, &LONG, &LONGER] {
        let rtt = estimator::estimator(path.rtt);
        let mut config = NewRenoConfig::default();
        config.initial_window(INITIAL.into());
        let theirs = theirs(Arc::new(config), path, &rtt);
        compare("reno", &ours(&mut NewReno::new(INITIAL, u32::MAX), path), &theirs, 3);
    }
}

// RFC 9438 §4.2 to §4.7
#[test]
fn cubic_follows_the_curve_of_quinn_proto() {
    // quinn-proto has RFC 8312's W_est, which after a second loss begins below the window (its equation 4, with the
    // W_max of fast convergence); RFC 9438 §4.3 has mended that. On a short path, where W_est decides, one loss is
    // all that can be compared.
    let short = Path { losses: &[4], ..SHORT };
    for path in [&short, &LONG, &LONGER] {
        let rtt = estimator::estimator(path.rtt);
        let mut config = CubicConfig::default();
        config.initial_window(INITIAL.into());
        let theirs = theirs(Arc::new(config), path, &rtt);
        compare("cubic", &ours(&mut Cubic::new(INITIAL, u32::MAX), path), &theirs, 10);
    }
}
