//! The knobs of a machine by their Linux names: one table for the shell commands of scripts and for the interpreter.
//!
//! A knob is the counterpart of a sysctl, and its row says how the sysctl's text becomes a field of the stack's
//! configuration. Sysctls that scripts set and that mean nothing here are remembered, so that they read back.

use core::fmt;
use std::collections::BTreeMap;

use portolan_link::LinkCaps;
use portolan_stack::{FastOpenKeys, Stack};
use portolan_tcp::{BufferSize, CongestionAlgorithm, Ecn, FastOpenKnob, MtuProbing};

use crate::machine::Machine;

/// A sysctl that has a field in the stack's configuration.
struct Knob {
    /// Below `net.ipv4.`, or below `portolan.`.
    name: &'static str,
    get: fn(&Stack) -> String,
    set: fn(&mut Stack, &str) -> Option<()>,
}

/// A row whose field is a bool.
macro_rules! flag {
    ($name:literal, $field:ident) => {
        Knob {
            name: $name,
            get: |stack| u8::from(stack.config().tcp.$field).to_string(),
            set: |stack, text| {
                stack.tcp_config_mut().$field = number::<u32>(text)? != 0;
                Some(())
            },
        }
    };
}

/// A row whose field counts so many of its unit in one of the sysctl's.
macro_rules! count {
    ($name:literal, $field:ident, $unit:literal) => {
        Knob {
            name: $name,
            get: |stack| (stack.config().tcp.$field / $unit).to_string(),
            set: |stack, text| {
                stack.tcp_config_mut().$field = number::<u64>(text)?.checked_mul($unit)?.try_into().ok()?;
                Some(())
            },
        }
    };
}

/// A row whose field is a buffer, and whose sysctl has three numbers.
macro_rules! buffer {
    ($name:literal, $field:ident) => {
        Knob {
            name: $name,
            get: |stack| {
                let config = &stack.config().tcp;
                format!("{}\t{}\t{}", config.memory_min, config.$field.initial, config.$field.max)
            },
            set: |stack, text| {
                let mut numbers = text.split_whitespace().map(number::<u32>);
                let (min, initial, max) = (numbers.next()??, numbers.next()??, numbers.next()??);
                let config = stack.tcp_config_mut();
                config.memory_min = min;
                config.$field = BufferSize { initial, max };
                Some(())
            },
        }
    };
}

