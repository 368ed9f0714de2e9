//! The flows of a run, for its summary.

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use portolan::{FlowEvents, Host};
use portolan_stack::{FlowEnd, FlowSummary, State};
use portolan_wire::Endpoint;

use crate::fence::Fence;
use crate::gateway::Counters;
use crate::lookup::Resolver;
use crate::summary::{Flow, ROWS_MAX, Report};

/// Protocol numbers (IANA).
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Collects the summaries of flows as they end.
pub(super) struct FlowLog {
    events: FlowEvents,
    kept: Vec<FlowSummary>,
    left_off: u64,
}

impl FlowLog {
    pub(super) fn new(host: &Host) -> FlowLog {
        FlowLog { events: host.flow_events(), kept: Vec::new(), left_off: 0 }
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

    /// The report, after the host has ended.
    pub(super) fn finish(
        mut self,
        mut report: Report,
        resolver: &Resolver<Host>,
        counters: &Counters,
        fence: &Fence,
    ) -> Report {
        while let Some(summary) = self.events.try_next() {
            self.keep(summary);
        }
        report.flows = self.kept.iter().map(|summary| row(summary, resolver)).collect();
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
}

fn row(summary: &FlowSummary, resolver: &Resolver<Host>) -> Flow {
    let Endpoint { address, port } = summary.flow.remote;
    let ip: IpAddr = address.to_ip();
    let rtt = |us: u32| (us > 0).then_some(u64::from(us));
    Flow {
        protocol: match summary.flow.protocol {
            TCP => "tcp".into(),
            UDP => "udp".into(),
            other => other.to_string(),
        },
        name: resolver.remembered(ip).unwrap_or_else(|| ip.to_string()),
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
        sent: summary.octets_sent,
        received: summary.octets_received,
        handshake_us: summary.handshake_us(),
        rtt_min_us: rtt(summary.min_rtt_us),
        rtt_avg_us: rtt(summary.avg_rtt_us),
        retransmits: summary.retransmits,
        limited_by: summary.limited_by.map(|limit| limit.name().to_owned()),
    }
}

/// Whether every connection has sent what it was given, and its FIN if it was closed, so that nothing is lost when the
/// host ends.
pub(super) fn is_drained(host: &Host) -> bool {
    let closing = [State::SynReceived, State::FinWait1, State::Closing, State::LastAck];
    host.with_stack(|stack, _| {
        stack.flows().iter().all(|flow| {
            let has_sent = flow.info.is_none_or(|info| info.unacked == 0 && info.not_sent == 0);
            has_sent && flow.state.is_none_or(|state| !closing.contains(&state))
        })
    })
}
