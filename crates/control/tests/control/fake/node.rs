//! What a node of the fake world answers: its status, its chain, what members send.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use windlass_model::workload::Workload;

use super::{
    FakeWorld,
    engine::genesis_hash,
    governance::{BALLOT, FORGET, OBSERVE, REVERT},
};

impl FakeWorld {
    pub(super) fn status(&self, node: &Workload) -> Value {
        let revision = self.news(&node.labels["network"]);
        let genesis = &node.files["genesis.json"];
        let hash = genesis_hash(genesis);
        let parsed: Value = serde_json::from_str(genesis).expect("the fake engine wrote JSON");
        let network = &node.labels["network"];
        let connected = self.substrate.alive_with("network", network);
        let validators = parsed["keys"].as_object().expect("keys").len();
        let chains = self.chains.lock().unwrap();
        let chain = chains.get(&hash).map(Vec::as_slice).unwrap_or_default();
        let (height, key) = (chain.len(), node_key(node));
        let founds = parsed["keys"].as_object().expect("keys").values();
        let seat = if founds.into_iter().any(|one| one[0] == key.as_str()) {
            "votes"
        } else if observers(chain).contains(&key) {
            "follows"
        } else {
            "unnamed"
        };
        drop(chains);
        json!({
            "validators": validators, "seat": seat,
            "revision": revision, "genesis": hash, "chain_id": parsed["chain_id"],
            "tip": block(height), "connected": connected,
            "quorum": validators - (validators - 1) / 3,
        })
    }

    pub(super) fn answer(&self, node: &Workload, method: &str, params: &Value) -> Value {
        let status = self.status(node);
        let hash = status["genesis"].as_str().expect("a hash").to_owned();
        let mut chains = self.chains.lock().unwrap();
        let chain = chains.entry(hash).or_default();
        let argument = params.get(0).and_then(Value::as_str).unwrap_or_default().to_owned();
        match method {
            "status" | "await" => status,
            "height" => json!(chain.len()),
            "send" if argument.contains("refused by the node") => {
                json!({"refusal": "it would leave 2 of 4 validators, and 3 are needed"})
            }
            "send" => {
                if status["connected"].as_u64() >= status["quorum"].as_u64()
                    && !chain.contains(&argument)
                {
                    chain.push(argument);
                    drop(chains);
                    self.moved(node.labels.get("network").map(String::as_str));
                }
                Value::Null
            }
            "receipt" => chain.iter().position(|one| *one == argument).map_or(Value::Null, |at| {
                let mut receipt = block(at + 1);
                if !(argument.contains(OBSERVE) || argument.contains(FORGET)) {
                    receipt["proposal"] = json!(ballots(&chain[..=at]));
                }
                receipt
            }),
            "head" => block(chain.len()),
            "roll" => {
                let genesis = &node.files["genesis.json"];
                let genesis: Value = serde_json::from_str(genesis).expect("JSON");
                json!({
                    "members": genesis["members"], "validators": genesis["keys"],
                    "observers": observers(chain),
                })
            }
            "ballots" => json!(ballots(chain)),
            "proposals" => {
                let (from, count) = (params[0].as_u64().unwrap(), params[1].as_u64().unwrap());
                let last = (from + count - 1).min(ballots(chain));
                json!((from..=last).collect::<Vec<_>>())
            }
            "rehearse" if argument.starts_with("vote:") => json!({"revert": REVERT}),
            "rehearse" | "former" => Value::Null,
            "block" => {
                let number = params[0].as_u64().expect("a number");
                let number = usize::try_from(number).expect("a small number");
                if number <= chain.len() { block(number) } else { Value::Null }
            }
            other => panic!("a fake node does not know {other}"),
        }
    }
}

/// A node's public key, from the id that its file names.
fn node_key(node: &Workload) -> String {
    let mut lines = node.files["node.toml"].lines();
    let named =
        |line: &str| Some(line.strip_prefix("node_key = \"")?.trim_end_matches('"').to_owned());
    let id = lines.find_map(named).expect("the file names the node's key");
    hex::encode(Sha256::digest(id))
}

/// The node keys of observers, as the transactions of a chain leave them.
pub(super) fn observers(chain: &[String]) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    let named = |one: &str, what: &str| {
        let (_, rest) = one.split_once(what)?;
        rest.get(..64).map(str::to_owned)
    };
    for one in chain {
        keys.extend(named(one, OBSERVE));
        if let Some(gone) = named(one, FORGET) {
            keys.retain(|key| *key != gone);
        }
    }
    keys
}

/// How many transactions of members there are.
fn ballots(chain: &[String]) -> u64 {
    chain.iter().map(|one| u64::from(one.starts_with(BALLOT))).sum()
}

/// What a node's answer is on the wire: what was refused is an error, with data if it reverted.
pub(super) fn answered(answer: &Value) -> Value {
    let error = match (answer.get("revert"), answer.get("refusal")) {
        (Some(data), _) => json!({"code": 3, "message": "execution reverted", "data": data}),
        (None, Some(message)) => json!({"code": -32000, "message": message}),
        (None, None) => return json!({"jsonrpc": "2.0", "id": 1, "result": answer}),
    };
    json!({"jsonrpc": "2.0", "id": 1, "error": error})
}

fn block(number: usize) -> Value {
    json!({"number": number, "hash": format!("0x{number:064x}")})
}
