//! Attack row E9 and the whole of RFC 9293 §3.10.7: every set of the nine flags in every state, with sequence and
//! acknowledgement numbers that are good and bad, does what an independent table says.
//!
//! The table is `table.txt`; `table.rs` reads it, and `peer.rs` leads a real host into each state by segments written by
//! hand. Two runs of 512 x 11 x 2 x 2 = 22,528 cells differ in what is good and bad, and a third has what lies between.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod peer;
mod table;

use std::collections::BTreeMap;

use peer::{Scene, Seen};
use portolan_stack::DropReason;
use portolan_wire::SeqNumber;
use portolan_wire::tcp::Flags;
use table::{Ack, Case, Row, STATES, Seq};

const TEXT: &[u8] = b"chart";
/// Less than any window.
const GAP: u32 = 100;
/// Farther than any window.
const FAR: u32 = 1 << 30;
/// RFC 3168's and RFC 9768's flags say nothing about the state.
const ECN: Flags = Flags::ECE.with(Flags::CWR).with(Flags::AE);

// RFC 9293 §3.10.7, MUST-10, MUST-11, MUST-13, SHLD-2; MAY-2, MAY-12; RFC 5961 §3.2, §4.2, §5.2; RFC 1337 §3
#[test]
fn e9_every_flag_set_in_every_state_does_what_the_table_says() {
    assert_eq!(run(&[Seq::Next, Seq::Beyond], &[Ack::All, Ack::Beyond]), 22_528);
}

// RFC 9293 §3.10.7, MUST-11, MUST-13; MAY-2, MAY-12; RFC 5961 §3.2, §4.2, §5.2; RFC 1337 §3
#[test]
fn e9_every_flag_set_with_numbers_of_the_past_does_what_the_table_says() {
    assert_eq!(run(&[Seq::Next, Seq::Old], &[Ack::Una, Ack::Old]), 22_528);
}

// RFC 9293 §3.10.7, MUST-11; SHLD-31, MAY-13; RFC 5961 §3.2, §4.2
#[test]
fn e9_every_flag_set_behind_a_gap_does_what_the_table_says() {
    assert_eq!(run(&[Seq::Inside], &[Ack::All, Ack::Una, Ack::Beyond, Ack::Old]), 22_528);
}

/// A row that no case needs would be a row that nothing proves.
#[test]
fn every_row_of_the_table_decides_something() {
    let rows = table::rows();
    let mut used = vec![false; rows.len()];
    let seqs = [Seq::Next, Seq::Inside, Seq::Beyond, Seq::Old];
    for case in cases(&seqs, &[Ack::All, Ack::Una, Ack::Beyond, Ack::Old]) {
        used[rows.iter().position(|row| row.fits(&case)).expect("a row")] = true;
    }
    let idle: Vec<usize> = rows.iter().zip(used).filter(|(_, used)| !used).map(|(row, _)| row.line).collect();
    assert!(idle.is_empty(), "lines {idle:?} of the table decide nothing");
}

fn cases(seqs: &[Seq], acks: &[Ack]) -> Vec<Case> {
    let mut cases = Vec::new();
    for state in STATES {
        for bits in 0..=Flags::ALL.bits() {
            for &seq in seqs {
                for &ack in acks {
                    cases.push(Case { state, flags: Flags::from_bits(bits), seq, ack });
                }
            }
        }
    }
    cases
}

/// Plays all cells; returns how many.
fn run(seqs: &[Seq], acks: &[Ack]) -> usize {
    let (rows, cases) = (table::rows(), cases(seqs, acks));
    // By line of the table: how many cells differ, and how the first does.
    let mut wrong: BTreeMap<usize, (usize, String)> = BTreeMap::new();
    for case in &cases {
        let row = rows.iter().find(|row| row.fits(case)).unwrap_or_else(|| panic!("no row for {case:?}"));
        if let Err(why) = play(case, row) {
            wrong.entry(row.line).or_insert_with(|| (0, format!("{case:?}: {why}"))).0 += 1;
        }
    }
    let count: usize = wrong.values().map(|(count, _)| count).sum();
    let shown: String =
        wrong.iter().map(|(line, (count, first))| format!("\nline {line}, {count} cells; {first}")).collect();
    assert!(wrong.is_empty(), "{count} of {} cells differ from table.txt:{shown}", cases.len());
    cases.len()
}

