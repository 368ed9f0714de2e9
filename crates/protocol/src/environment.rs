//! What a program inherits: the names of environment variables, and how the stack process is found.

use crate::id::{Secret, SocketId};
use crate::name::Name;

/// The variable that holds the [`Rendezvous`]; without it the preload library does nothing.
pub const STACK: &str = "PORTOLAN_STACK";

/// Where the stack process listens, and the secret that it wants to see: `ID-SECRET`, both hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rendezvous {
    /// Names the stack process's listening sockets.
    pub id: SocketId,
    /// Shown in the first message of every control connection.
    pub secret: Secret,
}

impl Rendezvous {
    /// Characters of the variable's value.
    pub const TEXT_LEN: usize = 65;

    /// The name of the stack process's listening sockets for what carries text: SOCK_STREAM takes connections of
    /// programs, SOCK_SEQPACKET their UDP sockets.
    pub fn name(self) -> Name {
        Name::Rendezvous { id: self.id }
    }

    /// The name of the listening socket, SOCK_SEQPACKET, that takes control connections: the one above with its last
    /// bit turned. Apart, so that a control connection never waits behind a UDP socket for which there is no room.
    pub fn control_name(self) -> Name {
        let mut id = self.id;
        if let Some(last) = id.0.last_mut() {
            *last ^= 1;
        }
        Name::Rendezvous { id }
    }

    /// What the preload library's own system calls carry in an argument that the kernel does not look at, so that the
    /// seccomp engine's filter lets them run.
    pub fn cookie(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.secret.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// The value of [`STACK`].
    pub fn to_text(self) -> [u8; Self::TEXT_LEN] {
        let mut text = [b'-'; Self::TEXT_LEN];
        let (id, rest) = text.split_at_mut(32);
        id.copy_from_slice(&self.id.to_hex());
        if let Some((_, secret)) = rest.split_first_mut() {
            secret.copy_from_slice(&self.secret.to_hex());
        }
        text
    }

    /// Reads the value of [`STACK`]; anything malformed gives `None`.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        let (id, rest) = text.split_at_checked(32)?;
        let (dash, secret) = rest.split_first()?;
        if *dash != b'-' {
            return None;
        }
        Some(Self { id: SocketId::from_hex(id)?, secret: Secret::from_hex(secret)? })
    }
}
