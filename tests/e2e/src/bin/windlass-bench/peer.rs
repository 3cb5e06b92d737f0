//! anvil and Geth beside a network, under the same load: one node each, without consensus.
//!
//! anvil keeps nothing on disk. By default it makes a block when a transaction comes. Where many come at
//! once, 1.7.1 then stands still with hundreds pending, so it is told to make a block whenever the last one
//! is there. `geth --dev` makes blocks by itself; its pool is told to hold what a round sends.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read},
    path::PathBuf,
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
const ANVIL: &str = "tests/e2e/differential/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil";
/// Where `cargo xtask bench chain` and the tests put what they build.
const GETH: &str = "target/tools/geth";
/// More than any account spends: here gas is bought, if for nothing.
const FUNDS: &str = "0xde0b6b3a76400000";
const GAS_LIMIT: &str = "30000000";
/// More than a round sends.
const POOL: &str = "1000000";

/// A running program that is none of ours.
pub(crate) struct Peer {
    child: Child,
    url: String,
    called: &'static str,
    blocks: Blocks,
    /// What it keeps on disk. Held so that it goes last.
    folder: TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

impl Peer {
    /// Starts anvil with these accounts; `None` where it is not installed.
    pub(crate) fn anvil(chain_id: u64, accounts: &[Account], rich: &Account) -> Option<Self> {
        let program = installed(ANVIL)?;
        let (folder, genesis) = prepared(chain_id, accounts, rich);
        let id = chain_id.to_string();
        let arguments = [
            ["--port", "0"],
            ["--accounts", "1"],
            ["--chain-id", &id],
            ["--hardfork", "osaka"],
            ["--base-fee", "0"],
            ["--gas-price", "0"],
            ["--gas-limit", GAS_LIMIT],
            ["--init", &genesis],
        ];
        let arguments = [arguments.as_flattened(), &["--no-mining", "--no-priority-fee"]].concat();
        let mut child = start_tool(&program, &arguments, &[]);
        let said = BufReader::new(child.stdout.take().expect("it is piped"));
        drain(child.stderr.take().expect("it is piped"));
        let address = listening(said, "Listening on ");
        let url = format!("http://{address}");
        Some(Self { child, url, called: "anvil", blocks: Blocks::Asked, folder })
    }

    /// Starts `geth --dev` with these accounts; `None` where it was not built.
    pub(crate) async fn geth(chain_id: u64, accounts: &[Account], rich: &Account) -> Option<Self> {
        let program = installed(GETH)?;
        let (folder, genesis) = prepared(chain_id, accounts, rich);
        let data = folder.path().to_string_lossy().into_owned();
        let mut init = start_tool(&program, &["init", "--datadir", &data, &genesis], &[]);
        drain(init.stderr.take().expect("it is piped"));
        assert!(init.wait().is_ok_and(|ended| ended.success()), "`geth init` fails");
        let arguments = [
            ["--datadir", &data],
            ["--http.port", "0"],
            ["--http.api", "eth,net,web3,miner"],
            ["--miner.gasprice", "0"],
            ["--miner.gaslimit", GAS_LIMIT],
            ["--txpool.accountslots", POOL],
            ["--txpool.globalslots", POOL],
            ["--txpool.globalqueue", POOL],
        ];
        let switches = ["--dev", "--http", "--nodiscover", "--ipcdisable"];
        let arguments = [arguments.as_flattened(), &switches].concat();
        let mut child = start_tool(&program, &arguments, &[]);
        drain(child.stdout.take().expect("it is piped"));
        let said = BufReader::new(child.stderr.take().expect("it is piped"));
        let address = listening(said, "endpoint=");
        let url = format!("http://{address}");
        // So that its pool takes what pays nothing.
        let _set = Endpoint::new(&url).ok("miner_setGasPrice", json!(["0x0"])).await;
        Some(Self { child, url, called: "geth", blocks: Blocks::Own, folder })
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::new(&self.url)
    }

    pub(crate) fn subject(&self) -> Subject {
        Subject {
            targets: vec![Target::of_url(&self.url)],
            executing: vec![self.child.id()],
            called: self.called,
            folder: self.folder.path().to_owned(),
            gateway: None,
            blocks: self.blocks,
        }
    }
}

fn installed(program: &str) -> Option<String> {
    let program: PathBuf = root().join(program);
    program.is_file().then(|| program.to_string_lossy().into_owned())
}

/// A folder of its own, and the genesis file in it.
fn prepared(chain_id: u64, accounts: &[Account], rich: &Account) -> (TempDir, String) {
    let folder = tempfile::Builder::new().prefix("wlb").tempdir().expect("a folder");
    let genesis = folder.path().join("genesis.json");
    fs::write(&genesis, genesis_of(chain_id, accounts, rich).to_string())
        .expect("it can be written");
    (folder, genesis.to_string_lossy().into_owned())
}

/// The rules are Cancun's: later ones want the contracts of Ethereum's staking.
fn genesis_of(chain_id: u64, accounts: &[Account], rich: &Account) -> Value {
    let funded = accounts.iter().chain([rich]);
    let alloc: serde_json::Map<String, Value> =
        funded.map(|account| (account.address.to_string(), json!({"balance": FUNDS}))).collect();
    let forks = [
        "homesteadBlock",
        "eip150Block",
        "eip155Block",
        "eip158Block",
        "byzantiumBlock",
        "constantinopleBlock",
        "petersburgBlock",
        "istanbulBlock",
        "berlinBlock",
        "londonBlock",
        "shanghaiTime",
        "cancunTime",
        "terminalTotalDifficulty",
    ];
    let mut config: serde_json::Map<String, Value> =
        forks.iter().map(|fork| ((*fork).to_owned(), json!(0))).collect();
    config.insert("chainId".to_owned(), json!(chain_id));
    let blobs = json!({"target": 3, "max": 6, "baseFeeUpdateFraction": 3_338_477});
    config.insert("blobSchedule".to_owned(), json!({"cancun": blobs}));
    json!({
        "config": config,
        "nonce": "0x0",
        "timestamp": "0x0",
        "extraData": "0x",
        "gasLimit": "0x1c9c380",
        "difficulty": "0x0",
        "baseFeePerGas": "0x0",
        "alloc": alloc,
    })
}

/// Where it says that it listens, after these words. What it says later is read and dropped: a full pipe
/// would stop it.
fn listening(mut said: impl BufRead + Send + 'static, after: &str) -> String {
    let mut line = String::new();
    loop {
        line.clear();
        let read = said.read_line(&mut line).expect("what it says is text");
        assert!(read > 0, "it ended before it listened");
        if let Some((_, address)) = line.split_once(after) {
            let address = address.split_whitespace().next().unwrap_or_default().to_owned();
            drain(said);
            return address;
        }
    }
}

/// Reads to the end, on a thread that ends with the program that is read from.
fn drain(mut from: impl Read + Send + 'static) {
    thread::spawn(move || drop(io::copy(&mut from, &mut io::sink())));
}
