//! Reading from one node: calls over several connections, and many in one request.

use std::time::Duration;

use alloy_primitives::Address;
use alloy_sol_types::SolValue;
use futures::future::join_all;
use serde_json::{Value, json};
use windlass_e2e::world;

use crate::{
    cluster::whole,
    contracts::input,
    summary::{Row, ms},
    usage,
    wire::{Connection, Target, call},
};

/// How many calls are one batch, and how many are beside it one by one.
const BATCH: usize = 1_000;

/// What is read, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) token: Address,
    pub(crate) holders: &'a [Address],
    pub(crate) connections: usize,
    pub(crate) watched: Duration,
    pub(crate) rounds: usize,
}

/// The figures of `balanceOf` at one node, whose process this is.
pub(crate) async fn run(node: (&Target, u32), gateway: &Target, reading: Reading<'_>) -> Vec<Row> {
    let (node, pid) = node;
    let connections = reading.connections;
    let what = |of: &str| format!("`eth_call` of balanceOf, {connections} connections to {of}");
    let mut rate = Row::new(what("one node's socket"), "calls/s", "above 15,000");
    let mut cores = Row::new("of a core, that node meanwhile", "", "");
    let mut a_second =
        Row::new("calls a second of that node's processor time", "calls", "above 15,000");
    let mut endpoint = Row::new(what("the network's URL"), "calls/s", "");
    let mut batch = Row::new(format!("a batch of {BATCH} such calls"), "ms", "");
    let mut single = Row::new(format!("{BATCH} of them, one after the other"), "ms", "");
    let calls: Vec<String> = (0..BATCH).map(|id| balance(&reading, id)).collect();
    for _round in 0..reading.rounds {
        let before = usage::processor_time(pid);
        let (made, took) = flat_out(node, &calls, &reading).await;
        let used = (usage::processor_time(pid).saturating_sub(before)).as_secs_f64();
        rate.samples.push(whole(made) / took.as_secs_f64());
        cores.samples.push(used / took.as_secs_f64());
        a_second.samples.push(whole(made) / used);
        let (made, took) = flat_out(gateway, &calls, &reading).await;
        endpoint.samples.push(whole(made) / took.as_secs_f64());
        let [whole_batch, one_by_one] = batched(node, &calls).await;
        batch.samples.push(ms(whole_batch));
        single.samples.push(ms(one_by_one));
    }
    vec![rate, cores, a_second, endpoint, batch, single]
}

/// A call of one holder's balance.
fn balance(reading: &Reading<'_>, id: usize) -> String {
    let holder = reading.holders[id * 7 % reading.holders.len()];
    let data = input("balanceOf(address)", &holder.abi_encode());
    call(id, "eth_call", &json!([{"to": reading.token, "data": data}, "latest"]))
}

/// As many as can be in that time; how many that were.
async fn flat_out(target: &Target, calls: &[String], reading: &Reading<'_>) -> (u64, Duration) {
    let requests: Vec<Vec<u8>> = calls.iter().map(|call| target.request(call)).collect();
    let opened = (0..reading.connections).map(|_| Connection::open(target));
    let connections = join_all(opened).await;
    let began = world::now();
    let lanes = connections.into_iter().zip(0..).map(async |(mut connection, lane): (_, usize)| {
        let mut made = 0;
        let own = requests.iter().cycle().skip(lane * 37);
        for request in own {
            if began.elapsed() >= reading.watched {
                break;
            }
            held(&connection.exchange(request).await);
            made += 1;
        }
        made
    });
    let made = join_all(lanes).await.into_iter().sum();
    (made, began.elapsed())
}

/// All of them as one request, and one after the other, over one connection.
async fn batched(target: &Target, calls: &[String]) -> [Duration; 2] {
    let mut connection = Connection::open(target).await;
    let all = target.request(&format!("[{}]", calls.join(",")));
    let requests: Vec<Vec<u8>> = calls.iter().map(|call| target.request(call)).collect();
    let began = world::now();
    let answer = connection.exchange(&all).await;
    let whole_batch = began.elapsed();
    let answers: Vec<Value> = serde_json::from_slice(&answer).expect("it is a list");
    assert!(answers.iter().all(|answer| answer["result"].is_string()), "a call failed");
    let began = world::now();
    for request in &requests {
        held(&connection.exchange(request).await);
    }
    [whole_batch, began.elapsed()]
}

/// An answer with a result: nobody has nothing.
fn held(answer: &[u8]) {
    let text = String::from_utf8_lossy(answer);
    let result = text.contains("\"result\":\"0x0000");
    assert!(result && text.trim_end_matches(['}', '"']).len() > 60, "answered with {text}");
}
