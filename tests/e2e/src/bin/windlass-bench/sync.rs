//! `cargo xtask bench sync`: a node joins a network that has a large state, while blocks are made.
//! `--validators 1 --accounts 1000 --slots 0 --blocks 100000` is one with many blocks.

use std::{
    fs,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use alloy_primitives::{Address, U256};
use futures::future::join_all;
use serde_json::Value;
use windlass_e2e::{Account, Call, Endpoint, Platform, world};

use crate::{
    cluster::{Node, whole},
    consensus::trickle,
    large, say,
    summary::{HEAD, Row, ms, quantile},
};

const CHAIN_ID: u64 = 77_020;
/// Accounts that fill the state at once, each one transaction after the other.
const FILLERS: usize = 16;
/// A transaction makes so many accounts, or slots, so that a block takes two.
const ACCOUNTS_EACH: u64 = 400;
const SLOTS_EACH: u64 = 660;
const FILLING_GAS: u64 = 14_950_000;
/// How long a state may take to be made, or taken.
const PATIENCE: Duration = Duration::from_hours(1);

/// From the first word of its input on, as many as the second one says: stores `~i` under `i`.
const SLOTS: &str = "5f358060203501905b80198155600101818110600857 00";
/// The same, but sends 1 wei to the account `~i`.
const ACCOUNTS: &str = "5f358060203501905b5f5f5f5f600185195ff150600101818110600857 00";

/// How much is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many validators the network has
    #[arg(long, default_value_t = 4)]
    validators: u32,
    /// How many blocks it has at least
    #[arg(long, default_value_t = 0)]
    blocks: u64,
    /// How many accounts the state has
    #[arg(long, default_value_t = 1_000_000)]
    accounts: u64,
    /// How many slots of one contract it has
    #[arg(long, default_value_t = 2_000_000)]
    slots: u64,
    /// How long finality is watched before anybody joins, in seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many nodes join, one after the other
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

/// Measures and reports.
pub(crate) async fn run(options: Options) {
    let platform = Platform::start().await;
    let mut rich = Account::new(CHAIN_ID);
    let file = platform.data_dir.with_extension("toml");
    let spec = format!(
        "name = \"large\"\nchain_id = {CHAIN_ID}\nmin_block_interval_ms = 0\n[node_limits]\n\
         memory_mib = 2048\n[[members]]\norganization = \"acme\"\nvalidators = {}\n\
         [alloc.{}]\nbalance = \"1_000_000_000_000\"\n",
        options.validators, rich.address
    );
    fs::write(&file, spec).expect("the spec can be written");
    let _made: Value = platform.run(&["network", "create", "-f", &file.to_string_lossy()]).await;
    let network = platform.show("large").await;
    let endpoint = Platform::endpoint(&network);
    let began = world::now();
    fill(&endpoint, &mut rich, ACCOUNTS, (options.accounts, ACCOUNTS_EACH)).await;
    fill(&endpoint, &mut rich, SLOTS, (options.slots, SLOTS_EACH)).await;
    let nodes: Vec<Node> =
        network.nodes.iter().map(|node| Node::of(platform.workload(node.id.as_str()))).collect();
    let first = nodes.first().expect("it has nodes");
    let filled = AtomicBool::new(false);
    let lengthened = async {
        lengthen(&endpoint, first, options.blocks).await;
        filled.store(true, Ordering::Relaxed);
    };
    let going = || !filled.load(Ordering::Relaxed);
    tokio::join!(lengthened, large::mark(&endpoint, CHAIN_ID, going));
    let height = first.height().await;
    say::progress(&format!("{height} blocks in {:.0} s", began.elapsed().as_secs_f64()));
    let ledger = platform.workload(network.nodes[0].id.as_str()).join("data/ledger.redb");
    let bytes = fs::metadata(ledger).map_or(0, |file| file.len());
    let mut rows = large::run(&platform, "large", &endpoint).await;
    rows.extend(joins(&platform, &nodes, &options).await);
    drop(platform.destroy("large").await);
    let mut size = Row::new("a validator's ledger", "MB", "");
    size.samples.push(whole(bytes) / 1e6);
    let mut blocks = Row::new("blocks in it", "", "");
    blocks.samples.push(whole(height));
    rows.splice(0..0, [size, blocks]);
    for line in HEAD {
        say::result(line);
    }
    for row in rows.iter().filter(|row| !row.samples.is_empty()) {
        say::result(&row.line());
    }
}

/// Deploys a contract that makes so much of the state, and has it do so.
async fn fill(endpoint: &Endpoint, rich: &mut Account, code: &str, (all, each): (u64, u64)) {
    let runtime = hex::decode(code.replace(' ', "")).expect("it is hex");
    let length = u8::try_from(runtime.len()).expect("it is short");
    let mut input = vec![0x60, length, 0x80, 0x60, 0x09, 0x5f, 0x39, 0x5f, 0xf3];
    input.extend(runtime);
    let value = U256::from(all.saturating_mul(2));
    let deploy = Call { to: None, value, input: input.into(), gas: 200_000 };
    let receipt = endpoint.receipt(&rich.send(endpoint, deploy).await).await;
    let contract: Address =
        serde_json::from_value(receipt["contractAddress"].clone()).expect("it is deployed");
    let next = AtomicU64::new(0);
    join_all((0..FILLERS).map(|_| filler(endpoint, contract, &next, (all, each)))).await;
}

async fn filler(endpoint: &Endpoint, contract: Address, next: &AtomicU64, (all, each): (u64, u64)) {
    let mut account = Account::new(CHAIN_ID);
    loop {
        let from = next.fetch_add(each, Ordering::Relaxed);
        if from >= all {
            return;
        }
        if (from / each).is_multiple_of(250) {
            say::progress(&format!("{from} of {all}"));
        }
        let words = [from, each.min(all - from)];
        let input = words.map(|word| U256::from(word).to_be_bytes::<32>()).concat();
        let call =
            Call { to: Some(contract), value: U256::ZERO, input: input.into(), gas: FILLING_GAS };
        let receipt = endpoint.receipt(&account.send(endpoint, call).await).await;
        assert_eq!(receipt["status"], "0x1", "the state is not made: {receipt}");
    }
}

/// Sends transactions until there are so many blocks.
async fn lengthen(endpoint: &Endpoint, node: &Node, blocks: u64) {
    let begun = AtomicU64::new(node.height().await);
    let senders = (0..FILLERS).map(async |_| {
        let mut account = Account::new(CHAIN_ID);
        while begun.load(Ordering::Relaxed) < blocks {
            let receipt = endpoint.receipt(&account.send(endpoint, Call::default()).await).await;
            let number = receipt["blockNumber"].as_str().unwrap_or_default();
            let number = u64::from_str_radix(number.trim_start_matches("0x"), 16).unwrap_or(0);
            if begun.fetch_max(number, Ordering::Relaxed) / 10_000 < number / 10_000 {
                say::progress(&format!("{number} of {blocks} blocks"));
            }
        }
    });
    join_all(senders).await;
}

/// What the joins show.
struct Joins {
    added: Row,
    earlier: Row,
    rate: Row,
    alone: [Row; 2],
    meanwhile: [Row; 2],
    beside: [Row; 2],
    to_alone: Row,
    to_beside: Row,
}

impl Joins {
    fn new() -> Self {
        let pair = |of: &str| [Row::new(of, "ms", ""), Row::new("the same, p99", "ms", "")];
        let ratio =
            |to: &str| Row::new(format!("p99 while a node joins, to p99 {to}"), "x", "under 1.3");
        Self {
            added: Row::new("`network node add`, until the node follows", "s", "minutes"),
            earlier: Row::new("after it, until it has every block", "s", ""),
            rate: Row::new("blocks that it fetches then", "/s", ""),
            alone: pair("block to finality before, p50"),
            meanwhile: pair("block to finality while a node joins, p50"),
            beside: pair("block to finality when it follows, p50"),
            to_alone: ratio("before"),
            to_beside: ratio("when it follows"),
        }
    }

    fn into_rows(self) -> Vec<Row> {
        let Self { added, earlier, rate, alone, meanwhile, beside, to_alone, to_beside } = self;
        let pairs = [alone, meanwhile, beside].into_iter().flatten();
        [added, earlier, rate].into_iter().chain(pairs).chain([to_alone, to_beside]).collect()
    }
}

/// Notes median and p99, which is the answer.
fn note(rows: &mut [Row; 2], lags: &[f64]) -> f64 {
    for (row, at) in rows.iter_mut().zip([0.5, 0.99]) {
        row.samples.push(quantile(lags, at));
    }
    quantile(lags, 0.99)
}

/// Nodes that join, and finality before, meanwhile and afterwards.
async fn joins(platform: &Platform, nodes: &[Node], options: &Options) -> Vec<Row> {
    let mut rows = Joins::new();
    let first = nodes.first().expect("there are nodes");
    let watch = async || {
        let until = world::now() + Duration::from_secs(options.seconds);
        let going = || world::now() < until;
        tokio::join!(trickle(nodes, CHAIN_ID, going), first.lags(going)).1
    };
    for round in 0..options.rounds {
        say::progress(&format!("join {}", round + 1));
        let before = note(&mut rows.alone, &watch().await);
        let joining = AtomicBool::new(true);
        let going = || joining.load(Ordering::Relaxed);
        let join = async {
            let began = world::now();
            let words = ["network", "node", "add", "large", "--member", "acme"];
            let _joined: Value = platform.run(&[&words[..], &["--timeout", "3600"]].concat()).await;
            joining.store(false, Ordering::Relaxed);
            began.elapsed()
        };
        let (took, (), lags) =
            tokio::join!(join, trickle(nodes, CHAIN_ID, going), first.lags(going));
        let meanwhile = note(&mut rows.meanwhile, &lags);
        rows.added.samples.push(ms(took) / 1e3);
        let network = platform.show("large").await;
        let joined = network.nodes.last().expect("it has nodes");
        behind(&Node::of(platform.workload(joined.id.as_str())), &mut rows).await;
        let beside = note(&mut rows.beside, &watch().await);
        rows.to_alone.samples.push(meanwhile / before);
        rows.to_beside.samples.push(meanwhile / beside);
        let _gone: Value =
            platform.run(&["network", "node", "rm", "large", &joined.name, "-y"]).await;
    }
    rows.into_rows()
}

/// Waits until a node that has joined has the earlier blocks too.
async fn behind(node: &Node, rows: &mut Joins) {
    let (began, height) = (world::now(), node.height().await);
    let fetches = node.status().await.is_some_and(|status| !status["earlier"].is_null());
    world::eventually("it has every block", PATIENCE, async || {
        let status = node.status().await?;
        status["earlier"].is_null().then_some(())
    })
    .await;
    let took = ms(began.elapsed()) / 1e3;
    rows.earlier.samples.push(took);
    if fetches {
        rows.rate.samples.push(whole(height) / took.max(0.001));
    }
}
