//! The reference: `table.txt` and the rule by which its rows are read. Nothing here calls the stack.

use portolan_wire::tcp::Flags;

/// The states in the words of RFC 9293 §3.3.2.
pub const STATES: [&str; 11] = [
    "CLOSED",
    "LISTEN",
    "SYN-SENT",
    "SYN-RECEIVED",
    "ESTABLISHED",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "CLOSE-WAIT",
    "CLOSING",
    "LAST-ACK",
    "TIME-WAIT",
];

/// What the table calls OPEN.
const OPEN: [&str; 6] = ["ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK"];

/// Where the sequence number of a segment lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seq {
    Next,
    Inside,
    Beyond,
    Old,
}

/// Where the acknowledgement number of a segment lies; it means something only with the ACK flag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ack {
    /// SND.NXT.
    All,
    /// SND.UNA.
    Una,
    /// Beyond SND.NXT.
    Beyond,
    /// Before SND.UNA - MAX.SND.WND.
    Old,
}

/// One case: a state, and what arrives in it.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub state: &'static str,
    pub flags: Flags,
    pub seq: Seq,
    pub ack: Ack,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub line: usize,
    state: &'static str,
    flags: &'static str,
    seq: &'static str,
    ack: &'static str,
    pub reply: &'static str,
    pub next: &'static str,
    pub text: bool,
    pub drop: &'static str,
}

/// All rows in order.
pub fn rows() -> Vec<Row> {
    let lines = include_str!("table.txt").lines().enumerate();
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            let words: Vec<&'static str> = line.split('|').map(str::trim).collect();
            let [state, flags, seq, ack, reply, next, text, drop] = words[..] else {
                panic!("line {}: eight columns are wanted", number + 1)
            };
            Row { line: number + 1, state, flags, seq, ack, reply, next, text: text == "yes", drop }
        })
        .collect()
}

impl Row {
    /// Whether the row speaks of this case.
    pub fn fits(&self, case: &Case) -> bool {
        let state = self.state == case.state || self.state == "OPEN" && OPEN.contains(&case.state);
        let flags = self.flags.chars().all(|letter| case.flags.contains(flag(letter)));
        state && flags && self.fits_seq(case.seq) && self.fits_ack(case)
    }

    fn fits_seq(&self, seq: Seq) -> bool {
        match self.seq {
            "any" => true,
            "in" => seq == Seq::Next || seq == Seq::Inside,
            "next" => seq == Seq::Next,
            "inside" => seq == Seq::Inside,
            "beyond" => seq == Seq::Beyond,
            "old" => seq == Seq::Old,
            other => panic!("line {}: {other} is no place of a sequence number", self.line),
        }
    }

    fn fits_ack(&self, case: &Case) -> bool {
        let set = case.flags.contains(Flags::ACK);
        let synchronized = OPEN.contains(&case.state) || case.state == "TIME-WAIT";
        let good = case.ack == Ack::All || case.ack == Ack::Una && synchronized;
        match self.ack {
            "any" => true,
            "none" => !set,
            "set" => set,
            "good" => set && good,
            "bad" => set && !good,
            "all" => set && case.ack == Ack::All,
            "una" => set && case.ack == Ack::Una,
            other => panic!("line {}: {other} is no place of an acknowledgement number", self.line),
        }
    }

    /// The state afterwards.
    pub fn next_of(&self, case: &Case) -> &'static str {
        if self.next == "=" { case.state } else { self.next }
    }
}

fn flag(letter: char) -> Flags {
    match letter {
        'S' => Flags::SYN,
        'F' => Flags::FIN,
        'R' => Flags::RST,
        other => panic!("{other} is no flag that the table asks for"),
    }
}
