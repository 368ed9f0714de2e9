use crate::testing::{IRS, Rig};
use crate::{Error, OptionFlags, Signals, State, WriteFlags};

fn remaining(rig: &mut Rig) -> u32 {
    rig.tcb.urgent_remaining(&rig.host.cx())
}

fn at_mark(rig: &mut Rig) -> bool {
    rig.tcb.at_mark(&rig.host.cx())
}

fn is_here(rig: &mut Rig) -> bool {
    rig.tcb.urgent_is_here(&rig.host.cx())
}

/// The application reads with room for 100 octets, and gets `len` of the peer's stream.
#[track_caller]
fn reads(rig: &mut Rig, len: usize) {
    let mut out = [0; 100];
    assert_eq!(rig.tcb.peek(&rig.host.cx(), &mut out), Ok(len));
    assert_eq!(rig.tcb.read(&mut rig.host.cx(), &mut out), Ok(len));
    assert_eq!(out[..len], crate::testing::stream(rig.read, len));
    rig.read += len as u64;
    rig.check();
}

// RFC 9293 MUST-30, MUST-33, MUST-62
#[test]
fn the_pointer_names_the_octet_behind_urgent_text_and_no_read_goes_over_the_mark() {
    let mut rig = Rig::established();
    assert!(rig.gets("PU. 1:21(20) ack 1 urg 10").contains(Signals::URGENT | Signals::READABLE));
    assert_eq!((remaining(&mut rig), at_mark(&mut rig), is_here(&mut rig)), (10, false, true));
    reads(&mut rig, 9);
    assert_eq!((remaining(&mut rig), at_mark(&mut rig), is_here(&mut rig)), (1, true, true));
    reads(&mut rig, 11);
    assert_eq!((remaining(&mut rig), at_mark(&mut rig), is_here(&mut rig)), (0, false, false));
    assert_eq!(rig.try_read(), Err(Error::WouldBlock));
}

// RFC 9293 MUST-32: before the text is there, and once.
#[test]
fn the_application_hears_of_urgent_text_before_it_comes() {
    let mut rig = Rig::established();
    assert!(rig.gets("U. 1:1(0) ack 1 urg 30").contains(Signals::URGENT));
    assert_eq!((remaining(&mut rig), is_here(&mut rig)), (30, false));
    assert!(!rig.gets("U. 1:11(10) ack 1 urg 30").contains(Signals::URGENT));
    assert!(!rig.gets("U. 11:21(10) ack 1 urg 15").contains(Signals::URGENT), "it never goes back");
    reads(&mut rig, 20);
    assert_eq!((remaining(&mut rig), at_mark(&mut rig)), (10, false));
    assert!(rig.gets("U. 31:41(10) ack 1 urg 10").contains(Signals::URGENT), "out of order, and farther");
    rig.gets(". 21:31(10) ack 1");
    reads(&mut rig, 19);
    assert!(at_mark(&mut rig));
    let chunk = rig.tcb.read_chunk(&mut rig.host.cx(), 100).unwrap().unwrap();
    assert_eq!((chunk.len(), remaining(&mut rig)), (1, 0));
}

// RFC 9293 MUST-30
#[test]
fn pointers_of_all_kinds_do_no_harm() {
    for (pointer, urgent) in [(0, 0), (1, 1), (10, 10), (11, 11), (65_535, 65_535)] {
        let mut rig = Rig::established();
        let signals = rig.gets(&std::format!("PU. 1:11(10) ack 1 urg {pointer}"));
        assert_eq!(signals.contains(Signals::URGENT), urgent > 0, "{pointer}");
        assert_eq!((remaining(&mut rig), at_mark(&mut rig)), (urgent, urgent == 1), "{pointer}");
        // Old text, and a pointer into it: nothing new.
        assert!(!rig.gets("PU. 1:11(10) ack 1 urg 10").contains(Signals::URGENT), "{pointer}");
        while rig.try_read().is_ok() {}
        assert_eq!(remaining(&mut rig), urgent.saturating_sub(10), "{pointer}");
    }
    let mut rig = Rig::established();
    assert!(!rig.gets("P. 1:11(10) ack 1 urg 10").contains(Signals::URGENT), "a pointer without URG");
}

// RFC 9293 MUST-31
#[test]
fn the_pointers_go_over_the_end_of_the_numbers_and_as_far_as_they_like() {
    let mut rig = Rig::established();
    for at in (1..=130_001_u32).step_by(1000) {
        assert!(
            rig.gets(&std::format!("U. {at}:{}(1000) ack 1 urg 65535", at + 1000)).contains(Signals::URGENT)
        );
        assert_eq!(remaining(&mut rig), 65_535);
        rig.read(1000);
        rig.drain();
    }
    assert!(IRS.checked_add(130_000).is_none(), "they did");
}

