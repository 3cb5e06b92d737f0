//! Four whole validators, each from its directory: sockets, threads, files, execution.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::mpsc,
    thread::{self, JoinHandle},
};

use alloy_consensus::TxLegacy;
use alloy_primitives::{B256, Bytes, U256};
use alloy_sol_types::{SolCall as _, SolValue as _};
use futures::{FutureExt, channel::oneshot};
use windlass_chain::governance::{
    self,
    abi::Governance::{Action, proposeCall},
};
use windlass_keys::{Purpose, ThrowawayAccount, vault::Vault};
use windlass_model::KeyId;
use windlass_node::{
    config::NodeConfig,
    run::{Hooks, NodeError, Outcome, Ports, run},
};

struct Running {
    stop: oneshot::Sender<()>,
    ready: mpsc::Receiver<Ports>,
    thread: JoinHandle<Result<Outcome, NodeError>>,
}

fn start(directory: &Path) -> Running {
    let (stop, stopped) = oneshot::channel();
    let directory: PathBuf = directory.to_owned();
    let (told, ready) = mpsc::channel();
    let thread = thread::spawn(move || {
        let hooks = Hooks {
            ready: Box::new(move |ports| told.send(ports).expect("the test waits")),
            shutdown: stopped.map(drop).boxed(),
        };
        run(&directory, hooks)
    });
    Running { stop, ready, thread }
}

impl Running {
    fn wait(&self) {
        self.ready.recv().expect("it starts");
    }

    fn stop(self) {
        self.stop.send(()).expect("it runs");
        let outcome = self.thread.join().expect("it does not panic");
        assert_eq!(outcome.expect("it ends in order"), Outcome::Shutdown);
    }
}

#[test]
fn four_validators_agree_and_go_on_after_a_restart() {
    let root = tempfile::tempdir().expect("a directory");
    let directories = common::create(root.path(), 4, 8);
    let mut running: Vec<_> = directories.iter().map(|one| Some(start(one))).collect();
    running.iter().flatten().for_each(Running::wait);
    let account = windlass_keys::throwaway_account().expect("an account");
    let mut nonce = 0;
    let mut expected = 0;
    let mut transact = |to: usize, seen_by: &[usize]| {
        common::send(&directories[to], &common::transfer(&account, nonce));
        nonce += 1;
        expected += 1;
        for index in seen_by {
            common::until(&directories[*index], "the block is final", |status| {
                common::tip(status) >= expected
            });
        }
    };
    common::until(&directories[0], "all are connected", |status| {
        status["connectedValidators"] == 4
    });
    for round in 0..20 {
        transact(round % 4, &[0, 1, 2, 3]);
    }
    running[2].take().expect("it runs").stop();
    transact(0, &[0, 1, 3]);
    let restarted = start(&directories[2]);
    restarted.wait();
    running[2] = Some(restarted);
    transact(2, &[0, 1, 2, 3]);
    let hashes: Vec<_> = directories
        .iter()
        .map(|one| common::until(one, "any", |_| true)["tip"]["hash"].clone())
        .collect();
    assert!(hashes.windows(2).all(|pair| pair[0] == pair[1]), "{hashes:?}");
    for one in running.into_iter().flatten() {
        one.stop();
    }
}

#[test]
fn a_node_that_starts_far_behind_takes_the_state_of_the_others_and_their_earlier_blocks() {
    let root = tempfile::tempdir().expect("a directory");
    let directories = common::create(root.path(), 4, 8);
    let running: Vec<_> = directories[..3].iter().map(|one| start(one)).collect();
    running.iter().for_each(Running::wait);
    let account = windlass_keys::throwaway_account().expect("an account");
    let mut nonce = 0;
    let mut transact = |to: usize, seen_by: &[usize]| {
        let hash = common::send(&directories[to], &common::transfer(&account, nonce));
        nonce += 1;
        for index in seen_by {
            common::until(&directories[*index], "the block is final", |status| {
                common::tip(status) >= nonce
            });
        }
        hash
    };
    for _ in 0..61 {
        transact(1, &[0, 1, 2]);
    }
    let late = start(&directories[3]);
    late.wait();
    // It answers all the while, but for the moment in which it changes its ledger.
    let status = loop {
        let nothing = serde_json::json!([]);
        match common::call(&directories[3], "windlass_status", &nothing) {
            Ok(answer) if common::tip(&answer["result"]) >= 61 => break answer["result"].clone(),
            Ok(_) | Err(_) => thread::yield_now(),
        }
    };
    assert!(status["sync"].is_null(), "{status}");
    assert!(!directories[3].join("data/ledger.import.redb").exists(), "it is the ledger now");
    // It votes: of four three must, and one is gone.
    let mut running = running.into_iter();
    running.next().expect("there are three").stop();
    transact(3, &[1, 2, 3]);
    running.for_each(Running::stop);
    late.stop();
}

/// The proposal of the only member that a validator gets another node key.
fn replacement(account: &ThrowawayAccount, nonce: u64, validator: u32, key: B256) -> Bytes {
    let action =
        Action { kind: 8, arguments: (validator, U256::ZERO, key).abi_encode_params().into() };
    let call = proposeCall { actions: vec![action], force: false, reason: String::new() };
    let (to, input) = (governance::ADDRESS.into(), call.abi_encode().into());
    common::signed(
        account,
        TxLegacy { nonce, gas_limit: 3_000_000, to, input, ..TxLegacy::default() },
    )
}

