use super::*;

#[test]
fn the_usual_file_is_read() {
    let conf = ResolvConf::parse(
        "# made by somebody\nnameserver 127.0.0.53\nnameserver 2001:db8::53\nsearch Corp.Example example.\n\
         options edns0 trust-ad ndots:2 timeout:3 attempts:4\n",
    );
    assert_eq!(conf.servers, ["127.0.0.53".parse::<IpAddr>().unwrap(), "2001:db8::53".parse().unwrap()]);
    assert_eq!(conf.search, ["corp.example", "example"]);
    assert_eq!((conf.ndots, conf.timeout, conf.attempts), (2, Duration::from_secs(3), 4));
}

#[test]
fn garbage_gives_the_defaults() {
    let text =
        "nameserver\nnameserver x\nnameserver fe80::1%eth0\noptions ndots:x timeout\n\u{fffd}\u{0}\nsearch\n";
    assert_eq!(ResolvConf::parse(text), ResolvConf::default());
    assert_eq!(ResolvConf::read(Path::new("/nonexistent")), ResolvConf::default());
}

#[test]
fn lists_and_numbers_are_bounded() {
    let many = "nameserver 10.0.0.1\n".repeat(50) + &format!("search {}\n", "d ".repeat(99));
    let conf = ResolvConf::parse(&(many + "options attempts:4000000000 timeout:4000000000 ndots:99"));
    assert_eq!((conf.servers.len(), conf.search.len()), (3, 6));
    assert_eq!((conf.attempts, conf.timeout, conf.ndots), (5, Duration::from_secs(30), 15));
}
