use super::*;

#[test]
fn draws_follow_from_the_seed_alone() {
    let draw = |seed| {
        let mut random = Random::new(seed);
        (random.bits(), random.between(3, 900), random.secret(), random.share(5_000))
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
}

#[test]
fn ranges_include_both_ends() {
    let mut random = Random::new(1);
    let drawn: Vec<u64> = (0..1000).map(|_| random.between(5, 8)).collect();
    assert!((5..=8).all(|number| drawn.contains(&number)));
    assert!(drawn.iter().all(|number| (5..=8).contains(number)));
    assert_eq!(random.between(7, 7), 7);
    assert_eq!(random.between(7, 3), 7);
    assert!((0..100).any(|_| random.between(0, u64::MAX) > u64::MAX / 2));
}
