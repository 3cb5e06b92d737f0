use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{U256, keccak256};
use alloy_sol_types::{SolCall, SolError, SolEvent, SolInterface, SolStruct};
use serde_json::{Value, json};
use windlass_model::{
    ErrorCode,
    governance::{Action, KeyKind, Named, NewObserver, NewValidator, Permission},
    spec::Fees,
};

use windlass_chain::governance::abi::{
    MemberRefusals::MemberRefusalsErrors, NodeRefusals::NodeRefusalsErrors,
    ParameterRefusals::ParameterRefusalsErrors, ProposalRefusals,
    ProposalRefusals::ProposalRefusalsErrors,
};

use super::*;
use crate::governance::{FoundAction, Verdict};

const ARTIFACT: &str = include_str!("../../../../../contracts/governance/artifact.json");

/// The type of a parameter as it stands in a signature.
fn written(parameter: &Value) -> String {
    let kind = parameter["type"].as_str().expect("a type");
    let Some(array) = kind.strip_prefix("tuple") else { return kind.to_owned() };
    let parts: Vec<String> =
        parameter["components"].as_array().expect("components").iter().map(written).collect();
    format!("({}){array}", parts.join(","))
}

/// Signature → what a call of it returns, of all entries of a kind.
fn compiled(kind: &str) -> BTreeMap<String, Vec<String>> {
    let artifact: Value = serde_json::from_str(ARTIFACT).expect("JSON");
    let entries = artifact["abi"].as_array().expect("an ABI").clone();
    let list = |value: &Value| -> Vec<String> {
        value.as_array().map(|all| all.iter().map(written).collect()).unwrap_or_default()
    };
    entries
        .iter()
        .filter(|entry| entry["type"] == kind)
        .map(|entry| {
            let name = entry["name"].as_str().expect("a name");
            let signature = format!("{name}({})", list(&entry["inputs"]).join(","));
            (signature, list(&entry["outputs"]))
        })
        .collect()
}

fn selector(signature: &str) -> [u8; 4] {
    let hash = keccak256(signature);
    hash[..4].try_into().expect("four of 32 bytes")
}

#[test]
fn the_interface_is_the_compiler_s() {
    let functions = compiled("function");
    let ours = [
        Contract::membersCall::SIGNATURE,
        Contract::memberCall::SIGNATURE,
        Contract::validatorsCall::SIGNATURE,
        Contract::validatorCall::SIGNATURE,
        Contract::validatorSetCall::SIGNATURE,
        Contract::observersCall::SIGNATURE,
        Contract::parametersCall::SIGNATURE,
        Contract::permittedCountCall::SIGNATURE,
        Contract::permittedCall::SIGNATURE,
        Contract::proposalCountCall::SIGNATURE,
        Contract::proposalsCall::SIGNATURE,
        Contract::proposalCall::SIGNATURE,
        Contract::votesOfCall::SIGNATURE,
        Contract::proposeCall::SIGNATURE,
        Contract::voteCall::SIGNATURE,
        Contract::settleCall::SIGNATURE,
        Contract::executeCall::SIGNATURE,
        Contract::addObserverCall::SIGNATURE,
        Contract::removeObserverCall::SIGNATURE,
    ];
    for signature in ours {
        assert!(functions.contains_key(signature), "{signature}: {:?}", functions.keys());
    }
    let structs = structs();
    let check = |ours: &str| {
        let name = ours.split('(').next().expect("a name");
        assert_eq!(structs.get(name).map(String::as_str), Some(ours));
    };
    check(&Contract::Settings::eip712_root_type());
    check(&Contract::Member::eip712_root_type());
    check(&Contract::Validator::eip712_root_type());
    check(&Contract::Observer::eip712_root_type());
    check(&Contract::Parameters::eip712_root_type());
    check(&Contract::Grant::eip712_root_type());
    check(&Contract::Proposal::eip712_root_type());
    check(&Contract::Action::eip712_root_type());
    check(&Contract::Vote::eip712_root_type());
    let events: Vec<_> = compiled("event").into_keys().collect();
    assert!(events.iter().any(|event| event == Contract::VoteCast::SIGNATURE), "{events:?}");
}

/// Every struct that the contract takes or answers: its name → its name and fields.
fn structs() -> BTreeMap<String, String> {
    let artifact: Value = serde_json::from_str(ARTIFACT).expect("JSON");
    let mut found = BTreeMap::new();
    let mut ahead: Vec<Value> = artifact["abi"].as_array().expect("an ABI").clone();
    while let Some(entry) = ahead.pop() {
        for list in ["inputs", "outputs", "components"] {
            ahead.extend(entry[list].as_array().into_iter().flatten().cloned());
        }
        let Some(name) = struct_name(&entry) else { continue };
        let field = |one: &Value| {
            let kind = struct_name(one).map_or_else(|| written(one), ToOwned::to_owned);
            format!("{kind} {}", one["name"].as_str().expect("a name"))
        };
        let fields: Vec<String> =
            entry["components"].as_array().expect("components").iter().map(field).collect();
        let name = name.trim_end_matches("[]");
        found.insert(name.to_owned(), format!("{name}({})", fields.join(",")));
    }
    found
}

