//! From an export to the genesis document of the network that follows: the same export always gives
//! the same document.

use std::collections::BTreeSet;

use alloy_primitives::B256;

use super::{Recovery, RecoveryError};
use crate::export::Exported;
use crate::genesis::{
    Fees, Genesis, Governance, Member, Permissions, Predecessor, SignatureScheme, Validator,
};
use crate::governance::abi::Governance as Contract;
use crate::governance::abi::Governance::{membersCall, parametersCall, validatorSetCall};
use crate::governance::{SeatedValidator, ask, set_hash};

/// The state of a member that was removed.
const REMOVED: u8 = 3;

/// A recovery file for an export, which nobody has signed yet.
pub fn propose(exported: &Exported) -> Result<Recovery, RecoveryError> {
    let genesis = successor(exported)?;
    Ok(Recovery::new(genesis.chain_id, predecessor(exported), genesis.hash()))
}

/// The network that an export is of, its last block and the export.
pub(super) fn predecessor(exported: &Exported) -> Predecessor {
    let block = &exported.verified.block;
    Predecessor {
        genesis: exported.verified.genesis,
        number: block.number,
        hash: block.hash,
        state_root: block.header.state_root,
        export: exported.sha256,
    }
}

/// The genesis document of the network that begins with the state of an export.
///
/// Chain id, epochs and the limits of contracts and transactions are those of the network's own
/// document. Members, validators, thresholds, gas limit, fees and block interval are those of the
/// exported contract, which decides on them ever after; block 0 has the time of the exported block.
pub fn successor(exported: &Exported) -> Result<Genesis, RecoveryError> {
    let before = &exported.genesis;
    let contract = &exported.governance;
    let refused = RecoveryError::Contract;
    let parameters = ask(contract, &parametersCall {}).map_err(refused)?;
    let members = ask(contract, &membersCall {}).map_err(refused)?;
    let validators = ask(contract, &validatorSetCall {}).map_err(refused)?;
    check_rules(&parameters, exported.verified.block.number)?;
    check_set(exported, &validators)?;
    let members: Vec<Member> = members
        .into_iter()
        .filter(|member| member.state != REMOVED)
        .map(|member| Member {
            validators: validators
                .iter()
                .filter(|validator| validator.member == member.id)
                .map(validator)
                .collect(),
            organization: member.organization,
            endpoint: member.endpoint,
            account: member.account,
        })
        .collect();
    if members.iter().all(|member| member.validators.is_empty()) {
        return Err(RecoveryError::NoValidator);
    }
    Ok(Genesis {
        chain_id: before.chain_id,
        timestamp: exported.verified.block.header.timestamp,
        gas_limit: parameters.gasLimit,
        contract_size_limit: before.contract_size_limit,
        transaction_gas_cap: before.transaction_gas_cap,
        min_block_interval_ms: parameters.minBlockIntervalMs.into(),
        epoch_length: before.epoch_length,
        signature_scheme: SignatureScheme::Ed25519,
        fees: match parameters.feePolicy {
            0 => Fees::Free,
            _ => Fees::Eip1559 { floor_wei: parameters.baseFeeFloor },
        },
        alloc: std::collections::BTreeMap::new(),
        governance: Governance {
            membership_threshold: parameters.membershipThreshold,
            parameters_threshold: parameters.parametersThreshold,
            proposal_lifetime_s: parameters.proposalLifetime.into(),
        },
        permissions: Permissions::default(),
        predecessor: Some(predecessor(exported)),
        members,
    })
}

/// Rules that the members upgraded hold from a height on, and heights begin anew.
fn check_rules(parameters: &Contract::Parameters, number: u64) -> Result<(), RecoveryError> {
    let height = parameters.nextRulesHeight;
    if parameters.nextRulesVersion != 0 && height <= number {
        return Err(RecoveryError::RulesUpgraded { height });
    }
    Ok(())
}

/// Who votes in the document is who votes by the state: the contract's own hash says so.
fn check_set(exported: &Exported, validators: &[Contract::Validator]) -> Result<(), RecoveryError> {
    let seats: Vec<SeatedValidator> = validators
        .iter()
        .map(|one| SeatedValidator { node_key: one.nodeKey, consensus_key: one.consensusKey })
        .collect();
    let named = set_hash(&seats);
    let given = exported.governance.storage.get(&B256::ZERO).copied().unwrap_or_default();
    let unique: BTreeSet<_> = seats.iter().collect();
    if named != given || unique.len() < seats.len() {
        return Err(RecoveryError::differs("the set of validators with the hash", named, given));
    }
    Ok(())
}

fn validator(one: &Contract::Validator) -> Validator {
    Validator {
        name: one.name.clone(),
        node_key: one.nodeKey,
        consensus_key: one.consensusKey,
        account: one.account,
        endpoint: one.endpoint.clone(),
    }
}
