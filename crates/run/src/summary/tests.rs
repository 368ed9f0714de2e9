use super::*;

fn report() -> Report {
    Report {
        engine: "preload".into(),
        link: "egress".into(),
        flows: vec![
            Flow {
                protocol: "tcp".into(),
                name: "portolan.internal".into(),
                port: 80,
                state: "closed".into(),
                sent: 82,
                received: 3 << 20,
                handshake_us: Some(212),
                rtt_min_us: Some(90),
                rtt_avg_us: Some(12_345),
                retransmits: 4,
                limited_by: Some("cwnd".into()),
            },
            Flow {
                protocol: "udp".into(),
                name: "fd00::3".into(),
                port: 53,
                state: "open".into(),
                ..Flow::default()
            },
        ],
        ..Report::default()
    }
}

#[test]
fn the_first_line_names_the_engine_and_each_flow_has_a_row() {
    let text = render(&report(), Reader::Person);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "portolan: engine preload, link egress, 2 flows");
    let expected =
        "  portolan.internal:80/tcp  closed  82 B   3.0 MiB    0.21 ms  0.09/12.3 ms        4  cwnd";
    assert_eq!(lines[2], expected);
    assert!(lines[3].starts_with("  [fd00::3]:53/udp"), "{text}");
    assert!(lines[3].ends_with('-'));
    assert_eq!(lines.len(), 4);
}

#[test]
fn hostile_names_cannot_steer_the_terminal() {
    let mut hostile = report();
    hostile.flows[0].name = "a\u{1b}[2J\nportolan: \u{202e}\u{7f}".into();
    hostile.notes = vec!["two\nlines".into()];
    let text = render(&hostile, Reader::Person);
    assert!(text.chars().all(|c| c == '\n' || (' '..='~').contains(&c)), "{text:?}");
    assert_eq!(text.lines().count(), 5);
}

#[test]
fn flows_without_a_row_are_counted() {
    let text = render(&Report { flows_left_off: 3, ..report() }, Reader::Person);
    assert!(text.starts_with("portolan: engine preload, link egress, 5 flows"));
    assert!(text.contains("and 3 flows more"));
}

#[test]
fn octets_have_units() {
    assert_eq!([0, 1023, 1024, 1 << 30].map(octets), ["0 B", "1023 B", "1.0 KiB", "1.0 GiB"]);
    assert_eq!(octets(u64::MAX), "16777216.0 TiB");
}

#[test]
fn many_flows_that_are_alike_share_a_row_on_a_terminal_and_none_in_a_file() {
    let question = |rtt| Flow {
        rtt_min_us: Some(rtt),
        rtt_avg_us: Some(2 * rtt),
        sent: 30,
        ..report().flows[1].clone()
    };
    let mut flows: Vec<Flow> = (100..130).map(question).collect();
    flows.insert(3, report().flows[0].clone());
    flows.push(Flow { state: "refused".into(), ..question(7) });
    let many = Report { flows, ..report() };
    let text = render(&many, Reader::Person);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "portolan: engine preload, link egress, 32 flows");
    let words: Vec<&str> = lines[2].split_whitespace().collect();
    assert_eq!(
        words,
        ["[fd00::3]:53/udp", "x30", "open", "900", "B", "0", "B", "-", "0.10/0.23", "ms", "0", "-"]
    );
    assert!(lines[3].starts_with("  portolan.internal:80/tcp "), "{text}");
    assert!(lines[4].starts_with("  [fd00::3]:53/udp  ") && lines[4].contains("refused"), "{text}");
    assert_eq!(lines.len(), 5, "{text}");
    assert_eq!(render(&many, Reader::File).lines().count(), 34);
}