// RFC 9293 MUST-30
#[test]
fn pointers_of_the_handshake_and_with_a_fin_count_as_far_as_there_is_text() {
    let mut rig = Rig::in_state(State::SynSent);
    assert!(!rig.gets("SU. 0:0(0) ack 1 urg 1 <mss 1000,wscale 0>").contains(Signals::URGENT));
    rig.drain();
    assert!(rig.gets("FPU. 1:11(10) ack 1 urg 50").contains(Signals::URGENT));
    assert_eq!(remaining(&mut rig), 10, "no text comes after a FIN");
    reads(&mut rig, 10);
    assert_eq!((remaining(&mut rig), at_mark(&mut rig), is_here(&mut rig)), (0, false, false));
    assert_eq!(rig.try_read(), Ok(0));
    assert!(!rig.gets("U. 12:12(0) ack 1 urg 50").contains(Signals::URGENT), "after the FIN");

    let mut rig = Rig::in_state(State::SynSent);
    let signals = rig.gets("SU. 0:0(0) ack 1 urg 9 <mss 1000,wscale 0>");
    assert!(signals.contains(Signals::ESTABLISHED | Signals::URGENT));
    assert_eq!(remaining(&mut rig), 8, "the SYN has a number");

    for state in [State::FinWait1, State::FinWait2] {
        let mut rig = Rig::in_state(state);
        assert!(rig.gets("PU. 1:11(10) ack 1 urg 10").contains(Signals::URGENT), "{state:?}");
    }
    let mut rig = Rig::in_state(State::CloseWait);
    assert!(!rig.gets("U. 2:2(0) ack 1 urg 10").contains(Signals::URGENT));
}

// RFC 9293 MUST-66
#[test]
fn a_shut_window_still_takes_the_pointer() {
    let mut rig = Rig::established_with(
        crate::testing::plain(),
        |options| options.common.recv_buffer_max = 3000,
        "S. 0:0(0) ack 1 win 60000 <mss 1000>",
    );
    rig.gets(". 1:1501(1500) ack 1");
    rig.gets(". 1501:3001(1500) ack 1");
    rig.drain();
    assert_eq!(rig.window, 0);
    assert!(rig.gets("U. 3001:3001(0) ack 1 urg 5").contains(Signals::URGENT));
    assert_eq!(remaining(&mut rig), 3005);
}

// RFC 9293 MUST-30, MUST-62
#[test]
fn segments_point_to_the_end_of_urgent_text_until_it_is_acknowledged() {
    let mut rig = Rig::established();
    rig.write(10);
    rig.expect("P. 1:11(10) ack 1");
    rig.write_with(1500, WriteFlags::URGENT);
    rig.expect(".U 11:1011(1000) ack 1 urg 1500");
    rig.expect("P.U 1011:1511(500) ack 1 urg 500");
    // Text that is not urgent follows: Nagle holds it back.
    rig.write(10);
    rig.expect_nothing();
    rig.gets(". 1:1(0) ack 11");
    rig.wait_until(|rig| rig.tcb.wants_transmit(&rig.host.cx()));
    rig.expect(".U 11:1011(1000) ack 1 urg 1500");
    rig.gets(". 1:1(0) ack 1511");
    rig.expect("P. 1511:1521(10) ack 1");
    rig.gets("P. 1:11(10) ack 1521");
    rig.wait();
    rig.expect(". 1521:1521(0) ack 11");
}

// RFC 9293 MUST-31
#[test]
fn urgent_text_of_any_length_is_pointed_to_as_far_as_the_field_goes() {
    let mut rig = Rig::established();
    rig.host.gso_max = 65_535;
    rig.write_with(70_000, WriteFlags::URGENT);
    let (mut acked, mut pointers) = (1, std::vec::Vec::new());
    while acked < 70_001 {
        while let Some((plan, _)) = rig.poll(u32::MAX) {
            assert_eq!(plan.gso_size, 0, "a link could not cut it");
            pointers.push((plan.seq.since(rig.tcb.snd.iss).unwrap(), u32::from(plan.urgent)));
            acked += plan.text_len;
        }
        rig.gets(&std::format!(". 1:1(0) ack {acked}"));
    }
    for (at, pointer) in pointers {
        assert_eq!(pointer, (70_001 - at).min(65_535), "of the segment at {at}");
    }
}