/// The knobs that mean something here.
const TABLE: &[Knob] = &[
    buffer!("tcp_rmem", recv_buffer),
    buffer!("tcp_wmem", send_buffer),
    flag!("tcp_abort_on_overflow", abort_on_overflow),
    flag!("tcp_dsack", dsack),
    flag!("tcp_early_retrans", loss_probes),
    flag!("tcp_ecn_fallback", ecn_fallback),
    flag!("tcp_frto", frto),
    flag!("tcp_sack", sack),
    flag!("tcp_slow_start_after_idle", slow_start_after_idle),
    flag!("tcp_timestamps", timestamps),
    flag!("tcp_window_scaling", window_scaling),
    count!("tcp_base_mss", base_mss, 1),
    count!("tcp_fastopen_blackhole_timeout_sec", fast_open_black_hole_s, 1),
    count!("tcp_fin_timeout", fin_wait2_us, 1_000_000),
    count!("tcp_invalid_ratelimit", challenge_ack_us, 1_000),
    count!("tcp_min_snd_mss", min_mss, 1),
    count!("tcp_min_tso_segs", super_segment_min, 1),
    count!("tcp_mtu_probe_floor", mtu_probe_floor, 1),
    count!("tcp_notsent_lowat", notsent_low_water, 1),
    count!("tcp_orphan_retries", orphan_retries, 1),
    count!("tcp_pacing_ca_ratio", pacing_ca_ratio, 1),
    count!("tcp_pacing_ss_ratio", pacing_ss_ratio, 1),
    count!("tcp_probe_interval", mtu_probe_interval_s, 1),
    count!("tcp_probe_threshold", mtu_probe_threshold, 1),
    count!("tcp_reordering", reordering, 1),
    count!("tcp_retries2", retries2, 1),
    count!("tcp_rto_max_ms", rto_max_us, 1_000),
    count!("tcp_rto_min_us", rto_min_us, 1),
    count!("tcp_syn_retries", syn_retries, 1),
    count!("tcp_synack_retries", synack_retries, 1),
    count!("tcp_syncookies", syn_cookies, 1),
    Knob {
        name: "tcp_congestion_control",
        get: |stack| stack.config().tcp.congestion.name(&stack.config().tcp).to_owned(),
        set: |stack, text| {
            let config = stack.tcp_config_mut();
            config.congestion = CongestionAlgorithm::by_name(config, text.trim())?;
            Some(())
        },
    },
    Knob {
        name: "tcp_ecn",
        get: |stack| match stack.config().tcp.ecn {
            Ecn::Off => String::from("0"),
            Ecn::On => String::from("1"),
            Ecn::Passive => String::from("2"),
            Ecn::Accurate => String::from("3"),
        },
        set: |stack, text| {
            stack.tcp_config_mut().ecn = match number::<u8>(text)? {
                0 => Ecn::Off,
                1 => Ecn::On,
                2 => Ecn::Passive,
                3 => Ecn::Accurate,
                _ => return None,
            };
            Some(())
        },
    },
    Knob {
        name: "tcp_fastopen",
        get: |stack| stack.config().tcp.fast_open.bits().to_string(),
        set: |stack, text| {
            stack.tcp_config_mut().fast_open = FastOpenKnob::from_bits_retain(number(text)?);
            Some(())
        },
    },
    Knob {
        name: "tcp_mtu_probing",
        get: |stack| match stack.config().tcp.mtu_probing {
            MtuProbing::Off => String::from("0"),
            MtuProbing::AfterBlackHole => String::from("1"),
            MtuProbing::Always => String::from("2"),
        },
        set: |stack, text| {
            stack.tcp_config_mut().mtu_probing = match number::<u8>(text)? {
                0 => MtuProbing::Off,
                1 => MtuProbing::AfterBlackHole,
                2 => MtuProbing::Always,
                _ => return None,
            };
            Some(())
        },
    },
    // Long gone from Linux; 0 empties the cache, and scripts set it for that.
    Knob {
        name: "tcp_fastopen_cookies",
        get: |_| String::from("1"),
        set: |stack, text| {
            if number::<u32>(text)? == 0 {
                stack.forget_fast_open_servers();
            }
            Some(())
        },
    },
    Knob {
        name: "tcp_fastopen_key",
        get: |stack| {
            let keys = stack.fast_open_keys();
            let shown = [Some(keys.primary), keys.backup].into_iter().flatten().map(|key| show_key(&key));
            shown.collect::<Vec<_>>().join(",")
        },
        set: |stack, text| {
            let mut keys = text.trim().split(',').map(read_key);
            let primary = keys.next()??;
            let backup = match keys.next() {
                Some(key) => Some(key?),
                None => None,
            };
            stack.set_fast_open_keys(FastOpenKeys { primary, backup });
            Some(())
        },
    },
];

/// The largest super-segment that the link takes, in octets; with 0, TCP sends single segments.
const GSO_MAX: &str = "portolan.gso_max";

/// The knobs that Linux does not have; their names begin with `portolan.`.
const OWN: &[Knob] = &[
    flag!("tcp_abe", abe),
    flag!("tcp_cwv", cwv),
    count!("tcp_abc_limit", abc_limit, 1),
    flag!("tcp_user_timeout_option", user_timeout_option),
    count!("tcp_advertised_user_timeout", advertised_timeout_s, 1),
];

/// A key of Fast Open in Linux's writing: four words in hexadecimal, each in its octets' little-endian order.
fn read_key(text: &str) -> Option<[u8; 16]> {
    let mut words = text.split('-').map(|word| u32::from_str_radix(word, 16));
    let mut key = [0; 16];
    for octets in key.chunks_exact_mut(4) {
        octets.copy_from_slice(&words.next()?.ok()?.to_le_bytes());
    }
    words.next().is_none().then_some(key)
}

