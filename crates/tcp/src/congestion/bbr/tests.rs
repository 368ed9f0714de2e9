use std::collections::VecDeque;

use portolan_wire::SeqNumber;

use super::*;
use crate::Config;
use crate::congestion::testing::Path;
use crate::rate::{Delivered, Rate, SendStamp};

const SIZE: u32 = 1_000;

struct Packet {
    arrives_at: Instant,
    sent_at: Instant,
    stamp: SendStamp,
    lost: bool,
}

/// A sender with unlimited text, and a bottleneck with a queue.
struct Bottleneck {
    path: Path,
    bbr: Bbr,
    rate: Rate,
    /// Octets per second.
    bandwidth: u64,
    rtt_us: u64,
    queue_us: u64,
    /// One in so many packets is lost besides.
    loss: u64,
    free_at: Instant,
    packets: VecDeque<Packet>,
    next_at: Instant,
    in_flight: u32,
    sent: u64,
    delivered: u64,
    least_window: u32,
    longest_queue_us: u64,
}

impl Bottleneck {
    fn new(bandwidth: u64, rtt_us: u64, queue_us: u64, loss: u64) -> Bottleneck {
        let mut path = Path::new(Config::default());
        path.srtt_us = u32::try_from(rtt_us).unwrap();
        let now = path.now;
        Bottleneck {
            path,
            bbr: Bbr::new(10_000),
            rate: Rate::default(),
            bandwidth,
            rtt_us,
            queue_us,
            loss,
            free_at: now,
            packets: VecDeque::new(),
            next_at: now,
            in_flight: 0,
            sent: 0,
            delivered: 0,
            least_window: u32::MAX,
            longest_queue_us: 0,
        }
    }

    fn cx(&self) -> CcContext<'_> {
        let in_flight = self.in_flight;
        CcContext {
            in_flight,
            outstanding: in_flight,
            una: SeqNumber(0),
            random: self.sent * 7919,
            ..self.path.cx()
        }
    }

    fn send(&mut self) {
        let now = self.path.now;
        let mut bbr = self.bbr;
        let sent = Sent { text_len: SIZE, retransmission: false, app_limited: false };
        bbr.on_transmit(&mut self.cx(), &sent);
        self.bbr = bbr;
        let idle = self.in_flight == 0;
        self.in_flight += SIZE;
        let stamp = self.rate.stamp(now, idle, self.delivered, self.in_flight);
        self.sent += 1;
        let queued_us = self.free_at.micros_since(now);
        self.longest_queue_us = self.longest_queue_us.max(queued_us);
        let lost = queued_us > self.queue_us || self.loss > 0 && self.sent.is_multiple_of(self.loss);
        if !lost {
            let nanos = u64::from(SIZE) * 1_000_000_000 / self.bandwidth;
            self.free_at = Instant::from_nanos(self.free_at.max(now).as_nanos() + nanos);
        }
        let arrives_at = self.free_at.max(now).plus_micros(self.rtt_us);
        self.packets.push_back(Packet { arrives_at, sent_at: now, stamp, lost });
        let nanos = u64::from(SIZE) * 1_000_000_000 / self.bbr.pacing_rate().unwrap();
        self.next_at = Instant::from_nanos(self.next_at.max(now).as_nanos() + nanos);
    }

    /// The first packet is acknowledged, or found to be lost by that of the next.
    fn arrive(&mut self) {
        let now = self.path.now;
        let mut lost = 0;
        while self.packets.front().is_some_and(|packet| packet.lost) {
            self.packets.pop_front();
            lost += SIZE;
        }
        self.rate.on_lost(lost);
        let Some(packet) = self.packets.pop_front() else { return };
        let prior_in_flight = self.in_flight;
        self.in_flight -= SIZE + lost;
        self.delivered += u64::from(SIZE);
        let end = SeqNumber(u32::try_from(self.delivered % (1 << 30)).unwrap());
        self.rate.on_delivered(Delivered {
            stamp: packet.stamp,
            sent_at: packet.sent_at,
            end,
            resent: false,
        });
        let rtt_us = u32::try_from(now.micros_since(packet.sent_at)).unwrap();
        let rate = self.rate.sample(now, self.delivered, 0);
        let sample = AckSample {
            lost,
            delivered_total: self.delivered,
            prior_in_flight,
            rate,
            rtt_us: Some(rtt_us),
            ..crate::congestion::testing::ack(SIZE)
        };
        let mut bbr = self.bbr;
        bbr.on_ack(&mut self.cx(), &sample);
        self.bbr = bbr;
        self.least_window = self.least_window.min(bbr.window());
    }

    /// Lets time pass; returns the share of the bandwidth that was used, in percent.
    fn run(&mut self, micros: u64) -> u64 {
        let (end, before) = (self.path.now.plus_micros(micros), self.delivered);
        while self.path.now < end {
            let arrival = self.packets.iter().find(|packet| !packet.lost).map(|packet| packet.arrives_at);
            let may_send = self.in_flight + SIZE <= self.bbr.window();
            let departure = may_send.then_some(self.next_at.max(self.path.now));
            let next = arrival.into_iter().chain(departure).min().unwrap_or(end);
            self.path.now = next.max(self.path.now);
            if arrival.is_some_and(|at| at <= self.path.now) {
                self.arrive();
            } else if may_send {
                self.send();
            } else {
                // All that was in flight is lost.
                self.packets.clear();
                self.in_flight = 0;
            }
        }
        (self.delivered - before) * 100 * 1_000_000 / micros / self.bandwidth
    }
}

