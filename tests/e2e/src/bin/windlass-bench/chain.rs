//! `cargo xtask bench chain`: what a network of four executes in a second, and what that costs.
//!
//! Every transaction goes over JSON-RPC to the network's URL and is final on the node that answers there.
//! Signing and making the requests is done before; what the generator uses is told apart, since it shares
//! the processors with the validators.

use std::time::Duration;

use alloy_primitives::{Address, U256};
use windlass_e2e::{Account, Call, Endpoint, Platform, node_socket, world};

use crate::{
    contracts,
    load::{self, Blocks, Ran, Steady, Subject, Way},
    peer::Peer,
    reads::{self, Reading},
    say, slow,
    summary::{HEAD, Row, quantile},
    wire::Target,
};

const CHAIN_ID: u64 = 77_030;
/// A spec that names more accounts than this is too large for the API: they are made by transactions.
const MOST_IN_GENESIS: usize = 10_000;
/// So many hold tokens, whatever the number of accounts.
const MOST_HOLDERS: usize = 10_000;
/// How much longer a slow disk takes to sync.
const SLOW_MS: u64 = 5;
const TRANSFERS: &str = "3,000 tx/s; 1,500 among a million";

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Transfers, flat out
    Transfers,
    /// ERC-20 transfers, flat out
    Erc20,
    /// Swaps in a market of two ERC-20 tokens, flat out
    Swap,
    /// Finality at 100 transactions a second, and what is written at 20
    Steady,
    /// Calls of one node
    Reads,
    /// Finality at 100 transactions a second with 5 ms more for each sync
    Slow,
    /// Transfers at the default time between blocks
    Interval,
    /// anvil and `geth --dev` under the same transfers
    Peer,
}

/// How much is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How often everything is measured
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How many transactions each round sends flat out
    #[arg(long, default_value_t = 30_000)]
    transactions: usize,
    /// How many accounts there are
    #[arg(long, default_value_t = 10_000)]
    accounts: usize,
    /// How long steady loads and reads take in each round, in seconds
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// How many connections send, or read, at once
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// How many transactions share a request, one measurement after the other
    #[arg(long, value_delimiter = ',', default_values_t = [1, 50])]
    batches: Vec<usize>,
    /// Only these parts
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [
        Part::Transfers, Part::Erc20, Part::Swap, Part::Steady, Part::Reads, Part::Slow,
        Part::Interval, Part::Peer,
    ])]
    only: Vec<Part>,
    /// Send to the sockets of all four nodes in turn, past the gateway
    #[arg(long)]
    direct: bool,
}

/// Measures and reports.
pub(crate) async fn run(options: Options) {
    let mut rows = Vec::new();
    let on_network = [Part::Transfers, Part::Erc20, Part::Swap, Part::Steady, Part::Reads];
    if options.has(&on_network) {
        let mut ground = Ground::of_network(&options, "min_block_interval_ms = 0\n").await;
        rows.extend(flat_out(&mut ground, &options).await);
        if options.has(&[Part::Steady]) {
            rows.extend(steady(&mut ground, &options).await);
        }
    }
    if options.has(&[Part::Slow]) {
        rows.extend(told(slow::run(options.rounds, options.seconds, SLOW_MS).await));
    }
    if options.has(&[Part::Interval]) {
        let mut ground = Ground::of_network(&options, "").await;
        let rounds = transfers(&mut ground, &options, options.widest()).await;
        let what = format!("default block interval: {}", what_of(&ground, options.widest()));
        rows.extend(told(load::rows(&ground.subject, &what, "", &rounds)));
    }
    if options.has(&[Part::Peer]) {
        rows.extend(beside(&options).await);
    }
    for line in HEAD {
        say::result(line);
    }
    for row in rows {
        say::result(&row.line());
    }
}

impl Options {
    fn has(&self, parts: &[Part]) -> bool {
        parts.iter().any(|part| self.only.contains(part))
    }

    fn way(&self, batch: usize) -> Way {
        Way { connections: self.connections, batch: batch.max(1) }
    }

