//! Whose habits a machine has: defaults of knobs and of the link, as one operating system has them.

use core::str::FromStr;

use portolan_stack::Config;
use portolan_tcp::{BufferSize, CubicRules, MtuProbing};
use portolan_wire::tcp::OptionOrder;

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
                tcp.window_opens_slowly = true;
                tcp.send_buffer = BufferSize { initial: 16_384, max: 4 << 20 };
            }
            Personality::Freebsd => {
                tcp.recv_buffer = BufferSize { initial: 65_536, max: 2 << 20 };
                tcp.send_buffer = BufferSize { initial: 32_768, max: 2 << 20 };
                // MSS, window scale, SACK permitted, timestamps.
                tcp.option_order = OptionOrder::Freebsd;
                // Every second full segment is acknowledged from the start on, and nothing else at once.
                tcp.quick_acks = 0;
                // As much as the link and the window take, pushed at the end of what was written only.
                tcp.super_segments_by_rate = false;
                tcp.push_super_segments = false;
            }
        }
        // A machine for one script; its packets come as fast as the script likes.
        Config { tcp, icmp_errors_per_second: u32::MAX, ..Config::default() }
    }

    /// The largest super-segment that the link takes, in octets; 0 for none.
    #[must_use]
    pub fn gso_max(self) -> u32 {
        match self {
            Personality::Linux => 65_535,
            // Less an Ethernet header with a VLAN tag (`if_hw_tsomax`).
            Personality::Freebsd => 65_535 - 18,
        }
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

#[cfg(test)]
mod tests;
