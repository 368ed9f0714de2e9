//! Protocol numbers: IPv4's protocol field and IPv6's next header are one name space (IANA, RFC 8200 §4).

/// IPv6 Hop-by-Hop Options header (RFC 8200 §4.3).
pub const HOP_BY_HOP: u8 = 0;
/// ICMP for IPv4 (RFC 792).
pub const ICMPV4: u8 = 1;
/// IGMP (RFC 3376).
pub const IGMP: u8 = 2;
/// IPv4 in IP (RFC 2003).
pub const IPV4: u8 = 4;
/// TCP (RFC 9293).
pub const TCP: u8 = 6;
/// UDP (RFC 768).
pub const UDP: u8 = 17;
/// IPv6 in IP (RFC 2473, RFC 4213).
pub const IPV6: u8 = 41;
/// IPv6 Routing header (RFC 8200 §4.4).
pub const ROUTING: u8 = 43;
/// IPv6 Fragment header (RFC 8200 §4.5).
pub const FRAGMENT: u8 = 44;
/// GRE (RFC 2784).
pub const GRE: u8 = 47;
/// IPsec ESP (RFC 4303).
pub const ESP: u8 = 50;
/// IPsec AH (RFC 4302).
pub const AH: u8 = 51;
/// ICMP for IPv6 (RFC 4443).
pub const ICMPV6: u8 = 58;
/// Nothing follows an IPv6 header (RFC 8200 §4.7).
pub const NO_NEXT_HEADER: u8 = 59;
/// IPv6 Destination Options header (RFC 8200 §4.6).
pub const DESTINATION_OPTIONS: u8 = 60;
/// SCTP (RFC 9260).
pub const SCTP: u8 = 132;
/// UDP-Lite (RFC 3828).
pub const UDPLITE: u8 = 136;

/// The short lower-case name of a protocol number, if this crate knows one.
#[must_use]
pub const fn name(protocol: u8) -> Option<&'static str> {
    Some(match protocol {
        HOP_BY_HOP => "hopopt",
        ICMPV4 => "icmp",
        IGMP => "igmp",
        IPV4 => "ipv4",
        TCP => "tcp",
        UDP => "udp",
        IPV6 => "ipv6",
        ROUTING => "routing",
        FRAGMENT => "frag",
        GRE => "gre",
        ESP => "esp",
        AH => "ah",
        ICMPV6 => "icmp6",
        NO_NEXT_HEADER => "no next header",
        DESTINATION_OPTIONS => "dstopt",
        SCTP => "sctp",
        UDPLITE => "udplite",
        _ => return None,
    })
}
