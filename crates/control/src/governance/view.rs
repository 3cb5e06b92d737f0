//! What the contract says, as the API shows it: with names, with what is on this platform, and with
//! the clock where the chain can't tell the time.

use std::collections::BTreeSet;

use windlass_engine::governance::{
    Force, FoundAction, MemberFacts, ObserverFacts, ProposalFacts, Roll, ValidatorFacts, VoteFacts,
};
use windlass_model::{
    KeyId,
    consensus::NetworkConsensus,
    governance::{
        MemberName, MemberVote, Names, NetworkMember, NetworkObserver, NetworkValidator, Proposal,
        ProposalState, ProposedAction, Tally, ValidatorName,
    },
};

use super::council::{Council, present};
use crate::{service::Answer, store::rows::Record};

/// The key of an account that is held here for the network.
pub(crate) fn held_key<'a>(record: &'a Record, account: &str) -> Option<&'a KeyId> {
    let accounts = &record.network.status.accounts;
    accounts.iter().find(|one| one.address.as_deref() == Some(account))?.key.as_ref()
}

/// The members.
pub(crate) fn members(record: &Record, roll: &Roll) -> Vec<NetworkMember> {
    roll.members.iter().map(|one| member(record, roll, one)).collect()
}

fn member(record: &Record, roll: &Roll, one: &MemberFacts) -> NetworkMember {
    let validators = roll.validators.iter().filter(|validator| validator.member == one.id);
    let observers = roll.observers.iter().filter(|observer| observer.member == one.id);
    let mut validators: Vec<ValidatorName> = validators
        .map(|validator| ValidatorName { id: validator.id, name: validator.name.clone() })
        .collect();
    validators.sort_by_key(|validator| validator.id);
    NetworkMember {
        id: one.id,
        organization: one.organization.clone(),
        account: one.account.clone(),
        endpoint: one.endpoint.clone(),
        state: one.state,
        key_held: held_key(record, &one.account).is_some(),
        validators,
        observers: observers.map(|observer| observer.node_key.clone()).collect(),
    }
}

/// The validators, in the order of their ids.
pub(crate) fn validators(
    record: &Record,
    roll: &Roll,
    voting: Option<&BTreeSet<String>>,
    seen: &NetworkConsensus,
) -> Vec<NetworkValidator> {
    let names = present(roll);
    let told = |one| validator(record, &names, (voting, seen), one);
    let mut all: Vec<_> = roll.validators.iter().map(told).collect();
    all.sort_by_key(|one| one.id);
    all
}

fn validator(
    record: &Record,
    names: &Names,
    (voting, seen): (Option<&BTreeSet<String>>, &NetworkConsensus),
    one: &ValidatorFacts,
) -> NetworkValidator {
    let node = record.nodes.iter().find(|node| node.goes_by(&one.node_key));
    let votes = voting.map(|voting| voting.contains(&one.node_key));
    NetworkValidator {
        id: one.id,
        name: one.name.clone(),
        member: named(names, one.member),
        state: one.state,
        active: one.active,
        voting: votes,
        missing: seen.missing(&one.node_key).cloned(),
        silent: seen.silent(&one.node_key).filter(|_| votes != Some(false)).map(str::to_owned),
        node_key: one.node_key.clone(),
        consensus_key: one.consensus_key.clone(),
        account: one.account.clone(),
        endpoint: one.endpoint.clone(),
        node: node.map(|node| node.id.clone()),
        node_name: node.map(|node| node.name.clone()),
    }
}

/// The observers.
pub(crate) fn observers(roll: &Roll) -> Vec<NetworkObserver> {
    let names = present(roll);
    let observer = |one: &ObserverFacts| NetworkObserver {
        node_key: one.node_key.clone(),
        member: named(&names, one.member),
        active: one.active,
        endpoint: one.endpoint.clone(),
    };
    roll.observers.iter().map(observer).collect()
}

/// So many proposals from a number on, in rising order.
pub(crate) async fn proposals(
    council: &Council<'_>,
    (from, count): (u64, u64),
    now_ms: u64,
) -> Answer<Vec<Proposal>> {
    let found = council.proposals(from, count).await?;
    let roll = council.roll().await?;
    let names = council.names(&roll, &found).await?;
    Ok(found
        .into_iter()
        .map(|(facts, votes)| proposal(council, (facts, &votes), &names, now_ms))
        .collect())
}

fn proposal(
    council: &Council<'_>,
    (facts, votes): (ProposalFacts, &[VoteFacts]),
    names: &Names,
    now_ms: u64,
) -> Proposal {
    let vote = |vote: &VoteFacts| MemberVote {
        member: named(names, vote.member),
        vote: vote.voice,
        cast_at_ms: milliseconds(vote.cast_at_s),
    };
    let action = |found: FoundAction| match found {
        FoundAction::Known(action) => {
            ProposedAction { words: action.words(names), action: Some(action) }
        }
        FoundAction::Unknown(words) => ProposedAction { words, action: None },
    };
    Proposal {
        id: facts.id,
        proposer: named(names, facts.proposer),
        state: state_at(&facts, now_ms),
        votes: votes.iter().map(vote).collect(),
        tally: Tally::new(
            (facts.votes_for, facts.votes_against),
            facts.active_members,
            facts.threshold,
        ),
        failure: facts.failure.map(|output| council.contract.failure(&output, names)),
        actions: facts.actions.into_iter().map(action).collect(),
        reason: facts.reason,
        force: facts.force == Force::Yes,
        created_at_ms: milliseconds(facts.created_at_s),
        expires_at_ms: milliseconds(facts.expires_at_s),
        settled_at_ms: facts.settled_at_s.map(milliseconds),
    }
}

/// On an idle network no block tells that a proposal's time is over.
fn state_at(facts: &ProposalFacts, now_ms: u64) -> ProposalState {
    let over = milliseconds(facts.expires_at_s) <= now_ms;
    match facts.state {
        ProposalState::InProgress if over => ProposalState::Expired,
        state => state,
    }
}

fn milliseconds(seconds: u64) -> u64 {
    seconds.saturating_mul(1_000)
}

fn named(names: &Names, id: u32) -> MemberName {
    MemberName { id, organization: names.members.get(&id).cloned().unwrap_or_default() }
}