    fn widest(&self) -> Way {
        self.way(self.batches.iter().copied().max().unwrap_or(1))
    }
}

/// A chain and those who use it.
struct Ground {
    subject: Subject,
    endpoint: Endpoint,
    accounts: Vec<Account>,
    rich: Account,
    /// What the network runs on.
    platform: Option<Platform>,
    /// Held so that it runs as long as this is there.
    _peer: Option<Peer>,
}

impl Ground {
    /// A network of four validators.
    async fn of_network(options: &Options, settings: &str) -> Self {
        say::progress(&format!("a network of four with {} accounts", options.accounts));
        let platform = Platform::start().await;
        let accounts = load::accounts(options.accounts, CHAIN_ID);
        let mut rich = Account::new(CHAIN_ID);
        let in_genesis = if accounts.len() > MOST_IN_GENESIS { &[] } else { &accounts[..] };
        let room = if in_genesis.is_empty() { "node_limits = { memory_mib = 2048 }\n" } else { "" };
        let spec = spec(&[room, settings].concat(), in_genesis, &rich);
        let file = platform.data_dir.with_extension("toml");
        std::fs::write(&file, spec).expect("the spec can be written");
        let _made: serde_json::Value =
            platform.run(&["network", "create", "-f", &file.to_string_lossy()]).await;
        let network = platform.show("loaded").await;
        let first = network.nodes.first().expect("it has nodes");
        let endpoint = Platform::endpoint(&network);
        if in_genesis.is_empty() {
            let addresses: Vec<Address> = accounts.iter().map(|account| account.address).collect();
            contracts::fund(&endpoint, &mut rich, &addresses, CHAIN_ID).await;
        }
        let targets = if options.direct {
            let ids = network.nodes.iter().map(|node| node.id.as_str());
            ids.map(|id| Target::Socket(node_socket(&platform.data_dir, id))).collect()
        } else {
            vec![Target::of_url(&endpoint.url)]
        };
        let subject = Subject {
            targets,
            executing: network.nodes.iter().filter_map(|node| node.pid).collect(),
            called: "the four validators",
            folder: platform.workload(first.id.as_str()),
            gateway: gateway(&platform).filter(|_| !options.direct),
            blocks: Blocks::Own,
        };
        Self { subject, endpoint, accounts, rich, platform: Some(platform), _peer: None }
    }

    /// Another program, with accounts of its own.
    fn of_peer(peer: Peer, accounts: Vec<Account>, rich: Account) -> Self {
        let (subject, endpoint) = (peer.subject(), peer.endpoint());
        Self { subject, endpoint, accounts, rich, platform: None, _peer: Some(peer) }
    }

    fn addresses(&self) -> Vec<Address> {
        self.accounts.iter().map(|account| account.address).collect()
    }

    /// So many transactions of the first accounts, or of all of them several each.
    fn sign(
        &mut self,
        count: usize,
        does: impl Fn(usize, Address) -> Call + Sync,
    ) -> Vec<Vec<String>> {
        let senders = self.accounts.len().min(count).max(1);
        load::sign(&mut self.accounts[..senders], (count / senders).max(1), does)
    }
}

/// A network of four whose genesis has these accounts, and one that is rich.
fn spec(settings: &str, accounts: &[Account], rich: &Account) -> String {
    let head = format!(
        "name = \"loaded\"\nvalidators = 4\nchain_id = {CHAIN_ID}\n{settings}\
         [alloc.\"{}\"]\nbalance = \"1000000000000000000000\"\n",
        rich.address
    );
    let entry = |account: &Account| {
        format!("[alloc.\"{}\"]\nbalance = \"{}\"\n", account.address, contracts::FUNDS)
    };
    accounts.iter().fold(head, |spec, account| spec + &entry(account))
}

/// The process in front of the networks.
fn gateway(platform: &Platform) -> Option<u32> {
    let processes = world::processes(&platform.data_dir);
    processes.iter().find(|process| process.is("gateway")).map(|process| process.pid)
}

