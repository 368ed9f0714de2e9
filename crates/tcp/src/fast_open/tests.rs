use portolan_link::{Chunks, Instant};
use portolan_wire::SeqNumber;
use portolan_wire::tcp::FastOpen;

use super::{FastOpenNews, FastOpenOffer};
use crate::testing::notation::parse;
use crate::testing::{Host, ISS, Rig, plain, stream};
use crate::{Config, Embryo, Error, PassiveOpen, Signals, SocketOptions, State, Tcb};

const OFFER: FastOpenOffer = FastOpenOffer { option: None, text: true, mss: Some(1460) };

fn cookie() -> Option<FastOpen> {
    FastOpen::cookie(&[0xab, 0xcd, 0x12, 0x34])
}

/// A client whose first write goes with the SYN.
fn client(offer: FastOpenOffer) -> Rig {
    let mut rig = Rig::connecting(plain());
    rig.tcb.use_fast_open(&mut rig.host.cx(), &offer);
    rig.check();
    rig
}

fn client_with_cookie() -> Rig {
    client(FastOpenOffer { option: cookie(), ..OFFER })
}

/// Writes, and says how much was taken.
fn offers(rig: &mut Rig, len: usize) -> Result<usize, Error> {
    let taken = rig.tcb.write(&mut rig.host.cx(), &stream(rig.written, len));
    rig.written += taken.unwrap_or(0) as u64;
    rig.check();
    taken
}

fn news(rig: &mut Rig) -> Option<FastOpenNews> {
    rig.tcb.fast_open_news(&mut rig.host.cx())
}

/// A server's connection, made of this SYN.
fn server_with(config: Config, syn: &str, reply: Option<FastOpen>) -> Rig {
    let mut host = Host::new(config);
    let (segment, text) = parse(syn);
    let options = SocketOptions::new(&host.config);
    let open = PassiveOpen {
        now: host.now,
        config: &host.config,
        options: &options,
        mss: 1460,
        timestamp_offset: 7,
    };
    let embryo = Embryo::on_syn(&open, &segment, SeqNumber(ISS));
    let mut chunks = Chunks::new();
    chunks.push(host.pool.copy(&text));
    let mut cx = host.cx();
    let (tcb, signals) = Tcb::from_fast_open(&mut cx, &embryo, &options, 1, &segment, reply, &mut chunks);
    assert!(signals.contains(Signals::TRANSMIT) && !signals.contains(Signals::ESTABLISHED));
    let rig = Rig { host, tcb, window: 0, written: 0, read: 0 };
    rig.check();
    rig
}

fn server(syn: &str) -> Rig {
    server_with(plain(), syn, None)
}

// RFC 7413 §4.2.1
#[test]
fn the_first_write_goes_with_the_syn() {
    let mut rig = client_with_cookie();
    rig.expect_nothing();
    assert_eq!(rig.tcb.next_deadline(), None, "nothing is under way");
    assert_eq!(offers(&mut rig, 1000), Ok(1000));
    rig.expect("S 0:1000(1000) <mss 1460,sackOK,wscale 7,FO abcd1234>");
    assert_eq!(offers(&mut rig, 10), Err(Error::WouldBlock), "the SYN takes one write");
    rig.pass_ms(20);
    let signals = rig.gets("S. 0:0(0) ack 1001 <mss 940,sackOK,wscale 6,FO 1234abcd5678dcba>");
    assert!(signals.contains(Signals::ESTABLISHED | Signals::FAST_OPEN));
    let learned = FastOpen::cookie(&[0x12, 0x34, 0xab, 0xcd, 0x56, 0x78, 0xdc, 0xba]);
    let answer = FastOpenNews::Answer { mss: 940, cookie: learned, unanswered: None };
    assert_eq!((news(&mut rig), news(&mut rig)), (Some(answer), None));
    rig.expect(". 1001:1001(0) ack 1");
    let info = rig.info();
    assert!(info.syn_data && info.rtt_us == 20_000 && info.bytes_acked == 1000, "{info:?}");
    rig.write(500);
    rig.expect("P. 1001:1501(500) ack 1");
}

