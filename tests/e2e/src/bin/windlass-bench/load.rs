//! Transactions that were signed beforehand, sent as fast as they are taken, until the last is final.

use std::{num::NonZero, path::PathBuf, thread, time::Duration};

use alloy_primitives::Address;
use futures::future::join_all;
use serde_json::{Value, json};
use windlass_e2e::{Account, Call, Endpoint, world};

use crate::{
    cluster::whole,
    summary::{Row, ms},
    usage,
    wire::{Connection, Target, call},
};

/// How long a chain may stand still under load.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long the watcher waits until it asks again for the next block.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Who is under load.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// Whom connections go to, one after the other.
    pub(crate) targets: Vec<Target>,
    /// Those who execute, and what they are called.
    pub(crate) executing: Vec<u32>,
    pub(crate) called: &'static str,
    /// What the first of them keeps.
    pub(crate) folder: PathBuf,
    /// The gateway in front of them.
    pub(crate) gateway: Option<u32>,
    pub(crate) blocks: Blocks,
}

/// When blocks are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocks {
    /// By themselves, when there are transactions.
    Own,
    /// When somebody asks for one.
    Asked,
}

/// How transactions are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) connections: usize,
    /// How many share a request.
    pub(crate) batch: usize,
}

/// What one round of load came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ran {
    count: usize,
    /// From the first one sent to the last one final.
    took: Duration,
    /// Blocks that hold some of them.
    blocks: u64,
    /// By how many bytes what one of those who execute keeps has grown.
    kept: u64,
    /// Seconds on a processor.
    generator: Duration,
    executing: Duration,
    gateway: Duration,
}

/// Requests of one connection, one after the other, and how many transactions each holds.
type Lane = Vec<(Vec<u8>, usize)>;

/// Throw-away accounts, made on all processors.
pub(crate) fn accounts(count: usize, chain_id: u64) -> Vec<Account> {
    let shares = shares(count);
    let made =
        in_parallel(shares, |share| (0..share).map(|_| Account::new(chain_id)).collect::<Vec<_>>());
    made.into_iter().flatten().collect()
}

/// Each account's next transactions, signed on all processors: `each` of them an account. What they do
/// is asked by the account's place and address.
pub(crate) fn sign(
    accounts: &mut [Account],
    each: usize,
    does: impl Fn(usize, Address) -> Call + Sync,
) -> Vec<Vec<String>> {
    let share = accounts.len().div_ceil(processors()).max(1);
    let pieces: Vec<_> = accounts.chunks_mut(share).enumerate().collect();
    let signed = in_parallel(pieces, |(piece, accounts)| {
        let places = piece * share..;
        let own = accounts.iter_mut().zip(places).map(|(account, place)| {
            (0..each).map(|_| account.sign(does(place, account.address))).collect::<Vec<_>>()
        });
        own.collect::<Vec<_>>()
    });
    signed.into_iter().flatten().collect()
}

/// The requests that send them. All of an account's go over one connection, in the order of their nonces.
fn lanes(subject: &Subject, signed: Vec<Vec<String>>, way: Way) -> Vec<(Target, Lane)> {
    let mut lists = vec![Vec::new(); way.connections];
    let mut signed: Vec<_> = signed.into_iter().map(Vec::into_iter).collect();
    loop {
        let next = signed.iter_mut().zip((0..way.connections).cycle());
        let mut any = false;
        for (raw, lane) in next.filter_map(|(own, lane)| Some((own.next()?, lane))) {
            lists[lane].push(raw);
            any = true;
        }
        if !any {
            break;
        }
    }
    let targets = subject.targets.iter().cycle();
    let lanes = lists.into_iter().zip(targets).map(|(list, target)| {
        let requests = list.chunks(way.batch).map(|batch| {
            let calls = batch.iter().enumerate();
            let calls: Vec<_> =
                calls.map(|(id, raw)| call(id, "eth_sendRawTransaction", &json!([raw]))).collect();
            let body =
                if way.batch == 1 { calls.concat() } else { format!("[{}]", calls.join(",")) };
            (target.request(&body), batch.len())
        });
        (target.clone(), requests.collect())
    });
    lanes.collect()
}

