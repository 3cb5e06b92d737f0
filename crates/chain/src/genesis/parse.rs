//! Reads the document's fields.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use alloy_primitives::{Address, B256, Bytes, U256, hex};

use crate::governance::contract_hash;

use super::json::{Field, Json};
use super::{
    Fees, Genesis, GenesisAccount, GenesisError, Governance, Member, Permissions, Predecessor,
    SignatureScheme, VERSION, Validator,
};

pub(super) fn document(bytes: &[u8]) -> Result<Genesis, GenesisError> {
    let json: Json = serde_json::from_slice(bytes).map_err(GenesisError::Json)?;
    let mut object = Field::root(json).object()?;
    let version = object.required("version")?;
    if version.number()? != VERSION {
        return Err(version.wrong(format!(
            "must be {VERSION}: documents of older versions belong to networks of older programs, \
             and newer ones need a newer program"
        )));
    }
    let genesis = Genesis {
        chain_id: object.required("chain_id")?.number()?,
        timestamp: object.required("timestamp")?.number()?,
        gas_limit: object.required("gas_limit")?.number()?,
        contract_size_limit: object.required("contract_size_limit")?.number()?,
        transaction_gas_cap: object.required("transaction_gas_cap")?.number()?,
        min_block_interval_ms: object.required("min_block_interval_ms")?.number()?,
        epoch_length: object.required("epoch_length")?.number()?,
        signature_scheme: scheme(&object.required("signature_scheme")?)?,
        fees: fees(object.required("fees")?)?,
        alloc: alloc(object.required("alloc")?)?,
        governance: governance(object.required("governance")?)?,
        permissions: permissions(object.required("permissions")?)?,
        predecessor: object.optional("predecessor").map(Predecessor::parse).transpose()?,
        members: object
            .required("members")?
            .list()?
            .into_iter()
            .map(member)
            .collect::<Result<_, _>>()?,
    };
    object.finish()?;
    Ok(genesis)
}

fn scheme(field: &Field) -> Result<SignatureScheme, GenesisError> {
    match field.text()? {
        "ed25519" => Ok(SignatureScheme::Ed25519),
        other => Err(field.wrong(format!("{other:?} is unknown; there is \"ed25519\""))),
    }
}

fn fees(field: Field) -> Result<Fees, GenesisError> {
    let mut object = field.object()?;
    let policy = object.required("policy")?;
    let fees = match policy.text()? {
        "free" => Fees::Free,
        "eip1559" => Fees::Eip1559 { floor_wei: object.required("floor_wei")?.number()? },
        other => {
            return Err(
                policy.wrong(format!("{other:?} is unknown; there are \"free\" and \"eip1559\""))
            );
        }
    };
    object.finish()?;
    Ok(fees)
}

fn governance(field: Field) -> Result<Governance, GenesisError> {
    let mut object = field.object()?;
    let contract = object.required("contract")?;
    if hash(&contract)? != contract_hash() {
        return Err(contract.wrong("is a contract that this program does not have"));
    }
    let governance = Governance {
        membership_threshold: percent(&object.required("membership_threshold")?)?,
        parameters_threshold: percent(&object.required("parameters_threshold")?)?,
        proposal_lifetime_s: object.required("proposal_lifetime_s")?.number()?,
    };
    object.finish()?;
    Ok(governance)
}

fn percent(field: &Field) -> Result<u8, GenesisError> {
    let number = field.number()?;
    u8::try_from(number).map_err(|_too_large| field.wrong("must be a share in percent"))
}

fn permissions(field: Field) -> Result<Permissions, GenesisError> {
    let mut object = field.object()?;
    let permissions = Permissions {
        send: object.optional("send").map(accounts).transpose()?,
        deploy: object.optional("deploy").map(accounts).transpose()?,
    };
    object.finish()?;
    Ok(permissions)
}

