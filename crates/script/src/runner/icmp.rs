//! ICMP messages: names to numbers (RFC 792, RFC 1122 §3.2.2, RFC 4443), and the octets to inject.

use portolan_wire::{ipv4, ipv6, protocol};

use super::flow::Flow;
use super::packet::{Packet, fill};
use crate::language::ast::{Icmp, Quoted};

const V4_TYPES: [(&str, u8); 13] = [
    ("echo_reply", 0),
    ("unreachable", 3),
    ("source_quench", 4),
    ("redirect", 5),
    ("echo_request", 8),
    ("time_exceeded", 11),
    ("parameter_problem", 12),
    ("timestamp_request", 13),
    ("timestamp_reply", 14),
    ("information_request", 15),
    ("information_reply", 16),
    ("address_mask_request", 17),
    ("address_mask_reply", 18),
];
const V4_UNREACHABLE: [(&str, u8); 16] = [
    ("net_unreachable", 0),
    ("host_unreachable", 1),
    ("protocol_unreachable", 2),
    ("port_unreachable", 3),
    ("frag_needed", 4),
    ("source_route_failed", 5),
    ("net_unknown", 6),
    ("host_unknown", 7),
    ("source_host_isolated", 8),
    ("net_prohibited", 9),
    ("host_prohibited", 10),
    ("net_unreachable_for_tos", 11),
    ("host_unreachable_for_tos", 12),
    ("packet_filtered", 13),
    ("precedence_violation", 14),
    ("precedence_cutoff", 15),
];
const V6_TYPES: [(&str, u8); 6] = [
    ("unreachable", 1),
    ("packet_too_big", 2),
    ("time_exceeded", 3),
    ("parameter_problem", 4),
    ("echo_request", 128),
    ("echo_reply", 129),
];
const V6_CODES: [(u8, &str, u8); 11] = [
    (1, "net_unreachable", 0),
    (1, "no_route", 0),
    (1, "admin_prohibited", 1),
    (1, "not_neighbour", 2),
    (1, "address_unreachable", 3),
    (1, "port_unreachable", 4),
    (3, "exceeded_hop_limit", 0),
    (3, "exceeded_frag_time", 1),
    (4, "header_field", 0),
    (4, "unknown_next_header", 1),
    (4, "unknown_option", 2),
];
/// How much of a transport header is quoted: ports and the sequence number (RFC 792).
const QUOTED_LEN: usize = 8;

/// Type and code of a message.
///
/// # Errors
/// A name that the family does not have.
pub(super) fn numbers(icmp: &Icmp, v4: bool) -> Result<(u8, u8), String> {
    let types: &[(&str, u8)] = if v4 { &V4_TYPES } else { &V6_TYPES };
    let kind = number(&icmp.kind, "type_")
        .or_else(|| types.iter().find(|(name, _)| *name == icmp.kind).map(|(_, number)| *number))
        .ok_or_else(|| format!("there is no ICMP type '{}'", icmp.kind))?;
    let Some(name) = &icmp.code else { return Ok((kind, 0)) };
    let known = if v4 {
        V4_UNREACHABLE.iter().find(|(code, _)| kind == 3 && code == name).map(|(_, number)| *number)
    } else {
        V6_CODES.iter().find(|(of, code, _)| *of == kind && code == name).map(|(_, _, number)| *number)
    };
    let code = number(name, "code_").or(known).ok_or_else(|| format!("there is no ICMP code '{name}'"))?;
    Ok((kind, code))
}

fn number(text: &str, prefix: &str) -> Option<u8> {
    text.strip_prefix(prefix)?.parse().ok()
}

/// The octets of a message to the host under test about a packet of `flow`; `outer` has addresses and the notes.
///
/// # Errors
/// A name that the family does not have.
pub(super) fn encode(icmp: &Icmp, flow: &Flow, outer: &Packet) -> Result<Vec<u8>, String> {
    let v4 = outer.src.address.is_v4();
    let (kind, code) = numbers(icmp, v4)?;
    let mut message = vec![kind, code, 0, 0];
    match icmp.mtu {
        // RFC 1191 §4 puts the MTU behind two unused octets, RFC 4443 §3.2 gives it all four: for 16 bits the same.
        Some(mtu) => message.extend(mtu.to_be_bytes()),
        None => message.extend([icmp.echo_id.to_be_bytes(), [0; 2]].concat()),
    }
    match icmp.quoted {
        Quoted::Raw(len) => message.resize(usize::from(len).max(message.len()), 0),
        Quoted::Udp(len) => {
            message.extend(quoted(flow, protocol::UDP, 8 + len, &len.saturating_add(8).to_be_bytes()))
        }
        Quoted::Tcp { seq, len } => {
            message.extend(quoted(flow, protocol::TCP, 20 + len, &flow.quoted_seq(seq).to_be_bytes()));
        }
    }
    let protocol = outer.icmp_protocol();
    fill(&mut message, outer.src.address, outer.dst.address, protocol, 2);
    Ok(outer.encode_with(protocol, &message))
}

/// The front of a packet that the host has sent: its IP header, its ports and what stands behind them.
fn quoted(flow: &Flow, protocol: u8, payload_len: u16, behind_ports: &[u8]) -> Vec<u8> {
    let (src, dst) = (flow.local.address, flow.remote.address);
    let mut octets = vec![0; ipv6::Header::LEN];
    let len = if src.is_v4() {
        ipv4::Emit { src, dst, protocol, ttl: 64, payload_len, ..Default::default() }.emit(&mut octets)
    } else {
        ipv6::Emit { src, dst, next_header: protocol, hop_limit: 64, payload_len, ..Default::default() }
            .emit(&mut octets)
    };
    octets.truncate(len.unwrap_or(0));
    let end = octets.len() + QUOTED_LEN;
    octets.extend(flow.local.port.to_be_bytes());
    octets.extend(flow.remote.port.to_be_bytes());
    octets.extend(behind_ports);
    octets.resize(end, 0);
    octets
}
