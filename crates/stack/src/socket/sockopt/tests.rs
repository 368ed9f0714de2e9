use portolan_link::Instant;
use portolan_wire::Family;

use super::number::{IPPROTO_UDP, ip, ipv6, so, tcp};
use super::*;
use crate::{Config, Seeds};

struct Fixture {
    stack: Stack,
    tcp: SocketId,
    udp: SocketId,
}

impl Fixture {
    fn new() -> Fixture {
        let mut stack = Stack::new(Config::default(), Seeds::fixed(1));
        let tcp = stack.tcp_socket(Family::V6).unwrap();
        let udp = stack.udp_socket(Family::V4).unwrap();
        Fixture { stack, tcp, udp }
    }

    fn set(&mut self, id: SocketId, level: i32, name: i32, value: &[u8]) -> i32 {
        self.stack.setsockopt(Instant::ZERO, id, level, name, value).map_or_else(SocketError::errno, |()| 0)
    }

    /// Sets an int; returns the errno, and what is read back.
    fn round(&mut self, level: i32, name: i32, value: i32) -> (i32, Result<i32, i32>) {
        let errno = self.set(self.tcp, level, name, &value.to_ne_bytes());
        (errno, self.get(self.tcp, level, name))
    }

    fn get(&mut self, id: SocketId, level: i32, name: i32) -> Result<i32, i32> {
        let octets = self.stack.getsockopt(Instant::ZERO, id, level, name).map_err(SocketError::errno)?;
        Ok(i32::from_ne_bytes(octets[..4].try_into().unwrap()))
    }
}

const EINVAL: i32 = 22;
const EDOM: i32 = 33;
const ENOPROTOOPT: i32 = 92;
/// What IPv4's getsockopt says of a level that it has not.
const EOPNOTSUPP: i32 = 95;

// RFC 1122 §3.2.1.7, INET-21
#[test]
fn values_are_checked_and_read_back_as_on_linux() {
    let mut fixture = Fixture::new();
    // Level, number, value; errno and what is read afterwards.
    let cases = [
        (SOL_SOCKET, so::REUSEADDR, 7, 0, 1),
        (SOL_SOCKET, so::SNDBUF, 1, 0, 4608),
        (SOL_SOCKET, so::RCVBUF, 1, 0, 2304),
        (SOL_SOCKET, so::SNDBUF, 21_000, 0, 42_000),
        (SOL_SOCKET, so::RCVBUF, -1, 0, 8 << 20),
        (SOL_SOCKET, so::RCVLOWAT, 0, 0, 1),
        (SOL_SOCKET, so::RCVLOWAT, -5, 0, i32::MAX),
        (SOL_SOCKET, so::ZEROCOPY, 2, EINVAL, 0),
        (SOL_SOCKET, so::MARK, 666, 0, 666),
        (IPPROTO_TCP, tcp::NODELAY, 2, 0, 1),
        (IPPROTO_TCP, tcp::MAXSEG, 87, EINVAL, 536),
        (IPPROTO_TCP, tcp::MAXSEG, 32_768, EINVAL, 536),
        (IPPROTO_TCP, tcp::MAXSEG, -1, EINVAL, 536),
        (IPPROTO_TCP, tcp::MAXSEG, 1100, 0, 1100),
        (IPPROTO_TCP, tcp::MAXSEG, 0, 0, 536),
        (IPPROTO_TCP, tcp::KEEPIDLE, 0, EINVAL, 7200),
        (IPPROTO_TCP, tcp::KEEPIDLE, 32_768, EINVAL, 7200),
        (IPPROTO_TCP, tcp::KEEPIDLE, 5, 0, 5),
        (IPPROTO_TCP, tcp::KEEPINTVL, 32_767, 0, 32_767),
        (IPPROTO_TCP, tcp::KEEPCNT, 128, EINVAL, 9),
        (IPPROTO_TCP, tcp::SYNCNT, 0, EINVAL, 7),
        (IPPROTO_TCP, tcp::SYNCNT, 1, 0, 1),
        (IPPROTO_TCP, tcp::USER_TIMEOUT, -1, EINVAL, 0),
        (IPPROTO_TCP, tcp::USER_TIMEOUT, 3000, 0, 3000),
        (IPPROTO_TCP, tcp::NOTSENT_LOWAT, -1, 0, -1),
        (IPPROTO_TCP, tcp::LINGER2, -7, 0, -1),
        (IPPROTO_TCP, tcp::LINGER2, 0, 0, 60),
        (IPPROTO_TCP, tcp::LINGER2, 1000, 0, 120),
        (IPPROTO_TCP, tcp::WINDOW_CLAMP, 1, 0, 1152),
        (IPPROTO_TCP, tcp::FASTOPEN, -1, EINVAL, 0),
        (IPPROTO_TCP, tcp::FASTOPEN_CONNECT, 2, EINVAL, 0),
        (IPPROTO_TCP, tcp::INQ, 2, EINVAL, 0),
        (IPPROTO_IP, ip::TTL, 0, EINVAL, 64),
        (IPPROTO_IP, ip::TTL, 256, EINVAL, 64),
        (IPPROTO_IP, ip::TTL, 9, 0, 9),
        (IPPROTO_IP, ip::TTL, -1, 0, 64),
        (IPPROTO_IP, ip::MTU_DISCOVER, 6, EINVAL, 1),
        (IPPROTO_IPV6, ipv6::TCLASS, 256, EINVAL, 0),
        (IPPROTO_IPV6, ipv6::V6ONLY, 1, 0, 1),
    ];
    for (level, name, value, errno, after) in cases {
        assert_eq!(fixture.round(level, name, value), (errno, Ok(after)), "{level} {name} {value}");
    }
}

