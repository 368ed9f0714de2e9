use super::super::NewReno;
use super::*;

static OWN: [UserAlgorithm; 1] =
    [UserAlgorithm { name: "mine", new: |cwnd, ssthresh| Box::new(NewReno::new(cwnd, ssthresh)) }];

#[test]
fn every_algorithm_is_found_by_its_name() {
    let config = Config { user_congestion: &OWN, ..Config::default() };
    let names: std::vec::Vec<_> = CongestionAlgorithm::all(&config).map(|a| a.name(&config)).collect();
    assert_eq!(names.first(), Some(&"cubic"));
    assert_eq!(names.last(), Some(&"mine"));
    for algorithm in CongestionAlgorithm::all(&config) {
        assert_eq!(CongestionAlgorithm::by_name(&config, algorithm.name(&config)), Some(algorithm));
    }
    assert_eq!(CongestionAlgorithm::by_name(&config, "vegas"), None);
    assert_eq!(CongestionAlgorithm::by_name(&Config::default(), "mine"), None);
}
