//! The governance contract, as the chain and its nodes see it: docs/protocol/governance.md.
//!
//! The contract lies at [`ADDRESS`] from genesis on. Its constructor runs when the genesis state is
//! made, and its code and storage are part of that state, so that the hash of block 0 commits to
//! them. Whoever needs the validators of an epoch reads them from the state before its first block.

pub mod abi;
mod decision;
mod offline;
mod parameters;
mod roster;

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolConstructor, SolInterface};
use revm::context::result::{ExecutionResult, Output};
use revm::database::InMemoryDB;
use revm::state::{AccountInfo, Bytecode};
use serde::Deserialize;

// What nodes must have as those who verify offline have it.
pub use windlass_proof::{
    GOVERNANCE_ADDRESS as ADDRESS, Validator as SeatedValidator, is_public_key, set_hash,
};

use self::abi::Governance::{
    Grant, NewMember, NewValidator, Settings, constructorCall, validatorSetCall,
};
use self::abi::{MemberRefusals, NodeRefusals, ParameterRefusals};
pub use self::decision::{Decision, Tariff, Upgrade};
pub(crate) use self::decision::{Questions, Terms, parameters_call, read_terms};
pub(crate) use self::offline::ask;
pub(crate) use self::parameters::InForce;
pub use self::parameters::{Decided, Parameters, Permission};
pub use self::roster::{
    ActiveMember, NodeRole, RosterNode, observers_call, read_roster, validators_call,
};
pub(crate) use self::roster::{active, members_call, read_active_members};
use crate::genesis::{Fees, Genesis, GenesisAccount, Validator};

/// The slot of the hash of the set of validators that the next epoch has.
pub const VALIDATOR_SET_HASH_SLOT: U256 = U256::ZERO;

/// The slot whose lowest 64 bits grow with every change of what nodes read.
pub const REVISION_SLOT: U256 = U256::from_limbs([1, 0, 0, 0]);

/// The version of the rules that a network begins with, and the only one that this program knows.
pub const RULES_VERSION: u32 = 1;

/// What the contract's constructor may use; it is no transaction, and only has to end.
const CONSTRUCTOR_GAS: u64 = 1 << 40;

/// What reading the contract may use: 1,600 observers with the longest texts take a 25th.
pub(crate) const READING_GAS: u64 = 1 << 30;

/// Compiled by `npm run build` in `contracts`, whose tests check that it is what the code gives.
const ARTIFACT: &str = include_str!("../../../../contracts/governance/artifact.json");

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    bytecode: Bytes,
    deployed_bytecode: Bytes,
}

fn artifact() -> Artifact {
    serde_json::from_str(ARTIFACT).expect("the committed artifact has both bytecodes")
}

static BYTECODE: LazyLock<Bytes> = LazyLock::new(|| artifact().bytecode);

static CODE_HASH: LazyLock<B256> = LazyLock::new(|| keccak256(artifact().deployed_bytecode));

/// The hash of the code that lies at [`ADDRESS`].
pub(crate) fn code_hash() -> B256 {
    *CODE_HASH
}

static CONTRACT_HASH: LazyLock<B256> = LazyLock::new(|| keccak256(&*BYTECODE));

/// The hash of the contract's creation code, which genesis documents name: a network has the contract
/// that it was made with, whatever a later program would make.
pub fn contract_hash() -> B256 {
    *CONTRACT_HASH
}

/// The bits of a permission.
const SEND: u8 = 1;
const DEPLOY: u8 = 2;

impl From<&Validator> for SeatedValidator {
    fn from(validator: &Validator) -> Self {
        Self { node_key: validator.node_key, consensus_key: validator.consensus_key }
    }
}

/// Who votes in an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committee {
    /// The hash that the contract has for the set; those of it without a usable key have no seat.
    pub hash: B256,
    /// Who has a seat.
    pub seats: Vec<SeatedValidator>,
}

/// The call that answers with the validators of the next epoch.
pub fn validator_set_call() -> Bytes {
    validatorSetCall {}.abi_encode().into()
}

/// What that call answered; `None` if it is no such answer.
pub fn read_validator_set(output: &[u8]) -> Option<Vec<SeatedValidator>> {
    let set = validatorSetCall::abi_decode_returns(output).ok()?;
    let seat = |one: abi::Governance::Validator| SeatedValidator {
        node_key: one.nodeKey,
        consensus_key: one.consensusKey,
    };
    Some(set.into_iter().map(seat).collect())
}

/// Those of a set of validators who can have a seat, and those who cannot: members may vote in whatever
/// bytes they like, and one whose keys are no Ed25519 public keys, or another's, has none.
pub fn seated(validators: Vec<SeatedValidator>) -> (Vec<SeatedValidator>, Vec<SeatedValidator>) {
    let (mut nodes, mut votes) = (BTreeSet::new(), BTreeSet::new());
    validators.into_iter().partition(|one| {
        is_public_key(&one.node_key)
            && is_public_key(&one.consensus_key)
            && !nodes.contains(&one.node_key)
            && !votes.contains(&one.consensus_key)
            && nodes.insert(one.node_key)
            && votes.insert(one.consensus_key)
    })
}

/// The account that was made last, by the hash of its creation: a process has to do with one genesis
/// and asks for it several times.
static LAST: Mutex<Option<(B256, GenesisAccount)>> = Mutex::new(None);

