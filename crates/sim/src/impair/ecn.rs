//! Congestion marks, put on by the wire in place of a loss (RFC 3168 §5, §12 on IP's headers).

use portolan_link::Medium;
use portolan_wire::ethernet::{EtherType, Header as Ethernet};
use portolan_wire::{ipv4, ipv6};

/// "Congestion experienced".
const CE: u8 = 3;

/// Marks a packet; `false` if its sender does not take marks, so that it has to be dropped.
pub(crate) fn mark(medium: Medium, frame: &mut [u8]) -> bool {
    let at = match medium {
        Medium::Ip => 0,
        Medium::Ethernet => match Ethernet::parse(frame) {
            Ok((header, _)) if matches!(header.ethertype(), EtherType::IPV4 | EtherType::IPV6) => {
                Ethernet::LEN
            }
            _ => return false,
        },
    };
    let Some(packet) = frame.get_mut(at..) else { return false };
    if let Ok((header, _)) = ipv4::Header::parse_mut(packet) {
        let takes_marks = header.ecn() != 0;
        if takes_marks {
            header.set_ecn(CE);
        }
        return takes_marks;
    }
    match ipv6::Header::parse_mut(packet) {
        Ok((header, _)) if header.ecn() != 0 => {
            header.set_ecn(CE);
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use portolan_wire::Address;

    use super::*;

    fn v4(tos: u8) -> Vec<u8> {
        let mut out = vec![0; 28];
        let (src, dst) = (Address::v4(10, 0, 0, 1), Address::v4(10, 0, 0, 2));
        let header =
            ipv4::Emit { src, dst, protocol: 17, ttl: 64, tos, payload_len: 8, ..ipv4::Emit::default() };
        header.emit(&mut out).unwrap();
        out
    }

    #[test]
    fn only_who_takes_marks_is_marked() {
        for (tos, marked) in
            [(0x00, None), (0x01, Some(0x03)), (0x02, Some(0x03)), (0xb9, Some(0xbb)), (0x03, Some(0x03))]
        {
            let mut packet = v4(tos);
            assert_eq!(mark(Medium::Ip, &mut packet), marked.is_some(), "{tos:#x}");
            let parsed = ipv4::parse(&packet).expect("the checksum is right");
            assert_eq!(parsed.header.tos(), marked.unwrap_or(tos));
        }
    }

    #[test]
    fn ipv6_and_frames_with_a_header() {
        let mut packet = vec![0; 40];
        let (src, dst) = ("fd00::1".parse().unwrap(), "fd00::2".parse().unwrap());
        let header = ipv6::Emit {
            src,
            dst,
            next_header: 59,
            hop_limit: 64,
            traffic_class: 2,
            ..ipv6::Emit::default()
        };
        header.emit(&mut packet).unwrap();
        let frame = [&[0; 12][..], &[0x86, 0xdd], &packet].concat();
        let mut marked = frame.clone();
        assert!(mark(Medium::Ethernet, &mut marked));
        assert_eq!(ipv6::parse(&marked[14..]).unwrap().header.ecn(), 3);
        let arp = [&[0; 12][..], &[0x08, 0x06], &[0; 28]].concat();
        assert!(!mark(Medium::Ethernet, &mut arp.clone()));
        for len in 0..frame.len() {
            mark(Medium::Ethernet, &mut frame[..len].to_vec());
            mark(Medium::Ip, &mut packet[..len.min(40)].to_vec());
        }
    }
}
