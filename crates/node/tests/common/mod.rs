//! Directories of validators, as the engine writes them, and a client of their sockets.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy_consensus::{SignableTransaction, TxEnvelope, TxLegacy};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Signature};
use serde_json::{Value, json};
use windlass_chain::genesis::{
    Fees, Genesis, Governance, Member, Permissions, SignatureScheme, Validator,
};
use windlass_keys::{Purpose, Secp256k1Signer as _, ThrowawayAccount, vault::Vault};
use windlass_model::KeyId;
use windlass_node::config::{NodeConfig, Peer, SyncMode};

pub(crate) const CHAIN_ID: u64 = 4_242;

/// Makes so many validators' directories below `root`.
pub(crate) fn create(root: &Path, count: u8, epoch_length: u64) -> Vec<PathBuf> {
    create_for(root, count, epoch_length, Address::repeat_byte(0xac))
}

/// The same for a network that is governed by this account.
pub(crate) fn create_for(
    root: &Path,
    count: u8,
    epoch_length: u64,
    member: Address,
) -> Vec<PathBuf> {
    let vault = Vault::open(root.join("keys")).expect("a vault");
    let key = |index, purpose| key(&vault, index, purpose);
    let keys: Vec<_> = (0..count)
        .map(|index| (key(index, Purpose::Node), key(index, Purpose::Consensus)))
        .collect();
    let validators = keys.iter().enumerate().map(|(index, (node, vote))| Validator {
        name: format!("v{index}"),
        node_key: node.1,
        consensus_key: vote.1,
        account: Address::ZERO,
        endpoint: String::new(),
    });
    let genesis = Genesis {
        chain_id: CHAIN_ID,
        timestamp: 1_760_000_000,
        gas_limit: 30_000_000,
        contract_size_limit: 24_576,
        transaction_gas_cap: 16_777_216,
        min_block_interval_ms: 0,
        epoch_length,
        signature_scheme: SignatureScheme::Ed25519,
        fees: Fees::Free,
        alloc: BTreeMap::new(),
        governance: Governance::default(),
        permissions: Permissions::default(),
        predecessor: None,
        members: vec![Member {
            organization: "acme".to_owned(),
            endpoint: String::new(),
            account: member,
            validators: validators.collect(),
        }],
    };
    let addresses = addresses(count.into());
    let peers: Vec<Peer> = keys
        .iter()
        .zip(&addresses)
        .map(|(((_, node_key), _), address)| Peer { node_key: *node_key, address: *address })
        .collect();
    keys.iter()
        .enumerate()
        .map(|(index, ((node_key, _), (consensus_key, _)))| {
            let directory = root.join(format!("node-{index}"));
            let files = make(directory.join("files"));
            fs::write(files.join("genesis.json"), genesis.canonical_json()).expect("a file");
            let config = NodeConfig {
                node_key: node_key.clone(),
                next_node_key: None,
                consensus_keys: vec![consensus_key.clone()],
                vault: root.join("keys"),
                listen: addresses[index],
                addresses: peers.clone(),
                bootstrap: Vec::new(),
                repairs: 0,
                archive: false,
                sync: SyncMode::default(),
                disk_mib: 0,
                far_behind: 24,
                export: None,
            };
            let text = toml::to_string(&config).expect("it is serialisable");
            fs::write(files.join("node.toml"), text).expect("a file");
            directory
        })
        .collect()
}

/// A new key: its id and its public half.
fn key(vault: &Vault, index: u8, purpose: Purpose) -> (String, B256) {
    let kind = match purpose {
        Purpose::Node => 1,
        Purpose::Consensus => 2,
        Purpose::Account => 3,
    };
    let id = KeyId::from_entropy([index, kind, 0, 0, 0, 0, 0, 0, 0, 0]);
    let public = vault.create(&id, purpose).expect("a key");
    (id.to_string(), B256::from(public.ed25519().expect("an Ed25519 key")))
}

/// Free addresses; the listeners are closed before the validators bind them.
fn addresses(count: usize) -> Vec<SocketAddr> {
    let listeners: Vec<_> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    listeners.iter().map(|listener| listener.local_addr().expect("it is bound")).collect()
}

/// One HTTP exchange with a node.
pub(crate) fn exchange(directory: &Path, head: &str, body: &str) -> io::Result<String> {
    let mut socket = UnixStream::connect(directory.join("rpc.sock"))?;
    socket.set_read_timeout(Some(Duration::from_secs(40)))?;
    let length = body.len();
    write!(
        socket,
        "{head} HTTP/1.1\r\nhost: node\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: {length}\r\n\r\n{body}",
    )?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    let start = answer.find("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(answer.split_off(start))
}

/// Calls a method of a node.
pub(crate) fn call(directory: &Path, method: &str, params: &Value) -> io::Result<Value> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let answer = exchange(directory, "POST /", &body)?;
    serde_json::from_str(&answer).map_err(io::Error::other)
}

/// Waits until a node's status is as wanted.
pub(crate) fn until(directory: &Path, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let mut revision = 0;
    for _ in 0..1_000 {
        let params = json!([revision, 20_000]);
        let answer = call(directory, "windlass_awaitStatus", &params).expect("the node runs");
        let status = answer["result"].clone();
        if wanted(&status) {
            return status;
        }
        let next = status["revision"].as_u64().expect("a status has a revision");
        assert!(next > revision, "still not: {what}; {status}");
        revision = next;
    }
    panic!("still not: {what}");
}

/// A signed transfer of nothing.
pub(crate) fn transfer(account: &ThrowawayAccount, nonce: u64) -> Bytes {
    let to = Address::repeat_byte(7);
    signed(account, TxLegacy { nonce, gas_limit: 21_000, to: to.into(), ..TxLegacy::default() })
}

/// A transaction of an account.
pub(crate) fn signed(account: &ThrowawayAccount, transaction: TxLegacy) -> Bytes {
    let transaction = TxLegacy { chain_id: Some(CHAIN_ID), ..transaction };
    let hash = transaction.signature_hash();
    let bytes = account.sign_hash(&hash.0).expect("it signs");
    let signature = Signature::from_bytes_and_parity(&bytes[..64], bytes[64] == 1);
    TxEnvelope::from(transaction.into_signed(signature)).encoded_2718().into()
}

/// Sends a transaction; its hash.
pub(crate) fn send(directory: &Path, transaction: &Bytes) -> Value {
    let answer =
        call(directory, "eth_sendRawTransaction", &json!([transaction])).expect("an answer");
    assert!(answer.get("error").is_none(), "{answer}");
    answer["result"].clone()
}

/// The block that a node says is the newest.
pub(crate) fn tip(status: &Value) -> u64 {
    status["tip"]["number"].as_u64().expect("a status has a tip")
}

fn make(folder: PathBuf) -> PathBuf {
    fs::create_dir_all(&folder).expect("a directory");
    folder
}
