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

#[test]
fn what_a_killed_run_has_left_goes_and_what_a_run_holds_stays() {
    let parent = std::env::temp_dir().join(format!("portolan-leftovers-{}", std::process::id()));
    fs::create_dir(&parent).unwrap();
    let held = Library::write_under(&parent, b"held").unwrap();
    let mut killed = Library::write_under(&parent, b"left").unwrap();
    let fresh = Library::write_under(&parent, b"fresh").unwrap();
    let other = parent.join("portolan-1000");
    fs::create_dir(&other).unwrap();
    // As if its supervisor had been killed.
    killed._held = None;
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(60);
    for directory in [held.directory().unwrap(), killed.directory().unwrap(), &other] {
        fs::File::open(directory).unwrap().set_modified(long_ago).unwrap();
    }
    remove_leftovers(&parent);
    assert!(held.path().exists() && fresh.path().exists() && other.exists());
    assert!(!killed.path().exists() && !killed.directory().unwrap().exists());
    drop((held, killed, fresh));
    fs::remove_dir_all(parent).unwrap();
}
