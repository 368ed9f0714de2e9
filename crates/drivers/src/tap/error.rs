//! Why a TAP device could not be opened, as one line: what, where, why, what next.

use rustix::io::Errno;
use thiserror::Error;

/// Why a TAP device could not be opened.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum TapError {
    /// The name cannot be an interface's.
    #[error(
        "cannot open TAP '{}': a name has 1 to 15 characters, without '/', ':', '%' or spaces; give another name",
        name.escape_default()
    )]
    BadName {
        /// The name as given.
        name: String,
    },
    /// The system has no TUN/TAP driver here.
    #[error(
        "cannot open TAP '{name}': /dev/net/tun is missing ({errno}); load the driver with 'modprobe tun', or pass \
         the device into the container"
    )]
    NoDriver {
        /// The TAP's name.
        name: String,
        /// What opening the device said.
        errno: Errno,
    },
    /// This user may not open the TUN/TAP driver.
    #[error(
        "cannot open TAP '{name}': opening /dev/net/tun: {errno}; give this user access to /dev/net/tun, or run as root"
    )]
    DriverPermission {
        /// The TAP's name.
        name: String,
        /// What opening the device said.
        errno: Errno,
    },
    /// No interface has this name.
    #[error(
        "cannot open TAP '{name}': there is no such interface here; create it as root with 'ip tuntap add dev {name} \
         mode tap user USER' and 'ip link set {name} up'"
    )]
    NotFound {
        /// The TAP's name.
        name: String,
    },
    /// This user may not attach to the TAP.
    #[error(
        "cannot open TAP '{name}': {errno}; have root create it for this user with 'ip tuntap add dev {name} mode \
         tap user USER', or run as root"
    )]
    Permission {
        /// The TAP's name.
        name: String,
        /// What the system said.
        errno: Errno,
    },
    /// Another process holds the TAP.
    #[error("cannot open TAP '{name}': it is in use by another process; end that process or use another TAP")]
    Busy {
        /// The TAP's name.
        name: String,
    },
    /// An interface of this name exists and is something else.
    #[error(
        "cannot open TAP '{name}': the interface exists but is no TAP of one queue (it is a TUN, has several queues, or \
         is another kind of device); give the name of one made by 'ip tuntap add mode tap'"
    )]
    OtherMode {
        /// The name.
        name: String,
    },
    /// The MTU that was asked for does not fit the device.
    #[error(
        "cannot open TAP '{name}': MTU {asked} is not from 68 to the device's {device}; set the device's with \
         'ip link set {name} mtu N'"
    )]
    Mtu {
        /// The TAP's name.
        name: String,
        /// The MTU asked for, in octets of IP packet.
        asked: u16,
        /// The device's MTU.
        device: u16,
    },
    /// Anything else that the system refused.
    #[error("cannot open TAP '{name}': {operation} failed: {errno}")]
    System {
        /// The TAP's name.
        name: String,
        /// The operation that failed.
        operation: &'static str,
        /// What the system said.
        errno: Errno,
    },
}

impl TapError {
    /// The error for `errno` from opening `/dev/net/tun`.
    pub(super) fn from_open(name: &str, errno: Errno) -> TapError {
        let name = name.to_owned();
        match errno {
            Errno::NOENT | Errno::NODEV | Errno::NXIO => TapError::NoDriver { name, errno },
            Errno::PERM | Errno::ACCESS => TapError::DriverPermission { name, errno },
            _ => TapError::System { name, operation: "opening /dev/net/tun", errno },
        }
    }

    /// The error for `errno` from attaching to the interface.
    pub(super) fn from_attach(name: &str, errno: Errno) -> TapError {
        let name = name.to_owned();
        match errno {
            Errno::BUSY => TapError::Busy { name },
            Errno::PERM | Errno::ACCESS => TapError::Permission { name, errno },
            Errno::INVAL => TapError::OtherMode { name },
            _ => TapError::System { name, operation: "TUNSETIFF", errno },
        }
    }

    /// The error for `errno` from `operation`, once the TAP is attached.
    pub(super) fn from_system(name: &str, operation: &'static str, errno: Errno) -> TapError {
        TapError::System { name: name.to_owned(), operation, errno }
    }
}
