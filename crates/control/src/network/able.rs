//! Who can vote for the next block, as the nodes say.

use std::collections::BTreeMap;

use windlass_engine::Seat;
use windlass_model::NodeId;

use crate::{monitor::LiveNode, store::rows::NodeRow};

/// How many can vote for the next block, and how many have to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Able {
    pub(crate) voting: usize,
    pub(crate) quorum: usize,
    pub(crate) validators: usize,
}

/// Counts who can vote, or could if one validator were not there. Validators of other platforms are seen by the
/// nodes alone: who is connected is taken for able. Nothing if nobody answers who is asked.
pub(crate) fn able(live: &BTreeMap<NodeId, LiveNode>, without: Option<&NodeRow>) -> Option<Able> {
    let asked = live.iter().filter(|(id, _)| without.is_none_or(|node| node.id != **id));
    let answers: Vec<_> = asked.filter_map(|(_, live)| live.answer()).collect();
    let newest = answers.iter().max_by_key(|report| report.tip.number)?;
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let here = answers.iter().filter(|report| report.seat.is_validator()).count();
    let voting = answers.iter().filter(|report| report.seat == Seat::Votes).count();
    // Unless it is known to be away, it is one of those that are connected.
    let away = |node: &NodeRow| {
        newest.peers.iter().any(|(key, connected)| !connected && node.goes_by(key))
    };
    let counted = here + usize::from(without.is_some_and(|node| !away(node)));
    let elsewhere = count(newest.connected_validators).saturating_sub(counted);
    Some(Able {
        voting: voting.saturating_add(elsewhere),
        quorum: count(newest.quorum),
        validators: count(newest.validators),
    })
}
