//! `cargo xtask bench network`: the life of a network of four, idleness, finality, throughput.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use windlass_e2e::{Account, Call, Endpoint, Platform, world};

use crate::{
    say,
    summary::{Row, ms, quantile},
    usage,
};

const VALIDATORS: u32 = 4;
/// The steady load: a transaction in 50 ms is 20 a second.
const STEADY_PAUSE: Duration = Duration::from_millis(50);
const STEADY_COUNT: usize = 200;
/// Flat out: so many accounts at once, each with batches of so many, one batch after the other.
const ACCOUNTS: usize = 50;
const BATCH: usize = 20;
const BATCHES: usize = 10;
/// After a load, until what it left to do is done.
const SETTLING: Duration = Duration::from_secs(10);

/// How much is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How often everything is measured
    #[arg(long, default_value_t = 10)]
    rounds: u32,
    /// How long an idle network is watched in each round, in seconds
    #[arg(long, default_value_t = 60)]
    idle_seconds: u64,
}

/// Measures and reports.
pub(crate) async fn run(options: Options) {
    let platform = Platform::start().await;
    let sync: Vec<f64> = usage::sync_times(&platform.data_dir, 200).into_iter().map(ms).collect();
    say::progress("create, stop, start, destroy");
    let mut rows = life(&platform, options.rounds).await;
    let dev = Subject::create(&platform, "dev", 0).await;
    say::progress("finality at 20 transactions a second");
    rows.extend(steady(&dev, options.rounds).await);
    say::progress("flat out");
    rows.extend(flat_out(&dev, options.rounds).await);
    say::progress("idle");
    rows.extend(idle(&dev, &options).await);
    drop(platform.destroy("dev").await);

    say::report(&sync, &rows);
}

