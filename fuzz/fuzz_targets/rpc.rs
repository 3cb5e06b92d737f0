//! A request's body, to a node's whole RPC over its socket.
#![no_main]

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::OnceLock;

use alloy_primitives::B256;
use windlass_chain::genesis::Genesis;
use windlass_chain::store::MemoryStore;
use windlass_node::ledger::open_store;
use windlass_node::rpc::{RpcServer, serve};
use windlass_node::status::{Identity, StatusBoard, StatusTip};

const GENESIS: &[u8] = include_bytes!("../../crates/proof/vectors/genesis.json");

static SERVER: OnceLock<RpcServer> = OnceLock::new();

fn start() -> RpcServer {
    let genesis = Genesis::parse(GENESIS).expect("it is a genesis");
    let ledger = open_store(MemoryStore::default(), &genesis, None).expect("the ledger opens");
    let identity = Identity {
        node_key: B256::ZERO,
        consensus_key: B256::ZERO,
        genesis_hash: ledger.chain().genesis_hash(),
        chain_id: genesis.chain_id,
        validators: vec![B256::ZERO],
    };
    let status = StatusBoard::new(identity, StatusTip::default());
    let path = std::env::temp_dir().join(format!("windlass-fuzz-{}", std::process::id()));
    serve(Path::new(&path), ledger, status, None).expect("it is served")
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let server = SERVER.get_or_init(start);
    let mut stream = UnixStream::connect(server.path()).expect("it takes connections");
    let head = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        bytes.len()
    );
    stream.write_all(head.as_bytes()).expect("it reads");
    // It may have answered, and gone, before it has read all.
    let _written = stream.write_all(bytes);
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    assert!(answer.starts_with(b"HTTP/1.1 "), "{}", String::from_utf8_lossy(&answer));
});
