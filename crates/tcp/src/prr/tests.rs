use super::{Prr, PrrAck};

const MSS: u32 = 1000;

fn ack(delivered: u32, in_flight: u32) -> PrrAck {
    PrrAck { delivered, in_flight, ssthresh: 7 * MSS, safe: false, mss: MSS }
}

// RFC 9937 §6.1: while more than ssthresh is in flight, what goes is in proportion to what arrives.
#[test]
fn the_window_shrinks_in_proportion() {
    let mut prr = Prr::begin(20 * MSS, 20 * MSS);
    let mut in_flight = 20 * MSS;
    let mut sent = 0;
    while in_flight > 7 * MSS {
        in_flight -= MSS;
        prr.on_ack(&ack(MSS, in_flight));
        while in_flight + MSS <= prr.cwnd {
            prr.on_sent(MSS);
            (in_flight, sent) = (in_flight + MSS, sent + 1);
        }
    }
    assert_eq!(in_flight, 7 * MSS);
    assert_eq!(sent, 7, "7 of 20");
}

// RFC 9937 §6.1: after heavy losses no more goes than arrives, and one more where there is progress.
#[test]
fn after_heavy_losses_the_window_is_bounded_by_what_arrives() {
    let mut prr = Prr::begin(20 * MSS, 20 * MSS);
    prr.on_ack(&ack(MSS, 2 * MSS));
    assert_eq!(prr.cwnd, 3 * MSS);
    prr.on_sent(MSS);
    prr.on_ack(&PrrAck { safe: true, ..ack(MSS, 2 * MSS) });
    assert_eq!(prr.cwnd, 4 * MSS, "slow start");
    prr.on_ack(&PrrAck { safe: true, ..ack(MSS, 7 * MSS) });
    assert_eq!(prr.cwnd, 7 * MSS, "not beyond ssthresh");
}

#[test]
fn the_first_retransmission_goes_whatever_is_in_flight() {
    let mut prr = Prr::begin(10 * MSS, 10 * MSS);
    prr.on_ack(&PrrAck { ssthresh: 2 * MSS, ..ack(1, 9 * MSS) });
    assert_eq!(prr.cwnd, 10 * MSS);
    prr.on_sent(MSS);
    prr.on_ack(&PrrAck { ssthresh: 2 * MSS, ..ack(1, 9 * MSS) });
    assert_eq!(prr.cwnd, 9 * MSS);
}

// H2
#[test]
fn an_acknowledgement_that_delivers_nothing_changes_nothing() {
    let mut prr = Prr::begin(10 * MSS, 10 * MSS);
    prr.on_ack(&ack(0, 3 * MSS));
    assert_eq!(prr.cwnd, 4 * MSS, "but for the first retransmission, which waits for nothing");
    prr.on_sent(MSS);
    let before = prr;
    prr.on_ack(&ack(0, 0));
    assert_eq!(prr, before);
}

// RFC 9937 §6.1: what is in proportion is rounded up to a segment.
#[test]
fn a_part_of_a_segment_is_worth_a_segment() {
    let mut prr = Prr::begin(20 * MSS, 20 * MSS);
    prr.on_ack(&ack(MSS, 19 * MSS));
    prr.on_sent(MSS);
    prr.on_ack(&ack(MSS, 19 * MSS));
    assert_eq!(prr.cwnd, 19 * MSS, "7/20 of two segments are one, which has gone");
    prr.on_ack(&ack(MSS, 18 * MSS));
    assert_eq!(prr.cwnd, 19 * MSS, "7/20 of three segments are more than one");
}