#[test]
fn the_syn_takes_what_the_server_would_take_beside_forty_octets_of_options() {
    for (mss, clamp, path, room) in [
        (Some(940), 0, 1460, 900),
        (None, 0, 1460, 1420),
        (Some(9000), 1040, 1460, 1000),
        (Some(10), 0, 1460, 24),
    ] {
        let mut rig = Rig::connecting_with(plain(), |options| options.common.mss_clamp = clamp);
        rig.host.mss = path;
        rig.tcb.use_fast_open(&mut rig.host.cx(), &FastOpenOffer { option: cookie(), text: true, mss });
        assert_eq!(offers(&mut rig, 5000), Ok(room));
        assert!(rig.sends().unwrap().starts_with(&std::format!("S 0:{room}({room})")));
    }
}

#[test]
fn an_empty_write_sends_the_syn_alone_and_so_does_a_request() {
    let mut rig = client_with_cookie();
    assert_eq!(offers(&mut rig, 0), Err(Error::InProgress));
    rig.expect("S 0:0(0) <mss 1460,sackOK,wscale 7,FO abcd1234>");
    for option in [FastOpen::REQUEST, FastOpen::REQUEST.in_experiment(true)] {
        let mut rig = client(FastOpenOffer { option: Some(option), text: false, mss: None });
        assert_eq!(offers(&mut rig, 100), Err(Error::WouldBlock));
        let name = if option.is_experimental() { "FOEXP" } else { "FO" };
        rig.expect(&std::format!("S 0:0(0) <mss 1460,sackOK,wscale 7,{name}>"));
        rig.gets("S. 0:0(0) ack 1 <mss 1000>");
        let unanswered = Some(option.is_experimental());
        assert_eq!(news(&mut rig), Some(FastOpenNews::Answer { mss: 1000, cookie: None, unanswered }));
        assert!(!rig.info().syn_data);
    }
}

// RFC 7413 §4.2.1: what the server did not take goes again, at once.
#[test]
fn text_that_the_syn_ack_does_not_acknowledge_goes_again() {
    for (ack, rest) in [(1, "P. 1:701(700) ack 1"), (101, "P. 101:701(600) ack 1")] {
        let mut rig = client_with_cookie();
        assert_eq!(offers(&mut rig, 700), Ok(700));
        rig.sends();
        rig.pass_ms(20);
        rig.gets(&std::format!("S. 0:0(0) ack {ack} <mss 1040,sackOK,wscale 6>"));
        rig.expect(rest);
        rig.expect_nothing();
        assert!(!rig.info().syn_data);
        let cwnd = rig.info().cwnd;
        rig.gets(". 1:1(0) ack 701");
        assert!(rig.info().cwnd >= cwnd, "no sign of congestion");
        rig.expect_nothing();
    }
}

// RFC 7413 §4.2.1: the SYN goes again without option and text.
#[test]
fn the_syn_is_repeated_bare() {
    let mut rig = client_with_cookie();
    assert_eq!(offers(&mut rig, 1000), Ok(1000));
    rig.expect("S 0:1000(1000) <mss 1460,sackOK,wscale 7,FO abcd1234>");
    assert_eq!(rig.wait().0, 1000);
    rig.expect("S 0:0(0) <mss 1460,sackOK,wscale 7>");
    rig.pass_ms(20);
    // The first SYN may have arrived all the same.
    rig.gets("S. 0:0(0) ack 1001 <mss 1460,sackOK>");
    rig.expect(". 1001:1001(0) ack 1");
    assert!(rig.info().syn_data);
}

#[test]
fn an_answer_to_more_than_was_sent_is_reset() {
    let mut rig = client_with_cookie();
    assert_eq!(offers(&mut rig, 100), Ok(100));
    rig.sends();
    rig.gets("S. 0:0(0) ack 100101 <mss 1040,FO badc00ce>");
    rig.expect("R 100101:100101(0)");
    assert_eq!(news(&mut rig), None, "nothing is learned from it");
    rig.expect_state(State::SynSent);
    rig.gets("R. 0:0(0) ack 1");
    rig.expect_state(State::Closed);
    assert_eq!(offers(&mut rig, 1), Err(Error::Refused));
}

