//! Actions in the contract's encoding, and back.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolType, SolValue, sol_data};
use windlass_model::{
    governance::{Action, Ed25519Key, KeyKind, Named, NewObserver, NewValidator, Permission},
    spec::{AccountAddress, Fees},
};

use crate::{EngineError, governance::FoundAction};
use windlass_chain::governance::{abi::Governance as Contract, is_public_key};

/// Bits of a permission.
const SEND: u8 = 1;
const DEPLOY: u8 = 2;

type Added = (sol_data::Uint<32>, Contract::NewValidator);

/// The action as the contract takes it. Whoever it names must be named by id.
pub(super) fn encode(action: &Action) -> Result<Contract::Action, EngineError> {
    let (kind, arguments) = match action {
        Action::AddMember { organization, account, endpoint, validators, observers } => {
            let new = Contract::NewMember {
                organization: organization.clone(),
                endpoint: endpoint.clone(),
                account: address(account)?,
                validators: validators.iter().map(new_validator).collect::<Result<_, _>>()?,
                observers: observers.iter().map(new_observer).collect::<Result<_, _>>()?,
            };
            (0, new.abi_encode())
        }
        Action::SuspendMember { member } => (1, words([id(member)?])),
        Action::ResumeMember { member } => (2, words([id(member)?])),
        Action::RemoveMember { member } => (3, words([id(member)?])),
        Action::AddValidator { member, name, node_key, consensus_key, account, endpoint } => {
            let new = NewValidator {
                name: name.clone(),
                node_key: node_key.clone(),
                consensus_key: consensus_key.clone(),
                account: account.clone(),
                endpoint: endpoint.clone(),
            };
            (4, Added::abi_encode_params(&(number(member)?, new_validator(&new)?)))
        }
        Action::AddMemberNodes { nodes, .. } | Action::AddValidatorNodes { nodes, .. } => {
            return Err(EngineError::Value { field: "nodes", value: nodes.join(", ") });
        }
        Action::RenewKey { validator, kind } => {
            let value = format!("a new {kind} key of {validator}");
            return Err(EngineError::Value { field: "key", value });
        }
        Action::RemoveValidator { validator } => (5, words([id(validator)?])),
        Action::SuspendValidator { validator } => (6, words([id(validator)?])),
        Action::ResumeValidator { validator } => (7, words([id(validator)?])),
        Action::ReplaceKey { validator, kind, key: new } => {
            let kind = match kind {
                KeyKind::Node => U256::ZERO,
                KeyKind::Consensus => U256::ONE,
            };
            (8, words([id(validator)?, kind, key(new)?.into()]))
        }
        Action::SetGasLimit { gas_limit } => (9, words([U256::from(*gas_limit)])),
        Action::SetFees { fees: Fees::Free {} } => (10, words([U256::ZERO, U256::ZERO])),
        Action::SetFees { fees: Fees::Eip1559 { floor_wei } } => {
            (10, words([U256::ONE, U256::from(*floor_wei)]))
        }
        Action::SetBlockInterval { min_block_interval_ms } => {
            (11, words([U256::from(*min_block_interval_ms)]))
        }
        Action::SetPermissioning { senders, deployers } => {
            (12, words([U256::from(u8::from(*senders)), U256::from(u8::from(*deployers))]))
        }
        Action::Allow { account, permissions } => (13, grant(account, permissions)?),
        Action::Deny { account, permissions } => (14, grant(account, permissions)?),
        Action::UpgradeRules { version, height } => {
            (15, words([U256::from(*version), U256::from(*height)]))
        }
        Action::SetThreshold { membership, parameters } => {
            (16, words([U256::from(*membership), U256::from(*parameters)]))
        }
    };
    Ok(Contract::Action { kind, arguments: arguments.into() })
}

/// What an action of the contract is.
pub(super) fn decode(action: &Contract::Action) -> FoundAction {
    decode_known(action.kind, &action.arguments).map_or_else(
        || {
            let (kind, arguments) = (action.kind, &action.arguments);
            FoundAction::Unknown(format!("an action of kind {kind}, with {arguments}"))
        },
        FoundAction::Known,
    )
}

fn decode_known(kind: u8, arguments: &Bytes) -> Option<Action> {
    if kind == 0 {
        return added_member(arguments);
    }
    if kind == 4 {
        return added_validator(arguments);
    }
    let words: Vec<U256> = arguments.chunks(32).map(U256::from_be_slice).collect();
    let first = *words.first()?;
    let second = words.get(1).copied();
    let named = || first.try_into().ok().map(Named::Id);
    match kind {
        1 => named().map(|member| Action::SuspendMember { member }),
        2 => named().map(|member| Action::ResumeMember { member }),
        3 => named().map(|member| Action::RemoveMember { member }),
        5 => named().map(|validator| Action::RemoveValidator { validator }),
        6 => named().map(|validator| Action::SuspendValidator { validator }),
        7 => named().map(|validator| Action::ResumeValidator { validator }),
        _ => decode_values(kind, first, second, words.get(2).copied()),
    }
}

