//! TCP_CONGESTION and TCP_CC_INFO.

use alloc::vec::Vec;

use portolan_link::Instant;
use portolan_tcp::{CcInfo, CongestionAlgorithm};

use super::CONGESTION_NAME_MAX;
use crate::socket::Kind;
use crate::stack::Stack;
use crate::{SocketError, SocketId, SocketOption};

impl Stack {
    /// The names of the congestion controllers that sockets may have (`tcp_available_congestion_control`).
    pub fn congestion_controls(&self) -> impl Iterator<Item = &'static str> + '_ {
        let config = &self.engine.config.tcp;
        CongestionAlgorithm::all(config).map(|algorithm| algorithm.name(config))
    }

    pub(super) fn set_congestion(
        &mut self,
        now: Instant,
        id: SocketId,
        name: &[u8],
    ) -> Result<(), SocketError> {
        let algorithm = core::str::from_utf8(name)
            .ok()
            .and_then(|name| CongestionAlgorithm::by_name(&self.engine.config.tcp, name))
            .ok_or(SocketError::NoSuchName)?;
        self.set_option(now, id, SocketOption::Congestion(algorithm))
    }

    /// The name, with zeros up to its full length.
    pub(super) fn congestion_name(&mut self, id: SocketId) -> Result<Vec<u8>, SocketError> {
        let name = match self.socket(id)?.kind {
            Kind::Connection(index) => self.with_tcb(index, |tcb, cx| tcb.congestion_name(cx)),
            _ => None,
        };
        let name = match name {
            Some(name) => name,
            None => self.present_tcp_options(id)?.common.congestion.name(&self.engine.config.tcp),
        };
        let mut octets: Vec<u8> = name.bytes().take(CONGESTION_NAME_MAX - 1).collect();
        octets.resize(CONGESTION_NAME_MAX, 0);
        Ok(octets)
    }

    /// The `union tcp_cc_info` of the socket's algorithm; nothing, if that says nothing.
    pub(super) fn cc_info(&mut self, id: SocketId) -> Result<Vec<u8>, SocketError> {
        let Kind::Connection(index) = self.socket(id)?.kind else { return Ok(Vec::new()) };
        let info = self.with_tcb(index, |tcb, cx| tcb.congestion_info(cx)).unwrap_or_default();
        Ok(match info {
            CcInfo::Dctcp { alpha_per_1024, acked, marked } => {
                // dctcp_enabled and dctcp_ce_state, of 16 bits each.
                let enabled = [1_u16, 0].map(u16::to_ne_bytes).concat();
                let figures = [alpha_per_1024, marked, acked].map(u32::to_ne_bytes).concat();
                [enabled, figures].concat()
            }
            CcInfo::Bbr { bandwidth, min_rtt_us, pacing_gain_per_256, cwnd_gain_per_256 } => {
                // bbr_bw_lo and bbr_bw_hi are the halves of one number.
                let (low, high) = (bandwidth & u64::from(u32::MAX), bandwidth >> 32);
                let half = |half: u64| u32::try_from(half).unwrap_or(u32::MAX);
                [half(low), half(high), min_rtt_us, pacing_gain_per_256, cwnd_gain_per_256]
                    .map(u32::to_ne_bytes)
                    .concat()
            }
            _ => Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests;