/// Transfers, so many a request.
async fn each_way(ground: &mut Ground, options: &Options, batch: usize, of: &str) -> Vec<Row> {
    let way = options.way(batch);
    let rounds = transfers(ground, options, way).await;
    let target = if of.is_empty() { TRANSFERS } else { "" };
    told(load::rows(&ground.subject, &format!("{of}{}", what_of(ground, way)), target, &rounds))
}

/// The transfers on other programs.
async fn beside(options: &Options) -> Vec<Row> {
    let mut rows = Vec::new();
    for name in ["anvil", "geth --dev"] {
        say::progress(name);
        let accounts = load::accounts(options.accounts.min(MOST_IN_GENESIS), CHAIN_ID);
        let rich = Account::new(CHAIN_ID);
        let peer = match name {
            "anvil" => Peer::anvil(CHAIN_ID, &accounts, &rich),
            _ => Peer::geth(CHAIN_ID, &accounts, &rich).await,
        };
        let Some(peer) = peer else {
            say::progress("it is not there: `cargo xtask bench chain` installs it");
            continue;
        };
        let mut ground = Ground::of_peer(peer, accounts, rich);
        for batch in &options.batches {
            rows.extend(each_way(&mut ground, options, *batch, &format!("{name}: ")).await);
        }
    }
    rows
}

/// Everything that is flat out, and the reads, whose token is there then.
async fn flat_out(ground: &mut Ground, options: &Options) -> Vec<Row> {
    let mut rows = Vec::new();
    if options.has(&[Part::Transfers]) {
        for batch in &options.batches {
            rows.extend(each_way(ground, options, *batch, "").await);
        }
    }
    if !options.has(&[Part::Erc20, Part::Swap, Part::Reads]) {
        return rows;
    }
    let mut holders = ground.addresses();
    holders.truncate(MOST_HOLDERS);
    let token = contracts::token(&ground.endpoint, &mut ground.rich, &holders).await;
    let way = options.widest();
    if options.has(&[Part::Erc20]) {
        let rounds = erc20(ground, options, token, &holders).await;
        let what = format!("ERC-20 transfers among {}, {}", holders.len(), way.told());
        rows.extend(told(load::rows(&ground.subject, &what, "2,500 tx/s", &rounds)));
    }
    if options.has(&[Part::Swap]) {
        let rounds = swaps(ground, options, token, &holders).await;
        let what = format!("swaps of {} accounts, {}", holders.len(), way.told());
        rows.extend(told(load::rows(&ground.subject, &what, "", &rounds)));
    }
    if let (Some(platform), true) = (&ground.platform, options.has(&[Part::Reads])) {
        say::progress("reads");
        rows.extend(told(read(platform, ground, options, (token, &holders)).await));
    }
    rows
}

fn what_of(ground: &Ground, way: Way) -> String {
    format!("transfers among {}, {}", ground.accounts.len(), way.told())
}

async fn transfers(ground: &mut Ground, options: &Options, way: Way) -> Vec<Ran> {
    let to = ground.addresses();
    let mut rounds = Vec::new();
    for round in 0..options.rounds {
        say::progress(&format!("transfers, {}, round {}", way.told(), round + 1));
        let signed = ground.sign(options.transactions, |place, _| Call {
            to: Some(to[(place * 7_919 + round + 1) % to.len()]),
            value: U256::ONE,
            ..Call::default()
        });
        rounds.push(load::run(&ground.subject, signed, way).await);
    }
    rounds
}

async fn erc20(
    ground: &mut Ground,
    options: &Options,
    token: Address,
    holders: &[Address],
) -> Vec<Ran> {
    let mut rounds = Vec::new();
    for round in 0..options.rounds {
        say::progress(&format!("ERC-20 transfers, round {}", round + 1));
        let signed = sign_of_holders(ground, holders, options.transactions, |place, _| {
            contracts::transfer(token, holders[(place * 7_919 + round + 1) % holders.len()])
        });
        rounds.push(load::run(&ground.subject, signed, options.widest()).await);
    }
    rounds
}

