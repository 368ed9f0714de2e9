//! ICMP for IPv4 on the way in (RFC 792, RFC 1122 §3.2.2).

use portolan_wire::WireError;
use portolan_wire::icmpv4::{self, Message, unreachable};

use crate::SocketError;
use crate::drop::DropReason;
use crate::ip::icmp_error::Verdict;
use crate::ip::input::Arrival;
use crate::link::ethernet::Frame;
use crate::stack::Stack;

impl Stack {
    pub(crate) fn icmpv4_input(&mut self, frame: &mut Frame, arrival: Arrival) -> Result<(), DropReason> {
        self.engine.stats.icmpv4.in_msgs += 1;
        self.one_part(frame);
        let bytes = frame.bytes().get(arrival.header_len..).ok_or(DropReason::IcmpMalformed)?;
        // A link that vouches for checksums vouches for those of TCP and UDP.
        let parsed = icmpv4::parse(bytes);
        let (message, data) = parsed.map_err(|error| {
            self.engine.stats.icmpv4.in_errors += 1;
            if error == WireError::BadChecksum { DropReason::IcmpChecksum } else { DropReason::IcmpMalformed }
        })?;
        let kind = bytes.first_chunk().copied().unwrap_or_default();
        match message {
            Message::EchoRequest { ident, seq } => {
                let header_len = bytes.len() - data.len();
                self.echo_input(frame, arrival, ident, seq, header_len)
            }
            Message::Unreachable { code, next_hop_mtu } => {
                self.on_icmp_error(&arrival, kind, data, unreachable_verdict(code, next_hop_mtu))
            }
            // RFC 1122 §4.2.3.9: soft errors.
            Message::TimeExceeded { .. } => {
                let verdict = Verdict::Unreachable { error: SocketError::HostUnreachable, hard: false };
                self.on_icmp_error(&arrival, kind, data, verdict)
            }
            Message::ParameterProblem { .. } => self.on_icmp_error(&arrival, kind, data, Verdict::Parameter),
            // Redirects move traffic for whoever forges them (RFC 5927), and RFC 6633 has retired source quench (RFC 9293
            // MUST-55): not heard.
            Message::Redirect { .. } | Message::Other { .. } => Err(DropReason::IcmpIgnored),
            Message::EchoReply { ident, .. } => self.echo_reply_input(frame, &arrival, ident),
        }
    }
}

fn unreachable_verdict(code: u8, next_hop_mtu: u16) -> Verdict {
    let (error, hard) = match code {
        unreachable::FRAGMENTATION_NEEDED => return Verdict::TooBig(next_hop_mtu.into()),
        // RFC 1122 §4.2.3.9: codes 2 to 4 are hard errors.
        unreachable::PORT | unreachable::PROTOCOL => (SocketError::ConnectionRefused, true),
        unreachable::NET => (SocketError::NetworkUnreachable, false),
        _ => (SocketError::HostUnreachable, false),
    };
    Verdict::Unreachable { error, hard }
}
