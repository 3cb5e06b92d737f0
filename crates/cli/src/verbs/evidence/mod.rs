//! `windlass network evidence`: validators that voted twice. Every node of this platform is asked, since
//! each has only what it saw itself, and none is believed: what is shown is what the votes prove.

use serde::Deserialize;
use serde_json::{Value, json};
use windlass_model::{
    ErrorCode,
    misconduct::{DoubleVote, NetworkMisconduct},
    network::Network,
};
use windlass_proof::{
    Change, Contradiction, EvidenceProof, TrustAnchor, Validator, VerifiedEvidence, Vote, VoteKind,
    Voters, evidence_hash,
};

use super::{Session, proof, verify::causes};
use crate::{
    args::EvidenceArgs,
    environment::{Outcome, problem},
    render,
};

/// What a node has of the network and its validators.
#[derive(Debug, Deserialize)]
struct Proven {
    genesis: String,
    changes: Vec<Change>,
}

/// Evidence that holds.
struct Held {
    votes: String,
    shown: VerifiedEvidence,
    /// The nodes that saw it.
    seen_by: Vec<String>,
}

/// What a node serves as evidence and is none.
struct Refused {
    node: String,
    claimed: DoubleVote,
    reason: String,
}

/// What the nodes serve, checked.
#[derive(Default)]
struct Checked {
    held: Vec<Held>,
    refused: Vec<Refused>,
    /// Nodes that did not answer, and why.
    unreachable: Vec<(String, String)>,
    answered: usize,
}

/// Whom the nodes' evidence is checked against.
struct Court {
    proven: Proven,
    voters: Voters,
}

pub(super) async fn show(session: &Session, args: &EvidenceArgs) -> Outcome<()> {
    let network = session.client.network(&args.network).await?;
    let (checked, court) = gather(session, &network).await?;
    let one = args.hash.as_deref().map(|hash| find(&checked, hash)).transpose()?;
    if let Some(path) = &args.output {
        let one = one.map_or_else(|| only(&checked), Ok)?;
        let file = file(one, court.as_ref()).ok_or_else(unreadable)?;
        let path = Some(path.as_path());
        return proof::hand_over(session, file.to_json().trim_end(), path, "the evidence");
    }
    match one {
        Some(one) => session.output.result(&told_held(one, &network), || text(&one.shown)),
        None => session.output.result(&told_all(&checked, &network), || list(&checked, &network)),
    }
    Ok(())
}

/// The reason of a proposal that rests on the evidence with this hash, or the beginning of it.
pub(super) async fn reason(
    session: &Session,
    network: &str,
    hash: &str,
    more: &str,
) -> Outcome<String> {
    let network = session.client.network(network).await?;
    let (checked, _) = gather(session, &network).await?;
    Ok(words(&find(&checked, hash)?.shown, more))
}

/// Asks every node, and checks what they say. Where they say nothing, nothing is needed to check it.
async fn gather(session: &Session, network: &Network) -> Outcome<(Checked, Option<Court>)> {
    let name = network.name.as_str();
    let said = session.client.evidence(name).await?;
    if said.nodes.iter().all(|node| node.seen.as_ref().is_none_or(Vec::is_empty)) {
        return Ok((check(said, None), None));
    }
    let document = proof::ask(session, name, "windlass_genesis", Vec::new()).await?;
    let proven = proof::ask(session, name, "windlass_proveValidators", Vec::new()).await?;
    let proven: Proven = serde_json::from_value(proven).map_err(|_malformed| unreadable())?;
    let court = court(&document, proven, network.genesis_hash.as_deref())?;
    Ok((check(said, Some(&court)), Some(court)))
}

/// The network's validators, on the word of whoever runs this platform for block 0 alone.
fn court(document: &Value, proven: Proven, expected: Option<&str>) -> Outcome<Court> {
    let anchor = TrustAnchor::from_genesis(document.to_string().as_bytes())
        .map_err(|_malformed| unreadable())?;
    let genesis = bytes(&proven.genesis).ok_or_else(unreadable)?;
    let voters = Voters::proven(&genesis, &proven.changes, &anchor).map_err(|error| {
        problem(
            ErrorCode::ProofInvalid,
            format!("a node does not prove who the validators are: {}", causes(&error)),
            "ask again; another node may answer then",
        )
    })?;
    let found = voters.genesis().to_string();
    if expected == Some(found.as_str()) {
        return Ok(Court { proven, voters });
    }
    Err(problem(
        ErrorCode::ProofInvalid,
        format!("the node that was asked is of the network with genesis {found}"),
        "see which network this is: windlass network show",
    ))
}

fn unreadable() -> Box<windlass_model::Problem> {
    problem(
        ErrorCode::Internal,
        "the node answered with what this program cannot read",
        "use a `windlass` of the network's version",
    )
}