/// The contract's account in block 0. The error is what the contract has against the document.
pub(crate) fn account(genesis: &Genesis) -> Result<GenesisAccount, String> {
    let mut creation = BYTECODE.to_vec();
    creation.extend(arguments(genesis).abi_encode());
    let hash = keccak256(&creation);
    let last = || LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, account)) = last().as_ref().filter(|(of, _)| *of == hash) {
        return Ok(account.clone());
    }
    let account = construct(creation)?;
    *last() = Some((hash, account.clone()));
    Ok(account)
}

fn construct(creation: Vec<u8>) -> Result<GenesisAccount, String> {
    let mut database = InMemoryDB::default();
    let code = Bytecode::new_raw(creation.into());
    let account = AccountInfo { nonce: 1, code_hash: code.hash_slow(), ..AccountInfo::default() };
    database.insert_account_info(ADDRESS, AccountInfo { code: Some(code), ..account });
    // The creation code lies at the address and is called there: it finds its arguments behind
    // itself, writes its own storage, and returns the code to be.
    let outcome = offline::run(database, Bytes::new(), CONSTRUCTOR_GAS)?;
    let code = match outcome.result {
        ExecutionResult::Success { output: Output::Call(code), .. } if !code.is_empty() => code,
        ExecutionResult::Success { .. } => return Err("it gave no code".to_owned()),
        ExecutionResult::Revert { output, .. } => return Err(reason(&output)),
        ExecutionResult::Halt { reason, .. } => return Err(format!("{reason:?}")),
    };
    let changed = outcome.state.get(&ADDRESS).map(|account| &account.storage);
    let storage = changed
        .into_iter()
        .flatten()
        .filter(|(_, slot)| !slot.present_value.is_zero())
        .map(|(slot, value)| (B256::from(*slot), B256::from(value.present_value)))
        .collect();
    Ok(GenesisAccount { nonce: 1, code, storage, balance: U256::ZERO })
}

fn arguments(genesis: &Genesis) -> constructorCall {
    let governance = &genesis.governance;
    let (fee_policy, floor_wei) = match genesis.fees {
        Fees::Free => (0, 0),
        Fees::Eip1559 { floor_wei } => (1, floor_wei),
    };
    let permissions = &genesis.permissions;
    let lists = [(&permissions.send, SEND), (&permissions.deploy, DEPLOY)];
    let mut grants = std::collections::BTreeMap::<Address, u8>::new();
    for (list, bit) in lists {
        for account in list.iter().flatten() {
            *grants.entry(*account).or_default() |= bit;
        }
    }
    let saturated = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    constructorCall {
        settings: Settings {
            gasLimit: genesis.gas_limit,
            feePolicy: fee_policy,
            baseFeeFloor: floor_wei,
            minBlockIntervalMs: saturated(genesis.min_block_interval_ms),
            proposalLifetime: saturated(governance.proposal_lifetime_s),
            membershipThreshold: governance.membership_threshold,
            parametersThreshold: governance.parameters_threshold,
            rulesVersion: RULES_VERSION,
            sendersPermissioned: permissions.send.is_some(),
            deployersPermissioned: permissions.deploy.is_some(),
        },
        members: genesis.members.iter().map(member).collect(),
        grants: grants
            .into_iter()
            .map(|(account, permissions)| Grant { account, permissions })
            .collect(),
    }
}

fn member(member: &crate::genesis::Member) -> NewMember {
    let validators = member.validators.iter().map(|validator| NewValidator {
        name: validator.name.clone(),
        nodeKey: validator.node_key,
        consensusKey: validator.consensus_key,
        account: validator.account,
        endpoint: validator.endpoint.clone(),
    });
    NewMember {
        organization: member.organization.clone(),
        endpoint: member.endpoint.clone(),
        account: member.account,
        validators: validators.collect(),
        observers: Vec::new(),
    }
}

/// The contract's own error in words.
fn reason(output: &[u8]) -> String {
    fn named<E: SolInterface + std::fmt::Debug>(output: &[u8]) -> Option<String> {
        E::abi_decode(output).ok().map(|error| format!("{error:?}"))
    }
    named::<MemberRefusals::MemberRefusalsErrors>(output)
        .or_else(|| named::<NodeRefusals::NodeRefusalsErrors>(output))
        .or_else(|| named::<ParameterRefusals::ParameterRefusalsErrors>(output))
        .unwrap_or_else(|| format!("it reverted with {}", Bytes::copy_from_slice(output)))
}

#[cfg(test)]
mod tests {
    use alloy_primitives::b256;

    use super::*;

    #[test]
    fn the_hash_of_a_set_is_the_contract_s() {
        let seat = |node: u8, consensus: u8| SeatedValidator {
            node_key: B256::repeat_byte(node),
            consensus_key: B256::repeat_byte(consensus),
        };
        let expected = b256!("0x3fdc9032c16d440f6c96be209c36d3d0e1aed61a2531490fe0ca475eb615c40a");
        assert_eq!(set_hash(&[seat(1, 2), seat(3, 4)]), expected);
        assert_eq!(set_hash(&[seat(3, 4), seat(1, 2)]), expected, "in any order");
    }
}
