use super::*;

#[test]
fn names_are_found_in_any_case_and_both_families() {
    let hosts =
        Hosts::parse("127.0.0.1 localhost\n::1 localhost ip6-localhost # six\n192.0.2.7\tWeb.Example web\n");
    assert_eq!(hosts.addresses("localhost").len(), 2);
    assert_eq!(hosts.addresses("web.example"), ["192.0.2.7".parse::<IpAddr>().unwrap()]);
    assert_eq!(hosts.name_of("192.0.2.7".parse().unwrap()), Some("web.example"));
    assert!(hosts.addresses("six").is_empty(), "a comment is no name");
    assert!(hosts.malformed.is_empty());
}

#[test]
fn malformed_lines_are_ignored_with_their_numbers() {
    let hosts = Hosts::parse("# head\nnonsense name\n10.0.0.1\n\n10.0.0.2 good\n");
    assert_eq!(hosts.malformed, [2, 3]);
    assert_eq!(hosts.addresses("good").len(), 1);
}

#[test]
fn a_missing_file_is_an_empty_table() {
    assert!(Hosts::read(Path::new("/nonexistent/hosts")).addresses("localhost").is_empty());
}
