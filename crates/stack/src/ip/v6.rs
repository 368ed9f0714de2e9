//! IPv6 on the way in (RFC 8200).

use portolan_wire::ipv6::{self, Header, Report};

use crate::LinkId;
use crate::drop::DropReason;
use crate::ip::icmp_error::Complaint;
use crate::ip::input::{Arrival, Destination};
use crate::ip::reassembly::{Fragment, Outcome};
use crate::link::ethernet::Frame;
use crate::stack::Stack;

impl Stack {
    pub(crate) fn ipv6_input(&mut self, frame: &mut Frame) -> Result<(), DropReason> {
        self.engine.stats.ipv6.in_receives += 1;
        self.engine.stats.ipv6.in_octets += frame.len() as u64;
        let (arrival, fragment) = self.ipv6_judge(frame).inspect_err(|reason| match reason {
            DropReason::Martian | DropReason::NotLocal => self.engine.stats.ipv6.in_addr_errors += 1,
            _ => self.engine.stats.ipv6.in_hdr_errors += 1,
        })?;
        match fragment {
            None => self.transport_input(frame, arrival),
            Some(fragment) => match self.reassemble(frame, &arrival, fragment)? {
                Outcome::Kept => Ok(()),
                Outcome::Whole(mut frame, arrival) => {
                    let result = self.transport_input(&mut frame, arrival);
                    if let Some(packet) = frame.packet {
                        packet.recycle(&mut self.engine.pool);
                    }
                    result
                }
            },
        }
    }

    /// Validates the headers, once for all layers above, and cuts off padding.
    fn ipv6_judge(&mut self, frame: &mut Frame) -> Result<(Arrival, Option<Fragment>), DropReason> {
        let (header, _) = Header::parse(frame.bytes()).map_err(|_| DropReason::IpHeader)?;
        let (src, dst) = (header.src(), header.dst());
        let total_len = Header::LEN + usize::from(header.payload_len());
        if total_len > frame.len() {
            return Err(DropReason::IpHeader);
        }
        // RFC 4291 §2.5.3: ::1 must not be seen on a wire. A source of :: asks for nothing but neighbours.
        if self.is_martian_source(frame.link, src) || dst.is_loopback() && frame.link != LinkId::LOOPBACK {
            return Err(DropReason::Martian);
        }
        let destination = self.destination(frame.link, dst).ok_or(DropReason::NotLocal)?;
        frame.truncate(total_len);
        let packet = ipv6::parse_quoted(frame.bytes()).map_err(|_| DropReason::IpHeader)?;
        let mut arrival = Arrival {
            link: frame.link,
            src,
            dst,
            protocol: packet.header.next_header(),
            hop_limit: packet.header.hop_limit(),
            tos: packet.header.traffic_class(),
            header_len: Header::LEN,
            next_header_at: 6,
            group: frame.link_group || destination == Destination::Group,
            assigned: destination == Destination::Assigned,
        };
        let upper = match packet.extensions() {
            Ok(upper) => upper,
            Err(error) => {
                let (told, even_groups) = match error.report {
                    Report::Never => (None, false),
                    Report::UnlessMulticast { code, pointer } => (Some((code, pointer)), false),
                    Report::Always { code, pointer } => (Some((code, pointer)), true),
                };
                if let Some((code, pointer)) = told {
                    let group = arrival.group && !even_groups;
                    self.complain(
                        frame,
                        &Arrival { group, ..arrival },
                        Complaint::Parameter { code, pointer },
                    );
                }
                return Err(DropReason::Ipv6Extension);
            }
        };
        arrival.protocol = upper.protocol;
        arrival.header_len = upper.offset;
        arrival.next_header_at = upper.next_header_at;
        // RFC 6946: an atomic fragment is a whole packet, whatever fragments of the same identification exist.
        let fragment = upper.fragment.filter(|fragment| !fragment.is_atomic()).map(|fragment| Fragment {
            id: fragment.id,
            offset: fragment.offset,
            more: fragment.more,
            next_header: fragment.next_header,
        });
        Ok((arrival, fragment))
    }
}