// draft-ietf-ccwg-bbr §5.3.1, §5.3.2
#[test]
fn startup_finds_the_bandwidth_and_drain_empties_the_queue() {
    let mut path = Bottleneck::new(10_000_000, 40_000, 400_000, 0);
    path.run(200_000);
    assert_eq!(path.bbr.phase, Phase::Startup);
    path.run(800_000);
    assert!(path.bbr.full_pipe.reached && path.bbr.phase.is_probe_bw(), "{:?}", path.bbr);
    let bw = path.bbr.bandwidth.max();
    assert!((9_500_000..10_600_000).contains(&bw), "{bw}");
    assert_eq!(path.bbr.rtt.get().map(|us| us / 1_000), Some(40));
}

#[test]
fn the_path_is_full_and_the_queue_is_short() {
    let mut path = Bottleneck::new(10_000_000, 40_000, 400_000, 0);
    path.run(2_000_000);
    path.longest_queue_us = 0;
    let used = path.run(20_000_000);
    assert!(used >= 93, "{used} %");
    assert!(path.longest_queue_us < 60_000, "{} us of queue", path.longest_queue_us);
}

/// One loss in 100 whatever is sent is below LossThresh; a buffer of a quarter of the bandwidth-delay product is not.
#[test]
fn losses_below_two_percent_do_not_slow_it_down() {
    let mut path = Bottleneck::new(10_000_000, 40_000, 400_000, 100);
    path.run(2_000_000);
    // Between two probes each round takes the rate down by what was lost in it.
    let used = path.run(20_000_000);
    assert!(used >= 70, "{used} %");
    let mut shallow = Bottleneck::new(10_000_000, 40_000, 10_000, 0);
    shallow.run(2_000_000);
    let used = shallow.run(20_000_000);
    assert!(used >= 80, "{used} % with a short buffer");
    assert!(shallow.bbr.inflight_longterm < INFINITE, "it has learned how long");
}

// draft-ietf-ccwg-bbr §5.3.4: every five seconds, half of the bandwidth-delay product for 200 ms.
#[test]
fn it_looks_for_the_round_trip_time_every_five_seconds() {
    let mut path = Bottleneck::new(10_000_000, 40_000, 400_000, 0);
    path.run(4_000_000);
    path.least_window = u32::MAX;
    path.run(500_000);
    assert!(path.least_window > 380_000, "{}", path.least_window);
    path.run(3_500_000);
    assert!((190_000..=230_000).contains(&path.least_window), "{}", path.least_window);
    path.rtt_us = 20_000;
    path.run(6_000_000);
    assert_eq!(path.bbr.rtt.get().map(|us| us / 1_000), Some(20));
}

#[test]
fn a_faster_path_is_found_and_a_slower_one_too() {
    let mut path = Bottleneck::new(10_000_000, 40_000, 400_000, 0);
    path.run(5_000_000);
    path.bandwidth = 20_000_000;
    path.run(15_000_000);
    let used = path.run(5_000_000);
    assert!(used >= 90, "{used} % of twice the bandwidth");
    path.bandwidth = 5_000_000;
    path.run(10_000_000);
    let (used, bw) = (path.run(5_000_000), path.bbr.bandwidth.bw());
    assert!(used >= 90 && bw < 6_500_000, "{used} % of a quarter; {bw}");
}

// draft-ietf-ccwg-bbr §5.6.4.4
#[test]
fn a_timeout_leaves_one_segment_and_its_end_gives_the_window_back() {
    let mut path = Bottleneck::new(10_000_000, 40_000, 400_000, 0);
    path.run(2_000_000);
    let before = path.bbr.window();
    let mut bbr = path.bbr;
    bbr.on_timeout(&mut CcContext { in_flight: 0, ..path.cx() }, true);
    assert_eq!(bbr.window(), SIZE);
    bbr.on_recovered(&mut path.cx());
    assert_eq!(bbr.window(), before);
}

// draft-ietf-ccwg-bbr §5.5.11
#[test]
fn losses_that_were_none_leave_the_model_as_it_was() {
    let mut path = Bottleneck::new(10_000_000, 40_000, 400_000, 0);
    path.run(2_000_000);
    let mut bbr = path.bbr;
    bbr.on_congestion(&mut path.cx(), CongestionEvent::Loss);
    (bbr.bandwidth.shortterm, bbr.inflight_shortterm, bbr.inflight_longterm) = (1, 4_000, 4_000);
    bbr.on_spurious(&mut path.cx(), &Prior::default());
    let limits = |bbr: &Bbr| (bbr.bandwidth.shortterm, bbr.inflight_shortterm, bbr.inflight_longterm);
    assert_eq!(limits(&bbr), limits(&path.bbr));
}
