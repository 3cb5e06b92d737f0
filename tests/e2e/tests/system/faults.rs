//! What happens to a network when its nodes are killed, hang or are kept busy.

use std::{collections::BTreeMap, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::task::JoinSet;
use windlass_e2e::{Account, Call, Endpoint, Platform, world};
use windlass_model::network::{Health, Network};

use crate::support::{chain_id, healthy, no_fork, one_tip, status_of};

fn pid_of(network: &Network, index: usize) -> u32 {
    network.nodes.get(index).and_then(|node| node.pid).expect("the node runs")
}

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a pid is positive");
    kill_process(pid, signal).expect("the process is there");
}

async fn send(account: &mut Account, endpoint: &Endpoint, count: usize) -> Vec<String> {
    let mut hashes = Vec::new();
    for _ in 0..count {
        hashes.push(account.send(endpoint, Call::default()).await);
    }
    hashes
}

#[tokio::test]
async fn one_of_four_is_killed_and_catches_up_without_a_new_transaction() {
    let platform = Platform::start().await;
    platform.create("one", 4).await;
    let network = healthy(&platform, "one").await;
    let endpoint = Platform::endpoint(&network);
    let mut account = Account::new(chain_id(&endpoint).await);

    world::kill(pid_of(&network, 1));
    let hashes = send(&mut account, &endpoint, 5).await;
    for hash in &hashes {
        endpoint.receipt(hash).await;
    }
    // From here on nothing is sent.
    let height = endpoint.height().await;
    let after = platform
        .until("one", "the killed node is there again", |network| {
            network.nodes.iter().all(|node| node.pid.is_some())
                && network.nodes.get(1).is_some_and(|node| node.restarts > 0)
        })
        .await;
    assert_ne!(pid_of(&after, 1), pid_of(&network, 1));
    let tip = one_tip(&platform, &after, height).await;
    assert_eq!(tip.number, height, "catching up adds no block");
    no_fork(&platform, &after, height).await;

    // On a network that is wholly idle.
    world::kill(pid_of(&after, 2));
    platform
        .until("one", "the second killed node is there again", |network| {
            network.nodes.get(2).is_some_and(|node| node.restarts > 0 && node.pid.is_some())
        })
        .await;
    assert_eq!(one_tip(&platform, &after, height).await, tip);
    healthy(&platform, "one").await;
}

#[tokio::test]
async fn two_of_four_stop_the_network_which_says_so_and_goes_on() {
    let mut platform = Platform::start().await;
    platform.create("two", 4).await;
    let network = healthy(&platform, "two").await;
    let endpoint = Platform::endpoint(&network);
    let mut account = Account::new(chain_id(&endpoint).await);
    let tip = one_tip(&platform, &network, 1).await;

    // Without the platform nobody starts them again.
    platform.kill();
    world::kill(pid_of(&network, 2));
    world::kill(pid_of(&network, 3));
    let hash = account.send(&endpoint, Call::default()).await;
    let first = network.nodes.first().expect("it has nodes");
    world::eventually("a node says that the quorum is gone", Duration::from_secs(30), async || {
        let status = status_of(&platform, first.id.as_str()).await?;
        (status.get("quorumConnected")?.as_bool() == Some(false)).then_some(())
    })
    .await;
    let receipt = endpoint.ok("eth_getTransactionReceipt", json!([hash])).await;
    assert!(receipt.is_null(), "a block was made without a quorum: {receipt}");
    assert_eq!(endpoint.height().await, tip.number);

    platform.up().await;
    let receipt = endpoint.receipt(&hash).await;
    assert_eq!(receipt.get("status"), Some(&json!("0x1")));
    let back = healthy(&platform, "two").await;
    let tip = one_tip(&platform, &back, tip.number + 1).await;
    no_fork(&platform, &back, tip.number).await;
}

#[tokio::test]
async fn two_of_four_that_hang_are_reported_with_a_reason() {
    let platform = Platform::start().await;
    platform.create("hang", 4).await;
    let network = healthy(&platform, "hang").await;
    let pids = [pid_of(&network, 0), pid_of(&network, 3)];
    for pid in pids {
        signal(pid, Signal::STOP);
    }
    let sick =
        platform.until("hang", "no quorum", |network| network.health == Health::Unavailable).await;
    let reason = sick.reason.expect("a sick network says why");
    assert!(!reason.message.is_empty() && !reason.remedy.is_empty());
    for pid in pids {
        // It may have been ended and replaced meanwhile.
        if world::is_alive(pid) {
            signal(pid, Signal::CONT);
        }
    }
    let well = healthy(&platform, "hang").await;
    assert_eq!(well.reason, None);
    let endpoint = Platform::endpoint(&well);
    let mut account = Account::new(chain_id(&endpoint).await);
    let hash = account.send(&endpoint, Call::default()).await;
    endpoint.receipt(&hash).await;
}

#[tokio::test]
async fn all_four_at_once_lose_nothing_acknowledged_and_do_not_fork() {
    let platform = Platform::start().await;
    platform.create("all", 4).await;
    let mut network = healthy(&platform, "all").await;
    let endpoint = Platform::endpoint(&network);
    let mut account = Account::new(chain_id(&endpoint).await);
    let mut acknowledged: BTreeMap<String, String> = BTreeMap::new();
    let mut chain = Vec::new();

    for round in 0..3 {
        for hash in send(&mut account, &endpoint, 10).await {
            let receipt = endpoint.receipt(&hash).await;
            let block = receipt.get("blockHash").and_then(|block| block.as_str());
            acknowledged.insert(hash, block.expect("a receipt names its block").to_owned());
        }
        for index in 0..4 {
            world::kill(pid_of(&network, index));
        }
        network = platform
            .until("all", "every node was started again", |now| {
                now.health == Health::Healthy
                    && now.nodes.iter().all(|node| node.pid.is_some() && node.restarts > round)
            })
            .await;
        let tip = one_tip(&platform, &network, 1).await;
        let now = no_fork(&platform, &network, tip.number).await;
        assert!(now.starts_with(&chain), "final blocks were replaced");
        chain = now;
        for (hash, block) in &acknowledged {
            let receipt = endpoint.receipt(hash).await;
            assert_eq!(receipt.get("blockHash"), Some(&json!(block)), "{hash} moved");
        }
    }
    let hash = account.send(&endpoint, Call::default()).await;
    endpoint.receipt(&hash).await;
}

#[tokio::test]
async fn a_call_that_burns_its_gas_does_not_disturb_finality() {
    let platform = Platform::start().await;
    platform.create("busy", 4).await;
    let network = healthy(&platform, "busy").await;
    let endpoint = Platform::endpoint(&network);
    let mut account = Account::new(chain_id(&endpoint).await);
    let hash = account.send(&endpoint, Call::default()).await;
    endpoint.receipt(&hash).await;

    // JUMPDEST PUSH0 JUMP: a loop that ends with its gas.
    let mut burning = JoinSet::new();
    for _ in 0..2 {
        let endpoint = endpoint.clone();
        burning.spawn(async move {
            loop {
                let call = json!({"input": "0x5b5f56", "gas": "0x1c9c380"});
                let answer = endpoint.call("eth_call", json!([call, "latest"])).await;
                assert!(answer.is_err(), "an endless loop came to an end: {answer:?}");
            }
        });
    }
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        let began = world::now();
        let hash = account.send(&endpoint, Call::default()).await;
        endpoint.receipt(&hash).await;
        slowest = slowest.max(began.elapsed());
    }
    burning.shutdown().await;
    assert!(slowest < Duration::from_secs(2), "finality took {slowest:?} beside the calls");
}
