use super::*;

fn trace(frames: &[(u64, &str, &[u8])]) -> Trace {
    let mut trace = Trace::default();
    for (us, from, frame) in frames {
        trace.record(Instant::from_micros(*us), from, "b", frame);
    }
    trace
}

#[test]
fn the_hash_sees_time_place_content_and_borders() {
    let base = trace(&[(1, "a", b"xy"), (2, "a", b"z")]).hash();
    assert_eq!(base, trace(&[(1, "a", b"xy"), (2, "a", b"z")]).hash());
    for other in [
        trace(&[(1, "a", b"xy"), (3, "a", b"z")]),
        trace(&[(1, "a", b"xy"), (2, "c", b"z")]),
        trace(&[(1, "a", b"xy"), (2, "a", b"Z")]),
        trace(&[(1, "a", b"x"), (2, "a", b"yz")]),
        trace(&[(2, "a", b"z"), (1, "a", b"xy")]),
    ] {
        assert_ne!(other.hash(), base);
    }
}

#[test]
fn the_last_frames_are_kept_and_no_more() {
    let mut trace = Trace::default();
    for number in 0..200 {
        trace.record(Instant::from_micros(number), "a", "b", &[0xff; 1500]);
    }
    let lines = trace.last_lines();
    assert_eq!((lines.len(), trace.frames()), (KEPT, 200));
    assert!(lines[0].starts_with("160 us a > b (1500 octets)"), "{}", lines[0]);
}
