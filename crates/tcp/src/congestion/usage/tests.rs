use super::*;

const WINDOW: u32 = 10_000;

fn noted(outstanding: u32) -> Usage {
    let mut usage = Usage::NONE;
    usage.note(SeqNumber(1), SeqNumber(1 + outstanding), outstanding + 1_000 > WINDOW);
    usage
}

/// With ten segments to send, 5 are too few to let the window grow, 6 let it grow to 12.
#[test]
fn in_slow_start_the_window_grows_to_twice_of_what_was_used() {
    assert!(!noted(5_000).allows_growth(WINDOW, true));
    assert!(noted(6_000).allows_growth(WINDOW, true));
    assert!(!noted(6_000).allows_growth(12_000, true));
    assert!(noted(10_000).allows_growth(100_000, true), "a full window allows any growth");
    assert!(!noted(6_000).allows_growth(WINDOW, false), "not in congestion avoidance");
    assert!(noted(10_000).allows_growth(WINDOW, false));
}

#[test]
fn a_full_window_counts_until_all_of_it_is_acknowledged() {
    let mut usage = noted(10_000);
    usage.note(SeqNumber(9_001), SeqNumber(11_001), false);
    assert!(usage.allows_growth(WINDOW, false));
    usage.note(SeqNumber(10_001), SeqNumber(12_001), false);
    assert!(!usage.allows_growth(WINDOW, false));
}