/// Sorts what nodes say into what holds and what does not.
fn check(said: NetworkMisconduct, court: Option<&Court>) -> Checked {
    let mut checked = Checked::default();
    for node in said.nodes {
        let Some(seen) = node.seen else {
            let why = node.unreachable.unwrap_or_else(|| "it does not answer".to_owned());
            checked.unreachable.push((node.name, why));
            continue;
        };
        checked.answered += 1;
        for claimed in seen {
            judge(&mut checked, &node.name, claimed, court);
        }
    }
    checked
}

fn judge(checked: &mut Checked, node: &str, claimed: DoubleVote, court: Option<&Court>) {
    if let Some(held) = checked.held.iter_mut().find(|held| held.votes == claimed.votes) {
        if !held.seen_by.iter().any(|one| one == node) {
            held.seen_by.push(node.to_owned());
        }
        return;
    }
    let node = node.to_owned();
    match verdict(&claimed.votes, court) {
        Ok(shown) => {
            let (votes, seen_by) = (claimed.votes, vec![node]);
            checked.held.push(Held { votes, shown, seen_by });
        }
        Err(reason) => checked.refused.push(Refused { node, claimed, reason }),
    }
}

fn verdict(votes: &str, court: Option<&Court>) -> Result<VerifiedEvidence, String> {
    let votes = bytes(votes).ok_or("the votes are no hex")?;
    let court = court.ok_or("nobody knows the validators")?;
    court.voters.check(&votes).map_err(|error| causes(&error))
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    hex::decode(text.strip_prefix("0x")?).ok()
}

/// The evidence as a file.
fn file(one: &Held, court: Option<&Court>) -> Option<EvidenceProof> {
    let Proven { genesis, changes } = &court?.proven;
    let (genesis, votes) = (bytes(genesis)?, bytes(&one.votes)?);
    EvidenceProof::new(genesis.into(), changes, votes.into()).ok()
}

/// The one piece of evidence that there is.
fn only(checked: &Checked) -> Outcome<&Held> {
    match checked.held.as_slice() {
        [one] => Ok(one),
        [] => Err(problem(
            ErrorCode::InvalidRequest,
            "no node that answered has evidence that holds",
            "`windlass network evidence` tells which nodes were asked, and what was refused",
        )),
        [_, _, ..] => Err(problem(
            ErrorCode::InvalidRequest,
            format!("there are {} pieces of evidence, and a file has one", checked.held.len()),
            "give the hash of one, as `windlass network evidence` shows it",
        )),
    }
}

/// The one piece of evidence that holds and whose hash begins so.
fn find<'a>(checked: &'a Checked, hash: &str) -> Outcome<&'a Held> {
    let hash = hash.to_lowercase();
    let begins = |found: &str| hash.len() > 2 && found.starts_with(&hash);
    let mut found = checked.held.iter().filter(|one| begins(&one.shown.hash.to_string()));
    match (found.next(), found.next()) {
        (Some(one), None) => return Ok(one),
        (Some(_), Some(_)) => {
            return Err(problem(
                ErrorCode::InvalidRequest,
                format!("`{hash}` is not the hash of one piece of evidence"),
                "give the whole hash that `windlass network evidence` shows",
            ));
        }
        (None, _) => {}
    }
    let mut refused = checked.refused.iter();
    let refused = refused.find(|one| claimed_hash(&one.claimed).is_some_and(|one| begins(&one)));
    Err(match refused {
        Some(Refused { node, reason, .. }) => problem(
            ErrorCode::ProofInvalid,
            format!("what {node} serves as evidence {hash} does not hold: {reason}"),
            "do not rely on it; ask whoever runs that node how it came by it",
        ),
        None => problem(
            ErrorCode::InvalidRequest,
            format!("no node that answered has evidence with the hash `{hash}`"),
            "`windlass network evidence` lists what there is; each node keeps what it saw itself",
        ),
    })
}

/// The hash of evidence by what a node says of it.
fn claimed_hash(claimed: &DoubleVote) -> Option<String> {
    let validator = Validator {
        node_key: claimed.node_key.parse().ok()?,
        consensus_key: claimed.consensus_key.parse().ok()?,
    };
    let (kind, votes) = (Contradiction::named(&claimed.kind)?, bytes(&claimed.votes)?);
    Some(evidence_hash((claimed.epoch, claimed.view), validator, kind, &votes).to_string())
}

/// What a proposal says of the evidence that it rests on: docs/protocol/governance.md.
fn words(one: &VerifiedEvidence, more: &str) -> String {
    let (hash, kind) = (one.hash, one.conflicting.contradiction.name());
    let text = format!("evidence {hash} ({kind}, epoch {}, view {})", one.epoch, one.view);
    if more.is_empty() { text } else { format!("{text}: {more}") }
}

