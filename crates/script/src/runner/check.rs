//! Comparing what a system call gives beside its result.

use portolan_wire::Family;

use super::operation::{ExpectedControl, ExpectedData, Operation};
use super::perform::Output;
use crate::machine::ControlMessage;

/// What turns a time of a control message into the script's.
pub(super) struct Clock {
    /// What the machine's clock on the wall showed when the script began, in microseconds.
    pub(super) wall_at_start_us: u64,
    pub(super) tolerance_us: u64,
}

/// # Errors
/// What differs from the script.
pub(super) fn output(operation: &Operation, output: &Output, clock: &Clock) -> Result<(), String> {
    match (operation, output) {
        (Operation::Ioctl { stored: Some(expected), .. }, Output::Octets(octets)) => {
            let came = octets.first_chunk().map_or(0, |octets| i64::from(i32::from_ne_bytes(*octets)));
            equal("the number stored", *expected, came)
        }
        (Operation::GetOption { value, len, .. }, Output::Octets(octets)) => {
            equal("the length of the option", *len, octets.len())?;
            let show = |octets: &[u8]| match octets.first_chunk() {
                Some(int) if octets.len() == 4 => i32::from_ne_bytes(*int).to_string(),
                _ => format!("{:?}", String::from_utf8_lossy(octets)),
            };
            let expected = value.get(..*len).unwrap_or(value);
            if expected == octets { Ok(()) } else { equal("the option", show(expected), show(octets)) }
        }
        (Operation::Receive { message: Some(expected), .. }, Output::Message(came)) => {
            let control = came.control.iter().map(|control| actual(control, clock)).collect::<Vec<_>>();
            let flags = |flags: i64| format!("{flags:#x}");
            equal("msg_flags", flags(expected.flags), flags(came.flags.into()))?;
            equal("the number of control messages", expected.control.len(), control.len())?;
            expected.control.iter().zip(&control).try_for_each(|(expected, came)| same(expected, came, clock))
        }
        (Operation::Poll { revents, .. }, Output::Polled(entries, _)) => {
            let names = |bits: i64| show_bits(bits, &POLL_NAMES);
            revents.iter().zip(entries).try_for_each(|(expected, entry)| {
                equal("revents", names(*expected), names(entry.revents.cast_unsigned().into()))
            })
        }
        (Operation::EpollWait { expected, mask, .. }, Output::Events(events)) => {
            let came = events.first().copied().unwrap_or_default();
            let names = |bits: u32| show_bits(bits.into(), &POLL_NAMES);
            equal("the events", names(expected.events), names(came.events))?;
            equal("the data of the event", expected.data, came.data & mask)
        }
        _ => Ok(()),
    }
}

const POLL_NAMES: [(i64, &str); 10] = [
    (0x1, "IN"),
    (0x2, "PRI"),
    (0x4, "OUT"),
    (0x8, "ERR"),
    (0x10, "HUP"),
    (0x20, "NVAL"),
    (0x40, "RDNORM"),
    (0x80, "RDBAND"),
    (0x100, "WRNORM"),
    (0x2000, "RDHUP"),
];

fn show_bits(mut bits: i64, names: &[(i64, &str)]) -> String {
    let mut parts = Vec::new();
    for (bit, name) in names {
        if bits & bit != 0 {
            parts.push((*name).to_owned());
            bits &= !bit;
        }
    }
    if bits != 0 || parts.is_empty() {
        parts.push(format!("{bits:#x}"));
    }
    parts.join("|")
}

fn equal<T: PartialEq + std::fmt::Display>(what: &str, expected: T, came: T) -> Result<(), String> {
    if expected == came { Ok(()) } else { Err(format!("{what}: expected {expected}, came {came}")) }
}

/// A control message in the form in which a script writes it.
fn actual(control: &ControlMessage, clock: &Clock) -> ExpectedControl {
    match *control {
        ControlMessage::Timestamping(at_ns) => {
            let at = (at_ns / 1_000).saturating_sub(clock.wall_at_start_us);
            let data = ExpectedData::Timestamp(i64::try_from(at).unwrap_or(i64::MAX));
            ExpectedControl { level: libc::SOL_SOCKET.into(), kind: libc::SCM_TIMESTAMPING.into(), data }
        }
        ControlMessage::ExtendedError { family, errno, origin, kind, code, info, data } => {
            let (level, name) = match family {
                Family::V4 => (libc::SOL_IP, libc::IP_RECVERR),
                Family::V6 => (libc::SOL_IPV6, libc::IPV6_RECVERR),
            };
            let fields = [errno.into(), origin.into(), kind.into(), code.into(), info.into(), data.into()];
            ExpectedControl { level: level.into(), kind: name.into(), data: ExpectedData::Error(fields) }
        }
        ControlMessage::Inq(octets) => {
            let kind = super::symbols::value("TCP_CM_INQ").unwrap_or_default();
            ExpectedControl { level: libc::SOL_TCP.into(), kind, data: ExpectedData::Integer(octets.into()) }
        }
    }
}

fn same(expected: &ExpectedControl, came: &ExpectedControl, clock: &Clock) -> Result<(), String> {
    equal("cmsg_level", expected.level, came.level)?;
    equal("cmsg_type", expected.kind, came.kind)?;
    match (&expected.data, &came.data) {
        (ExpectedData::Timestamp(0), ExpectedData::Timestamp(_)) => Ok(()),
        (ExpectedData::Timestamp(expected), ExpectedData::Timestamp(came)) => {
            if expected.abs_diff(*came) <= clock.tolerance_us {
                return Ok(());
            }
            equal("the time of the control message in microseconds", *expected, *came)
        }
        (ExpectedData::Error(expected), ExpectedData::Error(came)) => {
            let names = ["ee_errno", "ee_origin", "ee_type", "ee_code", "ee_info", "ee_data"];
            let pairs = expected.iter().zip(came).zip(names);
            pairs.into_iter().try_for_each(|((expected, came), name)| equal(name, *expected, *came))
        }
        (ExpectedData::Integer(expected), ExpectedData::Integer(came)) => {
            equal("cmsg_data", *expected, *came)
        }
        _ => Err("cmsg_data is of another kind than the script says".to_owned()),
    }
}
