//! A request's body, to a node's whole RPC over its socket.
#![no_main]

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::OnceLock;

use alloy_primitives::{Address, B256};
use windlass_chain::genesis::{
    Fees, Genesis, GenesisAccount, Governance, Member, Permissions, SignatureScheme, Validator,
};
use windlass_chain::store::MemoryStore;
use windlass_node::ledger::open_store;
use windlass_node::rpc::{RpcServer, serve};
use windlass_node::status::{Identity, StatusBoard, StatusTip};

static SERVER: OnceLock<RpcServer> = OnceLock::new();

fn genesis() -> Genesis {
    let validator = Validator {
        name: "one".to_owned(),
        node_key: B256::repeat_byte(1),
        consensus_key: B256::repeat_byte(2),
        account: Address::ZERO,
        endpoint: String::new(),
    };
    let member = Member {
        organization: "acme".to_owned(),
        endpoint: String::new(),
        account: Address::repeat_byte(0xac),
        validators: vec![validator],
    };
    Genesis {
        chain_id: 7_001,
        timestamp: 1_700_000_000,
        gas_limit: 30_000_000,
        contract_size_limit: 24_576,
        transaction_gas_cap: 16_777_216,
        min_block_interval_ms: 0,
        epoch_length: 1_000_000,
        signature_scheme: SignatureScheme::Ed25519,
        fees: Fees::Free,
        alloc: [(Address::ZERO, GenesisAccount::default())].into(),
        governance: Governance::default(),
        permissions: Permissions::default(),
        predecessor: None,
        members: vec![member],
    }
}

fn start() -> RpcServer {
    let genesis = genesis();
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