/// Sends them all and waits until all are final.
pub(crate) async fn run(subject: &Subject, signed: Vec<Vec<String>>, way: Way) -> Ran {
    let count = signed.iter().map(Vec::len).sum();
    let mut senders = Vec::new();
    for (target, lane) in lanes(subject, signed, way) {
        senders.push((Connection::open(&target).await, lane));
    }
    let first = subject.targets.first().expect("somebody answers");
    let mut watching = Connection::open(first).await;
    let from = number(&watching.ask("eth_blockNumber", json!([])).await) + 1;
    let (before, kept) = (subject.spent(), usage::disk(&subject.folder));
    let began = world::now();
    let sending = join_all(senders.into_iter().map(async |(mut connection, lane)| {
        for (request, _) in lane {
            let answer = connection.exchange(&request).await;
            let refused = answer.windows(7).any(|word| word == b"\"error\"");
            assert!(!refused, "refused: {}", String::from_utf8_lossy(&answer));
        }
    }));
    let (_, blocks) =
        tokio::join!(sending, until_final(&mut watching, subject.blocks, from, count));
    let took = began.elapsed();
    let after = subject.spent();
    let kept = usage::disk(&subject.folder).saturating_sub(kept);
    let [generator, executing, gateway] =
        [0, 1, 2].map(|who: usize| after[who].saturating_sub(before[who]));
    check(&mut watching, from, count).await;
    Ran { count, took, blocks, kept, generator, executing, gateway }
}

/// Follows the blocks from a number on until they hold so many transactions; how many hold some.
async fn until_final(
    watching: &mut Connection,
    blocks: Blocks,
    mut next: u64,
    count: usize,
) -> u64 {
    let (mut seen, mut filled, mut tip, mut last) = (0, 0, 0, world::now());
    while seen < count {
        if next > tip {
            if blocks == Blocks::Asked {
                let _made = watching.ask("evm_mine", json!([])).await;
            }
            tip = number(&watching.ask("eth_blockNumber", json!([])).await);
        }
        if next > tip {
            assert!(last.elapsed() < PATIENCE, "only {seen} of {count} are final");
            tokio::time::sleep(LOOK_EVERY).await;
            continue;
        }
        let params = json!([format!("{next:#x}")]);
        let held = number(&watching.ask("eth_getBlockTransactionCountByNumber", params).await);
        seen += usize::try_from(held).expect("a block holds few");
        filled += u64::from(held > 0);
        next += 1;
        last = world::now();
    }
    filled
}

/// Every transaction of those blocks has succeeded.
async fn check(watching: &mut Connection, mut next: u64, count: usize) {
    let mut seen = 0;
    while seen < count {
        let receipts = watching.ask("eth_getBlockReceipts", json!([format!("{next:#x}")])).await;
        let receipts = receipts.as_array().expect("they are a list");
        for receipt in receipts {
            assert_eq!(receipt["status"], "0x1", "a transaction failed: {receipt}");
        }
        seen += receipts.len();
        next += 1;
    }
}

impl Subject {
    /// Processor time of this program, of those who execute, and of the gateway.
    fn spent(&self) -> [Duration; 3] {
        let executing = self.executing.iter().map(|pid| usage::processor_time(*pid)).sum();
        let gateway = self.gateway.map(usage::processor_time).unwrap_or_default();
        [usage::processor_time(std::process::id()), executing, gateway]
    }
}

impl Way {
    /// In words.
    pub(crate) fn told(self) -> String {
        match self.batch {
            1 => format!("one a request, {} connections", self.connections),
            batch => format!("{batch} a request, {} connections", self.connections),
        }
    }
}