fn struct_name(entry: &Value) -> Option<&str> {
    entry["internalType"].as_str()?.strip_prefix("struct ")
}

#[test]
fn every_refusal_of_the_contract_has_words() {
    let ours: BTreeSet<[u8; 4]> = MemberRefusalsErrors::selectors()
        .chain(NodeRefusalsErrors::selectors())
        .chain(ParameterRefusalsErrors::selectors())
        .chain(ProposalRefusalsErrors::selectors())
        .collect();
    let errors = compiled("error");
    assert!(errors.len() >= 38, "{}", errors.len());
    for signature in errors.keys() {
        assert!(ours.contains(&selector(signature)), "{signature} is not known");
        let arguments = signature.matches(',').count() + usize::from(!signature.ends_with("()"));
        let mut output = selector(signature).to_vec();
        output.resize(4 + 32 * arguments, 0);
        let failure = WindlassGovernance.failure(&output, &Names::default());
        let name = signature.split('(').next().expect("a name");
        assert!(failure.error.starts_with(name), "{signature}: {failure:?}");
        assert!(!failure.message.contains("reverted") && !failure.hint.is_empty());
    }
    assert_eq!(ours.len(), errors.len(), "no refusal is known that the contract does not have");
}

#[test]
fn a_refusal_speaks_of_members_by_name() {
    let names = Names { members: [(2, "beta".to_owned())].into(), ..Names::default() };
    let voted = ProposalRefusals::AlreadyVoted { id: U256::from(3), member: 2 };
    let failure = WindlassGovernance.failure(&voted.abi_encode(), &names);
    assert_eq!(failure.code, ErrorCode::AlreadyVoted);
    assert_eq!(failure.error, "AlreadyVoted { id: 3, member: 2 }");
    assert_eq!(failure.message, "the member `beta` (id 2) has voted on proposal 3");
    let odd = WindlassGovernance.failure(&[1, 2, 3], &names);
    assert_eq!((odd.code, odd.error.as_str()), (ErrorCode::TransactionRefused, "0x010203"));
    assert_eq!(WindlassGovernance.failure(&[], &names).code, ErrorCode::TransactionRefused);
}

fn every_kind() -> Vec<Action> {
    // Repeated, these bytes are points of the curve.
    let key = |byte: u8| windlass_model::governance::Ed25519Key::from_bytes([byte; 32]);
    let account = || "0x1111111111111111111111111111111111111111".parse().expect("an address");
    let (member, validator) = (Named::Id(7), Named::Id(9));
    let new = NewValidator {
        name: "v".to_owned(),
        node_key: key(1),
        consensus_key: key(3),
        account: Some(account()),
        endpoint: "host:1".to_owned(),
    };
    let observer = NewObserver { node_key: key(6), endpoint: String::new() };
    vec![
        Action::AddMember {
            organization: "delta".to_owned(),
            account: account(),
            endpoint: "https://delta.example".to_owned(),
            validators: vec![new.clone(), NewValidator { account: None, ..new }],
            observers: vec![observer],
        },
        Action::SuspendMember { member: member.clone() },
        Action::ResumeMember { member: member.clone() },
        Action::RemoveMember { member: member.clone() },
        Action::AddValidator {
            member,
            name: "w".to_owned(),
            node_key: key(9),
            consensus_key: key(10),
            account: None,
            endpoint: String::new(),
        },
        Action::RemoveValidator { validator: validator.clone() },
        Action::SuspendValidator { validator: validator.clone() },
        Action::ResumeValidator { validator: validator.clone() },
        Action::ReplaceKey { validator, kind: KeyKind::Consensus, key: key(11) },
        Action::SetGasLimit { gas_limit: 60_000_000 },
        Action::SetFees { fees: Fees::Eip1559 { floor_wei: 7 } },
        Action::SetBlockInterval { min_block_interval_ms: 200 },
        Action::SetPermissioning { senders: true, deployers: false },
        Action::Allow { account: account(), permissions: [Permission::Deploy].into() },
        Action::Deny {
            account: account(),
            permissions: [Permission::Send, Permission::Deploy].into(),
        },
        Action::UpgradeRules { version: 2, height: 1_000 },
        Action::SetThreshold { membership: 60, parameters: 51 },
    ]
}

#[test]
fn every_kind_of_action_is_encoded_and_read_again() {
    let all = every_kind();
    for (kind, action) in (0u8..).zip(&all) {
        let encoded = actions::encode(action).expect("it can be encoded");
        assert_eq!(encoded.kind, kind, "{action:?}");
        assert_eq!(actions::decode(&encoded), FoundAction::Known(action.clone()));
    }
    assert_eq!(all.len(), 17, "all kinds of the contract");
    let free = Action::SetFees { fees: Fees::Free {} };
    let encoded = actions::encode(&free).expect("it can be encoded");
    assert_eq!(actions::decode(&encoded), FoundAction::Known(free));
    let unnamed = Action::SuspendMember { member: Named::Name("beta".to_owned()) };
    assert!(actions::encode(&unnamed).is_err(), "a name is no id");
}

