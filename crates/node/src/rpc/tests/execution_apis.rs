//! The cases of ethereum/execution-apis, on the chain that they ask about.
//!
//! The data's folder is `$CONFORMANCE_DIR`, by default the samples beside the repository; whatever
//! cases it holds are run, each against the whole answer, or against its shape where the case says
//! `speconly`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use alloy_primitives::B256;
use alloy_rlp::Header as RlpHeader;
use serde_json::Value;
use windlass_chain::genesis::EthereumGenesis;
use windlass_chain::store::MemoryStore;
use windlass_chain::{Block, Chain, NoSenders};

use super::client::post;
use crate::ledger::{NodeLedger, over_ethereum};
use crate::rpc::{Beside, serve};
use crate::seam::Ledger as _;
use crate::status::{Identity, StatusBoard, StatusTip};

/// What may be absent where the shape counts only.
const OPTIONAL: [&str; 1] = ["deleteStrategy"];
/// What this node is not to answer as the suite wants, by how cases' names begin: blobs, and the method of
/// test set-ups that makes blocks on demand.
const REFUSED: [(&str, &str); 2] = [
    ("eth_sendRawTransaction/send-blob-tx", "blob transactions have no place on this network"),
    ("testing_buildBlockV1/", "the method testing_buildBlockV1 does not exist"),
];

fn folder() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "tests read where the public suites are")]
    let folder = env::var("CONFORMANCE_DIR").map_or_else(
        |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
        PathBuf::from,
    );
    folder.join("execution-apis")
}

/// The chain: proof of work, the merge, and every fork since.
fn chain(folder: &Path) -> Chain {
    let genesis = fs::read(folder.join("genesis.json")).expect("the suite has a genesis");
    let genesis = EthereumGenesis::parse(&genesis).expect("it is one");
    let EthereumGenesis { rules, block, accounts } = genesis;
    let chain = Chain::open_with(MemoryStore::default(), rules, &block, &accounts)
        .expect("an empty store takes it");
    let blocks = fs::read(folder.join("chain.rlp")).expect("the suite has a chain");
    let mut rest = blocks.as_slice();
    while !rest.is_empty() {
        let mut body = rest;
        let header = RlpHeader::decode(&mut body).expect("it is a list of blocks");
        let length = rest.len() - body.len() + header.payload_length;
        let (one, after) = rest.split_at(length);
        rest = after;
        let block = Block::decode(one).expect("it is a block");
        if block.number() == 0 {
            continue;
        }
        chain
            .validate(block.parent_hash(), &block, &NoSenders)
            .unwrap_or_else(|error| panic!("block {}: {error:?}", block.number()));
        chain.finalize(&block).expect("it becomes final");
    }
    chain
}

/// One exchange.
struct Exchange {
    request: Value,
    response: Value,
}

/// One case.
struct Case {
    name: String,
    shape_only: bool,
    exchanges: Vec<Exchange>,
}

fn cases(folder: &Path) -> Vec<Case> {
    let mut found = Vec::new();
    for method in sorted(folder).into_iter().filter(|path| path.is_dir()) {
        for file in sorted(&method) {
            if file.extension().is_none_or(|extension| extension != "io") {
                continue;
            }
            let text = fs::read_to_string(&file).expect("a case is text");
            let name = file.with_extension("");
            let name = name.strip_prefix(folder).expect("it is in there").display().to_string();
            found.push(case(name, &text));
        }
    }
    found
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.sort();
    paths
}

fn case(name: String, text: &str) -> Case {
    let mut requests = Vec::new();
    let mut exchanges = Vec::new();
    let mut shape_only = false;
    for line in text.lines() {
        let json = |text: &str| serde_json::from_str(text).expect("a message is JSON");
        if let Some(comment) = line.strip_prefix("//") {
            shape_only |= comment.trim().starts_with("speconly:");
        } else if let Some(request) = line.strip_prefix(">>") {
            requests.push(json(request));
        } else if let Some(response) = line.strip_prefix("<<") {
            let request = requests.remove(0);
            exchanges.push(Exchange { request, response: json(response) });
        }
    }
    assert!(!exchanges.is_empty(), "{name} asks nothing");
    Case { name, shape_only, exchanges }
}

