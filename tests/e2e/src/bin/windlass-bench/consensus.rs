//! `cargo xtask bench consensus`: agreement, by the number of validators and by their distance.

use std::{hint::black_box, time::Duration};

use futures::future::join_all;
use serde_json::{Value, json};
use windlass_e2e::{Account, Call, Link, Platform, binary, run_tool, world};
use windlass_proof::{Proof, TrustAnchor, verify};

use crate::{
    cluster::{Cluster, Node, whole},
    say,
    summary::{HEAD, Row, ms, quantile},
};

/// Accounts that send at once, each when its last transaction is final.
const ACCOUNTS: usize = 40;
/// The length of an epoch where nothing is said.
const EPOCH: u64 = 64;

/// How much is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many validators, one network after the other
    #[arg(long, value_delimiter = ',', default_values_t = [4, 7, 10])]
    sizes: Vec<u32>,
    /// How long a message and its answer are on their way, in milliseconds
    #[arg(long, value_delimiter = ',', default_values_t = [50, 150])]
    round_trips: Vec<u64>,
    /// How many transactions one after the other in each network
    #[arg(long, default_value_t = 100)]
    transactions: usize,
    /// How long many accounts send at once, in seconds
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How often a leader dies, validators change and a proof is verified
    #[arg(long, default_value_t = 10)]
    rounds: usize,
}

/// Measures and reports.
pub(crate) async fn run(options: Options) {
    let platform = Platform::start().await;
    let mut rows = Vec::new();
    for size in &options.sizes {
        for round_trip in [0].iter().chain(&options.round_trips) {
            say::progress(&format!("{size} validators, {round_trip} ms there and back"));
            rows.extend(told(distance(&platform, *size, *round_trip, &options).await));
        }
    }
    say::progress("a dead leader");
    rows.extend(told(vec![dead_leader(&platform, &options).await]));
    say::progress("a change of validators");
    rows.extend(told(vec![change(&platform, &options).await]));
    say::progress("proofs");
    rows.extend(told(proofs(&platform, &options).await.into()));
    drop(platform);
    for line in HEAD {
        say::result(line);
    }
    for row in rows {
        say::result(&row.line());
    }
}

/// Says what was measured as soon as it is: the whole takes minutes.
fn told(mut rows: Vec<Row>) -> Vec<Row> {
    rows.retain(|row| !row.samples.is_empty());
    for row in &rows {
        say::progress(&row.line());
    }
    rows
}

/// One network, its validators so far apart.
async fn distance(platform: &Platform, size: u32, round_trip: u64, options: &Options) -> Vec<Row> {
    let link = Link { delay: Duration::from_millis(round_trip) / 2, ..Link::default() };
    let link = (round_trip > 0).then_some(link);
    let spec = format!("validators = {size}\nmin_block_interval_ms = 0\n");
    let mut cluster = Cluster::start(platform, &spec, link, &[]).await;
    let of = format!("{size} validators, {round_trip} ms there and back");
    let mut seen = Vec::new();
    let mut certificate = Row::new(format!("{size} validators: a certificate"), "B", "");
    for position in 0..options.transactions {
        let to = position % cluster.nodes.len();
        let (took, receipt) = cluster.transact(to).await;
        seen.push(ms(took));
        if position % 10 == 0 {
            certificate.samples.extend(certificate_bytes(&cluster, &receipt).await);
        }
    }
    let mut p50 = Row::new(format!("{of}: finality as a client saw it, p50"), "ms", "");
    let mut p99 = Row::new(format!("{of}: the same, p99"), "ms", "");
    p50.samples.push(quantile(&seen, 0.5));
    p99.samples.push(quantile(&seen, 0.99));

    let until = world::now() + Duration::from_secs(options.seconds);
    let going = || world::now() < until;
    let first = cluster.nodes.first().expect("there are nodes");
    let ((), lags) =
        tokio::join!(trickle(&cluster.nodes, cluster.chain_id, going), first.lags(going));
    let mut lag50 = Row::new(format!("{of}: from a block's time to its finality, p50"), "ms", "");
    let mut lag99 = Row::new(format!("{of}: the same, p99"), "ms", "");
    lag50.samples.push(quantile(&lags, 0.5));
    lag99.samples.push(quantile(&lags, 0.99));

    let mut rate = Row::new(format!("{of}: blocks under load"), "/s", "");
    let before = first.height().await;
    let begun = world::now();
    join_all((0..ACCOUNTS).map(|account| send_always(&cluster, account, options.seconds))).await;
    let made = first.height().await - before;
    rate.samples.push(whole(made) / begun.elapsed().as_secs_f64());
    drop(cluster);
    drop(platform.destroy("far").await);
    let mut rows = vec![p50, p99, lag50, lag99, rate];
    if round_trip == 0 {
        rows.push(certificate);
    }
    rows
}

/// The size of the certificate that proves a transaction.
async fn certificate_bytes(cluster: &Cluster, receipt: &Value) -> Option<f64> {
    let hash = receipt.get("transactionHash")?;
    let proof = cluster.nodes.first()?.ask("windlass_proveTransaction", json!([hash])).await?;
    let digits = proof.get("certificate")?.as_str()?.len().saturating_sub(2);
    Some(f64::from(u32::try_from(digits / 2).ok()?))
}

