//! A network's life, each claim of the platform checked from outside.

use std::{collections::BTreeSet, path::Path};

use serde_json::{Value, json};
use windlass_e2e::{Account, Call, Endpoint, Platform, world};
use windlass_model::{
    api::Accepted,
    network::{Evidence, Network, NetworkState, OperationState},
    receipt::{ReleaseReceipt, ReleasedKind},
};

use crate::support::{block_at, chain_id, no_leaks, one_tip};

#[tokio::test]
async fn a_network_is_created_used_stopped_started_and_dismantled() {
    let platform = Platform::start().await;
    let (network, operation) = platform.create("trade", 4).await;
    assert_eq!(operation.state, OperationState::Succeeded);
    let evidence = operation.evidence.expect("a create proves");
    check_evidence(&platform, &network, &evidence).await;

    let networks: Vec<Network> = platform.run(&["network", "ls"]).await;
    let names: Vec<_> = networks.iter().map(|network| network.name.as_str()).collect();
    assert_eq!(names, ["trade"]);
    let logs = platform.cli_text(&["network", "logs", "trade", "--node", "0"]).await;
    assert!(logs.code == Some(0) && logs.stdout.lines().count() > 1, "{logs:?}");

    let endpoint = Platform::endpoint(&network);
    let mut account = Account::new(evidence.chain_id);
    let hash = account.send(&endpoint, Call::default()).await;
    let receipt = endpoint.receipt(&hash).await;
    assert_eq!(receipt.get("status"), Some(&json!("0x1")));

    stop_and_start(&platform, &network, &account).await;
    dismantle(&platform).await;
}

async fn check_evidence(platform: &Platform, network: &Network, evidence: &Evidence) {
    assert_eq!(network.state, NetworkState::Usable);
    assert_eq!(evidence.nodes.len(), 4);
    let endpoint = Endpoint::new(&evidence.endpoint);
    assert_eq!(network.endpoint.as_deref(), Some(evidence.endpoint.as_str()));
    assert_eq!(chain_id(&endpoint).await, evidence.chain_id);
    assert!(endpoint.height().await >= evidence.endpoint_block);
    let genesis = endpoint.ok("eth_getBlockByNumber", json!(["0x0", false])).await;
    assert_eq!(genesis.get("hash"), Some(&json!(evidence.genesis_hash)));

    // Each node is asked itself, not the platform.
    for (node, said) in network.nodes.iter().zip(&evidence.nodes) {
        assert_eq!(node.name, said.node);
        let hash = block_at(platform, node.id.as_str(), said.first_block.number).await;
        assert_eq!(hash.as_ref(), Some(&said.first_block.hash), "{}", node.name);
        let known = block_at(platform, node.id.as_str(), 0).await;
        assert_eq!(known.as_ref(), Some(&evidence.genesis_hash), "{}", node.name);
    }
    let keys: BTreeSet<_> = evidence.nodes.iter().map(|node| &node.node_key).collect();
    assert_eq!(keys.len(), 4, "each validator has a key of its own");

    let receipt = endpoint.receipt(&evidence.test_transaction).await;
    assert_eq!(receipt.get("blockHash"), Some(&json!(evidence.test_block.hash)));
    assert_eq!(receipt.get("status"), Some(&json!("0x1")));

    let mut told: Vec<_> = network.nodes.iter().filter_map(|node| node.pid).collect();
    told.sort_unstable();
    assert_eq!(told, platform.node_pids(), "the pids are those of /proc");
}