async fn swaps(
    ground: &mut Ground,
    options: &Options,
    token: Address,
    holders: &[Address],
) -> Vec<Ran> {
    say::progress("a market, and each holder's approval");
    let other = contracts::token(&ground.endpoint, &mut ground.rich, &[]).await;
    let pair = contracts::pair(&ground.endpoint, &mut ground.rich, [token, other]).await;
    let approvals =
        sign_of_holders(ground, holders, holders.len(), |_, _| contracts::approve(token, pair));
    let _approved: Ran = load::run(&ground.subject, approvals, options.widest()).await;
    let mut rounds = Vec::new();
    for round in 0..options.rounds {
        say::progress(&format!("swaps, round {}", round + 1));
        let signed = sign_of_holders(ground, holders, options.transactions, |_, own| {
            contracts::swap(pair, own)
        });
        rounds.push(load::run(&ground.subject, signed, options.widest()).await);
    }
    rounds
}

/// The same as [`Ground::sign`], of those accounts only that hold tokens.
fn sign_of_holders(
    ground: &mut Ground,
    holders: &[Address],
    count: usize,
    does: impl Fn(usize, Address) -> Call + Sync,
) -> Vec<Vec<String>> {
    let senders = holders.len().min(count).max(1);
    load::sign(&mut ground.accounts[..senders], (count / senders).max(1), does)
}

async fn steady(ground: &mut Ground, options: &Options) -> Vec<Row> {
    let mut p50 = Row::new("finality at 100 tx/s as the client saw it, p50", "ms", "under 50 ms");
    let mut p99 = Row::new("the same, p99", "ms", "under 120 ms");
    let what = "written a transaction at 20 tx/s, a validator: pages that it made the kernel write";
    let mut written = Row::new(what, "kB", "under 20 kB");
    let mut given = Row::new("the same, what it gave to `write`", "kB", "");
    for round in 0..options.rounds {
        say::progress(&format!("steady, round {}", round + 1));
        let at_100 = evenly(ground, options, 100).await;
        p50.samples.push(quantile(&at_100.times, 0.5));
        p99.samples.push(quantile(&at_100.times, 0.99));
        let at_20 = evenly(ground, options, 20).await;
        written.samples.extend(at_20.written);
        given.samples.extend(at_20.given);
    }
    told(vec![p50, p99, written, given])
}

/// Transfers, so many a second; the accounts send in turn.
async fn evenly(ground: &mut Ground, options: &Options, per_second: u32) -> Steady {
    let count = options.seconds * u64::from(per_second);
    let count = usize::try_from(count).expect("they fit into memory");
    let mut signed: Vec<_> = ground
        .sign(count, |_, _| Call { value: U256::ONE, ..Call::default() })
        .into_iter()
        .map(Vec::into_iter)
        .collect();
    let mut in_turn = Vec::with_capacity(count);
    loop {
        let before = in_turn.len();
        in_turn.extend(signed.iter_mut().filter_map(Iterator::next));
        if in_turn.len() == before {
            break;
        }
    }
    load::steady(&ground.endpoint, &ground.subject, &in_turn, per_second).await
}

async fn read(
    platform: &Platform,
    ground: &Ground,
    options: &Options,
    (token, holders): (Address, &[Address]),
) -> Vec<Row> {
    let network = platform.show("loaded").await;
    let node = network.nodes.first().expect("it has nodes");
    let socket = Target::Socket(node_socket(&platform.data_dir, node.id.as_str()));
    let reading = Reading {
        token,
        holders,
        connections: options.connections,
        watched: Duration::from_secs(options.seconds).min(Duration::from_secs(10)),
        rounds: options.rounds,
    };
    let url = Target::of_url(&ground.endpoint.url);
    reads::run((&socket, node.pid.expect("it runs")), &url, reading).await
}

/// Says what was measured as soon as it is: the whole takes minutes.
fn told(rows: Vec<Row>) -> Vec<Row> {
    for row in &rows {
        say::progress(&row.line());
    }
    rows
}
