//! What ICMP said of a socket's datagrams, for those who ask for all of it (IP_RECVERR, ip(7)).

use alloc::vec::Vec;

use portolan_wire::{Address, Endpoint};

use super::Udp;
use crate::socket::Kind;
use crate::stack::Stack;
use crate::{SocketError, SocketId};

/// Reports that wait at a socket; later ones are lost.
const REPORTS_MAX: usize = 16;
/// Octets of a datagram's payload that are kept: more than most routers quote.
const PAYLOAD_MAX: usize = 256;

/// An ICMP error about a datagram.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ErrorReport {
    /// What it means.
    pub error: SocketError,
    /// ICMP's type.
    pub ty: u8,
    /// ICMP's code.
    pub code: u8,
    /// The MTU of the next hop, where a packet was too long for it; else 0.
    pub mtu: u32,
    /// Who says so.
    pub from: Address,
    /// Where the datagram was to go.
    pub to: Endpoint,
    /// The front of its payload, as far as it was quoted.
    pub payload: Vec<u8>,
}

impl Udp {
    /// Keeps a report, if the socket wants it.
    pub(super) fn keep_report(&mut self, mut report: ErrorReport) {
        if self.wishes.errors && self.reports.len() < REPORTS_MAX {
            report.payload.truncate(PAYLOAD_MAX);
            self.reports.push_back(report);
        }
    }
}

impl Stack {
    /// Takes the oldest report of a socket (recvmsg(2) with MSG_ERRQUEUE). As on Linux the error that waits for the next
    /// call is then that of the next report, or none.
    ///
    /// # Errors
    /// `BadSocket`; `WouldBlock` if there is none, or the socket is no datagram socket.
    pub fn take_report(&mut self, id: SocketId) -> Result<ErrorReport, SocketError> {
        let socket = self.socket_mut(id)?;
        let Kind::Udp(udp) = &mut socket.kind else { return Err(SocketError::WouldBlock) };
        let report = udp.reports.pop_front().ok_or(SocketError::WouldBlock)?;
        let next = udp.reports.front().map(|report| report.error);
        if socket.error.is_some() {
            socket.error = next;
        }
        Ok(report)
    }
}
