//! What is fetched beside JSON-RPC, and what consensus is doing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::*;
use crate::diagnosis::{Ballot, Ending, NoBlockCode, Stamps, Subject};

impl Server {
    fn page(&self, path: &str) -> client::Answer {
        client::get(self.running.path(), path)
    }
}

fn own() -> B256 {
    B256::repeat_byte(1)
}

fn other() -> B256 {
    B256::repeat_byte(3)
}

/// A node that has seen one block decided, and then lost the other validator.
fn seen() -> Server {
    let server = Server::free();
    let diagnosis = server.status.diagnosis();
    diagnosis.enter((0, 1), vec![own(), other()], Some(other()));
    diagnosis.connected(&[other()].into(), 1_000);
    diagnosis.asked(&other(), 5_000_000);
    let stamps =
        Stamps { asked: 5_000_000, received: 5_100_250, answered: 5_100_350, heard: 5_000_600 };
    diagnosis.heard(&other(), Some(stamps), 5_001);
    for key in [own(), other()] {
        diagnosis.voted(key, (0, 1), Ballot::Notarize, 6_000);
    }
    diagnosis.ended((0, 1), Ending::Finalized, (Some(other()), Some(own())), 6_001);
    diagnosis.finalized((0, 1), 1);
    diagnosis.voted(own(), (0, 2), Ballot::Nullify, 6_500);
    diagnosis.connected(&BTreeSet::new(), 7_000);
    diagnosis.cut_off(Subject::State);
    server.status.set_connected(&BTreeMap::new());
    server
}

#[test]
fn a_node_says_what_consensus_is_doing() {
    let said = seen().call("windlass_consensus", json!([]));
    assert_eq!(said["nodeKey"], json!(own()));
    assert_eq!((&said["view"], &said["leader"]), (&json!(2), &json!(own())));
    assert_eq!(said["lastFinal"]["voted"]["notarize"], json!([own(), other()]));
    assert_eq!(said["lastFinal"]["atMs"], 6_001);
    let one = &said["validators"][1];
    assert_eq!((&one["nodeKey"], &one["connected"]), (&json!(other()), &json!(false)));
    assert_eq!((&one["roundTripUs"], &one["clockOffsetUs"]), (&json!(500), &json!(100_000)));
    assert_eq!(one["missing"], json!({ "sinceMs": 7_000, "reason": "not connected" }));
    assert_eq!(one["lastVote"]["height"], 1);
    assert_eq!(said["noBlock"]["code"], "noQuorum");
    assert_eq!(said["noBlock"]["sinceMs"], 7_000);
    let reason = said["noBlock"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("1 of 2 validators connected, 2 needed; missing: "), "{reason}");
}

