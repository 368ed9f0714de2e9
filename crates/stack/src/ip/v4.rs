//! IPv4 on the way in (RFC 791, RFC 1122 §3.2.1).

use portolan_wire::ipv4::{self, Ipv4Option};

use crate::drop::DropReason;
use crate::ip::input::{Arrival, Destination};
use crate::ip::reassembly::{Fragment, Outcome};
use crate::link::ethernet::Frame;
use crate::stack::Stack;

impl Stack {
    pub(crate) fn ipv4_input(&mut self, frame: &mut Frame) -> Result<(), DropReason> {
        self.engine.stats.ipv4.in_receives += 1;
        self.engine.stats.ipv4.in_octets += frame.len() as u64;
        let (arrival, total_len, fragment) = self.ipv4_judge(frame).inspect_err(|reason| match reason {
            DropReason::Martian | DropReason::NotLocal => self.engine.stats.ipv4.in_addr_errors += 1,
            _ => self.engine.stats.ipv4.in_hdr_errors += 1,
        })?;
        frame.truncate(total_len);
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

    /// Validates the header, once for all layers above.
    fn ipv4_judge(&mut self, frame: &Frame) -> Result<(Arrival, usize, Option<Fragment>), DropReason> {
        let packet = ipv4::parse_quoted(frame.bytes()).map_err(|_| DropReason::IpHeader)?;
        let header = packet.header;
        let total_len = usize::from(header.total_len());
        if total_len > frame.len() {
            return Err(DropReason::IpHeader);
        }
        // RFC 1122 §3.2.1.2: silently discard.
        if !packet.checksum_ok() {
            return Err(DropReason::IpChecksum);
        }
        for option in packet.iter_options() {
            match option {
                // RFC 7126 §4.3, §4.4: source routing is an attack by now. It is not forwarded either way.
                Ok(Ipv4Option::LooseSourceRoute(route) | Ipv4Option::StrictSourceRoute(route)) => {
                    if !(self.engine.config.accept_source_route && route.is_exhausted()) {
                        return Err(DropReason::IpOptions);
                    }
                }
                Err(_) => return Err(DropReason::IpOptions),
                // RFC 9293 MUST-50
                Ok(_) => {}
            }
        }
        let (src, dst) = (header.src(), header.dst());
        if self.is_martian_source(frame.link, src)
            || dst.is_loopback() && frame.link != crate::LinkId::LOOPBACK
        {
            return Err(DropReason::Martian);
        }
        let destination = self.destination(frame.link, dst).ok_or(DropReason::NotLocal)?;
        let arrival = Arrival {
            link: frame.link,
            src,
            dst,
            protocol: header.protocol(),
            hop_limit: header.ttl(),
            tos: header.tos(),
            header_len: header.header_len(),
            next_header_at: 9,
            group: frame.link_group || destination == Destination::Group,
            assigned: destination == Destination::Assigned,
        };
        let fragment = header.is_fragment().then(|| Fragment {
            id: header.id().into(),
            offset: header.fragment_offset(),
            more: header.more_fragments(),
            next_header: header.protocol(),
        });
        Ok((arrival, total_len, fragment))
    }
}
