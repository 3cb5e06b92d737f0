//! Intent in: a network that begins anew with its own state, because its members agreed on it.
//!
//! Pure decisions. The export and the recovery file were checked before; whether enough signed, and
//! whether anything is lost at all, is decided here. Where blocks would be given up, the members after
//! them have a say as well, whom the export does not know: [`Newer`].

use std::collections::{BTreeMap, BTreeSet};

use windlass_engine::{
    governance::MemberFacts,
    recovery::{Judged, Signatory},
};
use windlass_model::{
    ErrorCode, NodeId, Problem,
    governance::SeatState,
    network::{Intent, NetworkState},
    recovery::Recovered,
};

use crate::{
    governance::stopped,
    monitor::LiveNode,
    network::{able::able, change::destroying},
    store::rows::{NodeRow, Record, Succession},
};

type Checked<T> = Result<T, Box<Problem>>;

/// Whether a network is to be recovered although something could be lost by that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// It is not.
    No,
    /// It is, if every member signed.
    Unanimous,
}

/// The active members after a block that is newer than the export, and who of them signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Newer {
    block: u64,
    members: Vec<Signatory>,
}

impl Newer {
    /// Those of the members after this block who are active, and whether they signed by the accounts
    /// that they have there.
    pub(crate) fn new(block: u64, members: &[MemberFacts], judged: &Judged) -> Self {
        let signers = judged.signers();
        let active = members.iter().filter(|member| member.state == SeatState::Active);
        let members = active.map(|member| Signatory {
            organization: member.organization.clone(),
            signed: signers.contains(member.account.as_str()),
            account: member.account.clone(),
        });
        Self { block, members: members.collect() }
    }
}

