use std::path::Path;

use serde_json::json;
use windlass_model::{
    ErrorCode, KeyId, NetworkId, NodeId, OrganizationId,
    spec::{Defaults, Manifest},
    workload::Desired,
};

use super::*;
use crate::{MemberKeys, PeerAddress, Seat, ValidatorKeys};

fn spec(text: &str) -> NetworkSpec {
    let defaults = Defaults { chain_id: 4_711, organization: "acme".parse().expect("a name") };
    let manifest: Manifest =
        windlass_model::read::toml(text, ErrorCode::InvalidSpec).expect("the manifest parses");
    manifest.resolve(&defaults).expect("the manifest is valid")
}

fn members() -> Vec<MemberKeys> {
    let validators = (0u8..4).map(|index| ValidatorKeys {
        name: format!("validator-{index}"),
        node_key: [index + 1; 32],
        consensus_key: [index + 65; 32],
    });
    vec![MemberKeys {
        organization: "acme".parse().expect("a name"),
        account: [0xac; 20],
        validators: validators.collect(),
    }]
}

fn genesis(spec: &NetworkSpec) -> GenesisFile {
    let input = GenesisInput {
        spec,
        members: members(),
        declared_at_s: 1_800_000_000,
        probe_account: [7; 20],
    };
    WindlassEngine.genesis(&input).expect("the genesis is valid")
}

#[test]
fn a_genesis_is_a_function_of_its_input() {
    let plain = spec("");
    assert_eq!(genesis(&plain), genesis(&plain));
    assert!(!genesis(&plain).content.contains(&"07".repeat(20)), "free: no account needs funds");
    let paid = spec(
        "[fees]\npolicy = \"eip1559\"\nfloor_wei = 10\n\
         [alloc.0xabcdef0000000000000000000000000000000001]\nbalance = \"1\"\n",
    );
    assert!(genesis(&paid).content.contains(&"07".repeat(20)), "the probe pays for itself");
    assert_ne!(genesis(&plain).hash, genesis(&paid).hash);
}

#[test]
fn the_node_reads_what_the_engine_writes() {
    let spec = spec("archive = true\n");
    let peers: Vec<PeerAddress> = (0u8..4)
        .map(|index| PeerAddress {
            node_key: [index + 1; 32],
            address: ([127, 0, 0, 1], 40_000 + u16::from(index)).into(),
        })
        .collect();
    let file = genesis(&spec);
    let check =
        |port: u16, addresses: &[PeerAddress], bootstrap: &[PeerAddress], next: &Option<KeyId>| {
            let workload = WindlassEngine
                .workload(&NodeInput {
                    installation: "here",
                    organization: &OrganizationId::from_entropy([1; 10]),
                    network: &NetworkId::from_entropy([2; 10]),
                    node: &NodeId::from_entropy([3; 10]),
                    listen: ([127, 0, 0, 1], port).into(),
                    genesis: &file.content,
                    node_key: &KeyId::from_entropy([4; 10]),
                    next_node_key: next.as_ref(),
                    repairs: u32::from(next.is_some()),
                    consensus_keys: &[KeyId::from_entropy([5; 10])],
                    vault: Path::new("/data/keys"),
                    addresses,
                    bootstrap,
                    succession: None,
                    lease: next.as_ref().map(|_| Path::new("/data/leases/one")),
                    spec: &spec,
                    desired: Desired::Running,
                })
                .expect("the workload can be described");
            assert_eq!(workload.ports["p2p"], port);
            let leased: &[&str] =
                if next.is_some() { &["--lease", "/data/leases/one"] } else { &[] };
            assert_eq!(workload.arguments, leased);
            let configuration = workload.files["node.toml"].clone();
            assert!(configuration.contains(&format!("listen = \"127.0.0.1:{port}\"")));
            assert!(configuration.contains(&"03".repeat(32)), "{configuration}");
            assert!(configuration.contains("sync = \"full\""), "{configuration}");
            assert!(configuration.contains("archive = true"), "{configuration}");
            configuration
        };
    let founder = check(40_002, &peers, &[], &None);
    assert!(founder.contains("addresses") && !founder.contains("bootstrap"), "{founder}");
    let added = check(40_004, &[], &peers, &None);
    assert!(added.contains("addresses = []") && added.contains("bootstrap"), "{added}");
    let next = KeyId::from_entropy([6; 10]);
    let replaced = check(40_002, &peers, &[], &Some(next.clone()));
    assert!(replaced.contains(&format!("next_node_key = \"{next}\"")), "{replaced}");
    assert!(!founder.contains("next_node_key"), "{founder}");
    assert!(replaced.contains("repairs = 1") && !founder.contains("repairs"), "{replaced}");
}

#[test]
fn answers_are_read_or_refused() {
    let engine = WindlassEngine;
    let status = json!({
        "revision": 7, "genesisHash": "0xaa", "chainId": 4711, "epoch": 0, "view": 3,
        "tip": {"number": 1, "hash": "0xbb", "timestampMs": 5}, "peers": [],
        "connectedValidators": 2, "quorum": 3, "validators": 4, "pendingTransactions": 0,
        "quorumConnected": false, "syncing": false, "idle": false,
        "stalled": {"sinceMs": 9, "reason": "2 of 4 validators connected, 3 needed"},
    });
    let report = engine.read_status(&status).expect("a status");
    assert_eq!((report.tip.number, report.quorum, report.revision), (1, 3, 7));
    assert_eq!((report.validators, report.highest, &report.seat), (4, 1, &Seat::Votes));
    assert_eq!(report.stalled.as_ref().map(|(since, _)| *since), Some(9));
    let seat = |named: bool, why: Option<&str>| {
        let mut status = status.clone();
        status["named"] = json!(named);
        status["notVoting"] = json!(why);
        status["highest"] = json!(12);
        let report = engine.read_status(&status).expect("a status");
        assert_eq!(report.highest, 12);
        report.seat
    };
    assert_eq!(seat(true, None), Seat::Votes);
    assert_eq!(seat(false, Some("x")), Seat::Unnamed);
    let why = "this node is not a validator in this epoch; it follows";
    assert_eq!(seat(true, Some(why)), Seat::Follows(why.to_owned()));
    assert!(seat(true, Some("its journal is missing")).is_validator());
    assert_eq!(engine.read_receipt(&json!(null)).expect("no receipt yet"), None);
    assert_eq!(engine.read_height(&json!("0x10")).expect("a height"), 16);
    for odd in [json!(null), json!(5), json!("16"), json!({})] {
        assert!(engine.read_height(&odd).is_err(), "{odd}");
        assert!(engine.read_status(&odd).is_err(), "{odd}");
    }
}

#[test]
fn the_test_transaction_has_a_hash_of_its_own() {
    let spec = spec("");
    let sign = |_hash: [u8; 32]| {
        let mut signature = [1u8; 65];
        signature[64] = 0;
        signature
    };
    let engine = WindlassEngine;
    let first = engine.test_transaction(&spec, [7; 20], 0, &sign).expect("it can be made");
    let second = engine.test_transaction(&spec, [7; 20], 1, &sign).expect("it can be made");
    assert_ne!(first.hash, second.hash);
    assert_eq!(first.send.method, "eth_sendRawTransaction");
}
