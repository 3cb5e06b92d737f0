//! What a node says that consensus is doing, and which validators it saw vote twice.
//!
//! The node's answer and the API's have the same fields. The node writes names and keys as JSON-RPC
//! does (`nodeKey`, `0x` before hex), the API as it does everywhere (`node_key`, hex alone).

use serde::Deserialize;
use serde_json::{Map, Value, json};
use windlass_model::{consensus::ConsensusReport, misconduct::DoubleVote};

use crate::{EngineError, RpcRequest};

const CONSENSUS: &str = "windlass_consensus";
const EVIDENCE: &str = "windlass_evidence";
/// Where a node's measurements are, in Prometheus' text format.
pub(super) const METRICS_PATH: &str = "/metrics";
/// `0x` and the digits of a node key.
const KEY_LENGTH: usize = 66;

pub(super) fn consensus_request() -> RpcRequest {
    RpcRequest { method: CONSENSUS, params: json!([]) }
}

pub(super) fn read_consensus(answer: &Value) -> Result<ConsensusReport, EngineError> {
    ConsensusReport::deserialize(in_our_words(answer.clone()))
        .map_err(|error| EngineError::Answer { method: CONSENSUS, reason: error.to_string() })
}

pub(super) fn misconduct_request() -> RpcRequest {
    RpcRequest { method: EVIDENCE, params: json!([]) }
}

pub(super) fn read_misconduct(answer: &Value) -> Result<Vec<DoubleVote>, EngineError> {
    let wrong = |reason: String| EngineError::Answer { method: EVIDENCE, reason };
    let seen = Vec::<Served>::deserialize(in_our_words(answer.clone()))
        .map_err(|error| wrong(error.to_string()))?;
    let read = seen.into_iter().map(Served::read).collect::<Option<Vec<_>>>();
    read.ok_or_else(|| wrong("an epoch or a view is no number".to_owned()))
}

/// A double vote as nodes serve it, in our words.
#[derive(Deserialize)]
struct Served {
    epoch: String,
    view: String,
    node_key: String,
    consensus_key: String,
    kind: String,
    votes: String,
    seen_at_ms: u64,
}

impl Served {
    fn read(self) -> Option<DoubleVote> {
        let number = |digits: &str| u64::from_str_radix(digits.strip_prefix("0x")?, 16).ok();
        let (epoch, view) = (number(&self.epoch)?, number(&self.view)?);
        let Self { node_key, consensus_key, kind, votes, seen_at_ms, .. } = self;
        Some(DoubleVote { epoch, view, node_key, consensus_key, kind, votes, seen_at_ms })
    }
}

fn in_our_words(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| {
                let value = match value {
                    Value::String(code) if name == "code" => Value::String(snake(&code)),
                    other => in_our_words(other),
                };
                (snake(&name), value)
            });
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(in_our_words).collect()),
        Value::String(text) => {
            let key = text.strip_prefix("0x").filter(|_| text.len() == KEY_LENGTH);
            Value::String(key.map(str::to_owned).unwrap_or(text))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// `someName` as `some_name`.
fn snake(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            words.push('_');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use windlass_model::consensus::{NoBlockCode, VoteKind};

    use super::*;

    #[test]
    fn what_a_node_answers_is_read() {
        let key = |digit: &str| format!("0x{}", digit.repeat(64));
        let answer = json!({
            "nodeKey": key("1"), "atMs": 9_000, "height": 4, "epoch": 0, "view": 7,
            "leader": key("2"), "quorum": 3, "connectedValidators": 2, "notVoting": null,
            "voted": { "notarize": [], "nullify": [key("1")], "finalize": [] },
            "lastFinal": {
                "number": 4, "epoch": 0, "view": 6, "leader": null, "atMs": 8_000,
                "voted": { "notarize": [key("1")], "nullify": [], "finalize": [key("2")] },
            },
            "validators": [{
                "nodeKey": key("2"), "connected": false, "sinceMs": 8_500, "heardAtMs": 8_100,
                "roundTripUs": 230, "clockOffsetUs": -41,
                "lastVote": {
                    "vote": "finalize", "epoch": 0, "view": 6, "atMs": 8_001, "height": 4,
                },
                "missing": { "sinceMs": 8_500, "reason": "not connected" },
            }],
            "followers": [],
            "noBlock": {
                "code": "noQuorum", "sinceMs": 8_500, "reason": format!("missing: {}", key("2")),
            },
            "warnings": [format!("the clock of {} is off", key("2"))],
        });
        let names = BTreeMap::from([("2".repeat(64), "validator-1".to_owned())]);
        let report = read_consensus(&answer).expect("it is what nodes say").with_names(&names);
        assert_eq!(report.leader, Some("2".repeat(64)));
        let one = &report.validators[0];
        assert_eq!((one.link.round_trip_us, one.link.clock_offset_us), (Some(230), Some(-41)));
        assert_eq!(one.last_vote.map(|vote| vote.vote), Some(VoteKind::Finalize));
        let why = report.no_block.expect("it says why");
        assert_eq!(
            (why.code, why.reason.as_str()),
            (NoBlockCode::NoQuorum, "missing: validator-1")
        );
        assert_eq!(report.warnings, ["the clock of validator-1 is off"]);
        assert!(read_consensus(&json!({ "nodeKey": key("1") })).is_err());
    }

    #[test]
    fn who_voted_twice_is_read() {
        let answer = |view: &str| {
            json!([{
                "hash": format!("0x{}", "9".repeat(64)), "epoch": "0x3", "view": view,
                "nodeKey": format!("0x{}", "1".repeat(64)),
                "consensusKey": format!("0x{}", "2".repeat(64)),
                "kind": "finalized_twice", "votes": "0x0812", "seenAtMs": 7,
            }])
        };
        let expected = DoubleVote {
            epoch: 3,
            view: 17,
            node_key: "1".repeat(64),
            consensus_key: "2".repeat(64),
            kind: "finalized_twice".to_owned(),
            votes: "0x0812".to_owned(),
            seen_at_ms: 7,
        };
        assert_eq!(read_misconduct(&answer("0x11")).ok(), Some(vec![expected]));
        for wrong in [answer("17"), answer("0xzz"), json!([{ "epoch": "0x3" }]), json!({})] {
            assert!(read_misconduct(&wrong).is_err(), "{wrong}");
        }
    }
}
