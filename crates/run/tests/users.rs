//! The control socket and who speaks there: root, another user, a supervisor, a stranger.

#[allow(dead_code, reason = "each test program uses its part")]
mod stage;

use std::os::fd::OwnedFd;
use std::process::Command;

use portolan_protocol::request::Target;
use portolan_protocol::{
    Address, Family, Kind, MESSAGE_MAX, Name, Operation, Rendezvous, Reply, Request, Secret, SocketId,
    Transport,
};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketType};
use rustix::process::{Uid, geteuid};
use stage::{Stage, finish};

/// A user that is not root, nor anybody's.
const OTHER: u32 = 12345;

/// What a process without the right to speak for others, and one without the right to a port, is told.
const EPERM: Reply<'static> = Reply::Failed(1);
const EACCES: Reply<'static> = Reply::Failed(13);

/// Whether a test that needs root may run. Without root it fails, unless it was agreed to leave such tests out.
fn root_or_skip() -> bool {
    let (is_root, may_miss) = (geteuid().is_root(), std::env::var_os("PORTOLAN_ALLOW_MISSING").is_some());
    assert!(is_root || may_miss, "this test needs root; set PORTOLAN_ALLOW_MISSING=1 to leave it out");
    is_root
}

/// A control connection, spoken by hand.
struct Control {
    socket: OwnedFd,
    number: u32,
}

impl Control {
    fn connect(rendezvous: Rendezvous, own: u8) -> Control {
        let socket = net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
        let SocketId(mut id) = rendezvous.id;
        id[0] ^= own;
        let address = |name: Name| SocketAddrUnix::new_abstract_name(name.encode().as_bytes()).unwrap();
        let name = Name::Control { id: SocketId(id), pid: std::process::id() };
        net::bind(&socket, &address(name)).unwrap();
        net::connect(&socket, &address(rendezvous.control_name())).unwrap();
        let mut control = Control { socket, number: 0 };
        assert_eq!(control.ask(Operation::Hello { secret: rendezvous.secret }), Reply::Done);
        control
    }

    /// Asks; the answer is one without text.
    fn ask(&mut self, operation: Operation<'_>) -> Reply<'static> {
        self.number += 1;
        net::send(&self.socket, &encoded(self.number, operation), SendFlags::empty()).unwrap();
        let mut answer = [0; MESSAGE_MAX];
        let (_, len) = net::recv(&self.socket, &mut answer, RecvFlags::empty()).unwrap();
        match Reply::decode(&answer[..len]).unwrap() {
            (_, Reply::Done) => Reply::Done,
            (_, Reply::Failed(errno)) => Reply::Failed(errno),
            other => panic!("{other:?}"),
        }
    }
}

fn encoded(number: u32, operation: Operation<'_>) -> Vec<u8> {
    let mut message = [0; MESSAGE_MAX];
    let len = Request { number, operation }.encode(&mut message).unwrap();
    message[..len].to_vec()
}

fn act_for(user: u32) -> Operation<'static> {
    Operation::ActFor { process: std::process::id(), user }
}

/// bind(2) of a fresh socket to a port of 127.0.0.1.
fn bind(port: u16) -> Operation<'static> {
    let id = SocketId(u128::from(port).to_ne_bytes());
    let socket = Target { id, kind: Kind::bare(Transport::Tcp, Family::V4) };
    Operation::Bind { socket, address: Address::v4([127, 0, 0, 1].into(), port) }
}

/// The stack process runs in this process, which it therefore takes for a supervisor.
#[test]
fn only_a_supervisor_that_is_root_speaks_for_other_users() {
    if !root_or_skip() {
        return;
    }
    let stage = Stage::with_reserved_ports(1024);
    let rendezvous = stage.rendezvous();
    let mut root = Control::connect(rendezvous, 1);
    assert_eq!(root.ask(bind(80)), Reply::Done);
    assert_eq!(root.ask(act_for(OTHER)), Reply::Done);
    assert_eq!(root.ask(bind(81)), EACCES, "it speaks for one who may not");
    assert_eq!(root.ask(act_for(0)), Reply::Done);
    assert_eq!(root.ask(bind(81)), Reply::Done);
    // A thread has an effective user of its own, and the kernel tells it of a connection.
    let ordinary = std::thread::spawn(move || {
        let other = Uid::from_raw(OTHER);
        rustix::thread::set_thread_res_uid(other, other, other).unwrap();
        let mut ordinary = Control::connect(rendezvous, 2);
        assert_eq!(ordinary.ask(act_for(0)), Reply::Done);
        assert_eq!(ordinary.ask(bind(82)), EACCES, "it speaks for itself, whatever it says");
        assert_eq!(ordinary.ask(bind(1082)), Reply::Done);
    });
    ordinary.join().unwrap();
}

