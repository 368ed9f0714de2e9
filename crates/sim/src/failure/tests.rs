use super::*;

#[test]
fn a_failure_says_how_to_see_it_again() {
    let failure = Failure {
        seed: 42,
        at: Instant::from_millis(7),
        what: "host client: snd.una is beyond snd.nxt".to_owned(),
        is_stuck: false,
        last_frames: vec!["6999 us client > server IP ...".to_owned()],
    };
    let text = failure.to_string();
    for part in
        ["seed 42", "7000 us", "snd.una", "PORTOLAN_SEED=42 cargo test -p portolan-sim", "client > server IP"]
    {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}
