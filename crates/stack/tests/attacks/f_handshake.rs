//! Class F, third part: the beginning and the end of a connection.

use portolan_stack::*;
use portolan_wire::tcp::{Flags, Options, Timestamps};
use portolan_wire::{Endpoint, Family, SeqNumber};

use crate::arena::*;

/// Every combination of what a SYN may offer.
fn offers() -> impl Iterator<Item = Options> {
    (0..8).map(|bits| Options {
        window_scale: (bits & 1 != 0).then_some(7),
        sack_permitted: bits & 2 != 0,
        timestamps: (bits & 4 != 0).then_some(Timestamps { value: 5, echo: 0 }),
        ..plain_options()
    })
}

/// F8: whether a listener's queue is full is not seen from its SYN-ACKs: they have the same options, window, and so the
/// same length, with a record and with a cookie; but for the window scale, which only a timestamp can remember.
#[test]
fn f8_a_syn_ack_does_not_tell_whether_the_queue_is_full() {
    let answers = |syn_cookies: u8| {
        let tcp = portolan_tcp::Config { syn_cookies, ..portolan_tcp::Config::default() };
        let mut arena = Arena::with(Config { tcp, ..Config::default() });
        arena.listen(80, 64);
        let mut shapes = Vec::new();
        for (n, options) in offers().enumerate() {
            let at = Endpoint::new(Arena::stranger(n as u32), 4000);
            let peer = Peer { at, port: 80, seq: SeqNumber(9), ack: SeqNumber(0), window: 1000 };
            arena.say(&peer, Flags::SYN, options, &[]);
            let heard = arena.hear();
            assert_eq!(heard.len(), 1);
            let Heard { flags, window, options, .. } = &heard[0];
            let stamped = options.timestamps.map(|timestamps| timestamps.echo);
            let shape = (options.mss, options.window_scale, options.sack_permitted, stamped, options.len());
            shapes.push((*flags, *window, shape));
        }
        (shapes, arena.victim().counts().embryos)
    };
    let (kept, records) = answers(1);
    let (forgotten, none) = answers(2);
    for ((kept, forgotten), offer) in kept.into_iter().zip(forgotten).zip(offers()) {
        if offer.window_scale.is_some() && offer.timestamps.is_none() {
            // Its four bits would make guesses of cookies sixteen times as likely (G1).
            assert!(kept.2.1.is_some() && forgotten.2.1.is_none());
        } else {
            assert_eq!(kept, forgotten);
        }
    }
    assert_eq!((records, none), (8, 0));
}

/// F13, RFC 1337, RFC 6191: nothing but time ends TIME-WAIT, or a SYN that cannot be an old one.
#[test]
fn f13_time_wait_ends_by_time_alone() {
    for stamped in [false, true] {
        let mut arena = Arena::new();
        let listener = arena.listen(80, 16);
        let at = Endpoint::new(Arena::stranger(1), 4000);
        let stamp = |value| stamped.then_some(Timestamps { value, echo: 0 });
        let options = |value| Options { timestamps: stamp(value), ..Options::NONE };
        let syn = |value| Options { timestamps: stamp(value), ..plain_options() };
        let seq = SeqNumber(1_000_000);
        let mut peer = Peer { at, port: 80, seq, ack: SeqNumber(0), window: u16::MAX };
        arena.say(&peer, Flags::SYN, syn(1000), &[]);
        peer.ack = arena.hear()[0].seq + 1;
        peer.seq = seq + 1;
        arena.say(&peer, Flags::ACK, options(1001), &[]);
        let now = arena.pair.now;
        let (socket, ..) = arena.victim().accept(now, listener).unwrap();
        arena.victim().close(now, socket).unwrap();
        let fin = arena.hear();
        assert!(fin[0].has(Flags::FIN));
        peer.ack = fin[0].end();
        arena.say(&peer, Flags::FIN | Flags::ACK, options(1002), &[]);
        peer.seq += 1;
        arena.turn();
        let waits = |arena: &mut Arena| arena.victim().counts().time_waits == 1;
        assert!(waits(&mut arena));
        arena.heard.clear();
        // Resets of any number, the exact one too; old text; ACKs of anything; an old SYN.
        for distance in 0..2_000_u32 {
            let forged = Peer { seq: peer.seq.back(1000) + distance, ..peer };
            arena.say(&forged, Flags::RST, options(1003), &[]);
            arena.say(&forged, Flags::RST | Flags::ACK, options(900), &[]);
            arena.say(&forged, Flags::ACK | Flags::PSH, options(1001), b"old");
        }
        let old = Peer { seq: seq.back(70_000), ..peer };
        arena.say(&old, Flags::SYN, syn(500), &[]);
        let answers = arena.hear();
        assert!(waits(&mut arena) && answers.iter().all(|heard| heard.flags == Flags::ACK), "{answers:?}");
        assert!(answers.len() <= 1, "and they are not answered one by one");
        // A new connection of the same peer, by number or by timestamp.
        let later = if stamped { seq.back(5_000) } else { peer.seq + 1 };
        let new = Peer { seq: later, ack: SeqNumber(0), ..peer };
        arena.say(&new, Flags::SYN, syn(2000), &[]);
        let answer = arena.hear();
        assert!(answer.len() == 1 && answer[0].flags == Flags::SYN | Flags::ACK, "{answer:?}");
        assert!(answer[0].seq.after(peer.ack), "beyond what the old connection used");
        assert_eq!(arena.victim().counts().time_waits, 0);
        // And without one, it ends after 60 s.
        let mut arena = Arena::new();
        let (peer, socket) = arena.plain_peer();
        let now = arena.pair.now;
        arena.victim().close(now, socket).unwrap();
        let fin = arena.hear();
        let last = Peer { ack: fin[0].end(), ..peer };
        arena.say(&last, Flags::FIN | Flags::ACK, Options::NONE, &[]);
        arena.pass(59_000_000);
        assert!(waits(&mut arena));
        arena.pass(2_000_000);
        assert!(!waits(&mut arena));
    }
}

