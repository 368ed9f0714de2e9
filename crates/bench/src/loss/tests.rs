use super::{CONGESTION, Cell, Direction, LOSS_PERCENT, REORDER_PERCENT, RTT_MS, median};

#[test]
fn the_short_grid_has_every_value_of_every_dimension() {
    let cells = Cell::some();
    assert!(cells.len() * 5 < Cell::all().len());
    assert!(LOSS_PERCENT.iter().all(|loss| cells.iter().any(|cell| cell.loss == *loss)));
    assert!(RTT_MS.iter().all(|rtt| cells.iter().any(|cell| cell.rtt_ms == *rtt)));
    assert!(REORDER_PERCENT.iter().all(|reorder| cells.iter().any(|cell| cell.reorder == *reorder)));
    assert!(CONGESTION.iter().all(|name| cells.iter().any(|cell| cell.congestion == *name)));
    assert!(cells.iter().any(|cell| cell.direction == Direction::In));
}

#[test]
fn every_cells_wire_can_be_described() {
    for cell in Cell::all() {
        let impairment = cell.impairment().unwrap();
        assert_eq!(impairment.delay_us, u64::from(cell.rtt_ms) * 500);
    }
}

#[test]
fn the_median_of_an_even_number_lies_between_two() {
    assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
    assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
}
