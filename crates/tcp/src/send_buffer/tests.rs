use std::format;

use crate::testing::{Rig, plain};
use crate::{Config, OptionFlags, Signals};

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
