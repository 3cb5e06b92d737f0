//! What a node says that consensus is doing.
//!
//! The node's answer and the API's have the same fields. The node writes names and keys as JSON-RPC
//! does (`nodeKey`, `0x` before hex), the API as it does everywhere (`node_key`, hex alone).

use serde::Deserialize as _;
use serde_json::{Map, Value, json};
use windlass_model::consensus::ConsensusReport;

use crate::{EngineError, RpcRequest};

const CONSENSUS: &str = "windlass_consensus";
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
}
