use super::*;

const V4: Address = Address { ip: Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0x0a00, 0x020f), port: 80, scope: 0 };

fn octets(address: Address, family: Family) -> Vec<u8> {
    let (native, len) = Sockaddr::new(address, family);
    native.as_bytes(len).to_vec()
}

#[test]
fn what_is_written_is_read() {
    let v6 = Address::v6(Ipv6Addr::LOCALHOST, 443, 2);
    assert_eq!(read(&octets(V4, Family::V4)), Ok(Given::Inet(Family::V4, V4)));
    assert_eq!(read(&octets(v6, Family::V6)), Ok(Given::Inet(Family::V6, v6)));
    assert_eq!(octets(V4, Family::V4).len(), 16);
    assert_eq!(octets(v6, Family::V6).len(), 28);
}

#[test]
fn short_addresses_are_refused_as_the_kernel_refuses_them() {
    for len in 0..16 {
        let given = read(&octets(V4, Family::V4)[..len]);
        assert_eq!(given, Err(Errno(libc::EINVAL)), "{len} octets");
    }
    let v6 = octets(V4, Family::V6);
    assert_eq!(read(&v6[..23]), Err(Errno(libc::EINVAL)));
    assert_eq!(read(&v6[..24]), Ok(Given::Inet(Family::V6, V4)), "RFC 2133's length");
}

#[test]
fn families_are_checked_in_the_kernels_order() {
    let v4 = Given::Inet(Family::V4, V4);
    assert_eq!(to_bind(v4, Family::V6, 16), Err(Errno(libc::EINVAL)));
    assert_eq!(to_bind(v4, Family::V6, 28), Err(Errno(libc::EAFNOSUPPORT)));
    assert_eq!(to_connect_datagram(v4, Family::V6), Ok(Some(V4)));
    let without_port = Given::Inet(Family::V4, Address { port: 0, ..V4 });
    assert_eq!(destination(without_port, Kind::new(Transport::Udp, Family::V4)), Err(Errno(libc::EINVAL)));
    let ping = Kind::new(Transport::Ping, Family::V4);
    assert!(destination(without_port, ping).is_ok(), "what has no ports needs none");
    assert_eq!(destination(Given::Other, ping), Err(Errno(libc::EAFNOSUPPORT)));
}
