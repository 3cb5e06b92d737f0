//! From what nodes say to how the network does: pure functions.

use std::collections::BTreeMap;

use windlass_model::{
    ErrorCode, NodeId,
    network::{BlockRef, Health, Reason},
};

use crate::monitor::{LiveNetwork, LiveNode};

/// How many validators a block needs: more than two thirds.
pub(crate) fn quorum(validators: usize) -> usize {
    validators - validators.saturating_sub(1) / 3
}

/// The newest block that a quorum has reported final; also of nodes that are gone now, as what is
/// final stays final.
pub(crate) fn tip(nodes: &BTreeMap<NodeId, LiveNode>) -> Option<BlockRef> {
    let mut tips: Vec<&BlockRef> =
        nodes.values().filter_map(|node| node.report.as_ref()).map(|report| &report.tip).collect();
    tips.sort_by_key(|tip| std::cmp::Reverse(tip.number));
    let at = quorum(nodes.len()).checked_sub(1)?;
    tips.get(at).map(|tip| (*tip).clone())
}

/// Whether a running network can do its work, and why not.
pub(crate) fn judge(
    nodes: &BTreeMap<NodeId, LiveNode>,
    names: &BTreeMap<NodeId, String>,
    now_ms: u64,
) -> (Health, Option<Reason>) {
    let all = names.len();
    let name_of = |id: &NodeId| names.get(id).cloned().unwrap_or_else(|| id.to_string());
    let answers: Vec<_> = nodes.values().filter_map(LiveNode::answer).collect();
    let missing: Vec<String> = names
        .keys()
        .filter(|id| nodes.get(*id).and_then(LiveNode::answer).is_none())
        .map(name_of)
        .collect();
    let reason = |message: String, remedy: &str| Reason {
        code: ErrorCode::NetworkUnavailable,
        message,
        remedy: remedy.to_owned(),
        since_ms: now_ms,
    };
    let connected = answers.iter().filter(|report| report.quorum_connected()).count();
    if answers.len() < quorum(all) || connected < quorum(all) {
        let message = if missing.is_empty() {
            format!("{connected} of {all} nodes are connected with a quorum; no block is made")
        } else {
            format!(
                "{} of {all} nodes answer, {} are needed; missing: {}",
                answers.len(),
                quorum(all),
                missing.join(", ")
            )
        };
        let remedy = "nodes that ended are started again by themselves; it goes on from its disk";
        return (Health::Unavailable, Some(reason(message, remedy)));
    }
    if let Some((since_ms, why)) = answers.iter().find_map(|report| report.stalled.clone()) {
        let stalled = answers.iter().filter(|report| report.stalled.is_some()).count();
        if stalled >= quorum(all) {
            let mut reason = reason(
                format!("no block is made: {why}"),
                "`windlass network logs` shows what the nodes do",
            );
            reason.since_ms = since_ms;
            return (Health::Unavailable, Some(reason));
        }
    }
    let apart = answers.iter().any(|report| !report.quorum_connected() || report.syncing);
    if !missing.is_empty() || apart {
        let message = if missing.is_empty() {
            "a node is catching up or looks for its peers".to_owned()
        } else {
            format!("{} of {all} nodes answer; missing: {}", answers.len(), missing.join(", "))
        };
        let remedy = "blocks are made; what is missing is started again by itself";
        return (Health::Degraded, Some(reason(message, remedy)));
    }
    (Health::Healthy, None)
}

/// What about a network is worth a tick of its own, beside its tip.
pub(crate) fn shape(live: &LiveNetwork) -> impl PartialEq + use<> {
    let nodes: Vec<_> = live
        .nodes
        .iter()
        .map(|(id, node)| {
            let process = node.process.as_ref().map(|running| running.pid);
            let connected = node.answer().map(|report| report.connected_validators);
            (id.clone(), process, connected, node.resident_bytes.map(|bytes| bytes >> 19))
        })
        .collect();
    (live.health, live.reason.clone(), nodes)
}

#[cfg(test)]
mod tests {
    use windlass_engine::NodeReport;
    use windlass_substrate::Running;

    use super::*;

    fn node(height: u64, connected: u32) -> LiveNode {
        let process = Running { pid: 1, start_time_ticks: 1, started_at_ms: 1, ready: true };
        let report = NodeReport {
            revision: 1,
            genesis_hash: "0x00".to_owned(),
            chain_id: 1,
            tip: BlockRef { number: height, hash: format!("0x{height}") },
            connected_validators: connected,
            quorum: 3,
            syncing: false,
            stalled: None,
        };
        LiveNode { process: Some(process), report: Some(report), ..LiveNode::default() }
    }

    fn check(nodes: [LiveNode; 4], expect: (Health, Option<&str>, u64)) {
        let ids = (0u8..4).map(|index| NodeId::from_entropy([index; 10]));
        let names = ids.clone().zip(0..).map(|(id, n)| (id, format!("validator-{n}"))).collect();
        let nodes: BTreeMap<_, _> = ids.zip(nodes).collect();
        let (health, reason) = judge(&nodes, &names, 7);
        assert_eq!(health, expect.0, "{reason:?}");
        assert_eq!(reason.map(|reason| reason.message).as_deref(), expect.1);
        assert_eq!(tip(&nodes).map(|tip| tip.number), Some(expect.2));
    }

    #[test]
    fn health_is_what_a_quorum_can_do() {
        let dead = |height| LiveNode { process: None, ..node(height, 0) };
        check([node(9, 4), node(9, 4), node(9, 4), node(9, 4)], (Health::Healthy, None, 9));
        check([node(9, 4), node(8, 4), node(7, 4), node(6, 4)], (Health::Healthy, None, 7));
        check(
            [dead(5), node(9, 3), node(9, 3), node(9, 3)],
            (Health::Degraded, Some("3 of 4 nodes answer; missing: validator-0"), 9),
        );
        check(
            [dead(5), dead(5), node(5, 2), node(5, 2)],
            (
                Health::Unavailable,
                Some("2 of 4 nodes answer, 3 are needed; missing: validator-0, validator-1"),
                5,
            ),
        );
        check(
            [node(5, 2), node(5, 2), node(5, 2), node(5, 2)],
            (
                Health::Unavailable,
                Some("0 of 4 nodes are connected with a quorum; no block is made"),
                5,
            ),
        );
    }
}
