//! The flows of a run, for its summary.

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use portolan::{FlowEvents, Host};
use portolan_stack::{FlowEnd, FlowSummary, State};
use portolan_wire::Endpoint;

use crate::fence::Fence;
use crate::gateway::Counters;
use crate::summary::{Flow, ROWS_MAX, Report};

/// Protocol numbers (IANA).
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Which end of the command's wire the host is that is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    /// The command's own.
    Command,
    /// The gateway's, because the command's is the kernel's.
    Gateway,
}

/// What the figures of a command in a namespace are.
const KERNELS: &str =
    "the command's TCP was the kernel's; the figures are those of the gateway's end, and UDP is not listed";

/// A connection of a kernel's whose program is gone has something left, if it has said something in this time, in
/// milliseconds. Others may be those of programs that the command has left behind.
const STILL_MS: u32 = 2000;

/// Collects the summaries of flows as they end.
pub(super) struct FlowLog {
    events: FlowEvents,
    kept: Vec<FlowSummary>,
    left_off: u64,
    side: Side,
}

impl FlowLog {
    pub(super) fn new(host: &Host, side: Side) -> FlowLog {
        FlowLog { events: host.flow_events(), kept: Vec::new(), left_off: 0, side }
    }

    /// Waits for a flow to end. Cancel safe. Never ready again once the host has ended.
    pub(super) async fn collect(&mut self) {
        match self.events.next().await {
            Some(summary) => self.keep(summary),
            None => std::future::pending().await,
        }
    }

    fn keep(&mut self, summary: FlowSummary) {
        if self.kept.len() < ROWS_MAX {
            self.kept.push(summary);
        } else {
            self.left_off += 1;
        }
    }

    /// The report, after the host has ended. `name_of` is what is known of addresses.
    pub(super) fn finish(
        mut self,
        mut report: Report,
        name_of: impl Fn(IpAddr) -> Option<String>,
        counters: &Counters,
        fence: &Fence,
    ) -> Report {
        while let Some(summary) = self.events.try_next() {
            self.keep(summary);
        }
        report.flows = self.kept.iter().map(|summary| row(summary, self.side, &name_of)).collect();
        if self.side == Side::Gateway {
            report.notes.push(KERNELS.into());
        }
        report.flows_left_off = self.left_off + self.events.missed();
        let counted = [
            (fence.refused_flows(), "flows refused by the fence"),
            (
                counters.out_of_descriptors.load(Ordering::Relaxed),
                "flows refused because the stack process had no descriptor left",
            ),
            (counters.udp_evicted.load(Ordering::Relaxed), "UDP flows ended to make room for newer ones"),
        ];
        let counted = counted.iter().filter(|(count, _)| *count > 0);
        report.notes.extend(counted.map(|(count, what)| format!("{what}: {count}")));
        report
    }

    /// Whether every connection of the command has sent what it was given, and its FIN if it was closed, so that nothing is
    /// lost when the host ends.
    pub(super) fn is_drained(&self, host: &Host) -> bool {
        // What the states of the gateway's end say of the kernel's: it has not closed yet, though its program is gone.
        let open = [State::SynReceived, State::Established, State::FinWait1, State::FinWait2];
        let closing = [State::SynReceived, State::FinWait1, State::Closing, State::LastAck];
        host.with_stack(|stack, _| {
            stack.flows().iter().all(|flow| match self.side {
                Side::Gateway => {
                    let is_still = flow.info.is_none_or(|info| info.last_text_received_ms > STILL_MS);
                    is_still || flow.state.is_none_or(|state| !open.contains(&state))
                }
                Side::Command => {
                    let has_sent = flow.info.is_none_or(|info| info.unacked == 0 && info.not_sent == 0);
                    has_sent && flow.state.is_none_or(|state| !closing.contains(&state))
                }
            })
        })
    }
}

fn row(summary: &FlowSummary, side: Side, name_of: impl Fn(IpAddr) -> Option<String>) -> Flow {
    let (octets_sent, octets_received) = (summary.octets_sent, summary.octets_received);
    let (Endpoint { address, port }, sent, received) = match side {
        Side::Command => (summary.flow.remote, octets_sent, octets_received),
        Side::Gateway => (summary.flow.local, octets_received, octets_sent),
    };
    let ip: IpAddr = address.to_ip().to_canonical();
    let rtt = |us: u32| (us > 0).then_some(u64::from(us));
    Flow {
        protocol: match summary.flow.protocol {
            TCP => "tcp".into(),
            UDP => "udp".into(),
            other => other.to_string(),
        },
        name: name_of(ip).unwrap_or_else(|| ip.to_string()),
        port,
        state: match summary.end {
            FlowEnd::Closed => "closed",
            FlowEnd::Reset => "reset",
            FlowEnd::Aborted => "aborted",
            FlowEnd::TimedOut => "timed-out",
            FlowEnd::Refused => "refused",
            FlowEnd::Open => "open",
        }
        .into(),
        sent,
        received,
        handshake_us: summary.handshake_us(),
        rtt_min_us: rtt(summary.min_rtt_us),
        rtt_avg_us: rtt(summary.avg_rtt_us),
        retransmits: summary.retransmits,
        limited_by: summary.limited_by.map(|limit| limit.name().to_owned()),
    }
}
