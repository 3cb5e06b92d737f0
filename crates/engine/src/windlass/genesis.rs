//! From a spec and public keys to the genesis document.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};
use windlass_chain::genesis::{
    Fees, Genesis, GenesisAccount, Governance, Member, Permissions, SignatureScheme, Validator,
};
use windlass_model::spec::{self, Allocation, NetworkSpec, Quantity};

use super::probe::{PROBE_FEE_FACTOR, PROBE_GAS};
use crate::{EngineError, GenesisFile, GenesisInput, MemberKeys};

pub(super) fn genesis(input: &GenesisInput<'_>) -> Result<GenesisFile, EngineError> {
    let spec = input.spec;
    let document = Genesis {
        chain_id: spec.chain_id,
        timestamp: input.declared_at_s,
        gas_limit: spec.gas_limit,
        contract_size_limit: u64::from(spec.contract_size_limit),
        transaction_gas_cap: spec.transaction_gas_cap,
        min_block_interval_ms: spec.min_block_interval_ms,
        epoch_length: spec.epoch_length,
        signature_scheme: SignatureScheme::Ed25519,
        fees: fees(&spec.fees),
        alloc: alloc(spec, input.probe_account)?,
        governance: Governance {
            membership_threshold: spec.governance.membership_threshold,
            parameters_threshold: spec.governance.parameters_threshold,
            proposal_lifetime_s: spec.governance.proposal_lifetime_s.into(),
        },
        permissions: Permissions::default(),
        predecessor: None,
        members: input.members.iter().map(member).collect(),
    };
    document.validate().map_err(EngineError::Genesis)?;
    let content = String::from_utf8(document.canonical_json())
        .expect("the canonical encoding is JSON, which is UTF-8");
    Ok(GenesisFile { content, hash: document.hash().to_string() })
}

fn fees(fees: &spec::Fees) -> Fees {
    match fees {
        spec::Fees::Free {} => Fees::Free,
        spec::Fees::Eip1559 { floor_wei } => Fees::Eip1559 { floor_wei: *floor_wei },
    }
}

fn member(keys: &MemberKeys) -> Member {
    let validators = keys.validators.iter().map(|validator| Validator {
        name: validator.name.clone(),
        node_key: B256::from(validator.node_key),
        consensus_key: B256::from(validator.consensus_key),
        account: Address::ZERO,
        endpoint: String::new(),
    });
    Member {
        organization: keys.organization.to_string(),
        endpoint: String::new(),
        account: Address::from(keys.account),
        validators: validators.collect(),
    }
}

fn alloc(
    spec: &NetworkSpec,
    probe_account: [u8; 20],
) -> Result<BTreeMap<Address, GenesisAccount>, EngineError> {
    let mut accounts = BTreeMap::new();
    for (address, allocation) in &spec.alloc {
        let parsed: Address =
            address.as_str().parse().map_err(|_invalid| value("alloc", address))?;
        accounts.insert(parsed, account(allocation)?);
    }
    if let spec::Fees::Eip1559 { floor_wei } = spec.fees {
        let price = U256::from(floor_wei.max(1)) * U256::from(PROBE_FEE_FACTOR);
        let probe: &mut GenesisAccount = accounts.entry(Address::from(probe_account)).or_default();
        probe.balance = probe.balance.saturating_add(price * U256::from(PROBE_GAS));
    }
    Ok(accounts)
}

fn account(allocation: &Allocation) -> Result<GenesisAccount, EngineError> {
    let code = match &allocation.code {
        Some(code) => code.as_str().parse().map_err(|_invalid| value("alloc.code", code))?,
        None => Bytes::new(),
    };
    let mut storage = BTreeMap::new();
    for (slot, stored) in &allocation.storage {
        let stored = number("alloc.storage", stored)?;
        if !stored.is_zero() {
            storage.insert(B256::from(number("alloc.storage", slot)?), B256::from(stored));
        }
    }
    let balance = number("alloc.balance", &allocation.balance)?;
    Ok(GenesisAccount { balance, nonce: allocation.nonce, code, storage })
}

fn number(field: &'static str, quantity: &Quantity) -> Result<U256, EngineError> {
    quantity.as_str().parse().map_err(|_invalid| value(field, quantity))
}

fn value(field: &'static str, value: &impl ToString) -> EngineError {
    EngineError::Value { field, value: value.to_string() }
}
