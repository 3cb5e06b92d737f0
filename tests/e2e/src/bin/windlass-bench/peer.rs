//! anvil beside a network, under the same load: one node without consensus, which keeps nothing on disk.
//!
//! By default it makes a block when a transaction comes. Where many come at once, 1.7.1 then stands still
//! with hundreds pending, so it is told to make a block whenever the last one is there.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read},
    process::Child,
    thread,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use windlass_e2e::{Account, Endpoint, root, start_tool};

use crate::{
    load::{Blocks, Subject},
    wire::Target,
};

/// Where npm puts it, as tests/e2e/differential has it.
const PROGRAM: &str = "tests/e2e/differential/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil";
/// More than any account spends: here gas is bought, if for nothing.
const FUNDS: &str = "0xde0b6b3a76400000";

/// A running anvil.
pub(crate) struct Anvil {
    child: Child,
    pub(crate) url: String,
    /// Held so that it goes last.
    _folder: TempDir,
}

impl Drop for Anvil {
    fn drop(&mut self) {
        // It may have ended by itself.
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

impl Anvil {
    /// Starts it with these accounts; `None` where it is not installed.
    pub(crate) fn start(chain_id: u64, accounts: &[Account], rich: &Account) -> Option<Self> {
        let program = root().join(PROGRAM);
        if !program.is_file() {
            return None;
        }
        let folder = tempfile::Builder::new().prefix("wlb").tempdir().expect("a folder");
        let genesis = folder.path().join("genesis.json");
        let text = genesis_of(chain_id, accounts, rich).to_string();
        fs::write(&genesis, text).expect("it can be written");
        let (genesis, chain_id) = (genesis.to_string_lossy().into_owned(), chain_id.to_string());
        let arguments = [
            ["--port", "0"],
            ["--accounts", "1"],
            ["--chain-id", &chain_id],
            ["--hardfork", "osaka"],
            ["--base-fee", "0"],
            ["--gas-price", "0"],
            ["--gas-limit", "30000000"],
            ["--init", &genesis],
        ];
        let arguments = [arguments.as_flattened(), &["--no-mining", "--no-priority-fee"]].concat();
        let mut child = start_tool(&program.to_string_lossy(), &arguments, &[]);
        let stdout = child.stdout.take().expect("it is piped");
        let stderr = child.stderr.take().expect("it is piped");
        let mut lines = BufReader::new(stdout);
        let address = listening(&mut lines);
        // What they say later is read and dropped: a full pipe would stop it.
        drain(lines);
        drain(stderr);
        Some(Self { child, url: format!("http://{address}"), _folder: folder })
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::new(&self.url)
    }

    pub(crate) fn subject(&self) -> Subject {
        Subject {
            targets: vec![Target::of_url(&self.url)],
            executing: vec![self.child.id()],
            called: "anvil",
            gateway: None,
            blocks: Blocks::Asked,
        }
    }
}

fn genesis_of(chain_id: u64, accounts: &[Account], rich: &Account) -> Value {
    let funded = accounts.iter().chain([rich]);
    let alloc: serde_json::Map<String, Value> =
        funded.map(|account| (account.address.to_string(), json!({"balance": FUNDS}))).collect();
    json!({
        "config": {"chainId": chain_id},
        "nonce": "0x0",
        "timestamp": "0x0",
        "extraData": "0x",
        "gasLimit": "0x1c9c380",
        "difficulty": "0x0",
        "baseFeePerGas": "0x0",
        "alloc": alloc,
    })
}

/// Where it says that it listens.
fn listening(lines: &mut impl BufRead) -> String {
    let mut line = String::new();
    loop {
        line.clear();
        let read = lines.read_line(&mut line).expect("what it says is text");
        assert!(read > 0, "anvil ended before it listened");
        if let Some(address) = line.strip_prefix("Listening on ") {
            return address.trim().to_owned();
        }
    }
}

/// Reads to the end, on a thread that ends with the program that is read from.
fn drain(mut from: impl Read + Send + 'static) {
    thread::spawn(move || drop(io::copy(&mut from, &mut io::sink())));
}
