use portolan_wire::Address;

use super::*;

fn flow(port: u16) -> Flow {
    Flow { protocol: 6, local_port: port, remote: (Address::v4(192, 0, 2, 53), 53) }
}

/// A message with its length in front.
fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

fn stream(max: usize) -> Stream {
    // Close to the end of the numbers, so that they wrap.
    Stream::new(SeqNumber(u32::MAX - 3), max)
}

#[test]
fn messages_are_found_however_the_stream_is_cut() {
    let said = [framed(b"first"), framed(b""), framed(b"second message")].concat();
    let whole: [&[u8]; 3] = [b"first", b"", b"second message"];
    for cut in 1..said.len() {
        let mut stream = stream(100);
        let mut found = Vec::new();
        for (number, piece) in said.chunks(cut).enumerate() {
            let seq = stream.begins_at + (number * cut) as u32;
            let fresh = stream.fresh(seq, piece).unwrap();
            found.extend(stream.messages(fresh).unwrap());
            // And again, with all that came before: nothing is new.
            let end = said.len().min((number + 1) * cut);
            assert_eq!(stream.fresh(stream.begins_at, &said[..end]), Some(&[][..]));
        }
        assert_eq!(found, whole);
        assert!(stream.begun.is_empty());
    }
}

#[test]
fn a_gap_is_seen_and_what_is_behind_it_waits() {
    let said = [framed(b"first"), framed(b"second")].concat();
    let mut ours = stream(100);
    assert_eq!(ours.fresh(ours.begins_at + 1, &said[1..]), None);

    let mut theirs = stream(100);
    let at = |from: usize| SeqNumber(u32::MAX - 3) + from as u32;
    assert_eq!(theirs.take(at(9), &said[9..]), Some(vec![]));
    assert_eq!(theirs.take(at(4), &said[4..9]), Some(vec![]));
    assert_eq!(theirs.take(at(0), &said[..4]), Some(vec![b"first".to_vec(), b"second".to_vec()]));
    assert!(theirs.early.is_empty());
}

#[test]
fn nothing_grows_without_bound() {
    assert_eq!(stream(10).messages(&framed(&[0; 11])), None, "a message too long, by its length alone");
    let mut theirs = stream(ANSWER_MAX);
    let begin = theirs.begins_at;
    let taken: Vec<_> = (1..1000).map(|number| theirs.take(begin + number * 2, &[1])).collect();
    assert!(taken.contains(&None) && theirs.early.len() == EARLY_SEGMENTS_MAX);
    let mut theirs = stream(ANSWER_MAX);
    assert!((1..5).map(|number| theirs.take(begin + number, &[0; 60_000])).any(|taken| taken.is_none()));

    let mut all = Conversations::default();
    for port in 0..1000 {
        all.begin(flow(port), SeqNumber(1));
    }
    assert_eq!(all.0.len(), CONVERSATIONS_MAX);
    all.begin(flow(999), SeqNumber(1));
    assert_eq!(all.0.len(), CONVERSATIONS_MAX, "a SYN that comes again is the same connection");
}
