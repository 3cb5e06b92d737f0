//! Keys of validators are replaced while their network lives: by the command line, as a member would.

use std::{fs, time::Duration};

use serde_json::{Value, json};
use windlass_e2e::{Account, Call, Endpoint, Platform, world};
use windlass_model::{
    api::Accepted,
    governance::{NetworkValidator, ProposalState},
    network::{Network, OperationState},
};

use crate::{
    proof::verify,
    support::{PATIENCE, healthy, no_fork, no_leaks, one_tip, quantity, status_of},
};

const CHAIN_ID: u64 = 77_020;
const NETWORK: &str = "trade";

/// Proposes, which here decides, and tells where the proposal is then.
async fn propose(platform: &Platform, line: &str) -> ProposalState {
    let words: Vec<&str> =
        ["network", "propose", NETWORK].into_iter().chain(line.split(' ')).collect();
    let accepted: Accepted = platform.run(&words).await;
    let operation = accepted.operation.expect("it is an operation");
    assert_eq!(operation.state, OperationState::Succeeded, "{operation:?}");
    operation.ballot.expect("it tells what came of it").proposal.state
}

async fn validators(platform: &Platform) -> Vec<NetworkValidator> {
    platform.run(&["network", "validators", NETWORK]).await
}

/// Waits until a node votes by the keys that the contract has for it, and they are others than before.
async fn renewed(platform: &Platform, index: usize, before: &NetworkValidator) -> NetworkValidator {
    let what = format!("{} votes by its new keys", before.name);
    world::eventually(&what, PATIENCE, async || {
        let now = validators(platform).await.into_iter().nth(index)?;
        let node = now.node.clone()?;
        let status = status_of(platform, node.as_str()).await?;
        let says =
            |field: &str| Some(status.get(field)?.as_str()?.trim_start_matches("0x").to_owned());
        let changed =
            (&now.node_key, &now.consensus_key) != (&before.node_key, &before.consensus_key);
        let goes_by =
            says("nodeKey")? == now.node_key && says("consensusKey")? == now.consensus_key;
        let votes = status.get("seated")?.as_bool()? && status.get("notVoting")?.is_null();
        (changed && goes_by && votes && now.voting == Some(true)).then_some(now)
    })
    .await
}

/// The keys that the vault has.
fn vault(platform: &Platform) -> Vec<String> {
    let entries = fs::read_dir(platform.data_dir.join("keys")).expect("a vault");
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> = entries.flatten().map(name).collect();
    names.sort();
    names
}

/// Waits until the vault has so many keys: those that were replaced are gone.
async fn forgotten(platform: &Platform, count: usize) {
    let what = format!("{count} keys are left");
    world::eventually(&what, PATIENCE, async || (vault(platform).len() == count).then_some(()))
        .await;
}

