//! Why a frame or packet went no further: each has exactly one reason, and each reason a counter.

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Why something was dropped. The names are stable: tests, logs and `portolan ss` show them.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[non_exhaustive]
        pub enum DropReason { $($(#[$doc])* $variant,)* }

        impl DropReason {
            /// All reasons, in the order of their numbers.
            pub const ALL: &'static [DropReason] = &[$(DropReason::$variant),*];

            /// The reason's name: the layer, a point, and what was wrong.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(DropReason::$variant => $name,)* }
            }
        }
    };
}

reasons! {
    /// The frame came from a link that the stack does not have.
    LinkUnknown = "link.unknown",
    /// Shorter than its link header.
    FrameShort = "eth.short",
    /// For another station or for a group that nobody here is in.
    FrameNotForUs = "eth.not_for_us",
    /// The source is a group address, which no station has.
    FrameSource = "eth.source",
    /// A protocol that this host does not speak, VLAN tags included.
    EtherType = "eth.type",
    /// Not ARP for IPv4 over Ethernet, or cut short.
    ArpMalformed = "arp.malformed",
    /// A sender that cannot be a neighbour: a group's or another host's addresses, or our own.
    ArpSender = "arp.sender",
    /// ARP between others, or an answer to nothing that was asked.
    ArpIgnored = "arp.ignored",
    /// A bad version, length or header.
    IpHeader = "ip.header",
    /// A bad IPv4 header checksum.
    IpChecksum = "ip.checksum",
    /// Source routing, or an option that is cut short.
    IpOptions = "ip.options",
    /// A bad chain of IPv6 extension headers.
    Ipv6Extension = "ip6.extension",
    /// A source or destination that must not be seen on a wire (RFC 1122 §3.2.1.3, RFC 6890).
    Martian = "ip.martian",
    /// A SYN from where no route leads back to.
    SourceUnroutable = "ip.source_unroutable",
    /// A destination that is not this host's.
    NotLocal = "ip.not_local",
    /// No such transport protocol here.
    ProtocolUnknown = "ip.protocol",
    /// A fragment of impossible length or place.
    FragmentMalformed = "frag.malformed",
    /// A fragment that overlaps another: the whole datagram is forgotten (RFC 5722).
    FragmentOverlap = "frag.overlap",
    /// No room to keep another fragment.
    FragmentLimit = "frag.limit",
    /// A datagram whose fragments did not all come in time.
    FragmentTimeout = "frag.timeout",
    /// ICMP cut short or badly built.
    IcmpMalformed = "icmp.malformed",
    /// A bad ICMP checksum.
    IcmpChecksum = "icmp.checksum",
    /// An ICMP message that means nothing to this host, such as an echo request to a group.
    IcmpIgnored = "icmp.ignored",
    /// An ICMP error about something that this host did not send.
    IcmpNoFlow = "icmp.no_flow",
    /// Neighbour discovery that RFC 4861 says to ignore.
    NdpInvalid = "ndp.invalid",
    /// A UDP length that does not fit.
    UdpMalformed = "udp.malformed",
    /// A bad UDP checksum, or none in IPv6.
    UdpChecksum = "udp.checksum",
    /// Nobody listens on the UDP port.
    UdpNoPort = "udp.no_port",
    /// The UDP socket's receive queue is full.
    UdpQueueFull = "udp.queue_full",
    /// A TCP header or option that is cut short.
    TcpMalformed = "tcp.malformed",
    /// A bad TCP checksum.
    TcpChecksum = "tcp.checksum",
    /// TCP to or from a group or broadcast address.
    TcpGroup = "tcp.group",
    /// A segment for no connection; answered with a reset unless it was one.
    TcpNoConnection = "tcp.no_connection",
    /// A segment without the signature that its flow needs.
    TcpUnsigned = "tcp.unsigned",
    /// A signed segment where no key is known.
    TcpNotKeyed = "tcp.not_keyed",
    /// A segment signed with a key that its flow does not have.
    TcpKeyUnknown = "tcp.key_unknown",
    /// A segment whose signature is wrong.
    TcpForged = "tcp.forged",
    /// A segment that its connection did not accept.
    TcpSegment = "tcp.segment",
    /// A SYN when the listener's SYN queue or the table of embryos is full.
    SynQueueFull = "tcp.syn_queue_full",
    /// A SYN or a handshake's last ACK when the accept queue is full.
    AcceptQueueFull = "tcp.accept_queue_full",
    /// A connection when the table of connections is full.
    ConnectionsFull = "tcp.connections_full",
    /// A request when the table of requests is full.
    RequestsFull = "tcp.requests_full",
    /// An intercepted datagram or echo when the queue of events is full.
    EventsFull = "event.full",
    /// Not sent: the neighbour does not answer, or too many packets wait for it.
    NeighbourUnresolved = "out.neighbour",
    /// Not sent: too many neighbours are being looked for.
    NeighbourLimit = "out.neighbour_limit",
    /// Not sent: the queue of replies is full.
    ReplyQueueFull = "out.reply_queue_full",
    /// Not sent: the limit of ICMP errors or resets per second.
    ReplyRate = "out.reply_rate",
    /// Not sent: no route back.
    NoRoute = "out.no_route",
}

/// One counter per [`DropReason`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Drops([u64; DropReason::ALL.len()]);

impl Default for Drops {
    fn default() -> Drops {
        Drops([0; DropReason::ALL.len()])
    }
}

impl Drops {
    /// How many were dropped for this reason.
    #[must_use]
    pub fn count(&self, reason: DropReason) -> u64 {
        self.0.get(reason as usize).copied().unwrap_or(0)
    }

    /// How many were dropped in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The reasons that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.iter().copied().zip(self.0.iter().copied()).filter(|&(_, count)| count > 0)
    }

    pub(crate) fn add(&mut self, reason: DropReason) {
        if let Some(count) = self.0.get_mut(reason as usize) {
            *count += 1;
        }
    }
}
