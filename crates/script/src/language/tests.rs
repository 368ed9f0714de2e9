use super::ast::{Action, Body, Direction, Expr, IpNotes, Quoted, Script, Segment, Tos, When};
use super::option::TcpOption;
use super::{Definitions, parse};

fn script(source: &str) -> Script {
    parse(source, &Definitions::new()).unwrap_or_else(|error| panic!("{source}\n{error}"))
}

fn action(source: &str) -> Action {
    script(&format!("0 {source}")).events.remove(0).action
}

fn segment(source: &str) -> Segment {
    match action(source) {
        Action::Packet(packet) => match packet.body {
            Body::Tcp(segment) => segment,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn argument(source: &str) -> Expr {
    match action(&format!("call({source}) = 0")) {
        Action::Call(mut call) => call.arguments.remove(0),
        other => panic!("{other:?}"),
    }
}

fn error(source: &str) -> String {
    parse(source, &Definitions::new()).expect_err(source).to_string()
}

#[test]
fn a_script_has_settings_commands_and_timed_events() {
    let script = script(
        "--local_ip=192.168.0.2 // where\n--strict_segments\n`first`\n /* over\n lines */ 0 socket(..., A, B) = 3\n\
         +.25 `second`\n1.5~1.75 > . 1:1(0) ack 1\n+0~+.3 > . 1:1(0) ack 1\n* > . 1:1(0) ack 1\n2 %{ assert 1 }%\n`last`",
    );
    let settings: Vec<_> = script.settings.iter().map(|s| (s.name.as_str(), s.value.as_deref())).collect();
    assert_eq!(settings, [("local_ip", Some("192.168.0.2")), ("strict_segments", None)]);
    assert_eq!(script.init.unwrap().text, "first");
    assert_eq!(script.cleanup.unwrap().text, "last");
    let times: Vec<_> = script.events.iter().map(|event| (event.line, event.when)).collect();
    assert_eq!(
        times,
        [
            (5, When::At(0)),
            (6, When::After(250_000)),
            (7, When::Between(1_500_000, 1_750_000)),
            (8, When::AfterBetween(0, 300_000)),
            (9, When::Any),
            (10, When::At(2_000_000)),
        ]
    );
    assert_eq!(script.events[5].action, Action::Code(" assert 1 ".to_owned()));
}

#[test]
fn a_segment_is_read_with_all_its_parts() {
    let read = segment("< [ect0] SEW 5:15(10) ack 7 win 300 urg 2 <mss 1000,nop,wscale 7,sackOK,eol,nop>");
    assert_eq!((read.flags.bits, read.flags.ace), (0x0c2, false));
    assert_eq!((read.seq, read.len, read.ack, read.window, read.urgent), (5, 10, 7, Some(300), 2));
    let options = read.options.unwrap();
    assert_eq!(
        options,
        [
            TcpOption::Mss(1000),
            TcpOption::Nop,
            TcpOption::WindowScale(7),
            TcpOption::SackPermitted,
            TcpOption::End,
            TcpOption::Nop
        ]
    );
    assert_eq!(segment("> P. 1:1001(1000) ack 1").window, None);
    assert_eq!(segment("> . 1:1(0) ack 1 <...>").options, None);
    assert_eq!(segment("> - 1:1(0)").flags.bits, 0);
    assert_eq!(segment("< 6000 > 80 R 1:1(0) win 0").ports, Some((6000, 80)));
}

#[test]
fn the_count_of_accurate_ecn_is_a_digit_among_the_flags() {
    // RFC 9768 §3.1.1: AE, CWR and ECE are one number from 0 to 7.
    for (text, bits, ace) in
        [("S.5", 0x152, true), (".2", 0x090, true), ("P3", 0x0c8, true), (".0", 0x010, false)]
    {
        let flags = segment(&format!("> {text} 0:0(0)")).flags;
        assert_eq!((flags.bits, flags.ace), (bits, ace), "{text}");
    }
    assert!(error("0 > SE5 0:0(0)").starts_with("1:5: found 'SE5', expected flags"));
}

#[test]
fn every_option_survives_its_octets() {
    let source = "< . 1:1(0) ack 1 win 1 <TS val 1 ecr 4294967295,nop,nop,sack 1:2 5:9,nop,nop>";
    let other = "< S 0:0(0) win 1 <FO,FOEXP 0123456789abcdef,FO 12ab,nop,nop>";
    let ecn = "> . 1:1(0) <ECN e1b 1 ceb 16777215 e0b 3,nop,ECN e0b 5,nop,nop,nop>";
    let md5 = "< S 0:0(0) win 1 <md5 000102030405060708090a0b0c0d0e0f,nop,nop>";
    for source in [source, other, ecn, md5] {
        let options = segment(source).options.unwrap();
        let octets: Vec<u8> = options.iter().flat_map(TcpOption::octets).collect();
        assert_eq!(TcpOption::list(&octets), options);
        let shown = options.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        assert!(source.contains(&format!("<{shown}>")), "{shown}");
    }
}

#[test]
fn options_that_are_cut_off_stay_visible() {
    assert_eq!(TcpOption::list(&[2, 4, 5]), [TcpOption::Other(2, vec![4, 5])]);
    assert_eq!(TcpOption::list(&[1, 3]), [TcpOption::Nop, TcpOption::Other(3, vec![])]);
    assert_eq!(TcpOption::list(&[8, 1, 0]), [TcpOption::Other(8, vec![1, 0])]);
    assert_eq!(TcpOption::list(&[8, 4, 7, 7]), [TcpOption::Other(8, vec![7, 7])]);
}

#[test]
fn notes_datagrams_and_icmp_messages() {
    let read = |source| match action(source) {
        Action::Packet(packet) => packet,
        other => panic!("{other:?}"),
    };
    let packet = read("> [tos 0x1c, flowlabel 0x2] . 1:1(0) ack 1");
    assert_eq!(packet.direction, Direction::Out);
    assert_eq!(packet.ip, IpNotes { tos: Tos::Octet(0x1c), flow_label: Some(2), ttl: None });
    assert_eq!(read("> (ect01) . 1:1(0)").ip.tos, Tos::EitherEct);
    assert_eq!(read("< [ttl 4] udp (1000)").body, Body::Udp { ports: None, len: 1000 });
    let Body::Icmp(icmp) = read("< icmp unreachable frag_needed mtu 1200 [1:1461(1460)]").body else {
        panic!()
    };
    assert_eq!(
        (icmp.kind.as_str(), icmp.code.as_deref(), icmp.mtu),
        ("unreachable", Some("frag_needed"), Some(1200))
    );
    assert_eq!(icmp.quoted, Quoted::Tcp { seq: 1, len: 1460 });
}

#[test]
fn a_call_has_arguments_a_result_and_an_end() {
    let Action::Call(call) = action("...0.5 read(4, ..., 10) = -1 EAGAIN (Resource temporarily unavailable)")
    else {
        panic!()
    };
    assert_eq!((call.until, call.name.as_str()), (Some(500_000), "read"));
    assert_eq!(call.arguments, [Expr::Integer(4), Expr::Ellipsis, Expr::Integer(10)]);
    assert_eq!((call.result, call.errno.as_deref()), (Expr::Integer(-1), Some("EAGAIN")));
    let Action::Call(call) = action("fcntl(3, F_GETFL) = 0x802 (flags O_RDWR)") else { panic!() };
    assert_eq!(call.result, Expr::Integer(0x802));
}

#[test]
fn structures_are_known_by_their_first_field() {
    assert!(matches!(argument("{fd=4, events=POLLIN, revents=POLLIN|POLLHUP}"), Expr::Poll(_)));
    assert!(matches!(argument("{events=EPOLLIN, ptr=0}"), Expr::Epoll(epoll) if epoll.member == "ptr"));
    assert_eq!(argument("{onoff=1, linger=0}"), Expr::Linger(1, 0));
    assert_eq!(argument("{..., 20}"), Expr::Iovec(20));
    assert_eq!(argument("[3, 4]"), Expr::List(vec![Expr::Integer(3), Expr::Integer(4)]));
    let message = "{msg_name(...)=..., msg_iov(1)=[{..., 0}], msg_flags=MSG_ERRQUEUE, msg_control=[{cmsg_level=L, \
                   cmsg_type=T, cmsg_data={ee_errno=0, ee_origin=5, ee_type=0, ee_code=1, ee_info=0, ee_data=2}}]}";
    let Expr::Message(message) = argument(message) else { panic!() };
    assert!(
        matches!(&message.control[..], [Expr::Control(control)] if matches!(control.data, Expr::ExtendedError(_)))
    );
    assert_eq!(argument("\"a\\x00\\n\" \"b\"..."), Expr::Text(b"a\0\nb".to_vec()));
    assert!(matches!(argument(r#"inet6_addr("::1")"#), Expr::Address6(address) if address.is_loopback()));
}

#[test]
fn defined_words_stand_for_other_text() {
    let definitions = [("COOKIE", "0102"), ("SIZE", "1000"), ("NAME", "\"reno\"")];
    let definitions = definitions.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let read = |source: &str| parse(source, &definitions).unwrap().events.remove(0).action;
    let Action::Call(call) = read("0 write(4, NAME, SIZE) = SIZE") else { panic!() };
    assert_eq!(call.arguments[1..], [Expr::Text(b"reno".to_vec()), Expr::Integer(1000)]);
    let Action::Packet(packet) = read("0 > S 0:0(0) <FO COOKIE>") else { panic!() };
    let Body::Tcp(segment) = packet.body else { panic!() };
    assert_eq!(segment.options.unwrap(), [TcpOption::FastOpen(vec![1, 2])]);
}

#[test]
fn an_error_says_where_and_what() {
    // What is wrong, where in it, and what is said of it.
    let broken = [
        ("0 < S 0:0(0) <mss 1000>", "1:14: found '<', expected win and a window, which"),
        (
            "0 < S 0:0(0) win 10 <mss 1000>\n+1 < S 0:0(0)",
            "2:14: found end of file, expected win and a window",
        ),
        ("0 < S 0:0(0) win 100000", "1:18: found '100000', expected a window from 0 to 65535"),
        ("0 > . 1:3(1) ack 1", "1:7: found '1', expected sequence numbers that differ by the length"),
        ("0 > Q 0:0(0)", "1:5: found 'Q', expected flags: - or some of F S R P . U"),
        ("0 > . 1:1(0) <msss 1000>", "1:15: found 'msss', expected an option: nop, eol, mss"),
        ("0 > . 1:1(0) <mss 1000,nop>", "1:15: found 'mss', expected options that fill whole words of 4"),
        ("0 > . 1:1(0) <mss 70000>", "1:19: found '70000', expected a segment size from 0 to 65535"),
        (
            "0 > ipv4 1.2.3.4 > 5.6.7.8: . 1:1(0)",
            "1:5: found 'ipv4', expected a packet that is not encapsulated",
        ),
        ("0 close(3)\n", "2:1: found end of file, expected '='"),
        ("0 bind(3, ..., ...) = 0\nlisten(3, 1) = 0", "2:1: found 'listen', expected a time in seconds"),
        ("+x close(3) = 0", "1:2: found 'x', expected a time in seconds"),
        ("2~1 > . 1:1(0)", "1:3: found '1', expected a time that is not before the first"),
        (
            "* close(3) = 0",
            "1:1: found a range of times, expected one time, except for a packet that comes out",
        ),
        ("0 S 0:0(0) win 5", "1:5: found '0', expected '('"),
        (
            "0 close(3) = 0\n--mss=5",
            "2:1: found 'mss', expected an event: settings such as --name=value stand",
        ),
        ("\n\n0 `never closed", "3:3: found end of file, expected a closing `"),
        ("0 %{ assert", "1:3: found end of file, expected the end of the code, }%"),
        ("0 close(3) = 0\n  /* never closed", "2:3: found end of file, expected the end of the comment, */"),
        ("`only a command`", "1:17: found end of file, expected the time of an event"),
        ("", "1:1: found end of file, expected the time of an event"),
    ];
    for (script, expected) in broken {
        let error = error(script);
        assert!(error.starts_with(expected), "{script:?}: {error}");
    }
}