// RFC 9293 MUST-66 (the other side of it)
#[test]
fn a_peer_with_a_shut_window_hears_of_urgent_text() {
    let mut rig = Rig::established();
    rig.gets(". 1:1(0) ack 1 win 0");
    rig.write_with(10, WriteFlags::URGENT);
    rig.expect(".U 1:1(0) ack 1 urg 10");
    rig.expect_nothing();
    rig.wait();
    rig.expect(".U 0:0(0) ack 1 urg 11");
    rig.expect(".U 1:1(0) ack 1 urg 10");
    rig.gets(". 1:1(0) ack 1 win 60000");
    rig.expect("P.U 1:11(10) ack 1 urg 10");
}

// What a write could not take of urgent text is written later; what it took is urgent.
#[test]
fn a_part_of_urgent_text_is_urgent() {
    let mut rig = Rig::established_with(
        crate::testing::plain(),
        |options| options.common.send_buffer_max = 4000,
        "S. 0:0(0) ack 1 win 60000 <mss 1000>",
    );
    let octets = crate::testing::stream(0, 100_000);
    let taken = rig.tcb.write_with(&mut rig.host.cx(), &octets, WriteFlags::URGENT).unwrap();
    assert!(taken < octets.len());
    let (plan, _) = rig.poll(u32::MAX).unwrap();
    assert_eq!(usize::from(plan.urgent), taken);
}

/// A connection whose application has urgent text out of line.
fn out_of_line() -> Rig {
    let change = |options: &mut crate::SocketOptions| options.common.flags.remove(OptionFlags::OOB_INLINE);
    Rig::established_with(
        crate::testing::plain(),
        change,
        "S. 0:0(0) ack 1 win 60000 <mss 1000,sackOK,wscale 0>",
    )
}

fn urgent(rig: &mut Rig, peek: bool) -> Result<Option<u8>, Error> {
    let octet = rig.tcb.read_urgent(&mut rig.host.cx(), peek);
    rig.check();
    octet
}

// The last urgent octet is left out of the stream, also of what peeks and of what takes chunks.
#[test]
fn an_octet_out_of_line_is_read_by_itself() {
    let mut rig = out_of_line();
    assert_eq!(urgent(&mut rig, false), Err(Error::NothingUrgent));
    rig.gets("U. 1:11(10) ack 1 urg 20");
    assert_eq!(urgent(&mut rig, false), Err(Error::WouldBlock), "it is announced and not there");
    rig.gets("U. 11:31(20) ack 1 urg 10");
    let octet = crate::testing::octet(19);
    assert_eq!((urgent(&mut rig, true), is_here(&mut rig)), (Ok(Some(octet)), true));
    assert_eq!((urgent(&mut rig, false), is_here(&mut rig)), (Ok(Some(octet)), false));
    assert_eq!(urgent(&mut rig, false), Err(Error::NothingUrgent), "once");
    reads(&mut rig, 19);
    assert!(at_mark(&mut rig));
    assert_eq!((rig.tcb.readable(&rig.host.cx()), rig.tcb.queued_before_mark(&rig.host.cx())), (10, 0));
    rig.read = 20;
    reads(&mut rig, 10);
    assert_eq!(rig.tcb.receive_queued(&rig.host.cx()), 0);
    rig.gets("U. 31:41(10) ack 1 urg 1");
    let chunk = rig.tcb.read_chunk(&mut rig.host.cx(), 100).unwrap().unwrap();
    assert_eq!(chunk.as_slice(), crate::testing::stream(31, 9));
}

#[test]
fn an_octet_that_is_no_longer_the_last_urgent_one() {
    let mut rig = out_of_line();
    // Unread and next: left out, as it would have been.
    rig.gets("U. 1:11(10) ack 1 urg 1");
    rig.gets("U. 11:21(10) ack 1 urg 5");
    rig.read = 1;
    reads(&mut rig, 13);
    assert!(at_mark(&mut rig));
    // Unread and with text before it: text.
    rig.gets("U. 21:31(10) ack 1 urg 5");
    rig.gets("U. 31:41(10) ack 1 urg 5");
    assert_eq!(urgent(&mut rig, true), Ok(Some(crate::testing::octet(34))));
    rig.read = 15;
    reads(&mut rig, 19);
}

#[test]
fn an_urgent_octet_alone_is_not_readable_and_one_that_never_comes_is_not_waited_for() {
    let mut rig = out_of_line();
    rig.gets("U. 1:2(1) ack 1 urg 1");
    assert_eq!(rig.tcb.readable(&rig.host.cx()), 0);
    assert_eq!(rig.try_read(), Err(Error::WouldBlock));
    assert_eq!(urgent(&mut rig, false), Err(Error::NothingUrgent), "a read has gone past it");
    rig.gets("U. 2:2(0) ack 1 urg 9");
    rig.gets("F. 2:2(0) ack 1");
    assert_eq!(urgent(&mut rig, false), Ok(None));
    assert_eq!(rig.try_read(), Ok(0));
}
