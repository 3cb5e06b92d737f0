//! Intent in: a network that begins anew with its own state, because its members agreed on it.
//!
//! Pure decisions. The export and the recovery file were checked before; whether enough signed, and
//! whether anything is lost at all, is decided here.

use std::collections::BTreeMap;

use windlass_engine::{Seat, recovery::Judged};
use windlass_model::{
    ErrorCode, NodeId, Problem,
    network::{Intent, NetworkState},
    recovery::Recovered,
};

use crate::{
    governance::stopped,
    monitor::LiveNode,
    network::change::destroying,
    store::rows::{Record, Succession},
};

type Checked<T> = Result<T, Box<Problem>>;

/// Whether a network that could go on by itself is to be recovered all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// It is not.
    No,
    /// It is, if every member signed.
    Unanimous,
}

/// Who can vote for the next block, as the nodes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Able {
    voting: usize,
    quorum: usize,
    validators: usize,
}

/// Whether the network may be recovered as it is now, whatever the files say.
pub(crate) fn check_now(record: &Record) -> Checked<()> {
    let network = &record.network;
    match (network.intent, network.state) {
        (Intent::Destroyed, _) => Err(destroying(record)),
        (Intent::Stopped, _) => Err(stopped(record)),
        (Intent::Running, NetworkState::Declared | NetworkState::Creating) => {
            Err(Box::new(Problem::new(
                ErrorCode::NetworkBusy,
                format!("`{}` is being created", network.name),
                "a network without blocks has nothing to recover: destroy it and declare it anew",
            )))
        }
        (Intent::Running, _) => Ok(()),
    }
}

/// Whether the members agree on this recovery of this network, and it needs one.
pub(crate) fn check(
    record: &Record,
    live: &BTreeMap<NodeId, LiveNode>,
    judged: &Judged,
    force: Force,
) -> Checked<()> {
    check_now(record)?;
    check_network(record, judged)?;
    let (signed, members) = (judged.signed(), judged.members.len());
    let name = &record.network.name;
    if signed < judged.needed {
        let missing: Vec<&str> = judged
            .members
            .iter()
            .filter(|member| !member.signed)
            .map(|member| member.organization.as_str())
            .collect();
        return Err(refused(
            format!(
                "{signed} of the {members} active members of `{name}` signed; more than two thirds \
                 have to, which is {} (not yet: {})",
                judged.needed,
                missing.join(", ")
            ),
            "have them sign the same file: windlass network recovery sign",
        ));
    }
    let Some(able) = able(live).filter(|able| able.voting >= able.quorum) else {
        return Ok(());
    };
    match force {
        Force::Unanimous if signed == members => Ok(()),
        Force::Unanimous => Err(refused(
            format!(
                "`{name}` can make blocks by itself, and {signed} of its {members} active members \
                 signed: against a network that works all of them have to"
            ),
            "have every member sign the file, or leave the network as it is",
        )),
        Force::No => Err(refused(
            format!(
                "`{name}` can make blocks by itself: {} of its {} validators are there and vote, and \
                 {} are needed",
                able.voting, able.validators, able.quorum
            ),
            "nothing is lost; if every member has signed, --force begins anew all the same, and what \
             came after the export is given up",
        )),
    }
}

/// Whether the files are about this network as it is.
fn check_network(record: &Record, judged: &Judged) -> Checked<()> {
    let name = &record.network.name;
    let genesis = record.network.status.genesis_hash.as_deref().unwrap_or_default();
    if genesis == judged.genesis.hash {
        let recovered = format!("`{name}` has begun anew so already: its genesis is {genesis}");
        return Err(refused(recovered, "a recovery is carried out once; nothing is to be done"));
    }
    if genesis == judged.predecessor {
        return Ok(());
    }
    Err(Box::new(Problem::new(
        ErrorCode::RecoveryInvalid,
        format!(
            "the files are about the network with genesis {}, and `{name}` has {genesis}",
            judged.predecessor
        ),
        "name the network that the export is of",
    )))
}

/// Counts who can vote. Validators of other platforms are seen by the nodes alone: who is connected is
/// taken for able.
fn able(live: &BTreeMap<NodeId, LiveNode>) -> Option<Able> {
    let answers: Vec<_> = live.values().filter_map(LiveNode::answer).collect();
    let newest = answers.iter().max_by_key(|report| report.tip.number)?;
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let here = answers.iter().filter(|report| report.seat.is_validator()).count();
    let voting = answers.iter().filter(|report| report.seat == Seat::Votes).count();
    let elsewhere = count(newest.connected_validators).saturating_sub(here);
    Some(Able {
        voting: voting.saturating_add(elsewhere),
        quorum: count(newest.quorum),
        validators: count(newest.validators),
    })
}

/// Writes what the network begins with.
pub(crate) fn apply(
    record: &mut Record,
    judged: &Judged,
    (recovery, force): (&str, Force),
    now_ms: u64,
) {
    let signed = judged.members.iter().filter(|member| member.signed);
    let recovered = Recovered {
        predecessor: judged.predecessor.clone(),
        block: judged.block.clone(),
        export: judged.export.clone(),
        signed_by: signed.map(|member| member.organization.clone()).collect(),
        members: u32::try_from(judged.members.len()).unwrap_or(u32::MAX),
        forced: force == Force::Unanimous,
        at_ms: now_ms,
    };
    let network = &mut record.network;
    network.genesis = Some(judged.genesis.content.clone());
    network.status.genesis_hash = Some(judged.genesis.hash.clone());
    let succession = Succession { recovery: recovery.to_owned(), recovered };
    network.status.succession = Some(Box::new(succession));
    for node in &mut record.nodes {
        node.status.reason = None;
        node.status.failures = 0;
    }
}

fn refused(detail: String, hint: &str) -> Box<Problem> {
    Box::new(Problem::new(ErrorCode::RecoveryRefused, detail, hint))
}