async fn stop_and_start(platform: &Platform, network: &Network, account: &Account) {
    let endpoint = Platform::endpoint(network);
    let before = one_tip(platform, network, 1).await;
    let stopped: Accepted = platform.run(&["network", "stop", "trade"]).await;
    assert_eq!(stopped.network.state, NetworkState::Stopped);
    assert_eq!(platform.node_pids(), Vec::<u32>::new());
    let (status, text) = endpoint.post(r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#).await;
    assert!(status >= 400 || text.contains("error"), "a stopped network answers: {status} {text}");

    let started: Accepted = platform.run(&["network", "start", "trade"]).await;
    assert_eq!(started.network.state, NetworkState::Usable);
    assert_eq!(started.network.endpoint, network.endpoint, "the URL is kept");
    let after = one_tip(platform, network, before.number).await;
    assert_eq!(after, before, "a start adds nothing to the ledger");
    let nonce =
        endpoint.number("eth_getTransactionCount", json!([account.address, "latest"])).await;
    assert_eq!(nonce, 1, "the state is kept");
}

async fn dismantle(platform: &Platform) {
    let network = platform.show("trade").await;
    let keys_before = world::tree(&platform.data_dir.join("keys")).len();
    assert!(keys_before > 0);
    let operation = platform.destroy("trade").await;
    assert_eq!(operation.state, OperationState::Succeeded);
    let receipt = operation.receipt.expect("a destroy has a receipt");
    check_receipt(&receipt, &network);
    assert_eq!(platform.node_pids(), Vec::<u32>::new());
    assert_eq!(world::tree(&platform.data_dir.join("keys")), Vec::<std::path::PathBuf>::new());
    let workloads: BTreeSet<_> = std::fs::read_dir(platform.data_dir.join("workloads"))
        .expect("the folder is there")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(workloads.iter().all(|name| name.starts_with("gateway")), "{workloads:?}");
    let networks: Vec<Network> = platform.run(&["network", "ls"]).await;
    assert!(networks.is_empty());
    let (code, problem) = platform.refused(&["network", "show", "trade"]).await;
    assert_eq!((code, problem.code.as_str()), (3, "network_not_found"));
    no_leaks(platform).await;
}

/// Every line of a receipt, looked at from outside.
fn check_receipt(receipt: &ReleaseReceipt, network: &Network) {
    let of = |kind| receipt.released.iter().filter(move |line| line.kind == kind);
    let digits = |text: &str| -> u32 {
        let number: String = text.chars().filter(char::is_ascii_digit).collect();
        number.parse().unwrap_or_else(|_| panic!("`{text}` has no pid"))
    };
    let pids: BTreeSet<_> = of(ReleasedKind::Process).map(|line| digits(&line.name)).collect();
    for node in &network.nodes {
        let pid = node.pid.expect("it ran");
        assert!(pids.contains(&pid), "{} with pid {pid} is not in the receipt", node.name);
    }
    assert!(pids.iter().all(|pid| !world::is_alive(*pid)));
    assert!(of(ReleasedKind::Port).count() >= 4);
    for line in of(ReleasedKind::Port) {
        let port = line.name.rsplit(':').next().and_then(|port| port.parse().ok());
        assert!(!world::is_listening(port.expect("a port has a number")), "{}", line.name);
    }
    for kind in [ReleasedKind::Socket, ReleasedKind::Directory, ReleasedKind::File] {
        assert!(of(kind).all(|line| !Path::new(&line.name).exists()));
    }
    assert!(of(ReleasedKind::Directory).count() >= 4);
    assert!(of(ReleasedKind::Key).count() >= 8, "two keys a validator");
    assert_eq!(of(ReleasedKind::Endpoint).count(), 1);
    assert!(receipt.released.iter().all(|line| {
        !line.verified.is_empty() && line.released_at_ms <= receipt.completed_at_ms
    }));
}

#[tokio::test]
async fn a_spec_in_a_file_is_created_shown_and_applied_again() {
    let platform = Platform::start().await;
    let file = platform.data_dir.with_extension("toml");
    let spec = "name = \"books\"\nvalidators = 1\nchain_id = 4711\nmin_block_interval_ms = 0\n\
                cors_origins = [\"https://app.example.com\"]\n\
                [alloc.\"0x00000000000000000000000000000000000000aa\"]\nbalance = \"12345\"\n";
    std::fs::write(&file, spec).expect("the spec can be written");
    let path = file.to_string_lossy().into_owned();
    let dry: Value = platform.run(&["apply", "-f", &path, "--dry-run"]).await;
    assert_eq!(dry.get("action"), Some(&json!("create")));
    let created: Accepted = platform.run(&["apply", "-f", &path]).await;
    let network = platform.show("books").await;
    assert_eq!(network.spec.chain_id, 4711);
    let endpoint = Platform::endpoint(&network);
    assert_eq!(chain_id(&endpoint).await, 4711);
    let address = "0x00000000000000000000000000000000000000aa";
    assert_eq!(endpoint.number("eth_getBalance", json!([address, "latest"])).await, 12_345);

    let dry: Value = platform.run(&["apply", "-f", &path, "--dry-run"]).await;
    assert_eq!(dry.get("action"), Some(&json!("nothing")));
    let again: Accepted = platform.run(&["apply", "-f", &path]).await;
    assert_eq!(again.network.id, created.network.id);
    assert_eq!(again.network.generation, network.generation, "nothing was changed");

    std::fs::write(&file, spec.replace("4711", "4712")).expect("the spec can be written");
    let (code, problem) = platform.refused(&["apply", "-f", &path]).await;
    assert_eq!((code, problem.code.as_str()), (2, "immutable_field"));
}

#[tokio::test]
async fn a_network_begins_with_the_accounts_of_a_genesis_file() {
    let platform = Platform::start().await;
    let folder = platform.data_dir.with_extension("geth");
    std::fs::create_dir_all(&folder).expect("a folder");
    // It answers with what it has in its slot 1.
    let genesis = json!({
        "config": { "chainId": 4713, "londonBlock": 0, "clique": { "period": 5, "epoch": 30000 } },
        "difficulty": "1", "gasLimit": "8000000",
        "alloc": {
            "7df9a875a174b3bc565e6424a0050ebc1b2d1d82": { "balance": "300000" },
            "0x0000000000000000000000000000000000000888": {
                "balance": "0x0", "nonce": "0x1", "code": "0x60015460005260206000f3",
                "storage": { "0x01": "0x2a" }
            }
        }
    });
    std::fs::write(folder.join("genesis.json"), genesis.to_string()).expect("it can be written");
    let spec = folder.join("spec.toml");
    std::fs::write(&spec, "name = \"geth\"\nvalidators = 1\ngenesis_from = \"genesis.json\"\n")
        .expect("it can be written");
    let applied = platform.cli_text(&["apply", "-f", &spec.to_string_lossy()]).await;
    assert_eq!(applied.code, Some(0), "{applied:?}");
    assert!(applied.stderr.contains("config.clique: blocks are made by the validators"));
    let network = platform.show("geth").await;
    assert_eq!((network.spec.chain_id, network.spec.gas_limit), (4713, 8_000_000));
    let endpoint = Platform::endpoint(&network);
    let rich = "0x7df9a875a174b3bc565e6424a0050ebc1b2d1d82";
    assert_eq!(endpoint.number("eth_getBalance", json!([rich, "latest"])).await, 300_000);
    let call = json!([{ "to": "0x0000000000000000000000000000000000000888" }, "latest"]);
    assert_eq!(endpoint.number("eth_call", call).await, 42);
    // The same without a spec; and the platform does not read its users' files.
    let file = folder.join("genesis.json").to_string_lossy().into_owned();
    let arguments = ["network", "create", "again", "--validators", "1", "--genesis-from", &file];
    let (_, problem) = platform.refused(&arguments).await;
    assert_eq!(problem.code.as_str(), "chain_id_taken");
}

#[tokio::test]
async fn a_create_that_is_not_waited_for_is_an_operation() {
    let platform = Platform::start().await;
    let accepted: Accepted =
        platform.run(&["network", "create", "later", "--validators", "1", "--no-wait"]).await;
    let operation = accepted.operation.expect("a create is an operation");
    assert_eq!(operation.state, OperationState::Running);
    let waited: windlass_model::network::Operation =
        platform.run(&["operation", "wait", operation.id.as_str()]).await;
    assert_eq!(waited.state, OperationState::Succeeded);
    assert_eq!(platform.show("later").await.state, NetworkState::Usable);
}
