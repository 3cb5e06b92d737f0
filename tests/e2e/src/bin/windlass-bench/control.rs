//! `cargo xtask bench control`: waking, what the gateway costs, and how many networks one machine has.

use std::time::Duration;

use futures::{StreamExt as _, future::join_all, stream};
use serde_json::{Value, json};
use windlass_e2e::{Account, Call, Endpoint, Platform, node_socket, world};
use windlass_model::network::{Health, Network, NetworkState};

use crate::{
    cluster::whole,
    say,
    summary::{Row, ms, quantile},
    usage,
    wire::{Connection, Target, call},
};

/// So many networks are created, sent to sleep or destroyed at a time.
const AT_ONCE: usize = 4;
/// Requests one after the other, for the gateway's overhead.
const REQUESTS: usize = 3_000;
/// Connections at once, for what the gateway passes on in a second, and for how long.
const CONNECTIONS: usize = 32;
const FLAT_OUT: Duration = Duration::from_secs(5);
/// After a load, until what it left to do is done.
const SETTLING: Duration = Duration::from_secs(10);

/// How much is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How often a network is woken by a read, and by a transaction
    #[arg(long, default_value_t = 50)]
    wakes: u32,
    /// How many networks are created at once
    #[arg(long, default_value_t = 50)]
    burst: usize,
    /// How many networks of four are live at the end
    #[arg(long, default_value_t = 100)]
    live: usize,
    /// How many networks of four sleep beside them
    #[arg(long, default_value_t = 1_000)]
    sleeping: usize,
    /// How long they are watched, in seconds
    #[arg(long, default_value_t = 60)]
    idle_seconds: u64,
}

/// Measures and reports.
pub(crate) async fn run(options: Options) {
    // What runs here is counted beforehand, and more than the platform would take unasked.
    let mut platform = Platform::start_with(&["--overcommit"]).await;
    let unlimited = ["--networks", "--nodes", "--disk", "--requests"].map(|what| [what, "none"]);
    let _budget: Value =
        platform.run(&[&["quota", "set"], unlimited.as_flattened()].concat()).await;
    let sync: Vec<f64> = usage::sync_times(&platform.data_dir, 200).into_iter().map(ms).collect();
    say::progress("waking");
    let mut rows = waking(&platform, options.wakes).await;
    say::progress("the gateway");
    rows.extend(gateway(&platform).await);
    say::progress("networks at once");
    rows.extend(burst(&platform, options.burst).await);
    say::progress("many networks");
    rows.extend(many(&mut platform, &options).await);

    say::report(&sync, &rows);
}

/// A network of four that sleeps only when it is told to.
async fn create(platform: &Platform, name: &str) -> Network {
    let file = platform.data_dir.with_extension(format!("{name}.toml"));
    std::fs::write(&file, "validators = 4\nsleep_after_s = 0\n").expect("a spec can be written");
    let path = file.to_string_lossy().into_owned();
    let _accepted: Value = platform.run(&["network", "create", name, "-f", &path]).await;
    std::fs::remove_file(&file).expect("it was written");
    platform.show(name).await
}

/// Does a verb to networks, some at a time, and waits for its end; how long that took.
async fn each(platform: &Platform, verb: &str, names: &[String]) -> Duration {
    let began = world::now();
    stream::iter(names)
        .for_each_concurrent(AT_ONCE, async |name| {
            let mut words = vec!["network", verb, name];
            words.extend((verb == "destroy").then_some("-y"));
            let _accepted: Value = platform.run(&words).await;
        })
        .await;
    began.elapsed()
}

async fn waking(platform: &Platform, rounds: u32) -> Vec<Row> {
    let network = create(platform, "wakes").await;
    let endpoint = Platform::endpoint(&network);
    let mut account = Account::new(network.spec.chain_id);
    let mut read = Row::new("wake: a read, sent to answered", "ms", "p50 under 500 ms");
    let mut written = Row::new("wake: a transaction, sent to final", "ms", "p50 under 500 ms");
    for _round in 0..rounds {
        each(platform, "sleep", &["wakes".to_owned()]).await;
        let began = world::now();
        endpoint.height().await;
        read.samples.push(ms(began.elapsed()));
        each(platform, "sleep", &["wakes".to_owned()]).await;
        let raw = account.sign(Call::default());
        let began = world::now();
        let hash = endpoint.ok("eth_sendRawTransaction", json!([raw])).await;
        endpoint.receipt(hash.as_str().expect("a hash is text")).await;
        written.samples.push(ms(began.elapsed()));
    }
    platform.destroy("wakes").await;
    let mut rows = vec![read, written];
    let tails: Vec<Row> = rows.iter().map(tail).collect();
    rows.extend(tails);
    rows
}

