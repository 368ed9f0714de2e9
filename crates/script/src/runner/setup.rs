//! Addresses, ports and tolerances of a run: defaults of the variant, then what the script's settings say.

use portolan_wire::Address;

use super::{Failure, Options};
use crate::Personality;
use crate::language::Definitions;
use crate::language::ast::Setting;

/// Which family a script is run over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Variant {
    /// IPv4 packets and IPv4 sockets.
    #[default]
    Ipv4,
    /// IPv6 packets and IPv6 sockets.
    Ipv6,
    /// IPv4 packets and IPv6 sockets with mapped addresses.
    Mapped,
}

impl Variant {
    /// Reads `ipv4`, `ipv6` or `ipv4-mapped-ipv6`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "ipv4" => Some(Self::Ipv4),
            "ipv6" => Some(Self::Ipv6),
            "ipv4-mapped-ipv6" => Some(Self::Mapped),
            _ => None,
        }
    }

    /// Words that stand for something else in each family, for scripts that run over any.
    #[must_use]
    pub fn definitions(self) -> Definitions {
        let (level, kind) = match self {
            Self::Ipv4 => ("SOL_IP", "IP_RECVERR"),
            Self::Ipv6 | Self::Mapped => ("SOL_IPV6", "IPV6_RECVERR"),
        };
        let code = if self == Self::Ipv6 { "address_unreachable" } else { "host_unreachable" };
        let pairs = [("CMSG_LEVEL_IP", level), ("CMSG_TYPE_RECVERR", kind), ("CODE", code)];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

/// What a run goes by.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Setup {
    pub(super) variant: Variant,
    pub(super) personality: Personality,
    /// The address of the host under test.
    pub(super) local: Address,
    /// The address of the host that the script plays.
    pub(super) remote: Address,
    /// The port that `bind` gets.
    pub(super) bind_port: u16,
    /// The port that `connect` gets.
    pub(super) connect_port: u16,
    /// The link's MTU in octets.
    pub(super) mtu: u16,
    pub(super) tolerance_us: u64,
    /// In thousandths of the time from the event before.
    pub(super) tolerance_permille: u64,
    /// Microseconds per tick of the timestamps; 0 leaves their values alone.
    pub(super) timestamp_tick_us: u64,
    /// Whether an echoed timestamp that was never sent is scaled instead of refused.
    pub(super) scale_echo: bool,
    /// Whether every packet must have exactly the length written.
    pub(super) strict_segments: bool,
}

impl Setup {
    /// The defaults of the variant changed by `settings`.
    ///
    /// # Errors
    /// A setting that does not exist, or a value that it cannot have.
    pub(super) fn new(options: &Options, settings: &[Setting]) -> Result<Self, Failure> {
        let named = settings.iter().rev().find(|setting| setting.name == "ip_version");
        let variant =
            named.and_then(|setting| Variant::parse(setting.value.as_deref()?)).unwrap_or(options.variant);
        let v6 = variant == Variant::Ipv6;
        let mut setup = Self {
            variant,
            personality: options.personality,
            local: if v6 {
                Address::from_u128(0xfd3d_0a0b_17d6_0000_0000_0000_0000_0001)
            } else {
                Address::v4(192, 168, 0, 1)
            },
            remote: if v6 {
                Address::from_u128(0xfd3d_fa7b_d17d_0000_0000_0000_0000_0001)
            } else {
                Address::v4(192, 0, 2, 1)
            },
            bind_port: 8080,
            connect_port: 8080,
            // The longer header leaves the same segment.
            mtu: if v6 { 1520 } else { 1500 },
            tolerance_us: 4_000,
            tolerance_permille: 125,
            timestamp_tick_us: 0,
            scale_echo: false,
            strict_segments: false,
        };
        settings.iter().try_for_each(|setting| setup.apply(setting))?;
        Ok(setup)
    }

    fn apply(&mut self, setting: &Setting) -> Result<(), Failure> {
        let line = setting.line;
        let value = setting.value.as_deref().unwrap_or_default();
        let bad = || Failure::new(line, format!("--{} cannot be '{value}'", setting.name));
        match setting.name.as_str() {
            "ip_version" => self.variant = Variant::parse(value).ok_or_else(bad)?,
            // Ours alone: packetdrill is told by --so_flags.
            "personality" => self.personality = value.parse().map_err(|_| bad())?,
            // An address of the other family is for the other variant of the script.
            "local_ip" => self.local = self.address(value).ok_or_else(bad)?.unwrap_or(self.local),
            "remote_ip" => self.remote = self.address(value).ok_or_else(bad)?.unwrap_or(self.remote),
            "bind_port" => self.bind_port = value.parse().map_err(|_| bad())?,
            "connect_port" => self.connect_port = value.parse().map_err(|_| bad())?,
            "mtu" => self.mtu = value.parse().map_err(|_| bad())?,
            "tolerance_usecs" => self.tolerance_us = value.parse().map_err(|_| bad())?,
            "tolerance_percent" => {
                let percent: f64 = value.parse().map_err(|_| bad())?;
                if !(0.0..=100.0).contains(&percent) {
                    return Err(bad());
                }
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1000")]
                let permille = (percent * 10.0) as u64;
                self.tolerance_permille = permille;
            }
            "tcp_ts_tick_usecs" => self.timestamp_tick_us = value.parse().map_err(|_| bad())?,
            "tcp_ts_ecr_scaled" => self.scale_echo = true,
            "strict_segments" => self.strict_segments = true,
            // What has no meaning without a kernel and a Python of its own.
            "mss" | "gateway_ip" | "netmask_ip" | "speed" | "define" | "send_omit_free" | "code_command"
            | "code_format" | "code_sockopt" => {}
            _ => return Err(Failure::new(line, format!("there is no setting --{}", setting.name))),
        }
        Ok(())
    }

    /// `None` for no address; an address of the other family is `Some(None)`.
    fn address(&self, text: &str) -> Option<Option<Address>> {
        let text = text.split('/').next().unwrap_or_default();
        let address = Address::from(text.parse::<std::net::IpAddr>().ok()?);
        Some((address.is_v6() == (self.variant == Variant::Ipv6)).then_some(address))
    }

    /// How far an event may be from its time, given the time of the event before it.
    pub(super) fn tolerance(&self, at: u64, before: Option<u64>) -> u64 {
        let relative = before.map_or(0, |before| at.saturating_sub(before) * self.tolerance_permille / 1000);
        self.tolerance_us.max(relative)
    }
}