/// Makes one more node key, and gives it to a validator that doesn't run.
fn equip(root: &Path, directory: &Path) -> B256 {
    let vault = Vault::open(root.join("keys")).expect("a vault");
    let id = KeyId::from_entropy([0xee; 10]);
    let public = vault.create(&id, Purpose::Node).expect("a key");
    let file = directory.join("files/node.toml");
    let mut config = NodeConfig::load(&file).expect("it is one");
    config.next_node_key = Some(id.to_string());
    fs::write(file, toml::to_string(&config).expect("it is serialisable")).expect("a file");
    B256::from(public.ed25519().expect("an Ed25519 key"))
}

#[test]
fn a_node_that_was_away_while_its_identity_was_replaced_is_let_in_by_the_new_one() {
    let root = tempfile::tempdir().expect("a directory");
    let member = windlass_keys::throwaway_account().expect("an account");
    let address = windlass_keys::Secp256k1Signer::address(&member);
    let directories = common::create_for(root.path(), 4, 8, address.into());
    let mut running: Vec<_> = directories.iter().map(|one| Some(start(one))).collect();
    running.iter().flatten().for_each(Running::wait);
    let mut nonce = 0;
    let mut sends = |bytes: &dyn Fn(u64) -> Bytes, to: usize, seen_by: &[usize]| {
        common::send(&directories[to], &bytes(nonce));
        nonce += 1;
        for index in seen_by {
            common::until(&directories[*index], "the block is final", |status| {
                common::tip(status) >= nonce
            });
        }
    };
    let transfer = |nonce| common::transfer(&member, nonce);
    sends(&transfer, 0, &[0, 1, 2, 3]);
    running[0].take().expect("it runs").stop();
    let key = equip(root.path(), &directories[0]);
    let replacement = |nonce| replacement(&member, nonce, 1, key);
    sends(&replacement, 1, &[1, 2, 3]);
    // Its ledger has the old identity in its epoch, and the others have long had the new one.
    for _ in 0..30 {
        sends(&transfer, 1, &[1, 2, 3]);
    }
    let back = start(&directories[0]);
    back.wait();
    let nothing = serde_json::json!([]);
    let votes = |status: &serde_json::Value| {
        status["seated"] == true
            && status["notVoting"].is_null()
            && status["nodeKey"] == key.to_string()
    };
    while !common::call(&directories[0], "windlass_status", &nothing)
        .is_ok_and(|answer| votes(&answer["result"]))
    {
        thread::yield_now();
    }
    // Of four three must vote, and one is gone.
    running[2].take().expect("it runs").stop();
    sends(&transfer, 0, &[0, 1, 3]);
    back.stop();
    running.into_iter().flatten().for_each(Running::stop);
}

#[test]
fn a_key_that_no_member_has_named_connects_with_nobody_and_is_told() {
    let root = tempfile::tempdir().expect("a directory");
    let directories = common::create(root.path(), 2, 8);
    let others = tempfile::tempdir().expect("a directory");
    let strange = common::create(others.path(), 1, 8).remove(0);
    fs::copy(directories[0].join("files/genesis.json"), strange.join("files/genesis.json"))
        .expect("a file");
    let running = [&directories[0], &directories[1], &strange].map(|one| start(one));
    running.iter().for_each(Running::wait);
    common::until(&directories[0], "both are connected", |status| {
        status["connectedValidators"] == 2
    });
    let told = common::until(&strange, "it is told", |status| !status["stalled"].is_null());
    assert!(told["stalled"]["reason"].as_str().expect("words").contains("no member"), "{told}");
    running.into_iter().for_each(Running::stop);
}

/// What a node measures under this name, which has no labels.
fn measured(directory: &Path, name: &str) -> u64 {
    let answer = common::exchange(directory, "GET /metrics", "").expect("the node runs");
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
    answer.lines().find_map(value).unwrap_or_else(|| panic!("no {name} in {answer}"))
}

#[test]
fn a_peer_of_another_genesis_is_refused_and_the_others_go_on() {
    let root = tempfile::tempdir().expect("a directory");
    let directories = common::create(root.path(), 4, 8);
    // The same keys and addresses, and another chain id: its votes are of another network.
    let genesis = directories[3].join("files/genesis.json");
    let text = fs::read_to_string(&genesis).expect("a file");
    let other = text.replace(&common::CHAIN_ID.to_string(), "4243");
    assert_ne!(text, other);
    fs::write(&genesis, other).expect("a file");
    let running: Vec<_> = directories.iter().map(|one| start(one)).collect();
    running.iter().for_each(Running::wait);
    common::until(&directories[0], "three are connected", |status| {
        status["connectedValidators"] == 3
    });
    let told = common::until(&directories[3], "it is told", |status| {
        status["stalled"]["reason"].as_str().is_some_and(|why| why.contains("another genesis"))
    });
    let reason = told["stalled"]["reason"].as_str().expect("words");
    assert!(reason.starts_with("1 of 4 validators connected, 3 needed; "), "{reason}");
    let nothing = serde_json::json!([]);
    let report = common::call(&directories[3], "windlass_consensus", &nothing).expect("it answers");
    let why = report["result"]["noBlock"]["reason"].as_str().expect("words");
    assert!(why.contains("another genesis"), "{report}");
    let account = windlass_keys::throwaway_account().expect("an account");
    for nonce in 0..4 {
        common::send(&directories[0], &common::transfer(&account, nonce));
        for one in &directories[..3] {
            common::until(one, "it is final", |status| common::tip(status) > nonce);
        }
    }
    // Both sides count it.
    for (one, name) in
        [(&directories[0], "handshakes_refused"), (&directories[3], "handshakes_turned_away")]
    {
        assert!(measured(one, &format!("windlass_p2p_{name}_total")) > 0, "{name}");
    }
    let alone = common::until(&directories[3], "any", |_| true);
    assert_eq!((common::tip(&alone), &alone["connectedValidators"]), (0, &serde_json::json!(1)));
    running.into_iter().for_each(Running::stop);
}