#[test]
fn text_in_the_syn_ack_is_taken_and_a_strange_echo_is_not() {
    let mut rig = Rig::connecting(Config::default());
    rig.tcb.use_fast_open(&mut rig.host.cx(), &FastOpenOffer { option: cookie(), ..OFFER });
    assert_eq!(offers(&mut rig, 10), Ok(10));
    let (plan, _) = rig.poll(u32::MAX).unwrap();
    let value = plan.options.timestamps.unwrap().value;
    rig.pass_ms(10);
    for echo in [value.wrapping_sub(1), value + 11, value.wrapping_add(1 << 31)] {
        rig.gets(&std::format!("S. 0:100(100) ack 11 <mss 1040,TS val 9 ecr {echo}>"));
        rig.expect("R 11:11(0)");
    }
    rig.gets(&std::format!("SF. 0:100(100) ack 11 <mss 1040,TS val 9 ecr {value}>"));
    rig.read(100);
    assert_eq!(rig.try_read(), Ok(0), "the FIN counts too");
    rig.expect_state(State::CloseWait);
}

// RFC 7413 §4.1.3.1
#[test]
fn the_third_timeout_in_a_row_tells_of_a_black_hole() {
    let mut rig = client_with_cookie();
    assert_eq!(offers(&mut rig, 10), Ok(10));
    rig.sends();
    for expected in [false, false, true, false] {
        let (_, signals) = rig.wait();
        assert_eq!(signals.contains(Signals::FAST_OPEN), expected);
        assert_eq!(news(&mut rig), expected.then_some(FastOpenNews::BlackHole));
        rig.drain();
    }
    let mut rig = Rig::connecting_with(plain(), |options| options.seldom.syn_retries = 1);
    rig.tcb.use_fast_open(&mut rig.host.cx(), &FastOpenOffer { option: cookie(), ..OFFER });
    assert_eq!(offers(&mut rig, 10), Ok(10));
    rig.drain();
    rig.wait();
    rig.drain();
    let (waited, signals) = rig.wait();
    assert_eq!(waited, 2000);
    assert!(signals.contains(Signals::FAST_OPEN | Signals::TIMED_OUT), "given up before the third");
    assert_eq!(rig.try_read(), Err(Error::TimedOut));
}

// RFC 7413 §4.1.3.1
#[test]
fn a_host_without_a_route_and_a_peer_long_silent_are_no_black_holes() {
    let mut rig = client_with_cookie();
    assert_eq!(offers(&mut rig, 10), Ok(10));
    for _ in 0..4 {
        rig.tcb.on_unsendable(&mut rig.host.cx());
        let (_, signals) = rig.wait();
        assert!(!signals.contains(Signals::FAST_OPEN), "nothing was sent");
    }
    // The timeouts of `rig` once its SYN's text was taken, with so many octets acknowledged since.
    let black_hole = |acked: usize| {
        let mut rig = client_with_cookie();
        assert_eq!(offers(&mut rig, 10), Ok(10));
        rig.drain();
        rig.pass_ms(10);
        rig.gets("S. 0:0(0) ack 11 win 60000 <mss 1000,sackOK,wscale 0>");
        if acked > 0 {
            rig.write(acked);
            rig.drain();
            rig.pass_ms(10);
            rig.gets(&std::format!(". 1:1(0) ack {} win 60000", 11 + acked));
        }
        rig.write(100);
        rig.drain();
        (0..3).any(|_| {
            let (_, signals) = rig.wait_until(|rig| rig.tcb.wants_transmit(&rig.host.cx()));
            rig.drain();
            signals.contains(Signals::FAST_OPEN)
        })
    };
    assert!(black_hole(0), "nothing came through but the SYN");
    assert!(!black_hole(100), "the connection has worked");
}

