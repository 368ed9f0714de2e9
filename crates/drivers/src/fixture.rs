//! Frames for the tests of this crate, built octet by octet, and a checksum of their own to judge with.

/// Addresses of the two hosts that frames go between.
pub(crate) const OURS: Host = Host { ethernet: [2, 0, 0, 0, 0, 2], v4: [10, 9, 0, 2], v6: 2 };
pub(crate) const THEIRS: Host = Host { ethernet: [2, 0, 0, 0, 0, 1], v4: [10, 9, 0, 1], v6: 1 };

#[derive(Clone, Copy)]
pub(crate) struct Host {
    pub(crate) ethernet: [u8; 6],
    pub(crate) v4: [u8; 4],
    /// The last octet of fd09::.
    pub(crate) v6: u8,
}

/// RFC 1071, as slow and plain as it is written there.
pub(crate) fn sum(parts: &[&[u8]]) -> u16 {
    let octets: Vec<u8> = parts.concat();
    let mut sum = 0_u32;
    for pair in octets.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn v6_octets(last: u8) -> [u8; 16] {
    [0xfd, 0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]
}

/// A frame from us to them: Ethernet, IP of `version`, and a transport segment of `protocol` whose checksum field at
/// `field` holds the pseudo header's sum, as for an offload.
fn partial_frame(version: u8, protocol: u8, field: usize, mut segment: Vec<u8>) -> Vec<u8> {
    let len = (segment.len() as u32).to_be_bytes();
    let tail = [&len[..], &[0, protocol]].concat();
    let mut frame = [THEIRS.ethernet, OURS.ethernet].concat();
    let pseudo;
    if version == 4 {
        frame.extend([0x08, 0x00]);
        let total = ((segment.len() + 20) as u16).to_be_bytes();
        let mut header = vec![0x45, 0, total[0], total[1], 0xff, 0xff, 0x40, 0, 64, protocol, 0, 0];
        header.extend(OURS.v4.iter().chain(&THEIRS.v4));
        let checksum = (!sum(&[&header])).to_be_bytes();
        header[10..12].copy_from_slice(&checksum);
        pseudo = sum(&[&OURS.v4, &THEIRS.v4, &tail]);
        frame.extend(header);
    } else {
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend((segment.len() as u16).to_be_bytes());
        frame.extend([protocol, 64]);
        frame.extend(v6_octets(OURS.v6));
        frame.extend(v6_octets(THEIRS.v6));
        pseudo = sum(&[&v6_octets(OURS.v6), &v6_octets(THEIRS.v6), &tail]);
    }
    segment[field..field + 2].copy_from_slice(&pseudo.to_be_bytes());
    frame.extend(segment);
    frame
}

/// A TCP segment from our port 2000 to their port `port`. Returns the frame and where TCP starts.
pub(crate) fn tcp(version: u8, port: u16, seq: u32, ack: u32, flags: u8, text: &[u8]) -> (Vec<u8>, u16) {
    let mut segment = 2000_u16.to_be_bytes().to_vec();
    segment.extend(port.to_be_bytes());
    segment.extend(seq.to_be_bytes());
    segment.extend(ack.to_be_bytes());
    segment.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(text);
    (partial_frame(version, 6, 16, segment), transport_at(version))
}

/// A UDP datagram from our port 2000 to their port `port`. Returns the frame and where UDP starts.
pub(crate) fn udp(version: u8, port: u16, payload: &[u8]) -> (Vec<u8>, u16) {
    let mut segment = 2000_u16.to_be_bytes().to_vec();
    segment.extend(port.to_be_bytes());
    segment.extend(((payload.len() + 8) as u16).to_be_bytes());
    segment.extend([0, 0]);
    segment.extend(payload);
    (partial_frame(version, 17, 6, segment), transport_at(version))
}

fn transport_at(version: u8) -> u16 {
    if version == 4 { 34 } else { 54 }
}

/// Asserts that the frame's lengths and checksums are those of a finished packet.
pub(crate) fn assert_finished(frame: &[u8]) {
    let (protocol, transport, addresses) = match frame[14] >> 4 {
        4 => {
            assert_eq!(sum(&[&frame[14..34]]), 0xffff, "IPv4 header checksum");
            assert_eq!(usize::from(u16::from_be_bytes([frame[16], frame[17]])), frame.len() - 14);
            (frame[23], 34, &frame[26..34])
        }
        _ => {
            assert_eq!(usize::from(u16::from_be_bytes([frame[18], frame[19]])), frame.len() - 54);
            (frame[20], 54, &frame[22..54])
        }
    };
    let segment = &frame[transport..];
    let len = (segment.len() as u32).to_be_bytes();
    assert_eq!(sum(&[addresses, &len, &[0, protocol], segment]), 0xffff, "transport checksum");
    if protocol == 17 {
        assert_eq!(usize::from(u16::from_be_bytes([segment[4], segment[5]])), segment.len());
        assert_ne!(&segment[6..8], &[0, 0], "a UDP checksum is never absent");
    }
}

/// Octets whose place can be told.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8 ^ (at >> 8) as u8).collect()
}
