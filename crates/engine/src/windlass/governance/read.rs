//! The contract's answers.

use std::collections::BTreeSet;

use alloy_primitives::{Bytes, U256};
use alloy_sol_types::SolCall;
use serde::Deserialize;
use serde_json::Value;
use windlass_model::governance::{
    NetworkParameters, NextRules, Permission, PermittedAccount, ProposalState, Role, SeatState,
    Thresholds, Voice,
};

use windlass_chain::governance::{
    SeatedValidator, abi::Governance as Contract, is_public_key, seated,
};

use super::actions;
use crate::{
    EngineError,
    governance::{
        Force, MemberFacts, ObserverFacts, ProposalFacts, Roll, ValidatorFacts, VoteFacts,
    },
};

const CALL: &str = "eth_call";

fn unreadable(reason: impl Into<String>) -> EngineError {
    EngineError::Answer { method: CALL, reason: reason.into() }
}

/// What a call of the contract returned.
fn returned<C: SolCall>(answer: &Value) -> Result<C::Return, EngineError> {
    let output = Bytes::deserialize(answer).map_err(|error| unreadable(error.to_string()))?;
    C::abi_decode_returns(&output).map_err(|error| unreadable(format!("{}: {error}", C::SIGNATURE)))
}

fn nth(answers: &[Value], index: usize) -> Result<&Value, EngineError> {
    answers.get(index).ok_or_else(|| unreadable("an answer is missing"))
}

pub(super) fn roll(answers: &[Value]) -> Result<Roll, EngineError> {
    let members = returned::<Contract::membersCall>(nth(answers, 0)?)?;
    let validators = returned::<Contract::validatorsCall>(nth(answers, 1)?)?;
    let observers = returned::<Contract::observersCall>(nth(answers, 2)?)?;
    Ok(Roll {
        members: members.into_iter().map(member).collect::<Result<_, _>>()?,
        validators: validators.into_iter().map(validator).collect::<Result<_, _>>()?,
        observers: observers.into_iter().map(observer).collect(),
    })
}

fn seat(state: u8) -> Result<SeatState, EngineError> {
    match state {
        1 => Ok(SeatState::Active),
        2 => Ok(SeatState::Suspended),
        3 => Ok(SeatState::Removed),
        _ => Err(unreadable(format!("{state} is no state"))),
    }
}

fn member(one: Contract::Member) -> Result<MemberFacts, EngineError> {
    Ok(MemberFacts {
        id: one.id,
        state: seat(one.state)?,
        account: format!("{:#x}", one.account),
        organization: one.organization,
        endpoint: one.endpoint,
    })
}

fn validator(one: Contract::Validator) -> Result<ValidatorFacts, EngineError> {
    Ok(ValidatorFacts {
        id: one.id,
        member: one.member,
        state: seat(one.state)?,
        active: one.active && is_public_key(&one.nodeKey) && is_public_key(&one.consensusKey),
        name: one.name,
        node_key: actions::key_text(one.nodeKey).to_string(),
        consensus_key: actions::key_text(one.consensusKey).to_string(),
        account: actions::some_account(one.account).map(|account| account.to_string()),
        endpoint: one.endpoint,
    })
}

fn observer(one: Contract::Observer) -> ObserverFacts {
    ObserverFacts {
        node_key: actions::key_text(one.nodeKey).to_string(),
        member: one.member,
        active: one.active,
        endpoint: one.endpoint,
    }
}

pub(super) fn former(role: Role, answer: &Value) -> Result<String, EngineError> {
    match role {
        Role::Member => Ok(returned::<Contract::memberCall>(answer)?.organization),
        Role::Validator => Ok(returned::<Contract::validatorCall>(answer)?.name),
    }
}

