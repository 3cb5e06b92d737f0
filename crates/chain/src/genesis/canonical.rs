//! Writes the document in its one form.

use serde_json::{Map, Value, json};

use crate::governance;

use super::{
    Fees, Genesis, GenesisAccount, Member, Permissions, SignatureScheme, VERSION, Validator,
};

pub(super) fn encode(genesis: &Genesis) -> Vec<u8> {
    let alloc: Map<String, Value> = genesis
        .alloc
        .iter()
        .map(|(address, account)| (format!("{address:#x}"), encode_account(account)))
        .collect();
    let members: Vec<Value> = genesis.members.iter().map(encode_member).collect();
    let mut document = json!({
        "version": VERSION,
        "chain_id": genesis.chain_id,
        "timestamp": genesis.timestamp,
        "gas_limit": genesis.gas_limit,
        "contract_size_limit": genesis.contract_size_limit,
        "transaction_gas_cap": genesis.transaction_gas_cap,
        "min_block_interval_ms": genesis.min_block_interval_ms,
        "epoch_length": genesis.epoch_length,
        "signature_scheme": encode_scheme(genesis.signature_scheme),
        "fees": encode_fees(genesis.fees),
        "alloc": alloc,
        "governance": {
            "contract": format!("{:#x}", governance::contract_hash()),
            "membership_threshold": genesis.governance.membership_threshold,
            "parameters_threshold": genesis.governance.parameters_threshold,
            "proposal_lifetime_s": genesis.governance.proposal_lifetime_s,
        },
        "permissions": encode_permissions(&genesis.permissions),
        "members": members,
    });
    if let Some(predecessor) = &genesis.predecessor {
        document["predecessor"] = predecessor.encode();
    }
    let mut out = String::new();
    write(&document, &mut out);
    out.into_bytes()
}

pub(super) fn encode_scheme(scheme: SignatureScheme) -> &'static str {
    match scheme {
        SignatureScheme::Ed25519 => "ed25519",
    }
}

fn encode_fees(fees: Fees) -> Value {
    match fees {
        Fees::Free => json!({"policy": "free"}),
        Fees::Eip1559 { floor_wei } => json!({"policy": "eip1559", "floor_wei": floor_wei}),
    }
}

fn encode_account(account: &GenesisAccount) -> Value {
    let storage: Map<String, Value> = account
        .storage
        .iter()
        .map(|(slot, value)| (format!("{slot:#x}"), Value::String(format!("{value:#x}"))))
        .collect();
    json!({
        "balance": format!("{:#x}", account.balance),
        "nonce": account.nonce,
        "code": account.code.to_string(),
        "storage": storage,
    })
}

/// A list that isn't there lets everybody.
fn encode_permissions(permissions: &Permissions) -> Value {
    let lists = [("send", &permissions.send), ("deploy", &permissions.deploy)];
    let lists = lists.into_iter().filter_map(|(name, list)| Some((name, list.as_ref()?)));
    let fields = lists.map(|(name, list)| {
        let accounts = list.iter().map(|account| Value::String(format!("{account:#x}")));
        (name.to_owned(), Value::Array(accounts.collect()))
    });
    Value::Object(fields.collect())
}

fn encode_member(member: &Member) -> Value {
    let validators: Vec<Value> = member.validators.iter().map(encode_validator).collect();
    json!({
        "account": format!("{:#x}", member.account),
        "endpoint": member.endpoint,
        "organization": member.organization,
        "validators": validators,
    })
}

fn encode_validator(validator: &Validator) -> Value {
    json!({
        "account": format!("{:#x}", validator.account),
        "endpoint": validator.endpoint,
        "name": validator.name,
        "node_key": alloy_primitives::hex::encode(validator.node_key),
        "consensus_key": alloy_primitives::hex::encode(validator.consensus_key),
    })
}

/// Sorted keys and no white space, whatever features `serde_json` is built with.
fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (index, (key, value)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
        Value::Array(values) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(value, out);
            }
            out.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&value.to_string());
        }
    }
}
