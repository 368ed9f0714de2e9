use portolan_link::Instant;
use portolan_wire::Address;
use portolan_wire::tcp::FastOpen;

use super::{FastOpenKeys, FastOpenQueue, FastOpens, RESET_COUNTS_US, SERVERS_MAX, make_cookie};
use crate::random::{Keyed, Random, Seeds};

fn fast_opens() -> FastOpens {
    let mut random = Random::new(&Seeds::fixed(1));
    let tables: Keyed = random.tables;
    FastOpens::new(tables, &mut random)
}

fn hex(cookie: Option<FastOpen>) -> std::string::String {
    cookie.unwrap().as_bytes().iter().map(|octet| std::format!("{octet:02x}")).collect()
}

/// The cookies that a Linux server gives out, so that servers of both kinds can stand behind one address.
#[test]
fn cookies_are_linux_s() {
    let key =
        [0xa1, 0xa1, 0xa1, 0xa1, 0xb2, 0xb2, 0xb2, 0xb2, 0xc3, 0xc3, 0xc3, 0xc3, 0xd4, 0xd4, 0xd4, 0xd4];
    let (client, server) = (Address::v4(192, 0, 2, 1), Address::v4(192, 168, 0, 1));
    assert_eq!(hex(make_cookie(&key, client, server)), "3021b9d889017eeb");
    let (client, server) = ("2001:db8::1".parse().unwrap(), "fd3d:fa7b:d17d::1".parse().unwrap());
    let v6 = make_cookie(&key, client, server);
    assert_ne!(v6, make_cookie(&key, server, client));
    assert_eq!(v6.unwrap().as_bytes().len(), 8);
}

// RFC 7413 §4.1.2
#[test]
fn a_cookie_of_the_key_before_is_good_and_is_renewed() {
    let (client, server) = (Address::v4(10, 0, 0, 1), Address::v4(10, 0, 0, 2));
    let old = FastOpenKeys { primary: [1; 16], backup: None };
    let new = FastOpenKeys { primary: [2; 16], backup: Some([1; 16]) };
    let cookie = make_cookie(&[1; 16], client, server).unwrap();
    assert_eq!(old.check(&cookie, client, server), Some(None));
    let renewed = make_cookie(&[2; 16], client, server);
    assert_eq!(new.check(&cookie, client, server), Some(renewed));
    assert_eq!(new.check(&renewed.unwrap(), client, server), Some(None));
    assert_eq!(new.check(&cookie, server, client), None, "another client's");
    let third = FastOpenKeys { primary: [3; 16], backup: Some([2; 16]) };
    assert_eq!(third.check(&cookie, client, server), None, "too old");
    assert_eq!(third.check(&FastOpen::cookie(&[0; 4]).unwrap(), client, server), None);
    assert_eq!(std::format!("{old:?}"), "FastOpenKeys(secret)");
}

// RFC 7413 §4.1.2: cookies expire.
#[test]
fn the_host_s_own_key_changes_every_day_and_is_good_for_one_more() {
    let mut random = Random::new(&Seeds::fixed(2));
    let mut host = fast_opens();
    let days = |days: u64| Instant::from_millis(5_000 + days * 24 * 3_600 * 1_000);
    let mut key_at = |host: &mut FastOpens, now| {
        host.rotate(now, &mut random);
        host.keys
    };
    let first = key_at(&mut host, days(0));
    assert_eq!(key_at(&mut host, Instant::from_nanos(days(1).as_nanos() - 1)), first);
    let second = key_at(&mut host, days(1));
    assert_ne!(second.primary, first.primary);
    assert_eq!(second.backup, Some(first.primary));
    assert_eq!(key_at(&mut host, days(9)).backup, None, "nobody asked for a cookie in a week");
    host.keys_until = Some(Instant::MAX);
    let set = host.keys;
    assert_eq!(key_at(&mut host, days(1_000)), set, "set from outside");
}

// RFC 7413 §4.1.3: a link-local address is a server only together with its link.
#[test]
fn servers_of_one_address_on_two_links_are_two() {
    let mut host = fast_opens();
    let address: Address = "fe80::1".parse().unwrap();
    host.learn((address, 1), 1400, FastOpen::cookie(&[7; 8]), None);
    assert!(host.servers.contains_key(&(address, 1)) && !host.servers.contains_key(&(address, 2)));
}

#[test]
fn the_table_of_servers_is_bounded_and_forgets_the_oldest() {
    let mut host = fast_opens();
    let address = |n: usize| (Address::v4(10, 1, (n >> 8) as u8, n as u8), 0);
    let cookie = FastOpen::cookie(&[7; 8]);
    for n in 0..SERVERS_MAX + 10 {
        host.learn(address(n), 1460, cookie, None);
        host.learn(address(n), 1400, None, None);
    }
    assert_eq!((host.servers.len(), host.met.len()), (SERVERS_MAX, SERVERS_MAX));
    assert!(!host.servers.contains_key(&address(9)) && host.servers.contains_key(&address(10)));
    let server = host.servers[&address(10)];
    assert_eq!((server.mss, server.cookie), (1400, cookie), "the MSS changes, the cookie stays");
}

#[test]
fn an_option_without_an_answer_is_tried_in_the_other_form_once() {
    let mut host = fast_opens();
    let server = (Address::v4(10, 0, 0, 2), 0);
    let mut forms = std::vec::Vec::new();
    for _ in 0..4 {
        let experimental = host.servers.get(&server).is_some_and(|known| known.tried == 1);
        forms.push(experimental);
        host.learn(server, 1460, None, Some(experimental));
    }
    assert_eq!(forms, [false, true, false, false]);
}

// RFC 7413 §4.1.3.1
#[test]
fn a_black_hole_pauses_for_longer_each_time() {
    let mut host = fast_opens();
    let at = Instant::from_millis;
    assert!(!host.is_paused(at(0), 10));
    host.note_black_hole(at(1000));
    assert!(host.is_paused(at(10_999), 10) && !host.is_paused(at(11_000), 10));
    assert!(!host.is_paused(at(1001), 0), "turned off");
    host.note_black_hole(at(20_000));
    assert!(host.is_paused(at(39_999), 10) && !host.is_paused(at(40_000), 10));
    for _ in 0..100 {
        host.note_black_hole(at(50_000));
    }
    assert!(!host.is_paused(at(50_000 + 640_000), 10));
}

// RFC 7413 §5.1
#[test]
fn fast_opens_that_were_reset_count_for_a_minute() {
    let mut queue = FastOpenQueue { pending: 1, ..FastOpenQueue::default() };
    let now = Instant::from_millis(1000);
    assert!(queue.has_room(now, 2) && !queue.has_room(now, 1));
    queue.resets.push_back(now.plus_micros(RESET_COUNTS_US));
    assert!(!queue.has_room(now, 2));
    assert!(!queue.has_room(now.plus_micros(RESET_COUNTS_US - 1), 2));
    assert!(queue.has_room(now.plus_micros(RESET_COUNTS_US), 2));
}

/// RFC 7413 §4.1.2: a cookie is bound to its client's address.
#[test]
fn a_cookie_is_good_for_its_client_alone() {
    let keys = FastOpenKeys { primary: [7; 16], backup: None };
    let (client, server) = (Address::v4(192, 0, 2, 1), Address::v4(192, 168, 0, 1));
    let cookie = make_cookie(&keys.primary, client, server).unwrap();
    assert_eq!(keys.check(&cookie, client, server), Some(None));
    assert_eq!(keys.check(&cookie, Address::v4(192, 0, 2, 2), server), None);
}
