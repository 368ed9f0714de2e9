//! Packets of any length on the way out: whole if they fit, else in fragments (RFC 791 §3.2, RFC 8200 §4.5).
//!
//! Only datagrams and echo replies come here. TCP finds out what the path takes and never sends fragments.

use portolan_link::{Buffer, Gso, Offload};
use portolan_wire::ipv6::Fragment;
use portolan_wire::{WireError, ipv4, protocol};

use crate::drop::DropReason;
use crate::ip::output::Envelope;
use crate::ip::route::Hop;
use crate::link::output::Class;
use crate::stack::Stack;

impl Stack {
    /// Sends a transport's packet of `room` octets, which `write` writes without the IP header.
    pub(crate) fn send_long(
        &mut self,
        hop: Hop,
        envelope: &Envelope,
        class: Class,
        room: usize,
        write: impl FnOnce(&mut [u8]) -> Result<usize, WireError>,
    ) -> Result<(), DropReason> {
        self.send_long_with(hop, envelope, class, room, Offload::default(), write)
    }

    /// As [`Stack::send_long`]; `offload` says what is left to do if the packet goes whole, as a super-segment always does.
    pub(crate) fn send_long_with(
        &mut self,
        hop: Hop,
        envelope: &Envelope,
        class: Class,
        room: usize,
        offload: Offload,
        write: impl FnOnce(&mut [u8]) -> Result<usize, WireError>,
    ) -> Result<(), DropReason> {
        let header_len = envelope.len();
        let mut buffer = self.engine.pool.take(header_len + room);
        buffer.extend_filled(header_len + room);
        let (head, payload) =
            buffer.as_mut_slice().split_at_mut_checked(header_len).ok_or(DropReason::IpHeader)?;
        write(payload).map_err(|_| DropReason::IpHeader)?;
        let mtu = usize::from(self.path_mtu(envelope.dst, hop.mtu));
        if header_len + room <= mtu || offload.gso != Gso::None {
            envelope.emit(room, head).map_err(|_| DropReason::IpHeader)?;
            let packet = self.engine.pool.freeze(buffer);
            return self.send_packet(hop, packet, offload, class);
        }
        self.engine.ip_stats(envelope.dst.is_v4()).out_frag_reqds += 1;
        let sent = self.send_fragments(hop, envelope, class, mtu, &buffer);
        self.engine.pool.give(buffer);
        sent
    }

    fn send_fragments(
        &mut self,
        hop: Hop,
        envelope: &Envelope,
        class: Class,
        mtu: usize,
        whole: &Buffer,
    ) -> Result<(), DropReason> {
        let v4 = envelope.dst.is_v4();
        let payload = whole.as_slice().get(envelope.len()..).ok_or(DropReason::IpHeader)?;
        let headers = envelope.len() + if v4 { 0 } else { Fragment::LEN };
        let step = mtu.saturating_sub(headers).max(8) & !7;
        // RFC 7739 §5.3: an identification that nobody off the path can guess.
        let id = self.engine.random.secret_u32();
        for (number, part) in payload.chunks(step).enumerate() {
            let offset = u16::try_from(number * step).map_err(|_| DropReason::IpHeader)?;
            let more = usize::from(offset) + part.len() < payload.len();
            let mut buffer = self.engine.pool.take(headers + part.len());
            buffer.extend_filled(headers + part.len());
            emit_fragment(envelope, id, offset, more, part, buffer.as_mut_slice())
                .map_err(|_| DropReason::IpHeader)?;
            let packet = self.engine.pool.freeze(buffer);
            self.engine.ip_stats(v4).out_frag_creates += 1;
            self.send_packet(hop, packet, Offload::default(), class)?;
        }
        Ok(())
    }
}

fn emit_fragment(
    envelope: &Envelope,
    id: u32,
    offset: u16,
    more: bool,
    part: &[u8],
    out: &mut [u8],
) -> Result<(), WireError> {
    let header_len = if envelope.dst.is_v4() {
        let [_, _, a, b] = id.to_be_bytes();
        let header = ipv4::Emit {
            src: envelope.src,
            dst: envelope.dst,
            protocol: envelope.protocol,
            ttl: envelope.hop_limit,
            tos: envelope.tos,
            id: u16::from_be_bytes([a, b]),
            dont_fragment: false,
            more_fragments: more,
            fragment_offset: offset,
            payload_len: u16::try_from(part.len()).map_err(|_| WireError::BadLength)?,
        };
        header.emit(out)?
    } else {
        let fixed = Envelope { protocol: protocol::FRAGMENT, ..*envelope };
        let fixed_len = fixed.emit(Fragment::LEN + part.len(), out)?;
        let fragment = Fragment { offset, more, id, next_header: envelope.protocol, at: 0 };
        fixed_len + fragment.emit(out.get_mut(fixed_len..).ok_or(WireError::Truncated)?)?
    };
    out.get_mut(header_len..).ok_or(WireError::Truncated)?.copy_from_slice(part);
    Ok(())
}
