//! What a large ledger costs those who have it: to start with it, to keep it, and to search its logs.

use std::time::Duration;

use serde_json::{Value, json};
use windlass_e2e::{Account, Call, Endpoint, Platform, world};

use crate::{
    cluster::{Node, whole},
    summary::{Row, ms},
    usage,
};

/// How often each is measured.
const ROUNDS: usize = 5;
/// How long a node may take to answer again, and how often it is asked.
const PATIENCE: Duration = Duration::from_mins(1);
const ASK_EVERY: Duration = Duration::from_millis(2);
/// How long a network rests before its memory is looked at.
const RESTS: Duration = Duration::from_secs(10);
/// How many blocks one search may be of.
const MOST_BLOCKS: u64 = 100_000;
/// One such log in so many blocks.
const BLOCKS_A_LOG: u64 = 1_000;

/// What the logs that are searched for carry.
fn topic() -> String {
    format!("0x{}", "6c".repeat(32))
}

/// A creation that only leaves such a log: PUSH32, twice PUSH0, LOG1, STOP.
fn marks() -> Call {
    let code = format!("7f{}5f5fa100", topic().trim_start_matches("0x"));
    let input = hex::decode(code).expect("it is hex").into();
    Call { to: None, input, gas: 100_000, ..Call::default() }
}

/// The figures of a network whose nodes these are; each is stopped and started again.
pub(crate) async fn run(platform: &Platform, name: &str, endpoint: &Endpoint) -> Vec<Row> {
    let mut rows = vec![logs(endpoint).await];
    let mut started = Row::new("`network start` until the first answer at its URL", "ms", "");
    let mut resident = Row::new("idle after that: resident, a validator", "MB", "under 60 MB");
    let mut anonymous = Row::new("idle: of it, not backed by a file", "MB", "");
    for _round in 0..ROUNDS {
        let _stopped: Value = platform.run(&["network", "stop", name]).await;
        let began = world::now();
        let _started: Value = platform.run(&["network", "start", name]).await;
        endpoint.number("eth_blockNumber", json!([])).await;
        started.samples.push(ms(began.elapsed()));
    }
    tokio::time::sleep(RESTS).await;
    let network = platform.show(name).await;
    for pid in network.nodes.iter().filter_map(|node| node.pid) {
        let used = usage::of(pid);
        resident.samples.push(whole(used.resident) / 1e6);
        anonymous.samples.push(whole(used.anonymous) / 1e6);
    }
    let first = network.nodes.first().expect("it has nodes").id.as_str().to_owned();
    rows.extend([started, killed(platform, name, &first).await, resident, anonymous]);
    rows
}

/// A node is killed; how long until it answers again.
async fn killed(platform: &Platform, name: &str, id: &str) -> Row {
    let what = "a validator that was killed: until it answers again";
    let mut row = Row::new(what, "ms", "under 500 ms");
    let node = Node::of(platform.workload(id));
    for _round in 0..ROUNDS {
        let network = platform.show(name).await;
        let pid = network.nodes.iter().find(|node| node.id.as_str() == id).and_then(|it| it.pid);
        world::kill(pid.expect("it runs"));
        let began = world::now();
        while node.ask("eth_blockNumber", json!([])).await.is_none() {
            assert!(began.elapsed() < PATIENCE, "a killed node does not come back");
            tokio::time::sleep(ASK_EVERY).await;
        }
        row.samples.push(ms(began.elapsed()));
        // The platform lets one that ends soon wait.
        tokio::time::sleep(RESTS).await;
    }
    row
}

/// Searches as many blocks as can be for a topic that few have.
async fn logs(endpoint: &Endpoint) -> Row {
    let tip = endpoint.height().await;
    let from = tip.saturating_sub(MOST_BLOCKS - 1);
    let filter = json!([{
        "fromBlock": format!("{from:#x}"), "toBlock": format!("{tip:#x}"), "topics": [topic()],
    }]);
    let mut row = Row::new("", "ms", "under 50 ms");
    let mut found = 0;
    for _round in 0..ROUNDS {
        let began = world::now();
        let answer = endpoint.ok("eth_getLogs", filter.clone()).await;
        row.samples.push(ms(began.elapsed()));
        found = answer.as_array().map_or(0, Vec::len);
    }
    row.what = format!("`eth_getLogs` of a topic that {found} of {} blocks have", tip - from + 1);
    row
}

/// Leaves a log now and then, until told that it is enough.
pub(crate) async fn mark(endpoint: &Endpoint, chain_id: u64, going: impl Fn() -> bool) {
    let mut account = Account::new(chain_id);
    let mut next = 0;
    while going() {
        if endpoint.height().await >= next {
            let receipt = endpoint.receipt(&account.send(endpoint, marks()).await).await;
            assert_eq!(receipt["status"], "0x1", "no log is left: {receipt}");
            next += BLOCKS_A_LOG;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