#[test]
fn measurements_are_in_the_form_that_prometheus_reads() {
    let answer = seen().page("/metrics");
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("text/plain; version=0.0.4"), "{}", answer.head);
    let (me, key) = (hex::encode(own()), hex::encode(other()));
    for line in [
        "# TYPE windlass_block_height gauge".to_owned(),
        "windlass_view 2.0".to_owned(),
        "windlass_quorum 2.0".to_owned(),
        "windlass_missing_validators 1.0".to_owned(),
        "windlass_pending_transactions{state=\"executable\"} 0.0".to_owned(),
        format!("windlass_peer_connected{{node_key=\"{key}\"}} 0.0"),
        format!("windlass_peer_round_trip_seconds{{node_key=\"{key}\"}} 0.0005"),
        format!("windlass_peer_clock_offset_seconds{{node_key=\"{key}\"}} 0.1"),
        format!("windlass_validator_last_vote_timestamp_seconds{{node_key=\"{key}\"}} 6.0"),
        format!("windlass_validator_missing_since_timestamp_seconds{{node_key=\"{key}\"}} 7.0"),
        format!("windlass_validator_leads{{node_key=\"{me}\"}} 1.0"),
        format!("windlass_validator_leads{{node_key=\"{key}\"}} 0.0"),
        format!("windlass_validator_voted{{node_key=\"{me}\",vote=\"notarize\"}} 0.0"),
        format!("windlass_validator_voted{{node_key=\"{me}\",vote=\"nullify\"}} 1.0"),
        format!("windlass_validator_voted{{node_key=\"{key}\",vote=\"nullify\"}} 0.0"),
        format!("windlass_validator_voted_for_last_block{{node_key=\"{me}\"}} 1.0"),
        format!("windlass_validator_voted_for_last_block{{node_key=\"{key}\"}} 1.0"),
        "windlass_no_block{reason=\"no_quorum\"} 1.0".to_owned(),
        "windlass_no_block{reason=\"nothing_to_do\"} 0.0".to_owned(),
        "windlass_no_block_since_timestamp_seconds 7.0".to_owned(),
        "# TYPE windlass_evidence_total counter".to_owned(),
        "windlass_evidence_total 0.0".to_owned(),
        "# TYPE windlass_peers_cut_off_total counter".to_owned(),
        "windlass_peers_cut_off_total{about=\"votes\"} 0.0".to_owned(),
        "windlass_peers_cut_off_total{about=\"state\"} 1.0".to_owned(),
        "# TYPE process_cpu_seconds_total counter".to_owned(),
    ] {
        assert!(answer.body.lines().any(|found| found == line), "{line} in {}", answer.body);
    }
    let described = answer.body.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let names: Vec<_> = described.filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    assert!(answer.body.lines().any(|line| line.starts_with("process_resident_memory_bytes ")));
    let reasons = answer.body.lines().filter(|line| line.starts_with("windlass_no_block{"));
    assert_eq!(reasons.collect::<BTreeSet<_>>().len(), NoBlockCode::ALL.len());
}

#[test]
fn what_is_not_known_is_not_measured() {
    // It has just started: nobody leads yet, no block was decided, and nobody was looked for.
    let text = Server::free().page("/metrics").body;
    for name in [
        "windlass_validator_leads",
        "windlass_validator_voted",
        "windlass_validator_missing",
        "windlass_no_block_since",
    ] {
        assert!(!text.contains(name), "{name} in {text}");
    }
}

#[test]
fn the_kinds_of_reasons_are_called_as_in_the_platforms_api() {
    for code in NoBlockCode::ALL {
        let same: windlass_model::consensus::NoBlockCode =
            serde_json::from_value(json!(code.label())).unwrap();
        let (ours, theirs) = (format!("{code:?}"), format!("{same:?}"));
        assert_eq!(ours, theirs);
    }
}

#[test]
fn a_node_is_alive_and_ready_or_says_why_not() {
    let server = seen();
    assert_eq!(server.page("/health").status, 200);
    let answer = server.page("/ready");
    assert_eq!(answer.status, 503);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["reason"], "1 of 2 validators connected, 2 needed");
    server.status.set_connected(&[(other(), None)].into());
    assert_eq!(server.page("/ready").status, 200);
    server.status.update(|status| (status.syncing, status.highest) = (true, 9));
    let answer = server.page("/ready");
    assert!(answer.status == 503 && answer.body.contains("fetching up to 9"), "{answer:?}");
    assert_ne!(server.page("/nothing").status, 200);
}

#[test]
fn the_openrpc_document_names_every_method() {
    let server = Server::free();
    let Server { ledger, status, .. } = Server::free();
    let document = server.call("rpc_discover", json!([]));
    assert_eq!(document, server.call("rpc.discover", json!([])));
    let methods = document["methods"].as_array().unwrap();
    let told: BTreeSet<&str> = methods.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(told.len(), methods.len(), "none is told twice");
    let module = methods::all(Node::new(ledger, status, (PathBuf::new(), Beside::default())));
    let mut served: BTreeSet<&str> = module.method_names().collect();
    // OpenRPC's own name for it.
    assert!(served.remove("rpc.discover"));
    assert_eq!(told, served);
}
