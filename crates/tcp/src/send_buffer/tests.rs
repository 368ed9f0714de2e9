use std::format;

use crate::testing::{Rig, plain, stream};
use crate::{Config, Error, OptionFlags, Signals, WriteFlags};

/// A connection with segments of 1,000 octets and a peer's window of 32,792, so with units of 16,000.
fn rig(change: impl Fn(&mut Config)) -> Rig {
    let mut config = plain();
    change(&mut config);
    Rig::established_with(config, |_| {}, "S. 0:0(0) ack 1 win 32792 <mss 1000>")
}

#[test]
fn a_unit_that_was_begun_is_filled_whatever_the_buffer_says() {
    let mut rig = rig(|config| config.send_buffer.initial = 50_000);
    // Ten segments go at once, so that the first unit is filled up a second time; the fourth begins below 50,000.
    assert_eq!(rig.write_some(59_000), 58_000);
}

#[test]
fn what_is_not_sent_stays_near_its_low_water() {
    let mut rig = rig(|config| config.notsent_low_water = 4_000);
    assert_eq!(rig.write_some(59_000), 26_000);
}

#[test]
fn a_size_that_the_application_chose_stays() {
    let mut rig = Rig::established_with(
        plain(),
        |options| {
            options.common.flags |= OptionFlags::SEND_BUFFER_LOCKED;
            options.common.send_buffer_max = 4_608;
        },
        "S. 0:0(0) ack 1 win 2000 <mss 988>",
    );
    assert_eq!(rig.write_some(10_000), 2_964);
    let buffer = |rig: &mut Rig| rig.tcb.send_buffer(&rig.host.cx());
    assert_eq!(buffer(&mut rig), 4_608);
    rig.drain();
    rig.gets(". 1:1(0) ack 1977 win 60000");
    assert_eq!(buffer(&mut rig), 4_608);
}

#[test]
fn a_writer_is_woken_when_a_third_is_free() {
    let mut rig = rig(|config| config.send_buffer.initial = 50_000);
    rig.write_some(59_000);
    rig.drain();
    assert!(!rig.gets(". 1:1(0) ack 10001 win 32792").contains(Signals::WRITABLE));
    rig.drain();
    assert!(rig.gets(". 1:1(0) ack 30001 win 32792").contains(Signals::WRITABLE));
}

#[test]
fn the_buffer_grows_with_the_congestion_window() {
    let mut rig = rig(|config| config.send_buffer.initial = 50_000);
    let buffer = |rig: &mut Rig| rig.tcb.send_buffer(&rig.host.cx());
    assert_eq!(buffer(&mut rig), 50_000);
    rig.write_some(59_000);
    for ack in [10_001, 26_001, 42_001] {
        rig.drain();
        rig.gets(&format!(". 1:1(0) ack {ack} win 32792"));
    }
    assert!(buffer(&mut rig) > 100_000, "{}", buffer(&mut rig));
}

/// Writes records of one octet until there is no room; returns how many.
fn write_records(rig: &mut Rig, most: u32) -> u32 {
    for count in 0..most {
        let octet = stream(rig.written, 1);
        match rig.tcb.write_with(&mut rig.host.cx(), &octet, WriteFlags::END_OF_RECORD) {
            Ok(1) => rig.written += 1,
            other => {
                assert_eq!(other, Err(Error::WouldBlock));
                return count;
            }
        }
    }
    most
}

#[test]
fn each_record_is_charged_as_a_unit() {
    let mut rig = rig(|config| config.send_buffer.initial = 50_000);
    assert_eq!(write_records(&mut rig, 10_000), (50_000 - 1_280) / 1_281 + 1);
}

#[test]
fn ten_thousand_records_of_an_octet_take_little_memory() {
    let buffer = 10_000 * 1_300;
    let mut rig = rig(|config| {
        config.send_buffer.initial = buffer;
        config.send_buffer.max = buffer;
    });
    assert_eq!(write_records(&mut rig, 10_000), 10_000);
    assert_eq!(rig.host.slabs.memory(), 10_000 * 9, "an octet, and where it ends");
    assert!(rig.host.pool.stats().allocated <= 10_000 / 2_048 + 1, "{:?}", rig.host.pool.stats());
    // Each is a segment of its own all the same.
    let sent = rig.drain();
    assert!(sent.len() >= 10 && sent.iter().all(|segment| segment.contains("(1)")), "{sent:?}");
    rig.gets(". 1:1(0) ack 11 win 32792");
    assert_eq!(rig.host.slabs.memory(), 9_990 * 9);
}