/// The 99th of a hundred.
fn tail(row: &Row) -> Row {
    let mut tail = Row::new(format!("{}, p99", row.what), row.unit, "under 1,000 ms");
    tail.samples.push(quantile(&row.samples, 0.99));
    tail
}

async fn gateway(platform: &Platform) -> Vec<Row> {
    let network = create(platform, "door").await;
    let url = Target::of_url(network.endpoint.as_deref().expect("it is usable"));
    let node = network.nodes.first().expect("it has nodes").id.clone();
    let socket = Target::Socket(node_socket(&platform.data_dir, node.as_str()));
    let mut direct = Row::new("a read at a node's socket, p50", "µs", "");
    let mut through = Row::new("a read at the URL, p50", "µs", "at most 200 more");
    for _round in 0..5 {
        direct.samples.push(one_by_one(&socket).await);
        through.samples.push(one_by_one(&url).await);
    }
    let mut rate = Row::new("requests through the gateway", "/s", "above 10,000 a core");
    let mut cpu = Row::new("of a core, by the gateway then", "%", "");
    let pid = world::processes(&platform.data_dir)
        .into_iter()
        .find(|process| process.is("gateway"))
        .expect("there is a gateway")
        .pid;
    for _round in 0..3 {
        let before = usage::of(pid).cpu;
        let began = world::now();
        let counts = join_all((0..CONNECTIONS).map(|_| flat_out(&url))).await;
        let seconds = began.elapsed().as_secs_f64();
        let count: u32 = counts.into_iter().sum();
        rate.samples.push(f64::from(count) / seconds);
        let used = usage::of(pid).cpu.saturating_sub(before);
        cpu.samples.push(used.as_secs_f64() / seconds * 100.0);
    }
    platform.destroy("door").await;
    vec![direct, through, rate, cpu]
}

/// The median time of a read, in microseconds.
async fn one_by_one(target: &Target) -> f64 {
    let request = target.request(&call(1, "eth_chainId", &json!([])));
    let mut connection = Connection::open(target).await;
    let mut times = Vec::with_capacity(REQUESTS);
    for _request in 0..REQUESTS {
        let began = world::now();
        connection.exchange(&request).await;
        times.push(ms(began.elapsed()) * 1_000.0);
    }
    quantile(&times, 0.5)
}

/// Reads one after the other, for some seconds; how many.
async fn flat_out(target: &Target) -> u32 {
    let request = target.request(&call(1, "eth_chainId", &json!([])));
    let mut connection = Connection::open(target).await;
    let (began, mut count) = (world::now(), 0);
    while began.elapsed() < FLAT_OUT {
        connection.exchange(&request).await;
        count += 1;
    }
    count
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}-{number}")).collect()
}

async fn burst(platform: &Platform, count: usize) -> Vec<Row> {
    let what = format!("{count} networks of four created at once, until all are usable");
    let mut all = Row::new(what, "s", "every one usable");
    let mut one = Row::new("the destroy of so many, a receipt each", "s", "");
    let names = names("burst", count);
    let began = world::now();
    let created = join_all(names.iter().map(|name| create(platform, name))).await;
    all.samples.push(began.elapsed().as_secs_f64());
    assert!(created.iter().all(|network| network.state == NetworkState::Usable), "{created:?}");
    one.samples.push(each(platform, "destroy", &names).await.as_secs_f64());
    vec![all, one]
}

/// Live networks and sleeping ones on one platform.
async fn many(platform: &mut Platform, options: &Options) -> Vec<Row> {
    let (live, sleeping) = (names("live", options.live), names("asleep", options.sleeping));
    for some in sleeping.chunks(20) {
        create_all(platform, some).await;
        each(platform, "sleep", some).await;
        say::progress(&format!("{} sleeps", some.last().map_or("", String::as_str)));
    }
    create_all(platform, &live).await;
    tokio::time::sleep(SETTLING).await;
    let mut rows = idle(platform, &live, options).await;
    rows.push(answers(platform, &live).await);
    rows.extend(looks(platform, &live).await);
    rows.push(woken(platform, &sleeping).await);
    rows.push(adopted(platform, &live).await);
    let what = format!("destroy of {} live networks, a receipt each", live.len());
    let mut row = Row::new(what, "s", "under 20 s for 100");
    row.samples.push(each(platform, "destroy", &live).await.as_secs_f64());
    rows.push(row);
    let mut row = Row::new("destroy of the sleeping ones", "s", "");
    row.samples.push(each(platform, "destroy", &sleeping).await.as_secs_f64());
    rows.push(row);
    rows
}

async fn create_all(platform: &Platform, names: &[String]) {
    let create = async |name: &String| drop(create(platform, name).await);
    stream::iter(names).for_each_concurrent(AT_ONCE, create).await;
}

