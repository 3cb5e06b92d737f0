//! What several of these tests ask of a network.

use std::{collections::BTreeMap, fs, time::Duration};

use serde_json::{Value, json};
use windlass_e2e::{Endpoint, Platform, call_node, node_socket, run_tool, world};
use windlass_model::{
    api::Accepted,
    network::{BlockRef, Health, Network, NetworkState, NodeState, Operation, OperationState},
};

/// How long a node may take to be what it should be.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// The hash of a block, as one node itself knows it.
pub(crate) async fn block_at(platform: &Platform, node: &str, number: u64) -> Option<String> {
    let socket = node_socket(&platform.data_dir, node);
    let number = format!("0x{number:x}");
    let block = call_node(&socket, "eth_getBlockByNumber", json!([number, false])).await?.ok()?;
    Some(block.get("hash")?.as_str()?.to_owned())
}

/// What a node says of itself.
pub(crate) async fn status_of(platform: &Platform, node: &str) -> Option<Value> {
    let socket = node_socket(&platform.data_dir, node);
    call_node(&socket, "windlass_status", json!([])).await?.ok()
}

/// The final tip that a node itself reports.
pub(crate) async fn tip_of(platform: &Platform, node: &str) -> Option<BlockRef> {
    let status = status_of(platform, node).await?;
    let tip = status.get("tip")?;
    Some(BlockRef {
        number: tip.get("number").and_then(quantity)?,
        hash: tip.get("hash")?.as_str()?.to_owned(),
    })
}

/// Reads a number, as a JSON number or as `0x` hex.
pub(crate) fn quantity(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok())
}

/// Waits until every node reports one and the same tip, at or above a height.
pub(crate) async fn one_tip(platform: &Platform, network: &Network, least: u64) -> BlockRef {
    let what = format!("one tip at all nodes, at least {least}");
    world::eventually(&what, PATIENCE, async || {
        let mut tips = Vec::new();
        for node in &network.nodes {
            tips.push(tip_of(platform, node.id.as_str()).await?);
        }
        let first = tips.first()?.clone();
        (first.number >= least && tips.iter().all(|tip| *tip == first)).then_some(first)
    })
    .await
}

/// Every node holds the same blocks, from block 0 to the height.
pub(crate) async fn no_fork(platform: &Platform, network: &Network, height: u64) -> Vec<String> {
    let mut chain = Vec::new();
    for number in 0..=height {
        let mut hashes = Vec::new();
        for node in &network.nodes {
            let hash = block_at(platform, node.id.as_str(), number).await;
            hashes.push(hash.unwrap_or_else(|| panic!("{} has no block {number}", node.name)));
        }
        let first = hashes.first().expect("a network has nodes").clone();
        assert!(hashes.iter().all(|hash| *hash == first), "a fork at {number}: {hashes:?}");
        chain.push(first);
    }
    chain
}

/// Creates a network from a spec, and waits until every node is there.
pub(crate) async fn create(platform: &Platform, name: &str, spec: &str) -> Network {
    let file = platform.data_dir.with_extension(format!("{name}.toml"));
    fs::write(&file, spec).expect("a spec can be written");
    let path = file.to_string_lossy().into_owned();
    let _created: Accepted = platform.run(&["network", "create", name, "-f", &path]).await;
    healthy(platform, name).await
}

/// Runs a verb of the network and waits for its end.
pub(crate) async fn does(platform: &Platform, line: &str) -> Operation {
    let words: Vec<&str> = ["network"].into_iter().chain(line.split(' ')).collect();
    let accepted: Accepted = platform.run(&words).await;
    let operation = accepted.operation.expect("it is an operation");
    assert_eq!(operation.state, OperationState::Succeeded, "{operation:?}");
    operation
}

/// Waits until the platform says that every node is there.
pub(crate) async fn healthy(platform: &Platform, name: &str) -> Network {
    platform
        .until(name, "healthy with every node running", |network| {
            network.state == NetworkState::Usable
                && network.health == Health::Healthy
                && network.nodes.iter().all(|node| node.state == NodeState::Running)
        })
        .await
}

/// There is never a second process for one directory, and so for one key.
pub(crate) fn one_process_each(platform: &Platform) {
    let mut directories: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for process in world::processes(&platform.data_dir) {
        if process.is("node") {
            let directory = process.arguments.last().cloned().unwrap_or_default();
            directories.entry(directory).or_default().push(process.pid);
        }
    }
    for (directory, pids) in directories {
        assert_eq!(pids.len(), 1, "{directory} has the processes {pids:?}");
    }
}

/// The chain id that an endpoint answers.
pub(crate) async fn chain_id(endpoint: &Endpoint) -> u64 {
    endpoint.number("eth_chainId", json!([])).await
}

/// Asks the independent check until it finds nothing. An orphan that has ended is a zombie until
/// the machine's first process takes note of it, and the check cannot tell whose it was.
pub(crate) async fn no_leaks(platform: &Platform) {
    world::eventually("the independent check finds nothing", PATIENCE, async || {
        leaks(platform).await.is_empty().then_some(())
    })
    .await;
}

/// What the check finds. Control groups of other installations on this machine, such as those of
/// tests beside this one, are not ours.
async fn leaks(platform: &Platform) -> Vec<Value> {
    let folder = platform.data_dir.to_string_lossy().into_owned();
    let arguments = ["leaks", "--json", "--platform-up", "--data-dir", &folder];
    let leaks = run_tool("target/debug/xtask", &arguments, &[]).await;
    let found: Vec<Value> = serde_json::from_str(&leaks.stdout)
        .unwrap_or_else(|_| panic!("the check failed: {}{}", leaks.stdout, leaks.stderr));
    let installation = platform.installation().expect("a data directory names its installation");
    let ours = |leak: &Value| {
        let field = |name| leak.get(name).and_then(Value::as_str).unwrap_or_default();
        field("kind") != "cgroup" || field("name").contains(&installation)
    };
    found.into_iter().filter(ours).collect()
}