/// Leads a host into the state, sends it the segment, and compares what happens with the row.
fn play(case: &Case, row: &Row) -> Result<(), String> {
    let mut scene = Scene::in_state(case.state);
    let seq = match case.seq {
        Seq::Next => scene.peer_next,
        Seq::Inside => scene.peer_next + GAP,
        Seq::Beyond => scene.peer_next + FAR,
        Seq::Old => scene.peer_next.back(FAR),
    };
    let ack = match case.ack {
        Ack::All => scene.host_next,
        Ack::Una => scene.host_una,
        Ack::Beyond => scene.host_next + FAR,
        Ack::Old => scene.host_una.back(FAR),
    };
    let before = (scene.peer_next, scene.host_next, scene.drops());
    scene.arrives(seq, ack, case.flags, TEXT);
    let replies = scene.replies();
    check_reply(case, row, (seq, ack), (before.0, before.1), &replies)?;
    let (state, text) = (scene.state(), scene.read());
    if state != row.next_of(case) {
        return Err(format!("the next state is {state}, not {}", row.next_of(case)));
    }
    if text != if row.text { TEXT } else { b"" } {
        return Err(format!("the application reads {text:?}"));
    }
    let after = scene.drops();
    let dropped: Vec<&str> = DropReason::ALL
        .iter()
        .filter(|reason| after.count(**reason) > before.2.count(**reason))
        .map(|reason| reason.name())
        .collect();
    let discard = scene.last_discard();
    check_drop(row, &dropped, after.total() - before.2.total(), discard.as_deref())
}

fn check_reply(
    case: &Case,
    row: &Row,
    (seq, ack): (SeqNumber, SeqNumber),
    (peer_next, host_next): (SeqNumber, SeqNumber),
    replies: &[Seen],
) -> Result<(), String> {
    let counts = |flag| u32::from(case.flags.contains(flag));
    let end = seq + TEXT.len() as u32 + counts(Flags::SYN) + counts(Flags::FIN);
    let zero = SeqNumber(0);
    // `None` for a number that the host draws.
    let (seq, ack, flags) = match row.reply {
        "-" => {
            return if replies.is_empty() { Ok(()) } else { Err(format!("an answer: {replies:?}")) };
        }
        "ACK" => (Some(host_next), peer_next, Flags::ACK),
        "ACK+" => (Some(host_next), end, Flags::ACK),
        "RST" => (Some(ack), zero, Flags::RST),
        "RST+ACK" => (Some(zero), end, Flags::RST | Flags::ACK),
        "SYN-ACK" if case.state == "SYN-SENT" => (Some(host_next.back(1)), seq + 1, Flags::SYN | Flags::ACK),
        "SYN-ACK" => (None, seq + 1, Flags::SYN | Flags::ACK),
        other => panic!("line {}: {other} is no reply", row.line),
    };
    let [reply] = replies else { return Err(format!("{} instead of one answer: {replies:?}", row.reply)) };
    let wanted = Seen { seq: seq.unwrap_or(reply.seq), ack, flags, text_len: 0 };
    let got = Seen { flags: reply.flags.without(ECN), ..*reply };
    if got == wanted { Ok(()) } else { Err(format!("{got:?} instead of {wanted:?}")) }
}

fn check_drop(row: &Row, dropped: &[&str], count: u64, discard: Option<&str>) -> Result<(), String> {
    let (host, connection) = match row.drop {
        "-" => (None, None),
        name if name.contains('.') => (Some(name), None),
        name => (Some("tcp.segment"), Some(name)),
    };
    if count != u64::from(host.is_some()) || dropped.first().copied() != host {
        return Err(format!("dropped for {dropped:?}, {count} in all, and not for {}", row.drop));
    }
    if discard != connection {
        return Err(format!("discarded for {discard:?} and not for {}", row.drop));
    }
    Ok(())
}
