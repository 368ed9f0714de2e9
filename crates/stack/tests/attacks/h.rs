//! Class H: peers that lie about what has arrived.

use portolan_stack::*;
use portolan_wire::tcp::{Flags, Options, SackBlocks};
use portolan_wire::{Endpoint, SeqNumber};

use crate::arena::*;
use crate::common::*;

/// The victim sends, as much as it may, to a peer with a large window.
fn sending(options: Options) -> (Arena, Peer, SocketId) {
    let mut arena = Arena::new();
    let listener = arena.listen(80, 16);
    let options = Options { window_scale: Some(8), ..options };
    let (peer, socket) = arena.accepted(listener, Endpoint::new(Arena::stranger(1), 4000), 80, options);
    fill(&mut arena, socket);
    (arena, peer, socket)
}

/// The application writes all that the send buffer takes: an endless pattern.
fn fill(arena: &mut Arena, socket: SocketId) {
    let text = pattern(64 * 1024);
    let mut written = 0;
    while let Ok(len) = arena.pair.write(B, socket, &text[written % text.len()..]) {
        written += len;
    }
}

fn cwnd(arena: &mut Arena, socket: SocketId) -> u32 {
    arena.victim().info(socket).unwrap().cwnd
}

/// H1, ACK division: the window grows by what was acknowledged, and not by how often.
#[test]
fn h1_many_acks_for_one_segment_grow_the_window_as_one_does() {
    let grown = |acks_per_segment: u32| {
        let (mut arena, mut peer, socket) = sending(plain_options());
        let first = arena.hear();
        let before = cwnd(&mut arena, socket);
        arena.pass(10_000);
        for heard in &first {
            let len = heard.text.len() as u32;
            for part in 1..=acks_per_segment {
                peer.ack = heard.seq + len * part / acks_per_segment;
                arena.ack(&peer);
            }
        }
        cwnd(&mut arena, socket) - before
    };
    let honest = grown(1);
    assert!(honest > 0);
    assert!(grown(MSS) <= honest, "{} and not {honest}", grown(MSS));
}

/// H2, duplicate ACKs without end: they free no more than what was in flight before, and two segments.
#[test]
fn h2_ten_thousand_duplicate_acks_send_no_more_than_was_outstanding() {
    let (mut arena, mut peer, socket) = sending(plain_options());
    let first = arena.hear();
    peer.ack = first[0].end();
    arena.pass(10_000);
    arena.ack(&peer);
    arena.turn();
    let outstanding = arena.victim().info(socket).unwrap().unacked;
    arena.heard.clear();
    for _ in 0..10_000 {
        arena.ack(&peer);
        arena.turn();
    }
    let new: u32 = arena
        .heard
        .iter()
        .filter(|heard| heard.seq.after(first[9].seq))
        .map(|heard| heard.text.len() as u32)
        .sum();
    let allowed = (outstanding + 2) * MSS;
    assert!(new <= allowed, "{new} octets for duplicate ACKs, and not {allowed}");
    arena.pass(1_000_000);
}

/// H3, optimistic ACKs: nothing that was never sent can be acknowledged, and an ACK of what is sent, but not yet
/// received, cannot make the victim send faster than such ACKs come.
#[test]
fn h3_an_ack_of_what_was_never_sent_is_refused() {
    let (mut arena, mut peer, socket) = sending(plain_options());
    let first = arena.hear();
    let nxt = first.last().unwrap().end();
    let before = cwnd(&mut arena, socket);
    for ahead in [1, 2, MSS, 1 << 20, 1 << 30] {
        peer.ack = nxt + ahead;
        arena.ack(&peer);
    }
    let answers = arena.hear();
    assert!(answers.iter().all(|heard| heard.text.is_empty() && heard.has(Flags::ACK)));
    assert_eq!(cwnd(&mut arena, socket), before);
    assert_eq!(arena.victim().info(socket).unwrap().bytes_acked, 0);
    peer.ack = nxt;
    arena.ack(&peer);
    assert!(arena.hear().iter().any(|heard| !heard.text.is_empty()), "an honest ACK goes on");
}

/// H6, windows that shrink and windows of one octet: nothing is lost, nothing silly is sent.
#[test]
fn h6_a_window_that_shrinks_costs_no_octet_and_makes_no_silly_segments() {
    let (mut arena, mut peer, socket) = sending(plain_options());
    let mut received: Vec<u8> = Vec::new();
    let start = peer.ack;
    for round in 0..200_u32 {
        arena.pass(50_000);
        let mut segments = arena.hear();
        segments.sort_by_key(|heard| heard.seq.since(start));
        for heard in &segments {
            let at = heard.seq.since(start).unwrap() as usize;
            if at <= received.len() {
                let fresh = received.len() - at;
                received.extend(heard.text.iter().skip(fresh));
            }
        }
        peer.ack = start + received.len() as u32;
        // Wide, shut, one octet, wide: the right edge moves left with what is in flight.
        peer.window = [200, 0, 1, 20][round as usize % 4] / if round % 8 == 2 { 2 } else { 1 };
        arena.ack(&peer);
    }
    // A window of 256 octets (1 with the scale of 8) must not be filled with segments of one octet.
    assert!(received.len() > 100_000, "{} octets", received.len());
    let written = pattern(64 * 1024);
    assert!(received.iter().enumerate().all(|(at, octet)| *octet == written[at % written.len()]));
    assert_eq!(arena.victim().state(socket), Ok(State::Established));
}

