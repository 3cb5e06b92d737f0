//! Observers that a member has registered, and that flood the validators.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Child,
    time::Duration,
};

use serde_json::{Value, json};
use windlass_e2e::{
    Account, Call, Link, Platform, Relay, call_node, p2p_address, start_node, start_tool, world,
};

use crate::support::{PATIENCE, chain_id, healthy, quantity};

/// What they send the largest messages on.
const LARGE: [&str; 8] =
    ["votes", "certificates", "resolver", "blocks", "backfill", "tips", "transactions", "state"];
/// Blocks are so far apart that one has all that is pending.
const SPEC: &str = "min_block_interval_ms = 500\n\
    [[members]]\norganization = \"acme\"\nvalidators = 4\n";
/// How many of 120 kB are sent at once.
const LARGE_TRANSACTIONS: usize = 20;
/// How long each of them does.
const EACH: Duration = Duration::from_secs(3);
/// The most that a validator may ever have held; by default it is ended at 512 MiB.
const MOST: u64 = 400 << 20;
/// How many bytes of its answers somebody who does not read them takes in a second.
const TRICKLE: u32 = 4 << 10;

/// A process that ends with the test.
struct Running(Child);

impl Running {
    fn has_ended(&mut self) -> bool {
        self.0.try_wait().expect("a child can be looked at").is_some()
    }

    /// The most bytes that it ever held.
    fn most(&self) -> u64 {
        world::most_memory(self.0.id())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, and then the test says so.
        if self.0.kill().is_ok() {
            drop(self.0.wait());
        }
    }
}

async fn ask(directory: &Path, method: &str, params: Value) -> Option<Value> {
    call_node(&directory.join("rpc.sock"), method, params).await?.ok()
}

/// Sends a transaction to a validator and waits until it is final there.
async fn transact(account: &mut Account, directory: &Path) {
    let raw = account.sign(Call::default());
    let hash = world::eventually("a validator takes a transaction", PATIENCE, async || {
        ask(directory, "eth_sendRawTransaction", json!([raw])).await
    })
    .await;
    world::eventually("it is final", PATIENCE, async || {
        let receipt = ask(directory, "eth_getTransactionReceipt", json!([hash])).await?;
        (!receipt.is_null()).then_some(())
    })
    .await;
}

/// A network that is stopped: copies of the directories of four validators, and of as many observers as
/// there are floods; and its largest block. A platform ends whoever runs in its own directories.
async fn dam(platform: &Platform, folder: &Path) -> (Vec<PathBuf>, (u64, usize)) {
    let file = platform.data_dir.with_extension("toml");
    fs::write(&file, SPEC).expect("a spec can be written");
    let create = ["network", "create", "dam", "-f", &file.to_string_lossy()];
    let _created: Value = platform.run(&create).await;
    let network = healthy(platform, "dam").await;
    let endpoint = Platform::endpoint(&network);
    let mut account = Account::new(chain_id(&endpoint).await);
    let raw: Vec<String> = (0..LARGE_TRANSACTIONS)
        .map(|_| {
            let input = vec![0; 120_000].into();
            account.sign(Call { input, gas: 1_300_000, ..Call::default() })
        })
        .collect();
    let sends = raw.iter().enumerate().map(|(id, raw)| {
        json!({"jsonrpc": "2.0", "id": id, "method": "eth_sendRawTransaction", "params": [raw]})
    });
    let (status, said) = endpoint.post(sends.collect::<Value>().to_string()).await;
    assert!(status == 200 && !said.contains("error"), "{status} {said}");
    let hashes = serde_json::from_str::<Vec<Value>>(&said).expect("answers");
    let mut blocks = BTreeMap::<u64, usize>::new();
    for answer in &hashes {
        let receipt = endpoint.receipt(answer["result"].as_str().expect("a hash")).await;
        *blocks.entry(quantity(&receipt["blockNumber"]).expect("a number")).or_default() += 1;
    }
    let largest = blocks.into_iter().max_by_key(|(_, many)| *many).expect("a block");
    let count = (LARGE.len() + 2).to_string();
    let add = ["network", "node", "add", "dam", "--member", "acme", "--count", &count];
    let _added: Value = platform.run(&add).await;
    let network = platform.show("dam").await;
    let _stopped: Value = platform.run(&["network", "stop", "dam"]).await;
    let copies = network.nodes.iter().map(|node| {
        let copy = folder.join(node.name.as_str());
        world::copy(&platform.workload(node.id.as_str()), &copy);
        copy
    });
    (copies.collect(), largest)
}

#[tokio::test]
async fn observers_that_flood_any_channel_end_no_validator() {
    let platform = Platform::start().await;
    let folder = tempfile::Builder::new().prefix("wlf").tempdir().expect("a folder");
    let (directories, (largest, transactions)) = dam(&platform, folder.path()).await;
    println!("{transactions} transactions of 120 kB in block {largest}");
    let (validators, observers) = directories.split_at(4);
    let mut running: Vec<_> = validators.iter().map(|one| Running(start_node(one, &[]))).collect();
    let listening: Vec<_> = validators.iter().map(|one| p2p_address(one)).collect();
    let mut account = Account::new(platform.show("dam").await.spec.chain_id);
    transact(&mut account, &validators[0]).await;

    // What they ask for large answers with, and do not read them.
    let block = largest.to_string();
    let greedy = ["codes", &*block];
    for (flood, observer) in LARGE.iter().chain(&greedy).zip(observers) {
        let link = Link { back_bytes_per_second: Some(TRICKLE), ..Link::default() };
        let relays = if greedy.contains(flood) {
            Relay::before(observer, &listening, link).await
        } else {
            Vec::new()
        };
        let folder = observer.to_string_lossy();
        let arguments = [&*folder, flood];
        let mut flooding = Running(start_tool("target/debug/examples/flood", &arguments, &[]));
        world::eventually("it floods", PATIENCE, async || {
            observer.join("floods").exists().then_some(())
        })
        .await;
        let (begun, mut sent) = (world::now(), 0);
        while begun.elapsed() < EACH {
            transact(&mut account, &validators[sent % 4]).await;
            sent += 1;
        }
        assert!(!flooding.has_ended(), "nobody floods any more: {flood}");
        drop((flooding, relays));
        let most = running.iter().map(Running::most).max().unwrap_or(0);
        println!("{flood}: {sent} transactions meanwhile, at most {} MB", most >> 20);
        assert!(running.iter_mut().all(|one| !one.has_ended()), "{flood} ended a validator");
        assert!(most < MOST, "{flood} had a validator hold {most} bytes");
    }
}
