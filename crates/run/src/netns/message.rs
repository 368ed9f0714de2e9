//! What the supervisor and the process that becomes the command tell each other: JSON, a message each, over a
//! SOCK_SEQPACKET pair. That its end closes without a last message means that the command runs.

use std::ffi::OsString;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::config::{Config, ConfigError, Network};
use crate::os::unix;
use crate::plan::{Plan, Service};
use crate::sysctl::Sysctl;

/// The longest message, in octets.
const MESSAGE_MAX: usize = 64 * 1024;

/// The wire's MTU when none is given.
const DEFAULT_MTU: u16 = 1500;

/// What the namespace is to be like.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// The command's addresses.
    pub addresses: Vec<Network>,
    /// Its routers.
    pub gateways: Vec<IpAddr>,
    /// The server that its resolv.conf names.
    pub server: Option<IpAddr>,
    /// The station's address of its interface.
    pub station: [u8; 6],
    /// The largest IP packet, in octets.
    pub mtu: u16,
    /// The host name, if it is to have one of its own.
    pub hostname: Option<String>,
    /// Knobs to be set.
    pub sysctls: Vec<Sysctl>,
    /// `LD_PRELOAD`, which is meant for the command.
    pub preload: Option<OsString>,
}

impl Setup {
    /// What follows from what the user asked for. Errors: addresses that leave no room for the gateway's.
    pub fn new(config: &Config) -> Result<Setup, ConfigError> {
        let plan = Plan::new(config)?;
        let server = plan.addresses_of(Service::Dns).next();
        Ok(Setup {
            server,
            addresses: plan.addresses,
            gateways: plan.gateways,
            station: crate::stack_process::COMMAND.0,
            mtu: config.mtu.unwrap_or(DEFAULT_MTU),
            hostname: config.hostname.clone(),
            sysctls: config.sysctls.clone(),
            preload: std::env::var_os("LD_PRELOAD"),
        })
    }
}

/// From the process that becomes the command.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Said {
    /// The namespace is made; the packet socket comes with it.
    Made,
    /// It could not be made: which step failed, and with which errno if the system said one.
    Failed(String, Option<i32>),
    /// The command could not be executed: the errno.
    NotExecuted(i32),
}

/// Sends one message, perhaps with a descriptor.
pub(super) fn send<T: Serialize>(
    to: BorrowedFd<'_>,
    message: &T,
    descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    match descriptor {
        Some(descriptor) => unix::write_with_descriptor(to, &text, descriptor)?,
        None => unix::write(to, &text)?,
    };
    Ok(())
}

/// The next message, waiting for it. Errors: `UnexpectedEof` at the end.
pub(super) fn receive<T: DeserializeOwned>(from: BorrowedFd<'_>) -> io::Result<(T, Option<OwnedFd>)> {
    rustix::io::retry_on_intr(|| poll(&mut [PollFd::new(&from.as_fd(), PollFlags::IN)], None))?;
    let mut octets = vec![0; MESSAGE_MAX];
    let message = unix::receive_with_descriptor(from, &mut octets, false)?;
    match octets.get(..message.len) {
        Some([]) => Err(io::ErrorKind::UnexpectedEof.into()),
        Some(text) => Ok((serde_json::from_slice(text)?, message.descriptor)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}