/// H7, SACK reneging: what was reported and then discarded by the peer is sent again.
#[test]
fn h7_text_that_was_reported_and_then_withdrawn_is_sent_again() {
    let (mut arena, mut peer, socket) = sending(sack_options());
    let first = arena.hear();
    let start = first[0].seq;
    arena.pass(10_000);
    // All but the first segment is reported, and then forgotten.
    let mut sack = SackBlocks::new();
    sack.push((first[1].seq, first.last().unwrap().end()));
    for _ in 0..4 {
        arena.say(&peer, Flags::ACK, Options { sack, ..Options::NONE }, &[]);
    }
    let mut have = 0_u32;
    let mut octets: Vec<u8> = Vec::new();
    for _ in 0..400 {
        arena.pass(100_000);
        for heard in arena.hear() {
            let at = heard.seq.since(start).unwrap();
            if at <= have {
                let fresh = &heard.text[((have - at) as usize).min(heard.text.len())..];
                octets.extend_from_slice(fresh);
                have += fresh.len() as u32;
            }
        }
        peer.ack = start + have;
        arena.ack(&peer);
    }
    let written = pattern(64 * 1024);
    assert!(have >= 100_000, "{have} octets");
    assert!(octets.iter().enumerate().all(|(at, octet)| *octet == written[at % written.len()]));
    assert_eq!(arena.victim().state(socket), Ok(State::Established));
}

/// A range of sequence numbers.
type Block = (SeqNumber, SeqNumber);
/// False reports of duplicates, given the first octet that was lost and the first that was not.
type Lie = dyn Fn(SeqNumber, SeqNumber) -> Vec<Block>;

/// What a host sends to a peer that loses the first two segments of three windows, and says of duplicates what `lie`
/// says: segments in all, and the window and threshold at the end.
fn goodput_against(lie: impl Fn(SeqNumber, SeqNumber) -> Vec<Block>) -> (usize, u32, u32) {
    let (mut arena, mut peer, socket) = sending(sack_options());
    let mut segments = 0;
    for _ in 0..3 {
        let window = arena.hear();
        assert!(window.len() > 4, "losses, and three segments of proof: {}", window.len());
        arena.pass(10_000);
        let (first, lost, end) = (window[0].seq, window[1].end(), window.last().unwrap().end());
        arena.say(&peer, Flags::ACK, Options { sack: blocks(&[(lost, end)]), ..Options::NONE }, &[]);
        arena.pass(10_000);
        let again = arena.hear();
        assert!(again.iter().any(|heard| heard.seq == first), "what was lost is sent again");
        segments += window.len() + again.len();
        peer.ack = again.iter().map(Heard::end).fold(end, SeqNumber::max);
        arena.ack(&peer);
        for block in lie(first, lost) {
            arena.say(&peer, Flags::ACK, Options { sack: blocks(&[block]), ..Options::NONE }, &[]);
        }
        fill(&mut arena, socket);
    }
    let info = arena.victim().info(socket).unwrap();
    (segments, info.cwnd, info.ssthresh)
}

fn blocks(pairs: &[Block]) -> SackBlocks {
    pairs.iter().copied().collect()
}

/// H4, forged D-SACKs: reports of what was never sent, of what was sent once, and of a part of what was sent again take
/// no reduction back; who gives them is served no more than who is honest.
#[test]
fn h4_forged_duplicates_take_no_reduction_back() {
    let honest = goodput_against(|_, _| Vec::new());
    let lies: [&Lie; 4] = [
        &|_, lost| vec![(lost, lost + MSS), (lost + MSS, lost + 3 * MSS)],
        &|first, _| vec![(first.back(1 << 30), first.back((1 << 30) - MSS)), (first.back(MSS), first)],
        &|first, lost| vec![(lost + (1 << 30), lost + (1 << 30) + MSS), (lost, first)],
        &|first, _| vec![(first, first + MSS)],
    ];
    for (at, lie) in lies.iter().enumerate() {
        let liar = goodput_against(lie);
        assert!(
            liar.0 <= honest.0 && liar.1 <= honest.1 && liar.2 <= honest.2,
            "lie {at}: {liar:?} and not {honest:?}"
        );
    }
}
