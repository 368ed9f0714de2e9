use super::*;

fn refused(pid: u32, name: Option<&str>, address: Option<&str>, port: Option<u16>) -> Refused {
    Refused {
        process: Some(Process { pid, name: "curl".into() }),
        name: name.map(str::to_owned),
        address: address.map(|address| address.parse().unwrap()),
        port,
        protocol: if port.is_some() { "tcp".into() } else { "icmp".into() },
        rule: "no --allow matches".into(),
    }
}

fn drain(lines: &mut Receiver<String>) -> Vec<String> {
    std::iter::from_fn(|| lines.try_recv().ok()).collect()
}

#[test]
fn a_refusal_reads_well() {
    let said = |name, address, port| refused(123, name, address, port).to_string();
    assert_eq!(
        said(Some("other.test"), Some("10.0.2.9"), Some(80)),
        "curl[123] -> other.test (10.0.2.9):80/tcp: no --allow matches"
    );
    assert_eq!(
        said(None, Some("2001:db8::1"), Some(80)),
        "curl[123] -> [2001:db8::1]:80/tcp: no --allow matches"
    );
    assert_eq!(said(None, Some("192.0.2.1"), None), "curl[123] -> 192.0.2.1/icmp: no --allow matches");
    let nobody = Refused { process: None, protocol: "dns".into(), ..refused(1, Some("x.test"), None, None) };
    assert_eq!(nobody.to_string(), "? -> x.test/dns: no --allow matches");
}

#[test]
fn the_user_hears_once_and_the_log_has_a_line_and_a_count() {
    let path = std::env::temp_dir().join(format!("portolan-journal-{}", std::process::id()));
    let (journal, mut lines) = Journal::open(Some(&path)).unwrap();
    for _ in 0..3 {
        journal.tell(&refused(1, Some("a\u{1b}.test"), Some("192.0.2.1"), Some(80)));
        journal.tell(&refused(2, Some("a\u{1b}.test"), Some("192.0.2.1"), Some(80)));
    }
    assert_eq!(drain(&mut lines).len(), 2);
    journal.flush();
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&path).unwrap());
    assert_eq!(mode & 0o777, 0o600, "where others go is not for all");
    let text = std::fs::read_to_string(&path).unwrap();
    let _ = std::fs::remove_file(&path);
    let counts: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["count"].clone())
        .collect();
    assert_eq!(counts, [1, 1, 2, 2], "the first of each, then the rest of the second");
    let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert!(first["time"].as_f64().unwrap() > 1.7e9);
    assert_eq!((&first["pid"], &first["process"]), (&1.into(), &"curl".into()));
    assert_eq!((&first["address"], &first["port"]), (&"192.0.2.1".into(), &80.into()));
    assert_eq!((&first["protocol"], &first["rule"]), (&"tcp".into(), &"no --allow matches".into()));
    assert!(!text.contains('\u{1b}'), "JSON escapes it");
}

#[test]
fn a_flood_of_targets_is_told_of_up_to_a_limit() {
    let (journal, mut lines) = Journal::open(None).unwrap();
    for port in 1..5000 {
        journal.tell(&refused(1, None, Some("192.0.2.1"), Some(port)));
    }
    let said = drain(&mut lines);
    assert_eq!(said.len(), TOLD_MAX + 1);
    assert!(said.last().unwrap().contains("more than is told here"));
}

#[test]
fn a_log_that_cannot_be_opened_is_an_error() {
    assert!(Journal::open(Some(Path::new("/nowhere/at/all"))).is_err());
}

#[test]
fn a_flood_of_targets_has_so_many_lines_in_a_second_of_the_log() {
    let path = std::env::temp_dir().join(format!("portolan-journal-flood-{}", std::process::id()));
    let mut log = Log::new(File::create(&path).unwrap());
    let begin = log.since;
    for port in 1..=5000 {
        log.note(&refused(1, None, Some("192.0.2.1"), Some(port)), begin).unwrap();
    }
    log.note(&refused(1, None, Some("192.0.2.1"), Some(1)), begin + WINDOW).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let _ = std::fs::remove_file(&path);
    assert_eq!(text.lines().count(), LOGGED_MAX + 2);
    assert!(text.contains(&format!("\"count\":{}", 5000 - LOGGED_MAX)), "the rest in one line");
}

#[tokio::test(start_paused = true)]
async fn what_is_repeated_is_in_the_log_a_second_later() {
    let path = std::env::temp_dir().join(format!("portolan-journal-kept-{}", std::process::id()));
    let (journal, _lines) = Journal::open(Some(&path)).unwrap();
    let counts = || -> Vec<u64> {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.map(|line| line["count"].as_u64().unwrap()).collect()
    };
    let tells = async {
        for _ in 0..3 {
            journal.tell(&refused(1, None, Some("192.0.2.1"), Some(80)));
        }
        assert_eq!(counts(), [1], "the first at once");
        tokio::time::sleep(WINDOW + WINDOW / 10).await;
        assert_eq!(counts(), [1, 2], "the others without a further refusal");
        tokio::time::sleep(WINDOW * 10).await;
        assert_eq!(counts(), [1, 2]);
    };
    tokio::select! {
        () = journal.keep() => {}
        () = tells => {}
    }
    let _ = std::fs::remove_file(&path);
}
