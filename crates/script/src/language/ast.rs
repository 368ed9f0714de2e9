//! A script as it was written: no symbol looked up, no address filled in.

use std::net::{Ipv6Addr, SocketAddr};

use super::option::TcpOption;

/// A whole script.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Script {
    /// The `--name=value` lines at its head.
    pub settings: Vec<Setting>,
    /// The command before the first event.
    pub init: Option<Command>,
    /// What happens, in the order written.
    pub events: Vec<Event>,
    /// The command after the last event, which runs whether the script passes or not.
    pub cleanup: Option<Command>,
}

/// A `--name` or `--name=value` line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setting {
    /// Its line.
    pub line: u32,
    /// The name, without the dashes.
    pub name: String,
    /// What stands behind the equals sign.
    pub value: Option<String>,
}

/// Text between back quotes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// The line of its first quote.
    pub line: u32,
    /// What a shell would be given.
    pub text: String,
}

/// One event with its time.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// The line of its time.
    pub line: u32,
    /// When it happens, or must happen.
    pub when: When,
    /// What happens.
    pub action: Action,
}

/// The time of an event. Times are microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// From the start of the script.
    At(u64),
    /// From the moment at which the event before was done.
    After(u64),
    /// `*`: at any time, for a packet that must come out.
    Any,
    /// `a~b`: within these times from the start of the script.
    Between(u64, u64),
    /// `+a~+b`: within these times from the event before.
    AfterBetween(u64, u64),
}

/// What an event does.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// A packet to inject or to expect.
    Packet(Packet),
    /// A system call.
    Call(Call),
    /// A shell command.
    Command(String),
    /// Assertions about the connection.
    Code(String),
}

/// Which way a packet goes, seen from the host under test.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// `<`: it is injected.
    In,
    /// `>`: it must come out.
    Out,
}

/// A packet.
#[derive(Clone, PartialEq, Debug)]
pub struct Packet {
    /// Which way it goes.
    pub direction: Direction,
    /// What its IP header must say beside the addresses.
    pub ip: IpNotes,
    /// What it carries.
    pub body: Body,
}

/// The notes in brackets before a packet: `[ect0]`, `[tos 0x10, flowlabel 0x1]`, `[ttl 63]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct IpNotes {
    /// The octet of DSCP and ECN, as far as it is written.
    pub tos: Tos,
    /// The flow label of an IPv6 packet; scripts say only which are equal.
    pub flow_label: Option<u32>,
    /// The time to live or hop limit.
    pub ttl: Option<u8>,
}

/// What is written about the octet of DSCP and ECN (RFC 3168 §5).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tos {
    /// Nothing: any value is right.
    #[default]
    Free,
    /// The two bits of ECN.
    Ecn(u8),
    /// `[ect01]`: ECT(0) or ECT(1).
    EitherEct,
    /// The whole octet.
    Octet(u8),
}

/// What an IP packet carries.
#[derive(Clone, PartialEq, Debug)]
pub enum Body {
    /// A segment.
    Tcp(Segment),
    /// A datagram with that many octets.
    Udp {
        /// Ports, where they are not the connection's.
        ports: Option<(u16, u16)>,
        /// The payload in octets.
        len: u16,
    },
    /// An ICMP message.
    Icmp(Icmp),
}

/// A TCP segment. Numbers are relative to the initial sequence numbers, except in a segment with SYN.
#[derive(Clone, PartialEq, Debug)]
pub struct Segment {
    /// Ports, where they are not the connection's.
    pub ports: Option<(u16, u16)>,
    /// The flags.
    pub flags: SegmentFlags,
    /// The number of the first octet.
    pub seq: u32,
    /// The text in octets.
    pub len: u16,
    /// The acknowledgement number, 0 if none is written.
    pub ack: u32,
    /// The window field; `None` in a segment that comes out says that any will do.
    pub window: Option<u16>,
    /// The urgent pointer.
    pub urgent: u16,
    /// The options in their order; `None` is `<...>`: any will do.
    pub options: Option<Vec<TcpOption>>,
}

/// The flags of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SegmentFlags {
    /// FIN, SYN, RST, PSH, ACK and URG at their places in the header, and ECE, CWR and AE if written as such.
    pub bits: u16,
    /// Whether the three ECN flags were written as the count of RFC 9768 §3.1.1, which is then compared whole.
    pub ace: bool,
}

