//! Why a TAP or TUN device could not be opened, as one line: what, where, why, what next.

use std::fmt;

use portolan_link::Medium;
use rustix::io::Errno;
use thiserror::Error;

/// What was to be opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Ethernet for a TAP, IP for a TUN.
    pub medium: Medium,
    /// The interface's name.
    pub name: String,
}

impl Device {
    fn kind(&self) -> &'static str {
        if self.medium == Medium::Ip { "TUN" } else { "TAP" }
    }

    /// As ip-tuntap(8) has it.
    fn mode(&self) -> &'static str {
        if self.medium == Medium::Ip { "tun" } else { "tap" }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} '{}'", self.kind(), self.name)
    }
}

/// Why a TAP or TUN device could not be opened.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum TapError {
    /// The name cannot be an interface's.
    #[error(
        "cannot open {} '{}': a name has 1 to 15 characters, without '/', ':', '%' or spaces; give another name",
        device.kind(), device.name.escape_default()
    )]
    BadName {
        /// With its name as given.
        device: Device,
    },
    /// The system has no TUN/TAP driver here.
    #[error(
        "cannot open {device}: /dev/net/tun is missing ({errno}); load the driver with 'modprobe tun', or pass \
         the device into the container"
    )]
    NoDriver {
        /// Which one.
        device: Device,
        /// What opening the device said.
        errno: Errno,
    },
    /// This user may not open the TUN/TAP driver.
    #[error(
        "cannot open {device}: opening /dev/net/tun: {errno}; give this user access to /dev/net/tun, or run as root"
    )]
    DriverPermission {
        /// Which one.
        device: Device,
        /// What opening the device said.
        errno: Errno,
    },
    /// No interface has this name.
    #[error(
        "cannot open {device}: there is no such interface here; create it as root with 'ip tuntap add dev {0} \
         mode {1} user USER' and 'ip link set {0} up'", device.name, device.mode()
    )]
    NotFound {
        /// Which one.
        device: Device,
    },
    /// This user may not attach to the TAP.
    #[error(
        "cannot open {device}: {errno}; have root create it for this user with 'ip tuntap add dev {} mode \
         {} user USER', or run as root", device.name, device.mode()
    )]
    Permission {
        /// Which one.
        device: Device,
        /// What the system said.
        errno: Errno,
    },
    /// Another process holds the TAP.
    #[error("cannot open {device}: it is in use by another process; end that process or use another device")]
    Busy {
        /// Which one.
        device: Device,
    },
    /// An interface of this name exists and is something else.
    #[error(
        "cannot open {device}: the interface exists but is no {} of one queue (it is of the other mode, has several \
         queues, or is another kind of device); give the name of one made by 'ip tuntap add mode {}'",
        device.kind(), device.mode()
    )]
    OtherMode {
        /// Which one.
        device: Device,
    },
    /// The MTU that was asked for does not fit the device.
    #[error(
        "cannot open {device}: MTU {asked} is not from 68 to the device's {most}; set the device's with \
         'ip link set {} mtu N'", device.name
    )]
    Mtu {
        /// Which one.
        device: Device,
        /// The MTU asked for, in octets of IP packet.
        asked: u16,
        /// The device's MTU.
        most: u16,
    },
    /// Anything else that the system refused.
    #[error("cannot open {device}: {operation} failed: {errno}")]
    System {
        /// Which one.
        device: Device,
        /// The operation that failed.
        operation: &'static str,
        /// What the system said.
        errno: Errno,
    },
}

impl TapError {
    /// The error for `errno` from opening `/dev/net/tun`.
    pub(super) fn from_open(device: &Device, errno: Errno) -> TapError {
        let device = device.clone();
        match errno {
            Errno::NOENT | Errno::NODEV | Errno::NXIO => TapError::NoDriver { device, errno },
            Errno::PERM | Errno::ACCESS => TapError::DriverPermission { device, errno },
            _ => TapError::System { device, operation: "opening /dev/net/tun", errno },
        }
    }

    /// The error for `errno` from attaching to the interface.
    pub(super) fn from_attach(device: &Device, errno: Errno) -> TapError {
        let device = device.clone();
        match errno {
            Errno::BUSY => TapError::Busy { device },
            Errno::PERM | Errno::ACCESS => TapError::Permission { device, errno },
            Errno::INVAL => TapError::OtherMode { device },
            _ => TapError::System { device, operation: "TUNSETIFF", errno },
        }
    }

    /// The error for `errno` from `operation`, once the TAP is attached.
    pub(super) fn from_system(device: &Device, operation: &'static str, errno: Errno) -> TapError {
        TapError::System { device: device.clone(), operation, errno }
    }
}