/// Commands of a network's life, from their start to their end.
async fn life(platform: &Platform, rounds: u32) -> Vec<Row> {
    let count = VALIDATORS.to_string();
    let verbs: [(&str, &[&str], &'static str); 4] = [
        (
            "`network create` of four, with the evidence",
            &["create", "--validators", &count],
            "under 1,000 ms",
        ),
        ("`network stop`", &["stop"], ""),
        ("`network start`", &["start"], ""),
        ("`network destroy`, with the receipt", &["destroy", "-y"], "under 1,000 ms"),
    ];
    let mut rows: Vec<Row> =
        verbs.iter().map(|(what, _, target)| Row::new(*what, "ms", target)).collect();
    for _round in 0..rounds {
        for ((_, arguments, _), row) in verbs.iter().zip(&mut rows) {
            let words = [&["network"], *arguments, &["bench"]].concat();
            let began = world::now();
            let _accepted: Value = platform.run(&words).await;
            row.samples.push(ms(began.elapsed()));
        }
    }
    rows
}

/// The network under load.
struct Subject {
    endpoint: Endpoint,
    chain_id: u64,
    pids: Vec<u32>,
}

impl Subject {
    async fn create(platform: &Platform, name: &str, interval_ms: u32) -> Self {
        let file = platform.data_dir.with_extension("toml");
        let spec = format!(
            "name = \"{name}\"\nvalidators = {VALIDATORS}\nmin_block_interval_ms = {interval_ms}\n"
        );
        std::fs::write(&file, spec).expect("the spec can be written");
        let _accepted: Value =
            platform.run(&["network", "create", "-f", &file.to_string_lossy()]).await;
        let network = platform.show(name).await;
        Self {
            endpoint: Platform::endpoint(&network),
            chain_id: network.spec.chain_id,
            pids: network.nodes.iter().filter_map(|node| node.pid).collect(),
        }
    }

    fn usage(&self) -> Vec<usage::Usage> {
        self.pids.iter().map(|pid| usage::of(*pid)).collect()
    }

    fn written(&self) -> u64 {
        self.usage().iter().map(|usage| usage.written).sum()
    }
}

/// Sends a transaction and waits for its receipt as every client does.
async fn sent(endpoint: &Endpoint, raw: &str) {
    let hash = endpoint.ok("eth_sendRawTransaction", json!([raw])).await;
    let receipt = endpoint.receipt(hash.as_str().expect("a hash is text")).await;
    assert_eq!(receipt.get("status"), Some(&json!("0x1")), "a transaction failed");
}

async fn steady(subject: &Subject, rounds: u32) -> Vec<Row> {
    let mut p50 = Row::new("finality at 20 tx/s as the client saw it, p50", "ms", "under 60 ms");
    let mut p99 = Row::new("the same, p99", "ms", "under 150 ms");
    let mut bytes = Row::new("written a transaction at 20 tx/s, by all four together", "kB", "");
    for _round in 0..rounds {
        let mut account = Account::new(subject.chain_id);
        let signed: Vec<String> =
            (0..STEADY_COUNT).map(|_| account.sign(Call::default())).collect();
        let written = subject.written();
        let start = tokio::time::Instant::from_std(world::now());
        let one_by_one = signed.iter().zip(0u32..).map(async |(raw, position)| {
            tokio::time::sleep_until(start + STEADY_PAUSE * position).await;
            let began = world::now();
            sent(&subject.endpoint, raw).await;
            ms(began.elapsed())
        });
        let times = join_all(one_by_one).await;
        p50.samples.push(quantile(&times, 0.5));
        p99.samples.push(quantile(&times, 0.99));
        bytes.samples.push(per(subject.written() - written, STEADY_COUNT));
    }
    vec![p50, p99, bytes]
}

/// Bytes a transaction, in kB.
fn per(bytes: u64, count: usize) -> f64 {
    let whole = bytes / u64::try_from(count).unwrap_or(u64::MAX);
    f64::from(u32::try_from(whole).unwrap_or(u32::MAX)) / 1_000.0
}

async fn flat_out(subject: &Subject, rounds: u32) -> Vec<Row> {
    let what = format!("flat out, {ACCOUNTS} accounts with batches of {BATCH}");
    let mut rate = Row::new(what, "tx/s", "reported");
    let mut batch_p50 = Row::new("finality of a whole batch then, p50", "ms", "reported");
    for _round in 0..rounds {
        let signed: Vec<_> = (0..ACCOUNTS).map(|_| batches(subject.chain_id)).collect();
        let began = world::now();
        let all = join_all(signed.into_iter().map(|batches| send_batches(subject, batches))).await;
        let seconds = began.elapsed().as_secs_f64();
        let count = u32::try_from(ACCOUNTS * BATCHES * BATCH).unwrap_or(u32::MAX);
        rate.samples.push(f64::from(count) / seconds);
        batch_p50.samples.push(quantile(&all.concat(), 0.5));
    }
    vec![rate, batch_p50]
}

/// A new account's transfers, signed beforehand.
fn batches(chain_id: u64) -> Vec<Vec<String>> {
    let mut account = Account::new(chain_id);
    let mut batch = || (0..BATCH).map(|_| account.sign(Call::default())).collect();
    (0..BATCHES).map(|_| batch()).collect()
}

/// One account's batches, one after the other; how long each took to be final.
async fn send_batches(subject: &Subject, batches: Vec<Vec<String>>) -> Vec<f64> {
    let mut times = Vec::new();
    for batch in batches {
        let began = world::now();
        let calls: Vec<Value> = batch
            .iter()
            .enumerate()
            .map(|(id, raw)| {
                json!({"jsonrpc": "2.0", "id": id, "method": "eth_sendRawTransaction", "params": [raw]})
            })
            .collect();
        let (status, text) = subject.endpoint.post(Value::from(calls).to_string()).await;
        assert_eq!(status, 200, "{text}");
        let answers: Vec<Value> =
            serde_json::from_str(&text).expect("a batch is answered by a list");
        let last = answers.iter().find(|answer| answer.get("id") == Some(&json!(BATCH - 1)));
        let hash = last.and_then(|answer| answer.get("result")).and_then(Value::as_str);
        subject.endpoint.receipt(hash.unwrap_or_else(|| panic!("refused: {text}"))).await;
        times.push(ms(began.elapsed()));
    }
    times
}

async fn idle(subject: &Subject, options: &Options) -> Vec<Row> {
    let watched = Duration::from_secs(options.idle_seconds);
    let what = |text: &str| format!("{text}, a validator over {} s", options.idle_seconds);
    let mut written = Row::new(what("idle: written"), "B", "0 B");
    let mut cpu = Row::new(what("idle: of a core"), "%", "under 0.05 %");
    let mut resident = Row::new("idle: resident, a validator", "MB", "under 40 MB");
    let mut anonymous = Row::new("idle: of it, not backed by a file", "MB", "");
    tokio::time::sleep(SETTLING).await;
    for _round in 0..options.rounds {
        let before = subject.usage();
        tokio::time::sleep(watched).await;
        for (before, after) in before.into_iter().zip(subject.usage()) {
            let used = after.cpu.saturating_sub(before.cpu);
            cpu.samples.push(used.as_secs_f64() / watched.as_secs_f64() * 100.0);
            written.samples.push(per(after.written - before.written, 1) * 1_000.0);
            resident.samples.push(per(after.resident, 1_000));
            anonymous.samples.push(per(after.anonymous, 1_000));
        }
    }
    vec![written, cpu, resident, anonymous]
}