fn decode_values(
    kind: u8,
    first: U256,
    second: Option<U256>,
    third: Option<U256>,
) -> Option<Action> {
    Some(match (kind, second) {
        (8, Some(kind)) => Action::ReplaceKey {
            validator: Named::Id(first.try_into().ok()?),
            kind: if kind.is_zero() { KeyKind::Node } else { KeyKind::Consensus },
            key: key_text(third?.into()),
        },
        (9, None) => Action::SetGasLimit { gas_limit: first.try_into().ok()? },
        (10, Some(floor)) => Action::SetFees { fees: fees(first.try_into().ok()?, floor)? },
        (11, None) => Action::SetBlockInterval { min_block_interval_ms: first.try_into().ok()? },
        (12, Some(deployers)) => {
            Action::SetPermissioning { senders: !first.is_zero(), deployers: !deployers.is_zero() }
        }
        (13, Some(bits)) => Action::Allow {
            account: account_text(Address::from_word(first.into())),
            permissions: permissions(bits.try_into().ok()?),
        },
        (14, Some(bits)) => Action::Deny {
            account: account_text(Address::from_word(first.into())),
            permissions: permissions(bits.try_into().ok()?),
        },
        (15, Some(height)) => Action::UpgradeRules {
            version: first.try_into().ok()?,
            height: height.try_into().ok()?,
        },
        (16, Some(parameters)) => Action::SetThreshold {
            membership: first.try_into().ok()?,
            parameters: parameters.try_into().ok()?,
        },
        _ => return None,
    })
}

fn added_member(arguments: &[u8]) -> Option<Action> {
    let new = <Contract::NewMember as SolValue>::abi_decode(arguments).ok()?;
    let validators = new.validators.into_iter().map(|one| NewValidator {
        name: one.name,
        node_key: key_text(one.nodeKey),
        consensus_key: key_text(one.consensusKey),
        account: some_account(one.account),
        endpoint: one.endpoint,
    });
    let observers = new
        .observers
        .into_iter()
        .map(|one| NewObserver { node_key: key_text(one.nodeKey), endpoint: one.endpoint });
    Some(Action::AddMember {
        organization: new.organization,
        account: account_text(new.account),
        endpoint: new.endpoint,
        validators: validators.collect(),
        observers: observers.collect(),
    })
}

fn added_validator(arguments: &[u8]) -> Option<Action> {
    let (member, new) = Added::abi_decode_params(arguments).ok()?;
    Some(Action::AddValidator {
        member: Named::Id(member),
        name: new.name,
        node_key: key_text(new.nodeKey),
        consensus_key: key_text(new.consensusKey),
        account: some_account(new.account),
        endpoint: new.endpoint,
    })
}

fn new_validator(new: &NewValidator) -> Result<Contract::NewValidator, EngineError> {
    Ok(Contract::NewValidator {
        name: new.name.clone(),
        nodeKey: key(&new.node_key)?,
        consensusKey: key(&new.consensus_key)?,
        account: new.account.as_ref().map(address).transpose()?.unwrap_or_default(),
        endpoint: new.endpoint.clone(),
    })
}

fn new_observer(new: &NewObserver) -> Result<Contract::NewObserver, EngineError> {
    Ok(Contract::NewObserver { nodeKey: key(&new.node_key)?, endpoint: new.endpoint.clone() })
}

fn words<const N: usize>(words: [U256; N]) -> Vec<u8> {
    words.iter().flat_map(U256::to_be_bytes::<32>).collect()
}

fn grant(
    account: &AccountAddress,
    permissions: &BTreeSet<Permission>,
) -> Result<Vec<u8>, EngineError> {
    let bit = |permission: &Permission| match permission {
        Permission::Send => SEND,
        Permission::Deploy => DEPLOY,
    };
    let bits = permissions.iter().map(bit).sum::<u8>();
    Ok(words([address(account)?.into_word().into(), U256::from(bits)]))
}

/// The permissions that bits say.
pub(super) fn permissions(bits: u8) -> BTreeSet<Permission> {
    let both = [(SEND, Permission::Send), (DEPLOY, Permission::Deploy)];
    both.into_iter().filter(|(bit, _)| bits & bit != 0).map(|(_, permission)| permission).collect()
}

/// The fees that a policy's number says.
pub(super) fn fees(policy: u8, floor: U256) -> Option<Fees> {
    match policy {
        0 => Some(Fees::Free {}),
        1 => Some(Fees::Eip1559 { floor_wei: floor.try_into().ok()? }),
        _ => None,
    }
}

fn id(named: &Named) -> Result<U256, EngineError> {
    number(named).map(U256::from)
}

fn number(named: &Named) -> Result<u32, EngineError> {
    match named {
        Named::Id(id) => Ok(*id),
        Named::Name(name) => Err(EngineError::Value { field: "id", value: name.clone() }),
    }
}

fn key(key: &Ed25519Key) -> Result<B256, EngineError> {
    let wrong = |_odd| EngineError::Value { field: "key", value: key.to_string() };
    let bytes: B256 = key.as_str().parse().map_err(wrong)?;
    if !bytes.is_zero() && !is_public_key(&bytes) {
        return Err(EngineError::Key(key.to_string()));
    }
    Ok(bytes)
}

fn address(account: &AccountAddress) -> Result<Address, EngineError> {
    let wrong = |_odd| EngineError::Value { field: "account", value: account.to_string() };
    account.as_str().parse().map_err(wrong)
}

/// A key as we write it.
pub(super) fn key_text(key: B256) -> Ed25519Key {
    Ed25519Key::from_bytes(key.0)
}

/// An account as we write it, if it is one.
pub(super) fn some_account(account: Address) -> Option<AccountAddress> {
    (!account.is_zero()).then(|| account_text(account))
}

/// An account as we write it.
pub(super) fn account_text(account: Address) -> AccountAddress {
    format!("{account:#x}").parse().expect("an address has 40 hex digits")
}