fn show_key(key: &[u8; 16]) -> String {
    let words = key.chunks_exact(4).filter_map(|octets| octets.first_chunk());
    words.map(|octets| format!("{:08x}", u32::from_le_bytes(*octets))).collect::<Vec<_>>().join("-")
}

/// What scripts set and what is remembered without effect, with Linux's defaults.
const REMEMBERED: &[(&str, &str)] = &[
    ("tcp_ecn_option", "2"),
    ("tcp_fack", "0"),
    ("tcp_no_metrics_save", "0"),
    ("tcp_recovery", "1"),
    ("tcp_tso_win_divisor", "3"),
];

/// Why a knob was not set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KnobError {
    /// There is no such sysctl.
    Unknown(String),
    /// The sysctl does not take this value.
    BadValue(String),
}

impl fmt::Display for KnobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KnobError::Unknown(name) => write!(f, "no such knob: {name}"),
            KnobError::BadValue(value) => write!(f, "not a value of this knob: '{value}'"),
        }
    }
}

impl core::error::Error for KnobError {}

/// What a machine remembers of knobs that are not the stack's.
#[derive(Debug, Default)]
pub(crate) struct Knobs {
    values: BTreeMap<&'static str, String>,
}

/// A decimal or, after 0x, hexadecimal number.
fn number<T: TryFrom<u64>>(text: &str) -> Option<T> {
    let text = text.trim();
    let value = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok()?,
        None => text.parse().ok()?,
    };
    T::try_from(value).ok()
}

/// The knob with a name, if it is one of the stack's.
fn find(name: &str) -> Option<&'static Knob> {
    let (table, name) = match name.trim().strip_prefix("portolan.") {
        Some(name) => (OWN, String::from(name)),
        None => (TABLE, short(name)?),
    };
    table.iter().find(|knob| knob.name == name)
}

/// The part of a name that the table has: `net.ipv4.tcp_sack`, `net/ipv4/tcp_sack` and `/proc/sys/net/ipv4/tcp_sack`
/// are `tcp_sack`.
fn short(name: &str) -> Option<String> {
    let name = name.trim().trim_start_matches("/proc/sys/").replace('/', ".");
    Some(String::from(name.strip_prefix("net.ipv4.")?))
}

impl Machine {
    /// The value of a sysctl; `None` if there is none of this name.
    #[must_use]
    pub fn sysctl(&self, name: &str) -> Option<String> {
        if let Some(knob) = find(name) {
            return Some((knob.get)(&self.stack));
        }
        if name.trim() == GSO_MAX {
            return Some(self.caps.gso_max.to_string());
        }
        let name = short(name)?;
        let (key, default) = REMEMBERED.iter().find(|(known, _)| *known == name)?;
        Some(self.knobs.values.get(key).cloned().unwrap_or_else(|| String::from(*default)))
    }

    /// Sets a sysctl.
    ///
    /// # Errors
    /// A name that Linux does not have, or a value that it does not take.
    pub fn set_sysctl(&mut self, name: &str, value: &str) -> Result<(), KnobError> {
        let unknown = || KnobError::Unknown(String::from(name));
        if name.trim() == GSO_MAX {
            let gso_max = number(value).ok_or_else(|| KnobError::BadValue(String::from(value)))?;
            self.set_caps(LinkCaps { gso_max, ..self.caps });
            return Ok(());
        }
        if let Some(knob) = find(name) {
            let set = (knob.set)(&mut self.stack, value);
            return set.ok_or_else(|| KnobError::BadValue(String::from(value)));
        }
        let key = short(name).ok_or_else(unknown)?;
        let (key, _) = REMEMBERED.iter().find(|(known, _)| *known == key).ok_or_else(unknown)?;
        self.knobs.values.insert(key, String::from(value.trim()));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