/// What everything uses while nobody asks for anything.
async fn idle(platform: &Platform, live: &[String], options: &Options) -> Vec<Row> {
    let watched = Duration::from_secs(options.idle_seconds);
    let (nodes, all) = (platform.node_pids(), world::processes(&platform.data_dir));
    // Threads of the platform come and go, and their time with them: its ticks count those too.
    let others = all.into_iter().map(|process| process.pid).filter(|pid| !nodes.contains(pid));
    let others: Vec<u32> = others.collect();
    let look = || {
        let of_nodes: Duration = nodes.iter().map(|pid| usage::of(*pid).cpu).sum();
        let of_others: Duration = others.iter().map(|pid| usage::processor_time(*pid)).sum();
        (of_nodes + of_others, of_nodes, usage::processor_time(platform.pid()))
    };
    let before = look();
    tokio::time::sleep(watched).await;
    let after = look();
    let share = |before: Duration, after: Duration| {
        after.saturating_sub(before).as_secs_f64() / watched.as_secs_f64() * 100.0
    };
    let row = |what: &str, unit, target, sample: f64| {
        let mut row = Row::new(what, unit, target);
        row.samples.push(sample);
        row
    };
    let resident: u64 = nodes.iter().map(|pid| usage::of(*pid).resident).sum();
    let anonymous: u64 = nodes.iter().map(|pid| usage::of(*pid).anonymous).sum();
    let per_network =
        |bytes: u64| whole(bytes) / 1e6 / whole(u64::try_from(live.len().max(1)).unwrap_or(1));
    let platform_mb = whole(usage::of(platform.pid()).resident) / 1e6;
    let what = format!("idle, {} live and {} asleep: all", live.len(), options.sleeping);
    vec![
        row(&what, "% of a core", "under 25 %", share(before.0, after.0)),
        row("idle: the nodes", "% of a core", "", share(before.1, after.1)),
        row("idle: the platform", "% of a core", "", share(before.2, after.2)),
        row("resident, a live network of four", "MB", "reported", per_network(resident)),
        row("of it, not backed by a file", "MB", "reported", per_network(anonymous)),
        row("resident, the platform", "MB", "under 200 MB", platform_mb),
    ]
}

/// Every live network answers.
async fn answers(platform: &Platform, live: &[String]) -> Row {
    let mut row = Row::new("a read at each live network", "ms", "all answer");
    for name in live {
        let endpoint = Platform::endpoint(&platform.show(name).await);
        let began = world::now();
        endpoint.height().await;
        row.samples.push(ms(began.elapsed()));
    }
    row
}

/// Lists and shows over the API, as the console does.
async fn looks(platform: &Platform, live: &[String]) -> Vec<Row> {
    let mut list =
        Row::new("list of networks (a page of 50) over the API, p99", "ms", "under 50 ms");
    let mut show = Row::new("show of a network over the API, p99", "ms", "under 50 ms");
    let base = "/v1/organizations/default/networks";
    let (mut lists, mut shows) = (Vec::new(), Vec::new());
    for name in live.iter().cycle().take(200) {
        for (path, times) in
            [(format!("{base}?limit=50"), &mut lists), (format!("{base}/{name}"), &mut shows)]
        {
            let began = world::now();
            let (status, _) = platform.api("GET", &path, Some(&platform.token)).await;
            assert_eq!(status, 200, "{path}");
            times.push(ms(began.elapsed()));
        }
    }
    list.samples.push(quantile(&lists, 0.99));
    show.samples.push(quantile(&shows, 0.99));
    vec![list, show]
}

/// Wakes some among all the others; they sleep again.
async fn woken(platform: &Platform, sleeping: &[String]) -> Row {
    let mut row = Row::new("wake among all these: a read", "ms", "p50 under 500 ms");
    for name in sleeping.iter().step_by((sleeping.len() / 20).max(1)) {
        let endpoint: Endpoint = Platform::endpoint(&platform.show(name).await);
        let began = world::now();
        endpoint.height().await;
        row.samples.push(ms(began.elapsed()));
        // It has answered before the operation that woke it is over.
        world::eventually("it is awake", Duration::from_mins(1), async || {
            let network = platform.show(name).await;
            (network.state == NetworkState::Usable && network.operation.is_none()).then_some(())
        })
        .await;
        each(platform, "sleep", std::slice::from_ref(name)).await;
    }
    row
}

/// The platform killed and started again, until it knows of every live network that it is well.
async fn adopted(platform: &mut Platform, live: &[String]) -> Row {
    let mut row =
        Row::new("platform restart, until all are known to be healthy", "s", "under 10 s");
    platform.kill();
    let began = world::now();
    platform.up().await;
    for name in live {
        world::eventually("it is healthy", Duration::from_mins(2), async || {
            let network = platform.show(name).await;
            (network.health == Health::Healthy).then_some(())
        })
        .await;
    }
    row.samples.push(began.elapsed().as_secs_f64());
    row
}
