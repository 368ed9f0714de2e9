//! Flows that are alike share a row, where a row for each would drown the terminal.

use super::Flow;

/// As many rows as are read; above that, flows that are alike share one.
const ROWS_TO_READ: usize = 24;

/// What one row tells of: one flow, or several that have the protocol, name, port and state in common.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Row {
    /// Of several: octets and segments sent again are sums, the smallest round trip is the smallest of all, the handshake
    /// and the mean round trip are means of those that have one.
    pub(super) flow: Flow,
    /// How many.
    pub(super) count: u64,
}

/// A row for each flow if they are few, else one for those that are alike, each in the place of its first.
pub(super) fn fold(flows: &[Flow]) -> Vec<Row> {
    if flows.len() <= ROWS_TO_READ {
        return each(flows);
    }
    let mut groups: Vec<Vec<&Flow>> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for flow in flows {
        let key = (&flow.protocol, &flow.name, flow.port, &flow.state);
        let place = *places.entry(key).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(flow),
            None => groups.push(vec![flow]),
        }
    }
    groups.iter().filter_map(|group| together(group)).collect()
}

/// A row for each flow.
pub(super) fn each(flows: &[Flow]) -> Vec<Row> {
    flows.iter().map(|flow| Row { flow: flow.clone(), count: 1 }).collect()
}

fn together(flows: &[&Flow]) -> Option<Row> {
    let first = flows.first()?;
    let mean = |figure: fn(&Flow) -> Option<u64>| {
        let known: Vec<u64> = flows.iter().filter_map(|flow| figure(flow)).collect();
        known.iter().sum::<u64>().checked_div(known.len() as u64)
    };
    let limits = || flows.iter().filter_map(|flow| flow.limited_by.as_ref());
    let flow = Flow {
        sent: flows.iter().map(|flow| flow.sent).sum(),
        received: flows.iter().map(|flow| flow.received).sum(),
        retransmits: flows.iter().map(|flow| flow.retransmits).sum(),
        handshake_us: mean(|flow| flow.handshake_us),
        rtt_min_us: flows.iter().filter_map(|flow| flow.rtt_min_us).min(),
        rtt_avg_us: mean(|flow| flow.rtt_avg_us),
        limited_by: limits().max_by_key(|limit| limits().filter(|other| other == limit).count()).cloned(),
        ..(*first).clone()
    };
    Some(Row { flow, count: flows.len() as u64 })
}