/// Whether the network may be recovered as it is now, whatever the files say.
pub(crate) fn check_now(record: &Record) -> Checked<()> {
    let network = &record.network;
    match (network.intent, network.state) {
        (Intent::Destroyed, _) => Err(destroying(record)),
        (Intent::Stopped | Intent::Sleeping, _) => Err(stopped(record)),
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
    (force, newer): (Force, Option<&Newer>),
) -> Checked<()> {
    check_now(record)?;
    match place(record, &judged.predecessor, &judged.genesis.hash)? {
        Place::Before => {}
        Place::After => return Err(done(record)),
    }
    let (signed, members) = (judged.signed(), judged.members.len());
    let name = &record.network.name;
    if signed < judged.needed {
        return Err(refused(
            format!(
                "{signed} of the {members} active members of `{name}` signed; more than two thirds \
                 have to, which is {} (not yet: {})",
                judged.needed,
                missing(&judged.members)
            ),
            "have them sign the same file: windlass network recovery sign",
        ));
    }
    let Some((why, hint)) = objection(record, live, judged) else { return Ok(()) };
    match force {
        Force::Unanimous if signed == members => {}
        Force::Unanimous => {
            return Err(refused(
                format!(
                    "{why}; {signed} of its {members} active members signed, and against that all \
                     of them have to (not yet: {})",
                    missing(&judged.members)
                ),
                "have every member sign the file, or leave the network as it is",
            ));
        }
        Force::No => return Err(refused(why, hint)),
    }
    // Whoever came after the export has a say in what came after it.
    let Some(lost) = newest(record, live, judged) else { return Ok(()) };
    let Some(newer) = newer else {
        return Err(refused(
            format!("{lost}, and who the members are after them is not known yet"),
            "try again in a moment",
        ));
    };
    let unsigned = newer.members.iter().filter(|member| !member.signed);
    let unsigned: Vec<_> =
        unsigned.map(|member| format!("{} ({})", member.organization, member.account)).collect();
    if unsigned.is_empty() {
        return Ok(());
    }
    let (block, unsigned) = (newer.block, unsigned.join(", "));
    Err(refused(
        format!(
            "{lost}; against that all have to sign who are active members after block {block}, by \
             the accounts that they have there (not yet: {unsigned})"
        ),
        "have them sign the same file (windlass network recovery sign), or export the network again \
         and have that signed: windlass network export",
    ))
}

/// Who has not signed, in words.
fn missing(members: &[Signatory]) -> String {
    let unsigned = members.iter().filter(|member| !member.signed);
    unsigned.map(|member| member.organization.as_str()).collect::<Vec<_>>().join(", ")
}

/// What speaks against a recovery of this network from this export, and what to do about it.
fn objection(
    record: &Record,
    live: &BTreeMap<NodeId, LiveNode>,
    judged: &Judged,
) -> Option<(String, &'static str)> {
    let name = &record.network.name;
    if let Some(able) = able(live, None).filter(|able| able.voting >= able.quorum) {
        let why = format!(
            "`{name}` can make blocks by itself: {} of its {} validators are there and vote, and {} \
             are needed",
            able.voting, able.validators, able.quorum
        );
        let hint = "nothing is lost; if every member has signed, those of now too, --force begins anew \
                    all the same, and what came after the export is given up";
        return Some((why, hint));
    }
    let mut heard = 0;
    for node in record.nodes.iter().filter(|node| !node.is_leaving()) {
        let live = live.get(&node.id);
        if live.and_then(LiveNode::answer).is_some() {
            heard += 1;
        } else if is_on_its_way(node, live) {
            let why =
                format!("`{}` of `{name}` is there and has not said yet how far it is", node.name);
            return Some((why, "try again in a moment"));
        }
    }
    if heard == 0 {
        let why = format!(
            "none of the nodes of `{name}` answers, so nobody can tell what would be given up"
        );
        let hint = "`windlass network show` says why they do not; if every member has signed, --force \
                    begins anew all the same";
        return Some((why, hint));
    }
    let newest = newest(record, live, judged)?;
    let why = format!("the export of `{name}` is not of its newest block: {newest}");
    let hint = "export it again and have that signed: windlass network export; if every member has \
                signed, those of now too, --force gives those blocks up";
    Some((why, hint))
}

/// Whether a node is about to tell its height: it runs and was not asked yet, or is being started.
fn is_on_its_way(node: &NodeRow, live: Option<&LiveNode>) -> bool {
    let Some(live) = live else { return true };
    match live.process {
        Some(_) => live.report.is_none() && live.silence.is_none(),
        None => node.status.reason.is_none(),
    }
}

/// The node that has the newest block of those that answer, if that is not in the export.
fn newest(record: &Record, live: &BTreeMap<NodeId, LiveNode>, judged: &Judged) -> Option<String> {
    let (node, number) =
        ahead(record, live, judged).into_iter().max_by_key(|(_, number)| *number)?;
    let block = judged.block.number;
    let first = block.saturating_add(1);
    Some(format!(
        "`{}` has block {number}, and the export ends with block {block}: blocks {first} to {number} \
         would be given up",
        node.name
    ))
}

/// The nodes that answer and have blocks of this network that are not in the export, with the newest
/// that they have.
pub(crate) fn ahead<'a>(
    record: &'a Record,
    live: &BTreeMap<NodeId, LiveNode>,
    judged: &Judged,
) -> Vec<(&'a NodeRow, u64)> {
    let answers = record.nodes.iter().filter_map(|node| {
        let report = live.get(&node.id)?.answer()?;
        (report.genesis_hash == judged.predecessor).then_some((node, report.tip.number))
    });
    answers.filter(|(_, number)| *number > judged.block.number).collect()
}

/// What is given up, or may be, by a recovery that is carried out.
pub(crate) fn losses(
    record: &Record,
    live: &BTreeMap<NodeId, LiveNode>,
    judged: &Judged,
) -> Vec<String> {
    let silent = record.nodes.iter().filter_map(|node| {
        let live = live.get(&node.id);
        if node.is_leaving() || live.and_then(LiveNode::answer).is_some() {
            return None;
        }
        let block = judged.block.number;
        let known = live.and_then(|live| live.report.as_ref()).map(|report| report.tip.number);
        let known = known.filter(|number| *number > block);
        let had = known.map(|number| format!(" and had block {number}")).unwrap_or_default();
        let name = &node.name;
        Some(format!(
            "`{name}` does not answer{had}: what it alone has after block {block} is given up"
        ))
    });
    newest(record, live, judged).into_iter().chain(silent).collect()
}