/// The victim connects to a stranger's port; what it sent first.
fn connecting(arena: &mut Arena) -> (SocketId, Peer) {
    let at = Endpoint::new(Arena::stranger(5), 80);
    let now = arena.pair.now;
    let id = arena.victim().tcp_socket(Family::V4).unwrap();
    arena.victim().connect(now, id, at).unwrap();
    let syn = arena.hear();
    assert!(syn.len() == 1 && syn[0].flags == Flags::SYN);
    let port = arena.victim().local(id).unwrap().port;
    (id, Peer { at, port, seq: SeqNumber(7_000), ack: syn[0].seq + 1, window: 5000 })
}

/// F14, RFC 9293 §3.10.7.3: a handshake in other steps than three reaches the right state or none.
#[test]
fn f14_split_handshakes_end_in_the_right_state() {
    let state = |arena: &mut Arena, id| arena.victim().state(id);
    // SYN, then the ACK of the SYN-ACK that answers it: a simultaneous open.
    let mut arena = Arena::new();
    let (id, mut peer) = connecting(&mut arena);
    arena.say(&peer, Flags::SYN, plain_options(), &[]);
    let answer = arena.hear();
    assert_eq!(state(&mut arena, id), Ok(State::SynReceived));
    assert!(answer[0].flags == Flags::SYN | Flags::ACK && answer[0].seq + 1 == peer.ack);
    peer.seq += 1;
    arena.ack(&peer);
    assert_eq!(state(&mut arena, id), Ok(State::Established));
    // A host that wants none of that lets only a SYN-ACK open what it has begun.
    let mut config = Config::default();
    config.tcp.simultaneous_open = false;
    let mut arena = Arena::with(config);
    let (id, mut peer) = connecting(&mut arena);
    arena.say(&peer, Flags::SYN, plain_options(), &[]);
    assert_eq!((state(&mut arena, id), arena.hear().len()), (Ok(State::SynSent), 0));
    arena.say(&peer, Flags::SYN | Flags::ACK, plain_options(), &[]);
    peer.seq += 1;
    assert_eq!(state(&mut arena, id), Ok(State::Established));
    // ACK first, then SYN: the ACK opens nothing, whatever it says.
    let mut arena = Arena::new();
    let (id, mut peer) = connecting(&mut arena);
    arena.ack(&peer);
    assert_eq!((state(&mut arena, id), arena.hear().len()), (Ok(State::SynSent), 0));
    arena.say(&peer, Flags::ACK | Flags::PSH, Options::NONE, b"early");
    assert_eq!(state(&mut arena, id), Ok(State::SynSent));
    arena.say(&peer, Flags::SYN, plain_options(), &[]);
    peer.seq += 1;
    arena.ack(&peer);
    assert_eq!(state(&mut arena, id), Ok(State::Established));
    assert_eq!(arena.victim().receive_queued(id), Ok(0), "nothing of before the handshake");
    // SYN, then SYN-ACK, as two simultaneous opens answer each other.
    let mut arena = Arena::new();
    let (id, peer) = connecting(&mut arena);
    arena.say(&peer, Flags::SYN, plain_options(), &[]);
    arena.turn();
    arena.say(&peer, Flags::SYN | Flags::ACK, plain_options(), &[]);
    assert_eq!(state(&mut arena, id), Ok(State::Established));
    // A SYN-ACK or ACK of something else is reset with its own number, and the opening goes on.
    let mut arena = Arena::new();
    let (id, peer) = connecting(&mut arena);
    for (flags, off) in [(Flags::SYN | Flags::ACK, 1), (Flags::SYN | Flags::ACK, u32::MAX), (Flags::ACK, 77)]
    {
        let wrong = Peer { ack: peer.ack + off, ..peer };
        arena.say(&wrong, flags, plain_options(), &[]);
        let answer = arena.hear();
        assert!(
            answer.len() == 1 && answer[0].flags == Flags::RST && answer[0].seq == wrong.ack,
            "{answer:?}"
        );
        assert_eq!(state(&mut arena, id), Ok(State::SynSent));
    }
    arena.say(&Peer { ack: peer.ack + 1, ..peer }, Flags::RST | Flags::ACK, Options::NONE, &[]);
    arena.say(&peer, Flags::RST, Options::NONE, &[]);
    assert_eq!(state(&mut arena, id), Ok(State::SynSent), "no reset that does not acknowledge the SYN");
    arena.say(&peer, Flags::RST | Flags::ACK, Options::NONE, &[]);
    assert_eq!(arena.victim().take_error(id), Some(SocketError::ConnectionRefused));
    // A listener's half of it: a connection from LISTEN never becomes an active one.
    let mut arena = Arena::new();
    arena.listen(80, 16);
    let at = Endpoint::new(Arena::stranger(1), 4000);
    let peer = Peer { at, port: 80, seq: SeqNumber(5), ack: SeqNumber(0), window: 1000 };
    arena.say(&peer, Flags::SYN, plain_options(), &[]);
    let answer = arena.hear();
    let crossed = Peer { ack: answer[0].seq + 1, ..peer };
    arena.say(&crossed, Flags::SYN | Flags::ACK, plain_options(), &[]);
    assert_eq!(arena.victim().counts().connections, 1, "only the arena's own connection is open");
}
