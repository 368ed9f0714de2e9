extern crate std;

use core::net::Ipv4Addr;

use super::*;

#[test]
fn a_report_survives_the_round_trip_and_loses_text_that_is_too_long() {
    let address = Address::v4(Ipv4Addr::new(192, 0, 2, 1), 53);
    let text = [7; VALUE_MAX];
    for len in [0, 1, REPORT_TEXT_MAX, VALUE_MAX] {
        let report = ErrorReport {
            errno: 111,
            ty: 3,
            code: 3,
            info: 1400,
            from: address,
            to: address,
            text: &text[..len],
        };
        let mut octets = [0; VALUE_MAX];
        let written = report.encode(&mut octets).unwrap();
        let kept = len.min(REPORT_TEXT_MAX);
        let read = ErrorReport::decode(&octets[..written]);
        assert_eq!(read, Ok(ErrorReport { text: &text[..kept], ..report }), "{len}");
    }
    for len in 0..FIELDS {
        assert_eq!(ErrorReport::decode(&text[..len]), Err(ProtocolError::Truncated));
    }
}