/// Whether an answer has the form of another: the same kinds of values under the same names.
fn same_shape(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        // By address or nonce, of which others may be there.
        (Value::Object(found), Value::Object(expected))
            if expected.keys().all(|name| is_key(name)) =>
        {
            let like_one = |found| expected.values().any(|one| same_shape(found, one));
            expected.is_empty() || found.values().all(like_one)
        }
        (Value::Object(found), Value::Object(expected)) => {
            expected.iter().all(|(name, value)| match found.get(name) {
                Some(found) => value.is_null() || same_shape(found, value),
                None => value.is_null() || OPTIONAL.contains(&&**name),
            })
        }
        (Value::Array(found), Value::Array(expected)) => {
            let like_one = |found| expected.iter().any(|one| same_shape(found, one));
            expected.is_empty() || found.iter().all(like_one)
        }
        (Value::String(found), Value::String(expected)) => {
            found.starts_with("0x") == expected.starts_with("0x")
        }
        (Value::Number(_), Value::Number(_))
        | (Value::Bool(_), Value::Bool(_))
        | (Value::Null, Value::Null) => true,
        _ => false,
    }
}

fn is_key(name: &str) -> bool {
    name.starts_with("0x") || name.bytes().all(|digit| digit.is_ascii_digit())
}

fn run(socket: &Path, case: &Case) -> Result<(), String> {
    for Exchange { request, response } in &case.exchanges {
        let answer = post(socket, request.to_string().as_bytes());
        let answer: Value =
            serde_json::from_str(&answer.body).map_err(|error| error.to_string())?;
        let refused = REFUSED.iter().find(|(name, _)| case.name.starts_with(name));
        let about = request["method"].as_str().filter(|method| case.name.starts_with(method));
        if let Some((_, reason)) = refused.filter(|_| about.is_some()) {
            let message = answer["error"]["message"].as_str().unwrap_or_default();
            return if message.contains(reason) { Ok(()) } else { Err(answer.to_string()) };
        }
        let holds =
            if case.shape_only { same_shape(&answer, response) } else { answer == *response };
        if !holds {
            return Err(difference("", &answer, response));
        }
    }
    Ok(())
}

/// The first part in which two values differ.
fn difference(path: &str, found: &Value, expected: &Value) -> String {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            for name in expected.keys().chain(found.keys()) {
                let (one, other) = (found.get(name), expected.get(name));
                if one != other {
                    let null = Value::Null;
                    let path = format!("{path}.{name}");
                    return match (one, other) {
                        (Some(one), Some(other)) => difference(&path, one, other),
                        (None, other) => format!("{path} is missing: {}", other.unwrap_or(&null)),
                        (one, None) => format!("{path} is too much: {}", one.unwrap_or(&null)),
                    };
                }
            }
            format!("{path} is the same")
        }
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => {
            let pairs = found.iter().zip(expected).enumerate();
            let differing = pairs.into_iter().find(|(_, (one, other))| one != other);
            match differing {
                Some((index, (one, other))) => difference(&format!("{path}[{index}]"), one, other),
                None => format!("{path} is the same"),
            }
        }
        (found, expected) => {
            let short = |value: &Value| value.to_string().chars().take(300).collect::<String>();
            format!("{path} is {}, expected {}", short(found), short(expected))
        }
    }
}

fn status(ledger: &NodeLedger) -> StatusBoard {
    let key = B256::repeat_byte(1);
    let identity = Identity {
        node_key: key,
        consensus_key: key,
        genesis_hash: ledger.genesis().hash(),
        chain_id: ledger.chain().rules().chain_id(),
        validators: vec![key],
    };
    let tip = ledger.tip();
    let tip = StatusTip { number: tip.number, hash: tip.hash, timestamp_ms: tip.timestamp_ms };
    StatusBoard::new(identity, tip)
}

#[test]
fn all_cases_of_the_execution_apis_pass() {
    let folder = folder();
    let ledger = over_ethereum(chain(&folder)).expect("a chain has a ledger");
    let home = tempfile::tempdir().expect("a folder");
    let socket = home.path().join("rpc.sock");
    let server =
        serve(&socket, ledger.clone(), status(&ledger), Beside::default()).expect("it serves");
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut failures = Vec::new();
    for case in cases(&folder) {
        let method = case.name.split('/').next().unwrap_or_default().to_owned();
        let (passed, all) = counts.entry(method).or_default();
        *all += 1;
        match run(&socket, &case) {
            Ok(()) => *passed += 1,
            Err(error) => failures.push(format!("{}: {error}", case.name)),
        }
    }
    server.stop();
    let (passed, all) = counts.values().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let told: Vec<_> = counts.iter().map(|(name, (ok, of))| format!("{name} {ok}/{of}")).collect();
    println!("execution-apis: {passed} of {all} pass: {}", told.join(", "));
    println!("refused on purpose: {REFUSED:?}");
    assert!(failures.is_empty(), "{passed} of {all} pass:\n{}", failures.join("\n"));
    assert!(all > 0, "the suite is empty");
}