/// Where a network is on the way from one genesis to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It is the one that a recovery begins from.
    Before,
    /// It has begun anew so already.
    After,
}

/// Whether a recovery from one genesis to another is about this network, and whether it was carried
/// out already.
pub(crate) fn place(record: &Record, from: &str, to: &str) -> Checked<Place> {
    let name = &record.network.name;
    let genesis = record.network.status.genesis_hash.as_deref().unwrap_or_default();
    if genesis == to {
        return Ok(Place::After);
    }
    if genesis == from {
        return Ok(Place::Before);
    }
    Err(Box::new(Problem::new(
        ErrorCode::RecoveryInvalid,
        format!("the files are about the network with genesis {from}, and `{name}` has {genesis}"),
        "name the network that the export is of",
    )))
}

/// A recovery is carried out once.
pub(crate) fn done(record: &Record) -> Box<Problem> {
    let name = &record.network.name;
    let genesis = record.network.status.genesis_hash.as_deref().unwrap_or_default();
    refused(
        format!("`{name}` has begun anew so already: its genesis is {genesis}"),
        "a recovery is carried out once; nothing is to be done",
    )
}

/// Writes what the network begins with.
pub(crate) fn apply(
    record: &mut Record,
    judged: &Judged,
    (recovery, force, newer): (&str, Force, Option<&Newer>),
    now_ms: u64,
) {
    let mut members = judged.members.clone();
    // Who was asked besides, because of later blocks, each once.
    let mut known: BTreeSet<_> = members.iter().map(|one| one.organization.clone()).collect();
    let newer = newer.into_iter().flat_map(|newer| &newer.members);
    members.extend(newer.filter(|one| known.insert(one.organization.clone())).cloned());
    let signed = members.iter().filter(|member| member.signed);
    let recovered = Recovered {
        predecessor: judged.predecessor.clone(),
        block: judged.block.clone(),
        export: judged.export.clone(),
        signed_by: signed.map(|member| member.organization.clone()).collect(),
        members: u32::try_from(members.len()).unwrap_or(u32::MAX),
        forced: force == Force::Unanimous,
        at_ms: now_ms,
    };
    let network = &mut record.network;
    network.genesis = Some(judged.genesis.content.clone());
    network.status.genesis_hash = Some(judged.genesis.hash.clone());
    let succession = Succession { recovery: recovery.to_owned(), recovered };
    network.status.succession = Some(Box::new(succession));
    retry(record);
}

/// Whether more signed than in the file that the network began anew with, which has these accounts.
pub(crate) fn is_more(judged: &Judged, kept: &BTreeSet<String>) -> bool {
    let signers = judged.signers();
    signers.len() > kept.len() && kept.iter().all(|account| signers.contains(account.as_str()))
}

/// Takes the file with more signatures: a node that has blocks of its own may have waited for them.
pub(crate) fn endorse(record: &mut Record, judged: &Judged, recovery: &str) {
    let others = record.accounts().filter(|(_, account)| {
        account.address.as_ref().is_some_and(|address| judged.others.contains(address))
    });
    let others: Vec<String> = others.map(|(name, _)| name.to_string()).collect();
    let Some(succession) = &mut record.network.status.succession else { return };
    recovery.clone_into(&mut succession.recovery);
    let recovered = &mut succession.recovered;
    let members = judged.members.iter().filter(|member| member.signed);
    for name in members.map(|member| member.organization.clone()).chain(others) {
        if !recovered.signed_by.contains(&name) {
            recovered.signed_by.push(name);
        }
    }
    let signed = u32::try_from(recovered.signed_by.len()).unwrap_or(u32::MAX);
    recovered.members = recovered.members.max(signed);
}

/// Has every node try again at once, whatever kept it from starting.
pub(crate) fn retry(record: &mut Record) {
    for node in &mut record.nodes {
        node.status.reason = None;
        node.status.failures = 0;
    }
}

fn refused(detail: String, hint: &str) -> Box<Problem> {
    Box::new(Problem::new(ErrorCode::RecoveryRefused, detail, hint))
}