fn accounts(field: Field) -> Result<BTreeSet<Address>, GenesisError> {
    let mut accounts = BTreeSet::new();
    for field in field.list()? {
        if !accounts.insert(address(&field)?) {
            return Err(field.wrong("names an account twice"));
        }
    }
    Ok(accounts)
}

pub(super) fn hash(field: &Field) -> Result<B256, GenesisError> {
    prefixed(field, field.text()?, "a hash of 32 bytes")
}

fn address(field: &Field) -> Result<Address, GenesisError> {
    prefixed(field, field.text()?, "an address of 20 bytes")
}

fn alloc(field: Field) -> Result<BTreeMap<Address, GenesisAccount>, GenesisError> {
    let mut object = field.object()?;
    let mut accounts = BTreeMap::new();
    while let Some((name, field)) = object.next() {
        let address: Address = prefixed(&field, &name, "an address of 20 bytes")?;
        let wrong = field.wrong("names an account twice");
        if accounts.insert(address, account(field)?).is_some() {
            return Err(wrong);
        }
    }
    Ok(accounts)
}

fn account(field: Field) -> Result<GenesisAccount, GenesisError> {
    let mut object = field.object()?;
    let mut account = GenesisAccount::default();
    if let Some(field) = object.optional("balance") {
        account.balance = balance(&field)?;
    }
    if let Some(field) = object.optional("nonce") {
        account.nonce = field.number()?;
    }
    if let Some(field) = object.optional("code") {
        let text = field.text()?;
        account.code = prefixed::<Bytes>(&field, text, "bytes")?;
    }
    if let Some(field) = object.optional("storage") {
        let mut slots = field.object()?;
        while let Some((name, field)) = slots.next() {
            let slot: B256 = prefixed(&field, &name, "a slot of 32 bytes")?;
            let value: B256 = prefixed(&field, field.text()?, "a value of 32 bytes")?;
            if account.storage.insert(slot, value).is_some() {
                return Err(field.wrong("names a slot twice"));
            }
        }
    }
    object.finish()?;
    Ok(account)
}

fn balance(field: &Field) -> Result<U256, GenesisError> {
    let expected = || field.wrong("must be an amount in wei as a hex string, such as \"0x10\"");
    let digits = field.text()?.strip_prefix("0x").ok_or_else(expected)?;
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(expected());
    }
    U256::from_str_radix(digits, 16).ok().ok_or_else(|| field.wrong("is 2^256 or more"))
}

fn member(field: Field) -> Result<Member, GenesisError> {
    let mut object = field.object()?;
    let member = Member {
        organization: object.required("organization")?.text()?.to_owned(),
        endpoint: object.required("endpoint")?.text()?.to_owned(),
        account: address(&object.required("account")?)?,
        validators: object
            .required("validators")?
            .list()?
            .into_iter()
            .map(validator)
            .collect::<Result<_, _>>()?,
    };
    object.finish()?;
    Ok(member)
}

fn validator(field: Field) -> Result<Validator, GenesisError> {
    let mut object = field.object()?;
    let validator = Validator {
        name: object.required("name")?.text()?.to_owned(),
        node_key: public_key(&object.required("node_key")?)?,
        consensus_key: public_key(&object.required("consensus_key")?)?,
        account: address(&object.required("account")?)?,
        endpoint: object.required("endpoint")?.text()?.to_owned(),
    };
    object.finish()?;
    Ok(validator)
}

fn public_key(field: &Field) -> Result<B256, GenesisError> {
    let bytes: Option<[u8; 32]> =
        hex::decode(field.text()?).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(B256::from).ok_or_else(|| field.wrong("must be a public key of 32 bytes in hex"))
}

fn prefixed<T: FromStr>(field: &Field, text: &str, what: &str) -> Result<T, GenesisError> {
    let parsed = if text.starts_with("0x") { text.parse().ok() } else { None };
    parsed.ok_or_else(|| field.wrong(format!("must be {what} in hex, beginning with 0x")))
}