/// The rounds of one load as rows.
pub(crate) fn rows(
    subject: &Subject,
    what: &str,
    target: &'static str,
    rounds: &[Ran],
) -> Vec<Row> {
    let row = |what: String, unit, target, figure: &dyn Fn(&Ran) -> f64| {
        let mut row = Row::new(what, unit, target);
        row.samples.extend(rounds.iter().map(figure));
        row
    };
    let count = |ran: &Ran| whole(u64::try_from(ran.count).unwrap_or(u64::MAX));
    let transactions = rounds.first().map_or(0, |ran| ran.count);
    let mut rows = vec![
        row(what.to_owned(), "tx/s", target, &|ran| count(ran) / ran.took.as_secs_f64()),
        row("its blocks".to_owned(), "", "", &|ran| whole(ran.blocks)),
        row("transactions a block".to_owned(), "", "", &|ran| count(ran) / whole(ran.blocks)),
        row(
            format!("processor time of {} for its {transactions} transactions", subject.called),
            "s",
            "",
            &|ran| ran.executing.as_secs_f64(),
        ),
        row("disk a million of them, of one".to_owned(), "MB", "", &|ran| {
            whole(ran.kept) / count(ran)
        }),
        row("of the generator".to_owned(), "s", "", &|ran| ran.generator.as_secs_f64()),
    ];
    if subject.gateway.is_some() {
        rows.push(row("of the gateway".to_owned(), "s", "", &|ran| ran.gateway.as_secs_f64()));
    }
    rows
}

/// What a steady load came to.
#[derive(Clone, Debug)]
pub(crate) struct Steady {
    /// From sending each to holding its receipt, in milliseconds.
    pub(crate) times: Vec<f64>,
    /// What each of those who execute caused to be written, and gave to be written, a transaction.
    pub(crate) written: Vec<f64>,
    pub(crate) given: Vec<f64>,
}

/// Sends so many a second and waits for each one's receipt, as clients do.
pub(crate) async fn steady(
    endpoint: &Endpoint,
    subject: &Subject,
    signed: &[String],
    per_second: u32,
) -> Steady {
    let used = || subject.executing.iter().map(|pid| usage::of(*pid)).collect::<Vec<_>>();
    let before = used();
    let times = paced(signed, per_second, async |_, raw| {
        let hash = endpoint.ok("eth_sendRawTransaction", json!([raw])).await;
        let receipt = endpoint.receipt(hash.as_str().expect("a hash is text")).await;
        assert_eq!(receipt["status"], "0x1", "a transaction failed");
    })
    .await;
    let count = whole(u64::try_from(signed.len()).unwrap_or(u64::MAX));
    let (mut written, mut given) = (Vec::new(), Vec::new());
    for (before, after) in before.into_iter().zip(used()) {
        written.push(whole(after.written - before.written) / count / 1e3);
        given.push(whole(after.given - before.given) / count / 1e3);
    }
    Steady { times, written, given }
}

/// Has so many a second sent, whether the last one is done or not; how long each took, in milliseconds.
pub(crate) async fn paced(
    signed: &[String],
    per_second: u32,
    send: impl AsyncFn(usize, &str),
) -> Vec<f64> {
    let start = tokio::time::Instant::from_std(world::now());
    let each = signed.iter().enumerate().zip(0u32..).map(async |((place, raw), position)| {
        tokio::time::sleep_until(start + Duration::from_secs(1) * position / per_second).await;
        let began = world::now();
        send(place, raw).await;
        ms(began.elapsed())
    });
    join_all(each).await
}

/// A `0x` number.
pub(crate) fn number(value: &Value) -> u64 {
    let text = value.as_str().expect("a number is text").trim_start_matches("0x");
    u64::from_str_radix(text, 16).expect("it is a number")
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// A count in as many parts as there are processors.
fn shares(count: usize) -> Vec<usize> {
    let parts = processors();
    (0..parts).map(|part| count / parts + usize::from(part < count % parts)).collect()
}

fn in_parallel<I: Send, O: Send>(pieces: Vec<I>, work: impl Fn(I) -> O + Sync) -> Vec<O> {
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> =
            pieces.into_iter().map(|piece| scope.spawn(move || work(piece))).collect();
        let done = threads.into_iter().map(|thread| thread.join().expect("it does not panic"));
        done.collect()
    })
}
