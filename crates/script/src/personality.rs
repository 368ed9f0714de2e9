//! Whose habits a machine has: defaults of knobs and of the link, as one operating system has them.

use core::str::FromStr;

use portolan_stack::Config;
use portolan_tcp::{BufferSize, CubicRules, MtuProbing};

/// An operating system to behave like, where the RFCs leave a choice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Personality {
    /// Linux 6.x.
    #[default]
    Linux,
    /// FreeBSD 14.
    Freebsd,
}

impl Personality {
    /// The host's settings.
    #[must_use]
    pub fn config(self) -> Config {
        let mut tcp = portolan_tcp::Config { oob_inline: false, ..portolan_tcp::Config::default() };
        match self {
            Personality::Linux => {
                tcp.timestamps_required = false;
                (tcp.mtu_probing, tcp.mtu_probe_floor) = (MtuProbing::Off, 48);
                tcp.answer_unsent_acks = false;
                // The public scripts are older than 6.14.
                tcp.cubic_rules = CubicRules::LinuxBefore614;
                tcp.recv_buffer = BufferSize { initial: 131_072, max: 6 << 20 };
                tcp.send_buffer = BufferSize { initial: 16_384, max: 4 << 20 };
            }
            Personality::Freebsd => {
                tcp.recv_buffer = BufferSize { initial: 65_536, max: 2 << 20 };
                tcp.send_buffer = BufferSize { initial: 32_768, max: 2 << 20 };
                tcp.quick_acks = 0;
                tcp.push_super_segments = false;
            }
        }
        // A machine for one script; its packets come as fast as the script likes.
        Config { tcp, icmp_errors_per_second: u32::MAX, ..Config::default() }
    }

    /// The largest super-segment that the link takes, in octets; 0 for none.
    #[must_use]
    pub fn gso_max(self) -> u32 {
        65_535
    }
}

impl FromStr for Personality {
    type Err = UnknownPersonality;

    fn from_str(name: &str) -> Result<Personality, UnknownPersonality> {
        match name {
            "linux" => Ok(Personality::Linux),
            "freebsd" => Ok(Personality::Freebsd),
            _ => Err(UnknownPersonality),
        }
    }
}

/// A name that is no personality's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownPersonality;

impl core::fmt::Display for UnknownPersonality {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a personality is 'linux' or 'freebsd'")
    }
}

impl core::error::Error for UnknownPersonality {}
