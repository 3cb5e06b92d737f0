//! Four validators over real sockets, threads and files.

use std::{
    collections::BTreeMap, net::TcpListener, num::NonZeroU64, sync::mpsc, thread, time::Duration,
};

use alloy_primitives::B256;
use commonware_cryptography::Signer as _;
use commonware_runtime::{Runner, Supervisor, tokio as runtime};
use windlass_chain::governance::SeatedValidator;

use super::{
    ledger::{MemoryLedger, transaction},
    network::voting_key,
};
use crate::{
    config::{FAR_BEHIND, NodeConfig, Peer, SyncMode},
    consensus::{
        Parts, Settings,
        exchange::key_bytes,
        peers::{Peers, Standing},
        signer::HandleSigner,
        start,
        steady::Wall,
        work::Work,
    },
    p2p::{self, ColdStart, Roll},
    seam::{Ledger, Origin},
    status::{Identity, StatusBoard, StatusTip},
};

/// Free addresses; the listeners are closed before the validators bind them.
fn addresses(count: usize) -> Vec<std::net::SocketAddr> {
    let listeners: Vec<_> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    listeners.iter().map(|listener| listener.local_addr().expect("it is bound")).collect()
}

struct Running {
    stop: mpsc::Sender<()>,
    thread: thread::JoinHandle<()>,
}

fn config(index: usize, peers: &[Peer], directory: &std::path::Path) -> NodeConfig {
    NodeConfig {
        node_key: String::new(),
        next_node_key: None,
        consensus_keys: Vec::new(),
        vault: directory.to_owned(),
        listen: peers[index].address,
        addresses: peers.to_vec(),
        bootstrap: Vec::new(),
        repairs: 0,
        archive: false,
        sync: SyncMode::Fast,
        disk_mib: 0,
        far_behind: FAR_BEHIND,
        export: None,
    }
}

fn run(
    index: usize,
    peers: &[Peer],
    directory: &std::path::Path,
    ledger: MemoryLedger,
    cold: ColdStart,
) -> Running {
    let node = |seed: usize| HandleSigner::from_seed(u64::try_from(seed).expect("small"));
    let vote = |seed: usize| HandleSigner::from_seed(1_000 + u64::try_from(seed).expect("small"));
    let config = config(index, peers, directory);
    let directory = directory.join(index.to_string());
    std::fs::create_dir_all(&directory).expect("a directory");
    let identity = Identity {
        node_key: peers[index].node_key,
        consensus_key: B256::ZERO,
        genesis_hash: B256::ZERO,
        chain_id: 1,
        validators: peers.iter().map(|peer| peer.node_key).collect(),
    };
    let status = StatusBoard::new(identity, StatusTip::default());
    let (stop, stopped) = mpsc::channel::<()>();
    let mine = ledger;
    let body = move || {
        let settings = runtime::Config::new()
            .with_worker_threads(1)
            .with_storage_directory(directory.join("consensus"));
        runtime::Runner::new(settings).start(|context| async move {
            let roster = mine.roster().expect("a memory reads");
            let roll = Roll {
                genesis: mine.genesis().hash(),
                first: config.addresses.iter().map(|peer| peer.node_key).collect(),
                founders: BTreeMap::new(),
                now: Peers::new(&[], &roster, Standing::Behind),
                start: cold,
            };
            let told = (Wall::of(&context), status.diagnosis().clone());
            let network =
                p2p::open(&context, &config, node(index), roll, told).await.expect("it listens");
            let parts = Parts {
                ledger: mine,
                work: Work::threads("ledger", 2, 0).expect("threads start"),
                serving: Work::Inline,
                partitions: String::new(),
                node_key: node(index).public_key(),
                other_node_keys: Vec::new(),
                voting_keys: vec![voting_key(vote(index))],
                settings: Settings {
                    epoch_length: NonZeroU64::new(1_000_000).expect("positive"),
                    far_behind: None,
                },
                blocker: network.oracle.clone(),
                peers: network.oracle,
                track: network.track,
                connected: network.connected,
                status,
                wall: Wall::of(&context),
            };
            let starting = start(context.child("consensus"), parts, network.channels);
            let _consensus = Box::pin(starting).await.expect("consensus starts");
            let (done, wait) = futures::channel::oneshot::channel();
            thread::spawn(move || {
                let _closed = stopped.recv();
                let _gone = done.send(());
            });
            let _stop = wait.await;
        });
    };
    Running { stop, thread: thread::spawn(body) }
}

impl Running {
    fn stop(self) {
        drop(self.stop);
        self.thread.join().expect("it ends in order");
    }
}

/// Waits until all have a transaction.
fn included(ledgers: &[&MemoryLedger], number: u64) {
    for ledger in ledgers {
        let limit = Duration::from_secs(20);
        assert!(ledger.wait_for(number, limit), "transaction {number} is not final");
    }
}

#[test]
fn four_validators_on_loopback_finalise_and_reconnect() {
    let directory = tempfile::tempdir().expect("a directory");
    let peers: Vec<Peer> = addresses(4)
        .into_iter()
        .enumerate()
        .map(|(seed, address)| {
            let key = HandleSigner::from_seed(u64::try_from(seed).expect("small")).public_key();
            Peer { node_key: key_bytes(&key), address }
        })
        .collect();
    let validators = (0..4).map(|seed| SeatedValidator {
        node_key: key_bytes(&HandleSigner::from_seed(seed).public_key()),
        consensus_key: key_bytes(&HandleSigner::from_seed(1_000 + seed).public_key()),
    });
    let validators: Vec<_> = validators.collect();
    let ledgers: Vec<_> = (0..4).map(|_| MemoryLedger::new(validators.clone())).collect();
    let start =
        |index: usize, cold| run(index, &peers, directory.path(), ledgers[index].clone(), cold);
    let mut running: Vec<_> = (0..4).map(|index| Some(start(index, ColdStart::Yes))).collect();
    let all: Vec<&MemoryLedger> = ledgers.iter().collect();
    let mut number = 0;
    let mut send = |to: usize| {
        number += 1;
        ledgers[to].admit(transaction(number), Origin::Client).expect("it is new");
        included(&all, number);
    };
    send(0);
    for round in 0..20 {
        send(round % 4);
    }
    for dead in [0, 3] {
        running[dead].take().expect("it runs").stop();
        running[dead] = Some(start(dead, ColdStart::No));
        send(1);
        send(dead);
    }
    for node in running.into_iter().flatten() {
        node.stop();
    }
}