#[test]
fn a_value_that_is_too_short_is_refused_before_anything_changes() {
    let mut fixture = Fixture::new();
    for (level, name) in
        [(SOL_SOCKET, so::REUSEADDR), (IPPROTO_TCP, tcp::NODELAY), (IPPROTO_IPV6, ipv6::V6ONLY)]
    {
        assert_eq!(fixture.set(fixture.tcp, level, name, &[1, 0, 0]), EINVAL);
        assert_eq!(fixture.get(fixture.tcp, level, name), Ok(0));
    }
    assert_eq!(fixture.set(fixture.tcp, SOL_SOCKET, so::LINGER, &1i32.to_ne_bytes()), EINVAL);
    assert_eq!(fixture.set(fixture.tcp, IPPROTO_TCP, tcp::FASTOPEN_KEY, &[1; 3]), EINVAL);
    assert_eq!(fixture.set(fixture.tcp, IPPROTO_TCP, tcp::CONGESTION, &[]), EINVAL);
    // The options of IPv4 may be one octet.
    assert_eq!(fixture.set(fixture.tcp, IPPROTO_IP, ip::TOS, &[4]), 0);
    assert_eq!(fixture.get(fixture.tcp, IPPROTO_IP, ip::TOS), Ok(4));
}

#[test]
fn what_a_socket_does_not_have_is_no_such_option() {
    let mut fixture = Fixture::new();
    let one = 1i32.to_ne_bytes();
    for (id, level, name, told) in [
        (fixture.udp, IPPROTO_TCP, tcp::NODELAY, EOPNOTSUPP),
        (fixture.udp, IPPROTO_IPV6, ipv6::V6ONLY, EOPNOTSUPP),
        (fixture.tcp, IPPROTO_UDP, 1, ENOPROTOOPT),
        (fixture.tcp, IPPROTO_TCP, 9_999, ENOPROTOOPT),
        (fixture.tcp, SOL_SOCKET, -1, ENOPROTOOPT),
        (fixture.tcp, 12_345, 1, ENOPROTOOPT),
    ] {
        assert_eq!(fixture.set(id, level, name, &one), ENOPROTOOPT, "{level} {name}");
        assert_eq!(fixture.get(id, level, name), Err(told), "{level} {name}");
    }
}

#[test]
fn linger_and_times_have_their_own_layouts() {
    let mut fixture = Fixture::new();
    let pair = |a: i32, b: i32| [a.to_ne_bytes(), b.to_ne_bytes()].concat();
    assert_eq!(fixture.set(fixture.tcp, SOL_SOCKET, so::LINGER, &pair(1, 9)), 0);
    let value = |fixture: &mut Fixture, name| {
        fixture.stack.getsockopt(Instant::ZERO, fixture.tcp, SOL_SOCKET, name).unwrap()
    };
    assert_eq!(value(&mut fixture, so::LINGER), pair(1, 9));
    fixture.set(fixture.tcp, SOL_SOCKET, so::LINGER, &pair(0, 4));
    assert_eq!(value(&mut fixture, so::LINGER), pair(0, 9));

    let time = |seconds: i64, micros: i64| [seconds.to_ne_bytes(), micros.to_ne_bytes()].concat();
    assert_eq!(fixture.set(fixture.tcp, SOL_SOCKET, so::RCVTIMEO, &time(2, 500)), 0);
    assert_eq!(value(&mut fixture, so::RCVTIMEO_NEW), time(2, 500));
    assert_eq!(fixture.set(fixture.tcp, SOL_SOCKET, so::RCVTIMEO, &time(2, 1_000_000)), EDOM);
}

#[test]
fn any_octets_at_any_level_give_an_answer() {
    let mut fixture = Fixture::new();
    for level in -1..300 {
        for name in -1..130 {
            for len in 0..20 {
                fixture.set(fixture.tcp, level, name, &[0xa5; 20][..len]);
                fixture.set(fixture.udp, level, name, &[0xff; 20][..len]);
            }
            let _ = fixture.stack.getsockopt(Instant::ZERO, fixture.tcp, level, name);
            let _ = fixture.stack.getsockopt(Instant::ZERO, fixture.udp, level, name);
        }
    }
}