/// A validator's name where this platform has it, else its node key, if it can be one.
fn name(node_key: &str, network: &Network) -> String {
    let digits = node_key.trim_start_matches("0x");
    let node = network.nodes.iter().find(|node| node.node_key.as_deref() == Some(digits));
    let is_key = digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    match node {
        Some(node) => node.name.clone(),
        None if is_key => format!("0x{digits}"),
        None => "nobody".to_owned(),
    }
}

/// What evidence proves, for programs.
pub(super) fn told(shown: &VerifiedEvidence) -> Value {
    json!({
        "genesis_hash": shown.genesis,
        "evidence": {
            "hash": shown.hash,
            "kind": shown.conflicting.contradiction.name(),
            "epoch": shown.epoch,
            "view": shown.view,
            "node_key": shown.validator.node_key,
            "consensus_key": shown.validator.consensus_key,
            "votes": shown.conflicting.votes.iter().map(told_vote).collect::<Vec<_>>(),
            "validators_shown_from_epoch": shown.committee_epoch,
        },
    })
}

fn told_vote(vote: &Vote) -> Value {
    json!({
        "vote": verb(vote.kind),
        "block_hash": vote.proposal.map(|proposal| proposal.block),
        "parent_view": vote.proposal.map(|proposal| proposal.parent_view),
    })
}

fn verb(kind: VoteKind) -> &'static str {
    match kind {
        VoteKind::Notarize => "notarize",
        VoteKind::Nullify => "nullify",
        VoteKind::Finalize => "finalize",
    }
}

fn told_held(one: &Held, network: &Network) -> Value {
    let mut value = told(&one.shown)["evidence"].take();
    value["validator"] = json!(name(&one.shown.validator.node_key.to_string(), network));
    value["seen_by"] = json!(one.seen_by);
    value
}

fn told_all(checked: &Checked, network: &Network) -> Value {
    let refused = checked.refused.iter().map(|one| {
        json!({
            "node": one.node,
            "reason": one.reason,
            "claimed": one.claimed,
            "validator": name(&one.claimed.node_key, network),
        })
    });
    let unreachable = checked.unreachable.iter();
    json!({
        "evidence": checked.held.iter().map(|one| told_held(one, network)).collect::<Vec<_>>(),
        "refused": refused.collect::<Vec<_>>(),
        "unreachable": unreachable
            .map(|(node, reason)| json!({ "node": node, "reason": reason }))
            .collect::<Vec<_>>(),
    })
}

/// What evidence proves, for people.
pub(super) fn text(shown: &VerifiedEvidence) -> String {
    let mut text = format!(
        "evidence {}: a validator {} in epoch {}, view {}\n  node key      {}\n  consensus key {}\n",
        shown.hash,
        shown.conflicting.contradiction.name(),
        shown.epoch,
        shown.view,
        shown.validator.node_key,
        shown.validator.consensus_key,
    );
    for vote in &shown.conflicting.votes {
        let what = vote.proposal.map_or_else(
            || "the view".to_owned(),
            |proposal| format!("block {}, parent in view {}", proposal.block, proposal.parent_view),
        );
        render::append(&mut text, format_args!("  it signed: {} {what}\n", verb(vote.kind)));
    }
    render::append(&mut text, format_args!("network {}", shown.genesis));
    text
}

fn list(checked: &Checked, network: &Network) -> String {
    let mut text = String::new();
    for Held { shown, seen_by, .. } in &checked.held {
        let validator = name(&shown.validator.node_key.to_string(), network);
        let (hash, kind) = (shown.hash, shown.conflicting.contradiction.name());
        let (epoch, view, seen_by) = (shown.epoch, shown.view, seen_by.join(", "));
        render::append(
            &mut text,
            format_args!(
                "{hash}  {validator} {kind} in epoch {epoch}, view {view}; seen by {seen_by}\n"
            ),
        );
    }
    for Refused { node, claimed, reason } in &checked.refused {
        let validator = name(&claimed.node_key, network);
        render::append(
            &mut text,
            format_args!("refused: what {node} says of {validator} proves nothing: {reason}\n"),
        );
    }
    for (node, reason) in &checked.unreachable {
        render::append(&mut text, format_args!("{node} was asked and did not answer: {reason}\n"));
    }
    if checked.held.is_empty() {
        let answered = checked.answered;
        render::append(
            &mut text,
            format_args!(
                "no evidence that a validator voted twice, of {answered} nodes that answered"
            ),
        );
        return text;
    }
    text.push_str(
        "both votes of each are signed by the validator. Write one into a file: windlass network evidence \
         <network> <hash> -o FILE\npropose what follows from it: windlass network propose <network> \
         suspend-validator <validator> --evidence <hash>",
    );
    text
}

#[cfg(test)]
mod tests;
