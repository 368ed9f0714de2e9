use super::*;

const COOKIE: u64 = 0x0123_4567_89ab_cdef;

/// What the kernel would do with a call, by the program.
fn verdict(architecture: u32, number: i64, arguments: [u64; 6]) -> u32 {
    let program = program(COOKIE);
    let mut data = Vec::from((number as u32).to_ne_bytes());
    data.extend(architecture.to_ne_bytes());
    data.extend([0; 8]);
    arguments.iter().for_each(|argument| data.extend(argument.to_ne_bytes()));
    let (mut at, mut loaded) = (0, 0);
    loop {
        let Instruction { code, jt, jf, k } = program[at];
        let holds = match code {
            LOAD => {
                let at = k as usize;
                loaded = u32::from_ne_bytes(data[at..at + 4].try_into().unwrap());
                true
            }
            RETURN => return k,
            JUMP => {
                at += k as usize;
                true
            }
            IF_EQUAL => loaded == k,
            IF_AT_LEAST => loaded >= k,
            IF_ANY_BIT => loaded & k != 0,
            other => panic!("instruction {other:#x}"),
        };
        at += 1 + usize::from(if holds { jt } else { jf });
    }
}

fn call(number: i64, arguments: &[u64]) -> u32 {
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    verdict(X86_64, number, all)
}

const fn refused(errno: i32) -> u32 {
    ERRNO | errno as u32
}

#[test]
fn sockets_are_sorted_by_domain() {
    for (domain, expected) in [
        (libc::AF_UNIX, ALLOW),
        (libc::AF_ALG, ALLOW),
        (libc::AF_INET, NOTIFY),
        (libc::AF_INET6, NOTIFY),
        (libc::AF_NETLINK, NOTIFY),
        (libc::AF_PACKET, refused(libc::EAFNOSUPPORT)),
        (libc::AF_VSOCK, refused(libc::EAFNOSUPPORT)),
        (libc::AF_XDP, refused(libc::EAFNOSUPPORT)),
        (43, refused(libc::EAFNOSUPPORT)), // AF_SMC: TCP by another name
        (200, refused(libc::EAFNOSUPPORT)),
    ] {
        assert_eq!(call(libc::SYS_socket, &[domain as u64, 1, 0]), expected, "domain {domain}");
    }
}

#[test]
fn octets_of_streams_are_not_looked_at() {
    for number in [libc::SYS_read, libc::SYS_write, libc::SYS_readv, libc::SYS_sendfile, libc::SYS_epoll_wait]
    {
        assert_eq!(call(number, &[5, 1, 1]), ALLOW);
    }
    assert_eq!(call(libc::SYS_sendto, &[5, 1, 1, libc::MSG_NOSIGNAL as u64, 0, 0]), ALLOW);
    assert_eq!(call(libc::SYS_recvfrom, &[5, 1, 1, libc::MSG_PEEK as u64, 0, 0]), ALLOW);
}

#[test]
fn addresses_and_odd_flags_are_shown() {
    for address in [1, 1 << 32] {
        assert_eq!(call(libc::SYS_sendto, &[5, 1, 1, 0, address, 16]), NOTIFY);
        assert_eq!(call(libc::SYS_recvfrom, &[5, 1, 1, 0, address, 1]), NOTIFY);
    }
    for flag in [libc::MSG_OOB, libc::MSG_FASTOPEN] {
        assert_eq!(call(libc::SYS_sendto, &[5, 1, 1, flag as u64]), NOTIFY);
    }
    assert_eq!(call(libc::SYS_recvfrom, &[5, 1, 1, libc::MSG_ERRQUEUE as u64]), NOTIFY);
}

#[test]
fn only_the_whole_cookie_passes() {
    for number in ALWAYS {
        assert_eq!(call(number, &[5, 0, 0, 0, 0, COOKIE]), ALLOW, "call {number}");
        for wrong in [0, COOKIE ^ 1, COOKIE ^ 1 << 63, COOKIE & 0xffff_ffff] {
            assert_eq!(call(number, &[5, 0, 0, 0, 0, wrong]), NOTIFY, "call {number}, {wrong:#x}");
        }
    }
}

#[test]
fn ioctls_are_sorted_by_request() {
    for request in [libc::TIOCOUTQ, libc::FIONREAD, 0x8912, 0x8927, 0x89ff] {
        assert_eq!(call(libc::SYS_ioctl, &[5, request, 1]), NOTIFY, "{request:#x}");
    }
    for request in [libc::TCGETS, libc::TIOCGWINSZ, 0x8905, 0x8a00, 0x4000_8912] {
        assert_eq!(call(libc::SYS_ioctl, &[5, request, 1]), ALLOW, "{request:#x}");
    }
}

#[test]
fn other_ways_in_are_shut() {
    for number in IO_URING {
        assert_eq!(call(number, &[1]), refused(libc::ENOSYS));
    }
    assert_eq!(call(libc::SYS_socket | 0x4000_0000, &[2, 1]), refused(libc::ENOSYS), "x32");
    assert_eq!(verdict(I386, 102, [1, 0, 0, 0, 0, 0]), refused(libc::ENOSYS), "socketcall");
    assert_eq!(verdict(I386, 359, [2, 1, 0, 0, 0, 0]), refused(libc::ENOSYS), "socket");
    assert_eq!(verdict(I386, 4, [1, 0, 0, 0, 0, 0]), ALLOW, "write");
    assert_eq!(verdict(0x4000_0028, 1, [0; 6]), refused(libc::ENOSYS), "another architecture");
}