#[test]
fn a_path_too_narrow_for_the_syn_gets_it_bare_at_once() {
    let mut rig = client_with_cookie();
    assert_eq!(offers(&mut rig, 1000), Ok(1000));
    rig.sends();
    let far = SeqNumber(ISS.wrapping_add(5000));
    assert_eq!(rig.tcb.on_mtu(&mut rig.host.cx(), far, 800), None, "a guess");
    let seq = SeqNumber(ISS);
    assert_eq!(rig.tcb.on_mtu(&mut rig.host.cx(), seq, 1200), None, "it fits");
    rig.host.mss = 800;
    assert!(rig.tcb.on_mtu(&mut rig.host.cx(), seq, 800).unwrap().contains(Signals::TRANSMIT));
    rig.expect("S 0:0(0) <mss 800,sackOK,wscale 7>");
    assert_eq!(rig.tcb.on_mtu(&mut rig.host.cx(), seq, 700), None, "once is enough");
    rig.gets("S. 0:0(0) ack 1 <mss 1040>");
    rig.expect(". 1:801(800) ack 1");
    rig.expect("P. 801:1001(200) ack 1");
}

// RFC 9293 MUST-10: a simultaneous open, in which only the SYNs count.
#[test]
fn two_fast_opens_may_cross() {
    let mut rig = client_with_cookie();
    assert_eq!(offers(&mut rig, 1000), Ok(1000));
    rig.sends();
    rig.gets("S 0:500(500) <mss 1040,sackOK,wscale 6,FO 87654321>");
    rig.expect_state(State::SynReceived);
    rig.expect("S. 0:0(0) ack 1 <mss 1460,sackOK,wscale 7>");
    let signals = rig.gets("S. 0:0(0) ack 1001 <mss 940,sackOK,wscale 6>");
    assert!(signals.contains(Signals::ESTABLISHED));
    // RFC 2883 §4: the SYN has come twice.
    rig.expect(". 1001:1001(0) ack 1 <sack 0:1>");
    rig.gets("P. 1:501(500) ack 1001");
    rig.read(500);
}

#[test]
fn close_before_the_first_write_says_nothing() {
    let mut rig = client_with_cookie();
    rig.close();
    rig.expect_nothing();
    rig.expect_state(State::Closed);
}

// RFC 7413 §4.2.2
#[test]
fn a_good_cookie_opens_at_once() {
    let mut rig = server("S 0:10(10) win 32792 <mss 1000,sackOK,wscale 2>");
    rig.expect_state(State::SynReceived);
    rig.read(10);
    rig.expect("S. 0:0(0) ack 11 <mss 1460,sackOK,wscale 7>");
    rig.write(3000);
    for line in [". 1:1001(1000) ack 11", ". 1001:2001(1000) ack 11", "P. 2001:3001(1000) ack 11"] {
        rig.expect(line);
    }
    let info = rig.info();
    assert!(info.syn_data && info.fast_open_child && info.state == State::SynReceived);
    rig.pass_ms(30);
    let signals = rig.gets(". 11:11(0) ack 1 win 10000");
    assert!(signals.contains(Signals::ESTABLISHED));
    rig.expect_state(State::Established);
    assert_eq!((rig.info().snd_wnd, rig.info().rtt_us), (40_000, 30_000));
    rig.gets(". 11:11(0) ack 3001 win 10000");
    rig.expect_nothing();
}

#[test]
fn a_cookie_without_text_opens_too() {
    let mut rig = server_with(plain(), "S 0:0(0) <mss 1000>", cookie());
    assert!(!rig.info().syn_data);
    rig.expect("S. 0:0(0) ack 1 <mss 1460,FO abcd1234>");
    rig.write(5);
    rig.expect("P. 1:6(5) ack 1");
    let signals = rig.gets("P. 1:11(10) ack 6");
    assert!(signals.contains(Signals::ESTABLISHED | Signals::READABLE));
    rig.read(10);
}

// RFC 7413 §4.2.2: nothing but the SYN-ACK is sent again before it is acknowledged.
#[test]
fn only_the_syn_ack_is_repeated_and_then_it_is_given_up() {
    let mut rig = server_with(plain(), "S 0:10(10) <mss 1000>", cookie());
    rig.expect("S. 0:0(0) ack 11 <mss 1460,FO abcd1234>");
    rig.write(100);
    rig.expect("P. 1:101(100) ack 11");
    let mut waits = std::vec::Vec::new();
    loop {
        waits.push(rig.wait_until(|rig| rig.tcb.wants_transmit(&rig.host.cx()) || rig.tcb.is_finished()).0);
        if rig.tcb.state() == State::Closed {
            break;
        }
        rig.expect("S. 0:0(0) ack 11 <mss 1460>");
        rig.expect_nothing();
    }
    assert_eq!(waits, [1000, 2000, 4000, 8000, 16_000, 32_000]);
    rig.read(10);
    assert_eq!(rig.try_read(), Err(Error::TimedOut));
    // The ACK of the SYN-ACK alone starts the timer of the text.
    let mut rig = server("S 0:10(10) <mss 1000>");
    rig.sends();
    rig.write(100);
    rig.sends();
    rig.pass_ms(100);
    rig.gets(". 11:11(0) ack 1");
    rig.wait();
    rig.expect("P. 1:101(100) ack 11");
}