/// To the name argv[1], as the user argv[2]: the messages of each further word in turn, behind the name that the connection
/// is to have. Prints what comes back, `-` at the end.
const BY_HAND: &str = "
import os, socket, sys
name, user = sys.argv[1], int(sys.argv[2])
os.setgroups([]); os.setresgid(user, user, user); os.setresuid(user, user, user)
for messages in sys.argv[3:]:
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    control.settimeout(5)
    control.bind(bytes.fromhex(messages.split(':')[0]))
    control.connect(bytes.fromhex(name))
    for message in messages.split(':')[1:]:
        try:
            control.send(bytes.fromhex(message))
            print(control.recv(65536).hex() or '-')
        except ConnectionError:
            print('-')
";

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn abstract_name(name: Name) -> Vec<u8> {
    [b"\0", name.encode().as_bytes()].concat()
}

/// What another process, of this user, is told: a list for each connection, `None` for its end.
fn speak(rendezvous: Rendezvous, user: u32, connections: &[Vec<Vec<u8>>]) -> Vec<Option<Reply<'static>>> {
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", BY_HAND, &hex(&abstract_name(rendezvous.control_name())), &user.to_string()]);
    for (index, messages) in connections.iter().enumerate() {
        let SocketId(mut id) = rendezvous.id;
        id[1] ^= index as u8 + 1;
        let own = abstract_name(Name::Control { id: SocketId(id), pid: user });
        let words: Vec<String> = std::iter::once(&own).chain(messages).map(|octets| hex(octets)).collect();
        command.arg(words.join(":"));
    }
    let output = finish(&mut command);
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let answer = |line: &str| {
        let octets: Vec<u8> = line
            .as_bytes()
            .chunks(2)
            .map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap())
            .collect();
        match Reply::decode(&octets).unwrap().1 {
            Reply::Done => Reply::Done,
            Reply::Failed(errno) => Reply::Failed(errno),
            other => panic!("{other:?}"),
        }
    };
    lines.lines().map(|line| (line != "-").then(|| answer(line))).collect()
}

#[test]
fn a_program_speaks_for_nobody_but_itself() {
    if !root_or_skip() {
        return;
    }
    let stage = Stage::with_reserved_ports(1024);
    let hello = encoded(1, Operation::Hello { secret: stage.rendezvous().secret });
    let messages = |first: u16| {
        vec![vec![
            hello.clone(),
            encoded(2, act_for(0)),
            encoded(3, bind(first)),
            encoded(4, bind(first + 1000)),
        ]]
    };
    let told = speak(stage.rendezvous(), OTHER, &messages(80));
    assert_eq!(told, [Some(Reply::Done), Some(EPERM), Some(EACCES), Some(Reply::Done)]);
    // Root has the ports, and speaks for others no more than anybody.
    let told = speak(stage.rendezvous(), 0, &messages(90));
    assert_eq!(told, [Some(Reply::Done), Some(EPERM), Some(Reply::Done), Some(Reply::Done)]);
}

/// Any user can read the rendezvous's name, and knows no secret.
#[test]
fn n5_another_user_with_a_wrong_secret_or_nonsense_gets_nothing() {
    if !root_or_skip() {
        return;
    }
    let stage = Stage::with_reserved_ports(1024);
    let wrong = encoded(1, Operation::Hello { secret: Secret([7; 16]) });
    let hello = encoded(1, Operation::Hello { secret: stage.rendezvous().secret });
    let cases = [
        vec![wrong, encoded(2, bind(2000))],
        vec![encoded(1, bind(2001)), encoded(2, bind(2001))],
        vec![vec![b'x'], hello.clone()],
        vec![hello[..hello.len() - 1].to_vec()],
        vec![vec![0xff; 300], hello.clone()],
    ];
    let told = speak(stage.rendezvous(), OTHER, &cases);
    let (refused, version) = (Some(EACCES), Some(Reply::Done));
    // Whoever speaks another version is told ours, and no more.
    assert_eq!(told, [refused, None, refused, None, None, None, None, version, None]);
    // The ports are free, and whoever has the secret is served.
    let mut root = Control::connect(stage.rendezvous(), 1);
    assert_eq!(root.ask(bind(2000)), Reply::Done);
    assert_eq!(root.ask(bind(2001)), Reply::Done);
}