/// One transaction after the other, to each node in turn.
pub(crate) async fn trickle(nodes: &[Node], chain_id: u64, going: impl Fn() -> bool) {
    let mut account = Account::new(chain_id);
    for node in nodes.iter().cycle() {
        if !going() {
            return;
        }
        node.transact(&account.sign(Call::default())).await;
    }
}

/// One account of many: the next when the last is final.
async fn send_always(cluster: &Cluster, number: usize, seconds: u64) {
    let mut account = Account::new(cluster.chain_id);
    let node = cluster.nodes.get(number % cluster.nodes.len()).expect("it is below");
    let until = world::now() + Duration::from_secs(seconds);
    while world::now() < until {
        node.transact(&account.sign(Call::default())).await;
    }
}

/// One of four is killed; until each has had its turn, the slowest transaction waited for its view.
async fn dead_leader(platform: &Platform, options: &Options) -> Row {
    let mut row = Row::new(
        "4 validators, default settings: the slowest transaction after a leader died",
        "ms",
        "under 1,500 ms",
    );
    let mut cluster = Cluster::start(platform, "validators = 4\n", None, &[]).await;
    for round in 0..options.rounds {
        let dead = round % 4;
        for node in 0..4 {
            cluster.transact(node).await;
        }
        cluster.nodes[dead].kill();
        let mut slowest = Duration::ZERO;
        for position in 0..8 {
            let to = (dead + 1 + position % 3) % 4;
            slowest = slowest.max(cluster.transact(to).await.0);
        }
        row.samples.push(ms(slowest));
        cluster.nodes[dead].start();
        cluster.connected().await;
    }
    drop(cluster);
    drop(platform.destroy("far").await);
    row
}

/// The member suspends a validator and takes it back: from the block with the vote until the others
/// decide.
async fn change(platform: &Platform, options: &Options) -> Row {
    let mut row = Row::new(
        format!("5 validators, {EPOCH} blocks an epoch: an approved change takes effect"),
        "ms",
        "under 5,000 ms",
    );
    platform.create("change", 5).await;
    let network = platform.show("change").await;
    let node = network.nodes.first().expect("it has nodes").id.to_string();
    let socket = windlass_e2e::node_socket(&platform.data_dir, &node);
    let status = async || {
        let answer = windlass_e2e::call_node(&socket, "windlass_status", json!([])).await;
        let status = answer.and_then(Result::ok).expect("the node answers");
        (status["tip"]["number"].as_u64().unwrap_or(0), status["validators"].as_u64().unwrap_or(0))
    };
    for round in 0..options.rounds {
        let verb = if round % 2 == 0 { "suspend-validator" } else { "resume-validator" };
        let (tip, validators) = status().await;
        let watch = async {
            let mut approved = None;
            loop {
                let (now, voting) = status().await;
                if now > tip {
                    let since = *approved.get_or_insert_with(world::now);
                    if voting != validators {
                        return since.elapsed();
                    }
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let words = ["network", "propose", "change", verb, "validator-4"];
        let propose = async {
            let _accepted: Value = platform.run(&words).await;
        };
        let (took, ()) = tokio::join!(watch, propose);
        row.samples.push(ms(took));
    }
    drop(platform.destroy("change").await);
    row
}

/// `windlass verify` as a whole, from its start to its end, and the check alone, of the same file.
async fn proofs(platform: &Platform, options: &Options) -> [Row; 2] {
    let what = "4 validators: `windlass verify` of a transaction, the whole command";
    let mut row = Row::new(what, "ms", "");
    let what = "the same by the library: reading the genesis and the proof, and the check";
    let mut check = Row::new(what, "ms", "under 2 ms");
    platform.create("proof", 4).await;
    let network = platform.show("proof").await;
    let endpoint = Platform::endpoint(&network);
    let mut account = Account::new(network.spec.chain_id);
    let hash = account.send(&endpoint, Call::default()).await;
    endpoint.receipt(&hash).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (proof, genesis) = (file("proof.json"), file("genesis.json"));
    let _file: Value = platform.run(&["proof", "tx", "proof", &hash, "-o", &proof]).await;
    let _file: Value = platform.run(&["network", "genesis", "proof", "-o", &genesis]).await;
    let program = binary();
    for _round in 0..options.rounds {
        let words = ["verify", &proof, "--genesis", &genesis, "--json"];
        let begun = world::now();
        let ended = run_tool(&program.to_string_lossy(), &words, &[]).await;
        row.samples.push(ms(begun.elapsed()));
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let read = |path: &str| std::fs::read(path).expect("the file is there");
        let (proof, genesis) = (read(&proof), read(&genesis));
        let begun = world::now();
        let anchor = TrustAnchor::from_genesis(&genesis).expect("it is a document");
        let proof = Proof::from_json(&proof).expect("it is a proof");
        black_box(verify(&proof, &anchor).expect("it holds"));
        check.samples.push(ms(begun.elapsed()));
    }
    drop(platform.destroy("proof").await);
    [row, check]
}
