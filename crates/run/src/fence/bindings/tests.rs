use super::*;

const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn a_binding_lives_for_its_ttl_or_the_floor() {
    let (mut bindings, now) = (Bindings::default(), Instant::now());
    bindings.bind("short.test", ADDRESS, Some(secs(1)), true, now);
    bindings.bind("long.test", ADDRESS, Some(secs(3600)), true, now);
    bindings.bind("table.test", ADDRESS, None, true, now);
    assert_eq!(bindings.names(ADDRESS, now + FLOOR), ["short.test", "long.test", "table.test"]);
    assert_eq!(bindings.names(ADDRESS, now + FLOOR + secs(1)), ["long.test", "table.test"]);
    assert_eq!(bindings.names(ADDRESS, now + secs(3601)), ["table.test"]);
}

#[test]
fn what_is_used_lives_on_and_what_has_ended_does_not_come_back() {
    let (mut bindings, now) = (Bindings::default(), Instant::now());
    bindings.bind("example.test", ADDRESS, Some(secs(1)), true, now);
    let mut at = now;
    for _ in 0..10 {
        at += FLOOR - secs(1);
        assert_eq!(bindings.names(ADDRESS, at), ["example.test"]);
        bindings.touch(ADDRESS, at);
    }
    at += FLOOR + secs(1);
    bindings.touch(ADDRESS, at);
    assert!(bindings.names(ADDRESS, at).is_empty());
}

#[test]
fn a_later_answer_never_shortens_a_binding() {
    let (mut bindings, now) = (Bindings::default(), Instant::now());
    bindings.bind("example.test", ADDRESS, Some(secs(3600)), true, now);
    bindings.bind("example.test", ADDRESS, Some(secs(1)), true, now);
    assert_eq!(bindings.names(ADDRESS, now + secs(3000)), ["example.test"]);
    bindings.bind("example.test", ADDRESS, None, true, now);
    assert_eq!(bindings.names(ADDRESS, now + secs(30_000_000)), ["example.test"]);
}

#[test]
fn memory_is_bounded_and_tables_are_kept() {
    let (mut bindings, now) = (Bindings::default(), Instant::now());
    bindings.bind("table.test", ADDRESS, None, true, now);
    for number in 0..50_000u32 {
        let address = IpAddr::from((0x0a00_0000 + number).to_be_bytes());
        bindings.bind(&format!("n{number}.test"), address, Some(secs(u64::from(number))), true, now);
        assert!(bindings.count <= BINDINGS_MAX + 1);
    }
    assert_eq!(bindings.names(ADDRESS, now), ["table.test"]);
    let newest = IpAddr::from((0x0a00_0000 + 49_999u32).to_be_bytes());
    assert_eq!(bindings.names(newest, now), ["n49999.test"]);
}

#[test]
fn a_binding_that_does_not_open_counts_for_refusals_only_until_another_source_opens_it() {
    let (mut bindings, now) = (Bindings::default(), Instant::now());
    bindings.bind("evil.test", ADDRESS, Some(secs(60)), false, now);
    assert_eq!(bindings.names(ADDRESS, now), ["evil.test"]);
    assert!(bindings.opening_names(ADDRESS, now).is_empty());
    bindings.bind("evil.test", ADDRESS, None, true, now);
    bindings.bind("evil.test", ADDRESS, Some(secs(60)), false, now);
    assert_eq!(bindings.opening_names(ADDRESS, now), ["evil.test"], "our own table says so too");
}