/// Sends transactions, one after the other, until it is told to stop; all that were acknowledged.
async fn load(endpoint: &Endpoint, mut stopped: tokio::sync::oneshot::Receiver<()>) -> Vec<String> {
    let mut account = Account::new(CHAIN_ID);
    let mut sent = Vec::new();
    while matches!(stopped.try_recv(), Err(tokio::sync::oneshot::error::TryRecvError::Empty)) {
        sent.push(account.send(endpoint, Call::default()).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    sent
}

/// The longest times between two blocks in milliseconds, with the number of the later one: longest first.
async fn pauses(endpoint: &Endpoint, to: u64) -> Vec<(u64, u64)> {
    let (mut pauses, mut before_ms) = (Vec::new(), None);
    for number in 1..=to {
        let params = json!([format!("0x{number:x}"), false]);
        let block = endpoint.ok("eth_getBlockByNumber", params).await;
        let seconds = block.get("timestamp").and_then(quantity).expect("a time");
        let extra = block.get("extraData").and_then(Value::as_str).expect("it is in every header");
        // Version 1 byte, epoch 8 bytes, then the milliseconds.
        let digits = extra.get(20..24).expect("it has 32 bytes");
        let at_ms = seconds * 1_000 + u64::from_str_radix(digits, 16).expect("hex");
        if let Some(before_ms) = before_ms.replace(at_ms) {
            pauses.push((at_ms - before_ms, number));
        }
    }
    pauses.sort_unstable_by(|one, other| other.cmp(one));
    pauses
}

async fn replace_all(platform: &Platform, network: &Network, stop: impl Sized) {
    let keys = vault(platform).len();
    let before = validators(platform).await;
    for (index, old) in before.iter().enumerate() {
        let line = format!("replace-key {} node", old.name);
        assert_eq!(propose(platform, &line).await, ProposalState::Approved);
        if index == 0 {
            // At the very moment when its identity changes.
            let node = network.nodes.iter().find(|node| Some(&node.id) == old.node.as_ref());
            let shown = platform.show(NETWORK).await;
            let pid = shown.nodes.iter().find(|one| Some(&one.id) == node.map(|node| &node.id));
            world::kill(pid.and_then(|node| node.pid).expect("it runs"));
        }
        let new = renewed(platform, index, old).await;
        assert_eq!(new.consensus_key, old.consensus_key);
        assert_eq!((new.id, &new.name, &new.node), (old.id, &old.name, &old.node));
        forgotten(platform, keys).await;
        // Its members see it, and nothing else has changed.
        healthy(platform, NETWORK).await;
    }
    let line = "replace-key validator-1 consensus";
    assert_eq!(propose(platform, line).await, ProposalState::Approved);
    let after = validators(platform).await;
    let new = renewed(
        platform,
        1,
        &NetworkValidator { node_key: after[1].node_key.clone(), ..before[1].clone() },
    )
    .await;
    assert_ne!(new.consensus_key, before[1].consensus_key);
    forgotten(platform, keys).await;
    drop(stop);
}

async fn is_refused(platform: &Platform, line: &str, (exit, code, detail): (i32, &str, &str)) {
    let words: Vec<&str> =
        ["network", "propose", NETWORK].into_iter().chain(line.split(' ')).collect();
    let (found, problem) = platform.refused(&words).await;
    assert_eq!((found, problem.code.as_str()), (exit, code), "{line}: {problem:?}");
    assert!(problem.detail.contains(detail), "{line}: {}", problem.detail);
    assert!(!problem.hint.is_empty(), "{line}");
}

#[tokio::test]
async fn the_keys_of_all_validators_are_replaced_one_after_another_under_load() {
    let platform = Platform::start().await;
    let file = platform.data_dir.with_extension("toml");
    let spec = format!(
        "chain_id = {CHAIN_ID}\nepoch_length = 16\n[[members]]\norganization = \"acme\"\n\
         validators = 4\n"
    );
    fs::write(&file, spec).expect("a spec can be written");
    let path = file.to_string_lossy().into_owned();
    let _created: Accepted = platform.run(&["network", "create", NETWORK, "-f", &path]).await;
    let network = healthy(&platform, NETWORK).await;
    let endpoint = Platform::endpoint(&network);
    let before = validators(&platform).await;
    let home = tempfile::tempdir().expect("a folder");
    let place = |name: &str| home.path().join(name).to_string_lossy().into_owned();
    let genesis = place("genesis.json");
    let written = platform.cli_text(&["network", "genesis", NETWORK, "-o", &genesis]).await;
    assert_eq!(written.code, Some(0), "{}", written.stderr);

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (sent, ()) = tokio::join!(load(&endpoint, stopped), replace_all(&platform, &network, stop));
    assert!(sent.len() > 20, "{} transactions were sent meanwhile", sent.len());
    for hash in &sent {
        let receipt = endpoint.receipt(hash).await;
        assert_eq!(receipt["status"], "0x1", "{hash} is not lost");
    }
    let tip = one_tip(&platform, &network, 1).await;
    no_fork(&platform, &network, tip.number).await;
    let pauses = pauses(&endpoint, tip.number).await;
    println!(
        "{} transactions, {} blocks; longest pauses (ms, block): {:?}",
        sent.len(),
        tip.number,
        &pauses[..pauses.len().min(8)]
    );

    // Who has the genesis only follows all the changes.
    for hash in [sent.first(), sent.last()].into_iter().flatten() {
        let proof = place("tx.proof.json");
        drop(fs::remove_file(&proof));
        let made = platform.cli_text(&["proof", "tx", NETWORK, hash, "-o", &proof]).await;
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        verify(home.path(), &[&proof, "--genesis", &genesis]).await.expect("it holds");
    }

    // All nodes come back when they are started anew, one of them with an empty disk: it knows nobody
    // but by what it is configured with.
    let stopped: Accepted = platform.run(&["network", "stop", NETWORK]).await;
    assert_eq!(stopped.operation.map(|one| one.state), Some(OperationState::Succeeded));
    let empty = &network.nodes[2].id;
    fs::remove_dir_all(platform.workload(empty.as_str()).join("data")).expect("it has a disk");
    let started: Accepted = platform.run(&["network", "start", NETWORK]).await;
    assert_eq!(started.operation.map(|one| one.state), Some(OperationState::Succeeded));
    let mut account = Account::new(CHAIN_ID);
    for _ in 0..20 {
        let hash = account.send(&endpoint, Call::default()).await;
        endpoint.receipt(&hash).await;
    }
    one_tip(&platform, &network, tip.number + 1).await;

    // What is no key for it.
    let now = validators(&platform).await;
    let check = async |line: &str, exit: i32, code: &str, detail: &str| {
        is_refused(&platform, line, (exit, code, detail)).await;
    };
    let in_use = format!("replace-key validator-1 node {}", now[2].node_key);
    let used = format!("replace-key validator-1 node {}", before[1].node_key);
    for line in [&in_use, &used] {
        assert_eq!(propose(&platform, line).await, ProposalState::ActionFailed, "{line}");
    }
    check("replace-key validator-9 node", 3, "validator_not_found", "validator-9").await;
    check("replace-key validator-1 node --as stranger", 3, "member_not_found", "stranger").await;
    let short = format!("replace-key validator-1 node {}", "ab".repeat(31));
    let words: Vec<&str> =
        ["network", "propose", NETWORK].into_iter().chain(short.split(' ')).collect();
    assert_eq!(platform.cli_text(&words).await.code, Some(2), "31 bytes are no key");
    assert_eq!(validators(&platform).await.len(), 4);

    platform.destroy(NETWORK).await;
    no_leaks(&platform).await;
}
