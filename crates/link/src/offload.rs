//! What is still to be done to a packet, or need not be done, because hardware or the other end of a virtual
//! wire does it: the part of `virtio_net_hdr` (virtio 1.2 §5.1.6) that means something to a stack.

/// The state of a packet's transport checksum.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Checksum {
    /// Present in the packet, and not yet looked at.
    #[default]
    None,
    /// Found good by whoever delivered the packet; need not be verified again.
    Valid,
    /// The checksum field holds the folded sum of the pseudo header only. Whoever puts the packet on a real wire
    /// sums from octet `start` of the frame to its end and stores the complement at `start + offset`.
    Partial {
        /// First octet of the transport header, counted from the start of the frame.
        start: u16,
        /// Position of the checksum field within the transport header.
        offset: u16,
    },
}

/// Whether the packet is a super-segment that stands for several packets on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Gso {
    /// One packet, as it is.
    #[default]
    None,
    /// TCP, to be cut into segments of `size` octets of text.
    Tcp {
        /// Octets of text in each segment but the last.
        size: u16,
        /// Whether CWR was set: it belongs on the first segment only (RFC 3168 §6.1.2).
        ecn: bool,
    },
    /// UDP, to be cut into datagrams of `size` octets each.
    Udp {
        /// Octets of payload in each datagram but the last.
        size: u16,
    },
}

/// What a packet says of itself beside its octets. The default claims nothing: a plain packet, checksum unverified.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Offload {
    /// The state of the transport checksum.
    pub checksum: Checksum,
    /// Whether this is a super-segment, and of what.
    pub gso: Gso,
    /// Octets of link, internet and transport headers; 0 if not known.
    pub header_len: u16,
    /// A hash of the flow that the receiver computed; 0 if none.
    pub hash: u32,
}