/// An ICMP message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Icmp {
    /// `unreachable`, `packet_too_big`, or `type_N`.
    pub kind: String,
    /// `frag_needed`, or `code_N`.
    pub code: Option<String>,
    /// The MTU that it reports.
    pub mtu: Option<u32>,
    /// The identifier of an echo.
    pub echo_id: u16,
    /// The packet that it quotes.
    pub quoted: Quoted,
}

/// What an ICMP message quotes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quoted {
    /// A segment that begins at `seq` with `len` octets of text.
    Tcp {
        /// The number of the first octet.
        seq: u32,
        /// The text in octets.
        len: u16,
    },
    /// A datagram with that many octets.
    Udp(u16),
    /// No packet: so many octets in all.
    Raw(u16),
}

/// A system call and what it must give.
#[derive(Clone, PartialEq, Debug)]
pub struct Call {
    /// `Some` for a call that blocks: when it must return, on the scale of the event's own time.
    pub until: Option<u64>,
    /// The name.
    pub name: String,
    /// The arguments.
    pub arguments: Vec<Expr>,
    /// The result; `...` if any will do.
    pub result: Expr,
    /// The name of the error that must be set.
    pub errno: Option<String>,
}

/// An argument or a result of a system call.
#[derive(Clone, PartialEq, Debug)]
pub enum Expr {
    /// `...`
    Ellipsis,
    /// A number.
    Integer(i64),
    /// A symbol.
    Word(String),
    /// Octets in double quotes, with the escapes resolved.
    Text(Vec<u8>),
    /// `a | b`
    Or(Box<Expr>, Box<Expr>),
    /// `name = value`
    Assign(String, Box<Expr>),
    /// `[a, b]` or `{a, b}`
    List(Vec<Expr>),
    /// `inet6_addr("..")`
    Address6(Ipv6Addr),
    /// `{sa_family = .., sin_port = htons(..), sin_addr = inet_addr("..")}`
    SocketAddress(SocketAddr),
    /// `{..., len}`: one entry of an `iovec`.
    Iovec(i64),
    /// A `msghdr`.
    Message(Box<Message>),
    /// One control message.
    Control(Box<Control>),
    /// `{scm_sec = .., scm_nsec = ..}` in microseconds; 0 is any time.
    Timestamp(i64),
    /// A `sock_extended_err`.
    ExtendedError(Box<ExtendedError>),
    /// `{fd=.., events=.., revents=..}`
    Poll(Box<Poll>),
    /// `{events=.., fd=..}` and its like.
    Epoll(Box<Epoll>),
    /// `{onoff=.., linger=..}`
    Linger(i64, i64),
}

/// `{msg_name(...)=..., msg_iov(n)=[..], msg_flags=.., msg_control=[..]}`
#[derive(Clone, PartialEq, Debug)]
pub struct Message {
    /// How many entries `iov` is said to have.
    pub iov_len: i64,
    /// The buffers.
    pub iov: Expr,
    /// The flags.
    pub flags: Expr,
    /// The control messages.
    pub control: Vec<Expr>,
}

/// `{cmsg_level=.., cmsg_type=.., cmsg_data=..}`
#[derive(Clone, PartialEq, Debug)]
pub struct Control {
    /// `SOL_SOCKET` and its like.
    pub level: Expr,
    /// What it is.
    pub kind: Expr,
    /// What it says.
    pub data: Expr,
}

/// `{ee_errno=.., ee_origin=.., ee_type=.., ee_code=.., ee_info=.., ee_data=..}`
#[derive(Clone, PartialEq, Debug)]
pub struct ExtendedError {
    /// The six fields in this order: errno, origin, type, code, info, data.
    pub fields: [Expr; 6],
}

/// An entry of `poll`'s list.
#[derive(Clone, PartialEq, Debug)]
pub struct Poll {
    /// Which descriptor.
    pub fd: Expr,
    /// What is asked for.
    pub events: Expr,
    /// What must come back.
    pub revents: Expr,
}

/// An `epoll_event`.
#[derive(Clone, PartialEq, Debug)]
pub struct Epoll {
    /// The set of events.
    pub events: Expr,
    /// `fd`, `ptr`, `u32` or `u64`: which member of the union is written.
    pub member: String,
    /// Its value.
    pub data: Expr,
}
