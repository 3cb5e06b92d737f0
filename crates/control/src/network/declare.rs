//! Intent in: a manifest becomes rows, or a problem that says what to do.

use std::collections::BTreeSet;

use windlass_keys::Purpose;
use windlass_model::{
    ErrorCode, KeyId, Name, NetworkId, NodeId, OperationId, Problem,
    api::Organization,
    error::Location,
    key::{DEFAULT, KeyScope},
    network::{Intent, NetworkState, OperationKind},
    spec::{Defaults, MAX_WALLET_CHAIN_ID, Manifest, Member, NetworkSpec},
};

use crate::{
    network::ending,
    operation,
    store::{
        keys::EndpointKeyRow,
        rows::{AccountRow, KeyRow, NetworkRow, NetworkStatus, NodeRow, NodeStatus, Record},
    },
    world::World,
};

/// What is declared: the record to be written, and what the user should know.
#[derive(Debug)]
pub(crate) struct Declaration {
    pub(crate) record: Record,
    pub(crate) warnings: Vec<String>,
}

/// A chain id that JavaScript reads exactly and wallets take, at random so that networks of different
/// installations differ too.
pub(crate) fn random_chain_id(world: &World) -> u64 {
    // Small ids belong to public chains.
    const LEAST: u64 = 1 << 20;
    let drawn = u64::from_be_bytes(world.random()) % MAX_WALLET_CHAIN_ID;
    drawn.max(LEAST)
}

/// Makes the record of a new network: every id is chosen here, before anything exists.
pub(crate) fn declare(
    world: &World,
    organization: &Organization,
    manifest: &Manifest,
    chain_id: u64,
    (actor, now_ms): (&str, u64),
) -> Result<Declaration, Box<Problem>> {
    let name = manifest.name.clone().ok_or_else(nameless)?;
    if name.as_str().parse::<NetworkId>().is_ok() {
        return Err(reads_like_an_id(&name));
    }
    let defaults = Defaults { chain_id, organization: organization.name.clone() };
    let spec = manifest.resolve(&defaults)?;
    let id = NetworkId::from_entropy(world.random());
    let operation_id = OperationId::from_entropy(world.random());
    let operation = operation::begin(
        operation_id.clone(),
        (&organization.id, &id, &name),
        OperationKind::Create,
        (actor, now_ms),
    );
    let warnings = warnings(&spec);
    let nodes = nodes(world, &spec);
    let status = NetworkStatus {
        accounts: accounts(world, &spec),
        end: ending::declared(spec.ttl_s, now_ms),
        ..NetworkStatus::default()
    };
    let network = NetworkRow {
        id,
        organization: organization.id.clone(),
        name,
        intent: Intent::Running,
        state: NetworkState::Declared,
        generation: 1,
        resource_version: 1,
        operation: Some(operation_id),
        spec,
        status,
        genesis: None,
        keys: vec![default_key(world, now_ms)],
        created_at_ms: now_ms,
    };
    Ok(Declaration { record: Record { network, nodes, operation: Some(operation) }, warnings })
}

fn nodes(world: &World, spec: &NetworkSpec) -> Vec<NodeRow> {
    let members = spec
        .members
        .iter()
        .flat_map(|member| (0..member.validators).map(|_| member.organization.clone()));
    let key = |_purpose: Purpose| KeyRow { id: KeyId::from_entropy(world.random()), public: None };
    members
        .enumerate()
        .map(|(index, member)| NodeRow {
            id: NodeId::from_entropy(world.random()),
            name: format!("validator-{index}"),
            member,
            ordinal: u32::try_from(index).unwrap_or(u32::MAX),
            added_at_ms: None,
            node_key: key(Purpose::Node),
            consensus_key: key(Purpose::Consensus),
            port: None,
            status: NodeStatus::default(),
        })
        .collect()
}

/// An account for each member: the one that the spec names, or one with a key of its own.
fn accounts(world: &World, spec: &NetworkSpec) -> Vec<AccountRow> {
    let account = |member: &Member| match &member.account {
        Some(address) => AccountRow { key: None, address: Some(address.to_string()), member: None },
        None => new_account(world, None),
    };
    spec.members.iter().map(account).collect()
}

/// An account that is to get a key of its own.
pub(crate) fn new_account(world: &World, member: Option<Name>) -> AccountRow {
    AccountRow { key: Some(KeyId::from_entropy(world.random())), address: None, member }
}

