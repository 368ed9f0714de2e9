use super::*;

#[test]
fn the_file_of_a_run_is_for_everybody_and_goes_away() {
    let parent = std::env::temp_dir();
    let library = Library::write_under(&parent, b"octets").unwrap();
    let path = library.path().to_owned();
    assert_eq!(fs::read(&path).unwrap(), b"octets");
    assert!(fs::metadata(&path).unwrap().permissions().mode() & 0o005 == 0o005);
    assert!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o005 == 0o005);
    drop(library);
    assert!(!path.exists() && !path.parent().unwrap().exists());
}

#[test]
fn two_runs_do_not_meet() {
    let parent = std::env::temp_dir();
    let (one, two) =
        (Library::write_under(&parent, b"1").unwrap(), Library::write_under(&parent, b"2").unwrap());
    assert_ne!(one.path(), two.path());
}

#[test]
fn a_directory_that_cannot_be_written_is_an_error() {
    assert!(Library::write_under(Path::new("/nonexistent"), b"").is_err());
    assert!(Library::write_under(Path::new("/proc"), b"").is_err());
}

#[test]
fn memory_serves_when_no_directory_does() {
    let library = Library::in_memory(b"octets").unwrap();
    assert_eq!(fs::read(library.path()).unwrap(), b"octets");
}
