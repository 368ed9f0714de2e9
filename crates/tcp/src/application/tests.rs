use portolan_link::Chunk;

use crate::testing::{Rig, stream};
use crate::{Error, State};

#[test]
fn calls_in_the_wrong_state_say_what_is_wrong() {
    let mut rig = Rig::in_state(State::SynSent);
    assert_eq!(rig.tcb.write(&mut rig.host.cx(), b"x"), Err(Error::WouldBlock));
    assert_eq!(rig.try_read(), Err(Error::WouldBlock));
    assert_eq!(rig.tcb.shutdown_write(&mut rig.host.cx()), Err(Error::NotConnected));
    let mut rig = Rig::in_state(State::Closed);
    assert_eq!(rig.tcb.write(&mut rig.host.cx(), b"x"), Err(Error::Reset));
    assert_eq!(rig.tcb.write(&mut rig.host.cx(), b"x"), Err(Error::BrokenPipe));
    assert_eq!(rig.try_read(), Ok(0));
}

#[test]
fn chunks_go_in_and_out_without_being_copied() {
    let mut rig = Rig::established();
    let taken = rig.host.pool.stats().taken;
    let mut chunk = Chunk::from(stream(0, 1000));
    assert_eq!(rig.tcb.write_chunk(&mut rig.host.cx(), &mut chunk), Ok(1000));
    assert!(chunk.is_empty());
    assert_eq!(rig.host.pool.stats().taken, taken);
    rig.expect("P. 1:1001(1000) ack 1");
    rig.gets("P. 1:1461(1460) ack 1001");
    let chunk = rig.tcb.read_chunk(&mut rig.host.cx(), 1000).unwrap().unwrap();
    assert_eq!(chunk.as_slice(), stream(0, 1000));
    rig.gets("F. 1461:1461(0) ack 1001");
    assert_eq!(rig.tcb.read_chunk(&mut rig.host.cx(), 1000).unwrap().unwrap().len(), 460);
    assert!(rig.tcb.read_chunk(&mut rig.host.cx(), 1000).unwrap().is_none());
    rig.check();
}

#[test]
fn peek_leaves_the_text() {
    let mut rig = Rig::established();
    rig.gets("P. 1:11(10) ack 1");
    let mut out = [0; 4];
    assert_eq!(rig.tcb.peek(&rig.host.cx(), &mut out), Ok(4));
    assert_eq!(out, stream(0, 4)[..]);
    rig.read(10);
    assert_eq!(rig.tcb.peek(&rig.host.cx(), &mut out), Err(Error::WouldBlock));
}

#[test]
fn shutting_down_reading_ends_it_once_the_queue_is_empty() {
    let mut rig = Rig::established();
    rig.gets("P. 1:11(10) ack 1");
    rig.tcb.shutdown_read().unwrap();
    rig.read(10);
    assert_eq!(rig.try_read(), Ok(0));
}

#[test]
fn reading_opens_the_window_and_tells_the_peer() {
    let mut rig = Rig::established_with(
        crate::testing::plain(),
        |options| options.common.recv_buffer_max = 4000,
        "S. 0:0(0) ack 1 win 60000 <mss 1000>",
    );
    rig.gets(". 1:2001(2000) ack 1");
    rig.gets(". 2001:4001(2000) ack 1");
    rig.expect(". 1:1(0) ack 4001");
    assert_eq!(rig.window, 0);
    rig.read(100);
    rig.expect_nothing();
    rig.read(3000);
    rig.expect(". 1:1(0) ack 4001");
    assert_eq!(rig.window, 2976, "the last 900 octets still pin 2,048, and half of that counts");
}

#[test]
fn an_idle_connection_gives_its_memory_back() {
    let mut rig = Rig::established();
    rig.write(10);
    rig.drain();
    rig.gets("P. 1:11(10) ack 11");
    rig.read(10);
    rig.drain();
    assert_eq!(rig.host.slabs.in_use(), 3);
    rig.wait_until(|rig| rig.host.slabs.in_use() == 0);
    rig.write(10);
    rig.wait_until(|_| true);
    rig.expect("P. 11:21(10) ack 11");
    rig.gets("P. 11:21(10) ack 21");
    rig.read(10);
}
