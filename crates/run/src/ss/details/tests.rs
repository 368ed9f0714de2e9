use super::*;

#[test]
fn what_is_zero_is_left_out() {
    let tcp = TcpFigures { reordering: 3, ..TcpFigures::default() };
    assert_eq!(render(&tcp, false), "");
}

#[test]
fn the_words_and_their_order_are_those_of_ss() {
    let tcp = TcpFigures {
        ts: true,
        sack: true,
        congestion: "cubic".into(),
        wscale: (7, 9),
        rto_us: 204_000,
        rtt_us: 52,
        rttvar_us: 1_500,
        mss: 1448,
        cwnd: 10,
        bytes_acked: 7,
        segs_out: 3,
        pacing_rate: Some(1_000_000),
        busy_us: 8_000,
        rwnd_limited_us: 2_000,
        retrans_total: 4,
        reordering: 5,
        minrtt_us: 41,
        ..TcpFigures::default()
    };
    assert_eq!(
        render(&tcp, false),
        "ts sack cubic wscale:7,9 rto:204 rtt:0.052/1.5 mss:1448 cwnd:10 bytes_acked:7 segs_out:3 \
         send 2227.7M bps pacing_rate 8.0Mbps busy:8ms rwnd_limited:2ms(25.0%) retrans:0/4 reordering:5 \
         minrtt:0.041"
            .replace("2227.7M bps", "2227.7Mbps")
    );
    assert!(render(&tcp, true).contains("pacing_rate 8000000bps"));
}

#[test]
fn time_left_has_the_units_of_ss() {
    for (left_ms, text) in [
        (0, ""),
        (7, "007ms"),
        (200, "200ms"),
        (1_200, "1.200ms"),
        (9_000, "9sec"),
        (12_345, "12sec"),
        (61_500, "1min1sec"),
        (7_199_000, "119min"),
    ] {
        assert_eq!(time_left(left_ms), text);
    }
}