#[test]
fn the_same_syn_gets_the_syn_ack_again_and_another_a_challenge() {
    let mut rig = server("S 0:10(10) <mss 1000>");
    rig.sends();
    rig.pass_ms(1000);
    rig.gets("S 0:10(10) <mss 1000>");
    rig.expect("S. 0:0(0) ack 11 <mss 1460>");
    rig.gets("S 0:10(10) <mss 1000>");
    rig.expect_nothing();
    rig.pass_ms(1000);
    rig.gets("S 5:15(10) <mss 1000>");
    rig.expect(". 1:1(0) ack 11");
    rig.expect_state(State::SynReceived);
}

#[test]
fn an_ack_of_what_was_never_sent_is_reset_and_changes_nothing() {
    let mut rig = server("S 0:10(10) <mss 1000>");
    rig.sends();
    for ack in [0, 2, 5000] {
        rig.gets(&std::format!("P. 11:21(10) ack {ack}"));
        rig.expect(&std::format!("R {ack}:{ack}(0)"));
    }
    rig.expect_state(State::SynReceived);
    rig.read(10);
    assert_eq!(rig.try_read(), Err(Error::WouldBlock));
    // RFC 5961 §3.2 holds from the first moment.
    rig.gets("R. 12:12(0)");
    rig.expect_state(State::SynReceived);
    rig.drain();
    rig.gets("R. 11:11(0)");
    assert_eq!(rig.try_read(), Err(Error::Reset));
}

#[test]
fn both_may_close_before_the_handshake_is_over() {
    let mut rig = server("S 0:10(10) <mss 1000>");
    rig.sends();
    rig.read(10);
    rig.close();
    rig.expect("F. 1:1(0) ack 11");
    rig.expect_state(State::FinWait1);
    rig.gets(". 11:11(0) ack 2");
    rig.expect_state(State::FinWait2);
    let mut rig = server("S 0:10(10) <mss 1000>");
    rig.sends();
    rig.gets("F. 11:11(0) ack 1");
    rig.expect(". 1:1(0) ack 12");
    rig.expect_state(State::CloseWait);
    // RFC 2525 §2.17: text that nobody has read.
    let mut rig = server("S 0:10(10) <mss 1000>");
    rig.sends();
    rig.close();
    rig.expect("R. 1:1(0) ack 11");
}

#[test]
fn an_icmp_error_ends_it_while_nobody_has_it() {
    let unreachable = |rig: &mut Rig, seq: u32, fatal| {
        let seq = SeqNumber(ISS.wrapping_add(seq));
        rig.tcb.on_unreachable(&mut rig.host.cx(), seq, fatal, Error::HostUnreachable)
    };
    let mut rig = server("S 0:10(10) <mss 1000>");
    rig.sends();
    assert!(!unreachable(&mut rig, 5000, true).contains(Signals::CLOSED));
    assert_eq!(rig.host.stats.out_of_window_icmps, 1);
    assert!(!unreachable(&mut rig, 0, false).contains(Signals::CLOSED));
    assert!(unreachable(&mut rig, 0, true).contains(Signals::CLOSED));
    rig.read(10);
    assert_eq!(rig.try_read(), Err(Error::HostUnreachable));
    rig.expect_nothing();
}

#[test]
fn time_alone_does_not_start_a_deferred_syn() {
    let mut rig = client_with_cookie();
    rig.host.now = Instant::from_millis(9_000_000);
    rig.tcb.on_deadline(&mut rig.host.cx());
    rig.expect_nothing();
    assert_eq!(offers(&mut rig, 1), Ok(1));
    assert!(rig.sends().is_some());
}
