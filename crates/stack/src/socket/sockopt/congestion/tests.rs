use alloc::vec::Vec;

use portolan_link::Instant;
use portolan_wire::Family;

use super::super::number::{IPPROTO_TCP, SOL_SOCKET, so, tcp};
use crate::stack::Stack;
use crate::{Config, Seeds, SocketError};

const NOW: Instant = Instant::ZERO;

#[test]
fn a_controller_is_set_and_read_by_name() {
    let mut stack = Stack::new(Config::default(), Seeds::fixed(1));
    let socket = stack.tcp_socket(Family::V4).unwrap();
    assert_eq!(
        stack.getsockopt(NOW, socket, IPPROTO_TCP, tcp::CONGESTION).unwrap(),
        b"cubic\0\0\0\0\0\0\0\0\0\0\0"
    );
    let names: Vec<_> = stack.congestion_controls().collect();
    for name in names {
        stack.setsockopt(NOW, socket, IPPROTO_TCP, tcp::CONGESTION, name.as_bytes()).unwrap();
        let read = stack.getsockopt(NOW, socket, IPPROTO_TCP, tcp::CONGESTION).unwrap();
        assert!(read.starts_with(name.as_bytes()) && read.len() == 16, "{name}: {read:?}");
    }
    let unknown = stack.setsockopt(NOW, socket, IPPROTO_TCP, tcp::CONGESTION, b"vegas\0");
    assert_eq!(unknown, Err(SocketError::NoSuchName));
    assert_eq!(stack.getsockopt(NOW, socket, IPPROTO_TCP, tcp::CC_INFO).unwrap(), b"");
}

#[test]
fn a_rate_is_an_unsigned_long_or_int_and_all_ones_is_no_limit() {
    let mut stack = Stack::new(Config::default(), Seeds::fixed(1));
    let socket = stack.tcp_socket(Family::V4).unwrap();
    let mut round = |value: &[u8]| {
        stack.setsockopt(NOW, socket, SOL_SOCKET, so::MAX_PACING_RATE, value).unwrap();
        let read = stack.getsockopt(NOW, socket, SOL_SOCKET, so::MAX_PACING_RATE).unwrap();
        u64::from_ne_bytes(read.try_into().unwrap())
    };
    assert_eq!(round(&10_000_000_000_u64.to_ne_bytes()), 10_000_000_000);
    assert_eq!(round(&u64::MAX.to_ne_bytes()), u64::MAX);
    assert_eq!(round(&125_000_u32.to_ne_bytes()), 125_000);
    assert_eq!(round(&u32::MAX.to_ne_bytes()), u64::MAX);
}
