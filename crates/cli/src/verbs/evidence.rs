//! `windlass network evidence`: validators that voted twice, as a node saw it, and what a proposal says
//! that rests on it.

use serde::Deserialize;
use serde_json::{Value, json};
use windlass_chain::Evidence;
use windlass_model::{ErrorCode, network::Network};

use super::{Session, proof};
use crate::{
    environment::{Outcome, problem},
    render,
};

const METHOD: &str = "windlass_evidence";

/// A record as nodes serve it. Its hash is not taken from there but made anew.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Served {
    epoch: String,
    view: String,
    node_key: String,
    consensus_key: String,
    kind: String,
    votes: String,
    seen_at_ms: u64,
}

pub(super) async fn show(session: &Session, network: &str) -> Outcome<()> {
    let all = all(session, network).await?;
    let network = session.client.network(network).await?;
    let told: Vec<Value> = all.iter().map(|one| told(one, &network)).collect();
    session.output.result(&told, || text(&all, &network));
    Ok(())
}

/// The reason of a proposal that rests on the evidence with this hash, or the beginning of it.
pub(super) async fn reason(
    session: &Session,
    network: &str,
    hash: &str,
    more: &str,
) -> Outcome<String> {
    let all = all(session, network).await?;
    Ok(words(find(&all, hash)?, more))
}

async fn all(session: &Session, network: &str) -> Outcome<Vec<Evidence>> {
    let served = proof::ask(session, network, METHOD, Vec::new()).await?;
    read(served).ok_or_else(|| {
        problem(
            ErrorCode::Internal,
            "the node answered with evidence that this program cannot read",
            "use a `windlass` of the network's version",
        )
    })
}

fn read(served: Value) -> Option<Vec<Evidence>> {
    let served: Vec<Served> = serde_json::from_value(served).ok()?;
    served.iter().map(record).collect()
}

fn record(one: &Served) -> Option<Evidence> {
    let number = |digits: &str| u64::from_str_radix(digits.strip_prefix("0x")?, 16).ok();
    Some(Evidence {
        epoch: number(&one.epoch)?,
        view: number(&one.view)?,
        node_key: one.node_key.parse().ok()?,
        consensus_key: one.consensus_key.parse().ok()?,
        kind: Evidence::kind_of(&one.kind)?,
        votes: one.votes.parse().ok()?,
        seen_at_ms: one.seen_at_ms,
    })
}

/// The one record whose hash begins so.
fn find<'a>(all: &'a [Evidence], hash: &str) -> Outcome<&'a Evidence> {
    let hash = hash.to_lowercase();
    let mut found = all.iter().filter(|one| one.hash().to_string().starts_with(&hash));
    match (found.next(), found.next()) {
        (Some(one), None) if hash.starts_with("0x") && hash.len() > 2 => Ok(one),
        (Some(_), _) => Err(problem(
            ErrorCode::InvalidRequest,
            format!("`{hash}` is not the hash of one piece of evidence"),
            "give the whole hash that `windlass network evidence` shows",
        )),
        (None, _) => Err(problem(
            ErrorCode::InvalidRequest,
            format!("the node that was asked has no evidence with the hash `{hash}`"),
            "`windlass network evidence` lists what it has; each node keeps what it saw itself",
        )),
    }
}

/// What a proposal says of the evidence that it rests on: docs/protocol/governance.md.
fn words(one: &Evidence, more: &str) -> String {
    let (hash, kind) = (one.hash(), one.kind_name());
    let text = format!("evidence {hash} ({kind}, epoch {}, view {})", one.epoch, one.view);
    if more.is_empty() { text } else { format!("{text}: {more}") }
}

/// The validator's name where this platform has it, else its node key.
fn name(one: &Evidence, network: &Network) -> String {
    let key = one.node_key.to_string();
    let digits = key.trim_start_matches("0x");
    let node = network.nodes.iter().find(|node| node.node_key.as_deref() == Some(digits));
    node.map_or_else(|| key.clone(), |node| node.name.clone())
}

fn told(one: &Evidence, network: &Network) -> Value {
    json!({
        "hash": one.hash(),
        "kind": one.kind_name(),
        "epoch": one.epoch,
        "view": one.view,
        "validator": name(one, network),
        "node_key": one.node_key,
        "consensus_key": one.consensus_key,
        "votes": one.votes,
        "seen_at_ms": one.seen_at_ms,
    })
}

fn text(all: &[Evidence], network: &Network) -> String {
    if all.is_empty() {
        return "the node that was asked has seen no validator vote twice".to_owned();
    }
    let mut text = String::new();
    for one in all {
        let (hash, kind, validator) = (one.hash(), one.kind_name(), name(one, network));
        let (epoch, view) = (one.epoch, one.view);
        render::append(
            &mut text,
            format_args!("{hash}  {validator} {kind} in epoch {epoch}, view {view}\n"),
        );
    }
    text.push_str(
        "propose what follows from it: windlass network propose <network> suspend-validator \
         <validator> --evidence <hash>",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served() -> Value {
        let record = |view: &str, kind: &str| {
            json!({
                "hash": "0x00",
                "epoch": "0x3",
                "view": view,
                "nodeKey": format!("0x{}", "11".repeat(32)),
                "consensusKey": format!("0x{}", "22".repeat(32)),
                "kind": kind,
                "votes": "0x0102",
                "seenAtMs": 7,
            })
        };
        json!([record("0x11", "finalized_twice"), record("0x12", "notarized_twice")])
    }

    #[test]
    fn a_proposal_names_the_evidence_that_it_rests_on() {
        let all = read(served()).unwrap();
        let hash = all[0].hash().to_string();
        assert_eq!(
            words(find(&all, &hash).unwrap(), "it is hostile"),
            format!("evidence {hash} (finalized_twice, epoch 3, view 17): it is hostile")
        );
        let reason = words(find(&all, &hash[..10].to_uppercase().replace('X', "x")).unwrap(), "");
        assert_eq!(reason, format!("evidence {hash} (finalized_twice, epoch 3, view 17)"));
        assert!(reason.len() < 200, "there is room for more: {}", reason.len());
        for absent in ["0xffffffffffffff", "0x", "", "7"] {
            let refused = find(&all, absent).unwrap_err();
            assert_eq!(refused.code, ErrorCode::InvalidRequest, "{absent}");
        }
        assert!(read(json!([{ "epoch": "0x3" }])).is_none());
    }

    #[test]
    fn the_hash_is_made_from_what_is_shown() {
        let all = read(served()).unwrap();
        let mut other = all[0].clone();
        other.seen_at_ms += 1;
        assert_eq!(other.hash(), all[0].hash(), "each node sees it at its own time");
        other.view += 1;
        assert_ne!(other.hash(), all[0].hash());
    }
}