pub(super) fn validator_set(answer: &Value) -> Result<BTreeSet<String>, EngineError> {
    let set = returned::<Contract::validatorSetCall>(answer)?.into_iter();
    let set =
        set.map(|one| SeatedValidator { node_key: one.nodeKey, consensus_key: one.consensusKey });
    let (seats, _) = seated(set.collect());
    Ok(seats.into_iter().map(|one| actions::key_text(one.node_key).to_string()).collect())
}

pub(super) fn parameters(answers: &[Value]) -> Result<NetworkParameters, EngineError> {
    let found = returned::<Contract::parametersCall>(nth(answers, 0)?)?;
    let permitted = returned::<Contract::permittedCountCall>(nth(answers, 1)?)?;
    let fees = actions::fees(found.feePolicy, U256::from(found.baseFeeFloor))
        .ok_or_else(|| unreadable(format!("{} is no policy", found.feePolicy)))?;
    let switches = [
        (found.sendersPermissioned, Permission::Send),
        (found.deployersPermissioned, Permission::Deploy),
    ];
    let next = NextRules { version: found.nextRulesVersion, height: found.nextRulesHeight };
    Ok(NetworkParameters {
        revision: found.revision,
        gas_limit: found.gasLimit,
        fees,
        min_block_interval_ms: found.minBlockIntervalMs,
        proposal_lifetime_s: found.proposalLifetime,
        thresholds: Thresholds {
            membership: found.membershipThreshold,
            parameters: found.parametersThreshold,
        },
        permissioned: switches.into_iter().filter(|(on, _)| *on).map(|(_, one)| one).collect(),
        permitted_accounts: number(permitted),
        rules_version: found.rulesVersion,
        next_rules: Some(next).filter(|next| next.version != 0),
    })
}

pub(super) fn permitted(answer: &Value) -> Result<Vec<PermittedAccount>, EngineError> {
    let page = returned::<Contract::permittedCall>(answer)?;
    let permitted = page.into_iter().map(|grant| PermittedAccount {
        account: format!("{:#x}", grant.account),
        permissions: actions::permissions(grant.permissions),
    });
    Ok(permitted.collect())
}

pub(super) fn proposal_count(answer: &Value) -> Result<u64, EngineError> {
    returned::<Contract::proposalCountCall>(answer)
}

pub(super) fn proposals(answer: &Value) -> Result<Vec<ProposalFacts>, EngineError> {
    returned::<Contract::proposalsCall>(answer)?.into_iter().map(proposal).collect()
}

fn proposal(one: Contract::Proposal) -> Result<ProposalFacts, EngineError> {
    let state = match one.state {
        0 => ProposalState::InProgress,
        1 => ProposalState::Approved,
        2 => ProposalState::Rejected,
        3 => ProposalState::Expired,
        4 => ProposalState::ActionFailed,
        other => return Err(unreadable(format!("{other} is no state of a proposal"))),
    };
    Ok(ProposalFacts {
        id: number(one.id),
        proposer: one.proposer,
        state,
        force: if one.force { Force::Yes } else { Force::No },
        created_at_s: one.createdAt,
        expires_at_s: one.expiresAt,
        settled_at_s: Some(one.settledAt).filter(|at| *at != 0),
        votes_for: number(one.votesFor),
        votes_against: number(one.votesAgainst),
        active_members: number(one.activeMembers),
        threshold: one.threshold,
        actions: one.actions.iter().map(actions::decode).collect(),
        reason: one.reason,
        failure: Some(one.failure.to_vec()).filter(|failure| !failure.is_empty()),
    })
}

pub(super) fn votes(answer: &Value) -> Result<Vec<VoteFacts>, EngineError> {
    let votes = returned::<Contract::votesOfCall>(answer)?.into_iter().map(|vote| VoteFacts {
        member: vote.member,
        voice: if vote.support { Voice::Yes } else { Voice::No },
        cast_at_s: vote.castAt,
    });
    Ok(votes.collect())
}

/// The contract counts in 64 bits what it answers in 256.
fn number(wide: U256) -> u64 {
    wide.saturating_to()
}