/// The key that a network begins with.
fn default_key(world: &World, now_ms: u64) -> EndpointKeyRow {
    let name = DEFAULT.parse().expect("a valid name");
    EndpointKeyRow::new(name, KeyScope::Send, &secret_text(world.random()), now_ms)
}

/// 256 bits in base 32, lower case, without letters that look alike.
pub(crate) fn secret_text(bytes: [u8; 32]) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut text = String::with_capacity(52);
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in bytes {
        bits = (bits << 8) | u32::from(byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            let index = usize::try_from((bits >> held) & 31).expect("masked to five bits");
            text.push(char::from(ALPHABET[index]));
        }
        bits &= (1 << held) - 1;
    }
    let index = usize::try_from((bits << (5 - held)) & 31).expect("masked to five bits");
    text.push(char::from(ALPHABET[index]));
    text
}

/// An epoch of more blocks than this is worth a warning.
const LONG_EPOCH: u64 = 1_024;

/// What the user should know of a spec that is valid.
pub(crate) fn warnings(spec: &NetworkSpec) -> Vec<String> {
    let mut warnings = Vec::new();
    if spec.chain_id > MAX_WALLET_CHAIN_ID {
        warnings.push(format!(
            "MetaMask takes no chain id above {MAX_WALLET_CHAIN_ID}, and {} is",
            spec.chain_id
        ));
    }
    if spec.epoch_length > LONG_EPOCH {
        warnings.push(format!(
            "a change of validators takes effect at the end of an epoch, for which up to {} empty blocks \
             are made: that may take minutes",
            spec.epoch_length
        ));
    }
    let validators = spec.validators();
    if spec.tolerated_faults() > 0 {
        return warnings;
    }
    let (what, verb) = if validators == 1 {
        ("1 validator".to_owned(), "tolerates")
    } else {
        (format!("{validators} validators"), "tolerate")
    };
    warnings.push(format!(
        "{what} {verb} no fault: the network makes no block while one is down; 4 go on when one \
         fails, 7 when two fail"
    ));
    warnings
}

/// The name is taken by another network of the organization.
pub(crate) fn name_taken(name: &Name) -> Box<Problem> {
    let location = Location { field: Some("name".to_owned()), ..Location::default() };
    let problem = Problem::new(
        ErrorCode::NameTaken,
        format!("there is a network `{name}` already"),
        format!(
            "choose another name, `windlass apply` to change it, or `windlass network destroy \
             {name}` first"
        ),
    );
    Box::new(problem.at(location))
}

/// The chain id is another network's.
pub(crate) fn chain_id_taken(chain_id: u64) -> Box<Problem> {
    let location = Location { field: Some("chain_id".to_owned()), ..Location::default() };
    let problem = Problem::new(
        ErrorCode::ChainIdTaken,
        format!("another network of this installation has the chain id {chain_id}"),
        "leave `chain_id` out to have one chosen, or give another",
    );
    Box::new(problem.at(location))
}

/// Wherever a network is named, an id may stand too.
fn reads_like_an_id(name: &Name) -> Box<Problem> {
    let location = Location { field: Some("name".to_owned()), ..Location::default() };
    let problem = Problem::new(
        ErrorCode::InvalidName,
        format!("`{name}` reads like the id of a network"),
        "choose another name",
    );
    Box::new(problem.at(location))
}

fn nameless() -> Box<Problem> {
    let location = Location { field: Some("name".to_owned()), ..Location::default() };
    let problem = Problem::new(
        ErrorCode::InvalidName,
        "the network has no name",
        "give `name`: 1 to 40 of a-z, 0-9 and `-`, beginning with a letter",
    );
    Box::new(problem.at(location))
}

/// The differences between two specs, by field, as JSON.
pub(crate) fn differences(
    from: &NetworkSpec,
    to: &NetworkSpec,
) -> Vec<windlass_model::api::SpecChange> {
    let object = |spec: &NetworkSpec| match serde_json::to_value(spec) {
        Ok(serde_json::Value::Object(fields)) => fields,
        Ok(_) | Err(_) => unreachable!("a spec is a JSON object"),
    };
    let (from, to) = (object(from), object(to));
    let fields: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    fields
        .into_iter()
        .filter(|field| from.get(*field) != to.get(*field))
        .map(|field| windlass_model::api::SpecChange {
            field: field.clone(),
            from: from.get(field).cloned().unwrap_or_default(),
            to: to.get(field).cloned().unwrap_or_default(),
        })
        .collect()
}