#[test]
fn an_action_of_a_later_contract_is_shown_as_it_is() {
    for (kind, arguments) in [(17, vec![0; 32]), (1, vec![]), (8, vec![0; 32]), (0, vec![1; 7])] {
        let action = Contract::Action { kind, arguments: arguments.into() };
        let FoundAction::Unknown(words) = actions::decode(&action) else { panic!("{action:?}") };
        assert!(words.contains(&format!("kind {kind}")), "{words}");
    }
}

#[test]
fn epochs_end_where_the_nodes_say() {
    let defaults = windlass_model::spec::Defaults {
        chain_id: 1,
        organization: "acme".parse().expect("a name"),
    };
    let manifest = windlass_model::spec::Manifest { epoch_length: Some(16), ..Default::default() };
    let spec = manifest.resolve(&defaults).expect("valid");
    let check = |block: u64, before: u64, next: u64| {
        assert_eq!(WindlassGovernance.before_epoch(&spec, block), before);
        assert_eq!(WindlassGovernance.next_epoch(&spec, block), next);
    };
    check(0, 0, 16);
    check(15, 0, 16);
    check(16, 15, 32);
    check(40, 31, 48);
    let proposed: Vec<ProposedAction> = every_kind()
        .into_iter()
        .map(|action| ProposedAction {
            words: action.words(&Names::default()),
            action: Some(action),
        })
        .collect();
    let effects = WindlassGovernance.effects(&spec, &proposed, 20);
    assert_eq!(effects.len(), 17);
    let suspended = &effects[6];
    assert_eq!(suspended.from_block, Some(32));
    assert_eq!(suspended.when, "at the end of the epoch: from block 32 on");
}

#[test]
fn a_transaction_is_the_same_however_often_it_is_made() {
    let outgoing = Outgoing {
        chain_id: 7,
        nonce: 3,
        gas: 100_000,
        max_fee_wei: 0,
        data: WindlassGovernance
            .input(&Act::Vote { proposal: 1, voice: Voice::Yes })
            .expect("it can be encoded"),
    };
    let mut signature = [1u8; 65];
    signature[64] = 0;
    let signed = WindlassGovernance.signed(&outgoing, signature).expect("it can be made");
    assert_eq!(WindlassGovernance.signed(&outgoing, signature).expect("again"), signed);
    let other = Outgoing { nonce: 4, ..outgoing.clone() };
    assert_ne!(WindlassGovernance.signed(&other, signature).expect("another").hash, signed.hash);
    assert_ne!(
        WindlassGovernance.signing_hash(&other).expect("a hash"),
        WindlassGovernance.signing_hash(&outgoing).expect("a hash")
    );
}

#[test]
fn receipts_and_accounts_are_read_or_refused() {
    let engine = WindlassGovernance;
    assert_eq!(engine.read_outcome(&Value::Null).expect("none yet"), None);
    let event = keccak256("VoteCast(uint256,uint32,bool)");
    let word = |number: u64| format!("{number:#066x}");
    let receipt = |status: &str, logs: Value| {
        json!({
            "blockNumber": "0x10", "blockHash": word(5), "status": status, "logs": logs,
        })
    };
    let cast = json!([{ "topics": [event, word(3), word(2)], "data": word(1) }]);
    let outcome = engine.read_outcome(&receipt("0x1", cast)).expect("read").expect("there");
    assert_eq!(outcome.verdict, Verdict::Done { proposal: Some(3) });
    assert_eq!(outcome.block.number, 16);
    let event = keccak256("ProposalSettled(uint256,uint8,uint256,uint256,uint256,bytes)");
    let settled = Contract::ProposalSettled {
        id: U256::from(7),
        state: 1,
        votesFor: U256::from(2),
        votesAgainst: U256::ZERO,
        activeMembers: U256::from(3),
        failure: alloy_primitives::Bytes::new(),
    };
    let data = settled.encode_log_data();
    assert_eq!(data.topics()[0], event);
    let settled = json!([{ "topics": data.topics(), "data": data.data }]);
    let outcome = engine.read_outcome(&receipt("0x1", settled)).expect("read").expect("there");
    assert_eq!(outcome.verdict, Verdict::Done { proposal: Some(7) });
    let reverted = engine.read_outcome(&receipt("0x0", json!([]))).expect("read").expect("there");
    assert_eq!(reverted.verdict, Verdict::Reverted);
    let silent = engine.read_outcome(&receipt("0x1", json!([]))).expect("read").expect("there");
    assert_eq!(silent.verdict, Verdict::Done { proposal: None });
    let account = engine.read_account(&[json!("0x5"), json!("0xff")]).expect("read");
    assert_eq!((account.nonce, account.balance_wei), (5, 255));
    for odd in [json!(null), json!(5), json!({}), json!("0x")] {
        assert!(engine.read_roll(&[odd.clone(), odd.clone(), odd.clone()]).is_err(), "{odd}");
        assert!(engine.read_account(std::slice::from_ref(&odd)).is_err(), "{odd}");
        assert!(engine.read_head(&odd).is_err(), "{odd}");
    }
    assert!(engine.read_roll(&[]).is_err());
}
