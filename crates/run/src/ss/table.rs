//! The columns of `ss`: a host's and a port's part of an address are aligned at the colon between them.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{HostSockets, Query, details};
use crate::admin::message::{SocketRow, SocketState, User};
use crate::services;
use crate::summary::escape;

/// One line: cells, and what follows the last column.
struct Line {
    host: String,
    protocol: String,
    state: String,
    recv_q: String,
    send_q: String,
    local: (String, String),
    peer: (String, String),
    process: String,
    below: String,
}

/// How wide each column is.
#[derive(Default)]
struct Widths {
    host: usize,
    protocol: usize,
    state: usize,
    recv_q: usize,
    send_q: usize,
    local: (usize, usize),
    peer: (usize, usize),
}

/// The table, every line ended. A column says whose a socket is when there are several hosts.
pub fn render(hosts: &[HostSockets], query: &Query) -> String {
    let several = hosts.len() > 1;
    let mut lines = vec![heading(several, query)];
    for host in hosts {
        lines.extend(host.sockets.iter().map(|row| line(if several { &host.host } else { "" }, row, query)));
    }
    let widths = Widths::of(&lines);
    let mut out = String::new();
    for line in &lines {
        write_line(&mut out, line, &widths);
    }
    out
}

fn heading(several: bool, query: &Query) -> Line {
    let when = |wanted: bool, word: &str| if wanted { word.to_owned() } else { String::new() };
    Line {
        host: when(several, "Host"),
        protocol: when(query.takes_both(), "Netid"),
        state: when(!query.states().is_single(), "State"),
        recv_q: "Recv-Q".into(),
        send_q: "Send-Q".into(),
        local: ("Local Address".into(), "Port".into()),
        peer: ("Peer Address".into(), "Port".into()),
        process: "Process".into(),
        below: String::new(),
    }
}

fn line(host: &str, row: &SocketRow, query: &Query) -> Line {
    let when = |wanted: bool, part: fn(&SocketRow) -> String| if wanted { part(row) } else { String::new() };
    let parts = [
        when(query.processes, |row| users(&row.users)),
        when(query.options, details::timer),
        when(query.extended, extended),
    ];
    let process = joined(&parts);
    let figures = row.tcp.as_ref().filter(|_| query.info);
    let below = joined(&[
        when(query.memory, details::memory),
        figures.map(|figures| details::render(figures, query.numeric)).unwrap_or_default(),
    ]);
    let (process, below) = match below.as_str() {
        "" => (process, String::new()),
        _ if query.one_line => (joined(&[process, below]), String::new()),
        _ => (process, format!("\t {below}")),
    };
    Line {
        host: host.into(),
        protocol: if query.takes_both() { escape(&row.protocol) } else { String::new() },
        state: if query.states().is_single() { String::new() } else { state(row.state).into() },
        recv_q: row.recv_q.to_string(),
        send_q: row.send_q.to_string(),
        local: end(row.local, row, query),
        peer: end(row.peer.unwrap_or_else(|| nobody(row)), row, query),
        process,
        below,
    }
}

/// What there is, with a space between.
fn joined(parts: &[String]) -> String {
    let there: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    there.join(" ")
}

/// The wildcard that stands for no peer.
pub(super) fn nobody(row: &SocketRow) -> SocketAddr {
    let any: IpAddr = match row.local {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(any, 0)
}

/// Host and port of one end. A wildcard of both families is a star.
fn end(address: SocketAddr, row: &SocketRow, query: &Query) -> (String, String) {
    let host = match address.ip() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) if v6.is_unspecified() && !row.v6_only => "*".into(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    };
    let port = match address.port() {
        0 => "*".into(),
        port => match services::name(port, &row.protocol).filter(|_| !query.numeric) {
            Some(name) => escape(name),
            None => port.to_string(),
        },
    };
    (host, port)
}

fn users(users: &[User]) -> String {
    let list = users.iter().map(|user| {
        let fd = user.fd.map_or(String::new(), |fd| format!(",fd={fd}"));
        format!("(\"{}\",pid={}{fd})", escape(&user.name), user.pid)
    });
    let list: Vec<String> = list.collect();
    if list.is_empty() { String::new() } else { format!("users:({})", list.join(",")) }
}

fn extended(row: &SocketRow) -> String {
    let mut out = String::new();
    if let Some(uid) = row.uid.filter(|uid| *uid != 0) {
        let _ = write!(out, "uid:{uid} ");
    }
    if let Some(inode) = row.inode {
        let _ = write!(out, "ino:{inode} ");
    }
    if let Some(id) = row.id {
        let _ = write!(out, "sk:{id:x} ");
    }
    out.push_str("<->");
    out
}

fn state(state: SocketState) -> &'static str {
    match state {
        SocketState::Established => "ESTAB",
        SocketState::SynSent => "SYN-SENT",
        SocketState::SynRecv => "SYN-RECV",
        SocketState::FinWait1 => "FIN-WAIT-1",
        SocketState::FinWait2 => "FIN-WAIT-2",
        SocketState::TimeWait => "TIME-WAIT",
        SocketState::Closed => "UNCONN",
        SocketState::CloseWait => "CLOSE-WAIT",
        SocketState::LastAck => "LAST-ACK",
        SocketState::Listening => "LISTEN",
        SocketState::Closing => "CLOSING",
    }
}

impl Widths {
    fn of(lines: &[Line]) -> Widths {
        let mut widths = Widths::default();
        let widen = |width: &mut usize, cell: &str| *width = (*width).max(cell.chars().count());
        for line in lines {
            widen(&mut widths.host, &line.host);
            widen(&mut widths.protocol, &line.protocol);
            widen(&mut widths.state, &line.state);
            widen(&mut widths.recv_q, &line.recv_q);
            widen(&mut widths.send_q, &line.send_q);
            widen(&mut widths.local.0, &line.local.0);
            widen(&mut widths.local.1, &line.local.1);
            widen(&mut widths.peer.0, &line.peer.0);
            widen(&mut widths.peer.1, &line.peer.1);
        }
        widths
    }
}

fn write_line(out: &mut String, line: &Line, widths: &Widths) {
    let mut text = String::new();
    for (cell, width) in
        [(&line.host, widths.host), (&line.protocol, widths.protocol), (&line.state, widths.state)]
    {
        if width > 0 {
            let _ = write!(text, "{cell:<width$} ");
        }
    }
    for (cell, width) in [(&line.recv_q, widths.recv_q), (&line.send_q, widths.send_q)] {
        let _ = write!(text, "{cell:<width$} ");
    }
    for ((host, port), (before, after)) in [(&line.local, widths.local), (&line.peer, widths.peer)] {
        let _ = write!(text, "{host:>before$}:{port:<after$} ");
    }
    text.push_str(&line.process);
    let _ = writeln!(out, "{}", text.trim_end());
    if !line.below.is_empty() {
        let _ = writeln!(out, "{}", line.below);
    }
}
