use portolan_wire::Address;

use super::SourceRoute;

fn station(last: u8) -> Address {
    Address::v4(192, 0, 2, last)
}

#[test]
fn the_option_names_what_follows_the_first_station() {
    let route = SourceRoute::new(true, &[station(1), station(2)]).unwrap();
    assert_eq!(route.first(), station(1));
    let mut out = [0; 40];
    let option = route.option(Address::v4(198, 51, 100, 7), &mut out);
    assert_eq!(option, [1, 137, 11, 4, 192, 0, 2, 2, 198, 51, 100, 7]);
    assert_eq!(option.len(), route.option_len());
}

#[test]
fn nine_stations_fill_the_header() {
    let nine: std::vec::Vec<Address> = (1..=9).map(station).collect();
    let route = SourceRoute::new(false, &nine).unwrap();
    let mut out = [0; 40];
    assert_eq!(route.option(station(10), &mut out).len(), 40);
    assert_eq!(out[1], 131);
    let ten: std::vec::Vec<Address> = (1..=10).map(station).collect();
    for stations in [&[][..], &ten, &[Address::LOOPBACK_V6], &[Address::v4(224, 0, 0, 1)]] {
        assert_eq!(SourceRoute::new(false, stations), None, "{stations:?}");
    }
}
