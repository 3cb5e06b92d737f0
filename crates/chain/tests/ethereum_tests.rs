//! Ethereum's own blockchain cases for Cancun, on the same executor as Windlass networks.
//!
//! Every block that should be accepted must be, every other refused, and the chain must end at the
//! case's last block; its header holds the state root.
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail like the test")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use alloy_eips::eip7840::BlobParams;
use alloy_primitives::{Address, B256, Bytes, U256, hex};
use serde_json::Value;
use windlass_chain::genesis::GenesisAccount;
use windlass_chain::store::MemoryStore;
use windlass_chain::{Block, Chain, Fork, NoSenders, RuleSet, Schedule};

fn suite() -> Value {
    #[expect(clippy::disallowed_methods, reason = "tests read where the public suites are")]
    let folder = std::env::var("CONFORMANCE_DIR").map_or_else(
        |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance"),
        PathBuf::from,
    );
    let path = folder.join("ethereum-tests/blockchain-cancun.json.zst");
    let file =
        std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let bytes = zstd::decode_all(file).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn cancun() -> RuleSet {
    RuleSet::ethereum(Schedule {
        chain_id: 1,
        by_number: vec![(0, Fork::Merge)],
        by_time: vec![(0, Fork::Cancun)],
        blobs: vec![(0, BlobParams::cancun())],
        deposit_contract: Address::ZERO,
    })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn number(value: &Value) -> U256 {
    U256::from_str_radix(text(value).trim_start_matches("0x"), 16).unwrap()
}

fn accounts(pre: &Value) -> BTreeMap<Address, GenesisAccount> {
    let account = |value: &Value| GenesisAccount {
        balance: number(&value["balance"]),
        nonce: number(&value["nonce"]).to(),
        code: text(&value["code"]).parse::<Bytes>().unwrap(),
        storage: value["storage"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(slot, value)| {
                let slot = U256::from_str_radix(slot.trim_start_matches("0x"), 16).unwrap();
                (B256::from(slot), B256::from(number(value)))
            })
            .filter(|(_, value)| !value.is_zero())
            .collect(),
    };
    pre.as_object()
        .unwrap()
        .iter()
        .map(|(address, value)| (address.parse().unwrap(), account(value)))
        .collect()
}

fn block(rlp: &Value) -> Result<Block, String> {
    let bytes = hex::decode(text(rlp)).map_err(|error| error.to_string())?;
    Block::decode(&bytes).map_err(|error| error.to_string())
}

fn accept(chain: &Chain, block: &Block) -> Result<(), String> {
    chain.validate(block.parent_hash(), block, &NoSenders).map_err(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", source.unwrap_or_default())
    })
}

/// Runs a case; whether its blocks could also be made final, one after the other.
fn run(case: &Value) -> Result<bool, String> {
    let genesis = block(&case["genesisRLP"])?;
    let accounts = accounts(&case["pre"]);
    let chain = Chain::open_with(MemoryStore::default(), cancun(), &genesis, &accounts)
        .map_err(|error| error.to_string())?;
    let mut valid: BTreeMap<B256, Block> = BTreeMap::new();
    for (index, entry) in case["blocks"].as_array().unwrap().iter().enumerate() {
        let should_fail = entry.get("expectException").is_some();
        let outcome = block(&entry["rlp"]).and_then(|block| accept(&chain, &block).map(|()| block));
        match outcome {
            Ok(_) if should_fail => {
                return Err(format!("block {index} was accepted: {}", entry["expectException"]));
            }
            Ok(block) => drop(valid.insert(block.hash(), block)),
            Err(_) if should_fail => {}
            Err(error) => return Err(format!("block {index} was refused: {error}")),
        }
    }
    let last: B256 = text(&case["lastblockhash"]).parse().unwrap();
    if !chain.is_executed(last) {
        return Err(format!("the last block {last} was not executed"));
    }
    let mut path = Vec::new();
    let mut hash = last;
    while let Some(block) = valid.get(&hash) {
        hash = block.parent_hash();
        path.push(block);
    }
    for block in path.into_iter().rev() {
        chain.finalize(block).map_err(|error| format!("not final: {error}"))?;
    }
    if chain.tip().hash != last {
        return Err("another tip is final".to_owned());
    }
    check_post_state(&chain, &case["postState"])?;
    Ok(true)
}

fn check_post_state(chain: &Chain, post: &Value) -> Result<(), String> {
    let Some(_) = post.as_object() else { return Ok(()) };
    let state = chain.state(windlass_chain::At::Latest).unwrap();
    for (address, expected) in accounts(post) {
        let account = state
            .account(address)
            .unwrap()
            .ok_or_else(|| format!("there is no account {address}"))?;
        let code = state.code(address).unwrap();
        let found = (account.balance, account.nonce, code);
        if found != (expected.balance, expected.nonce, expected.code) {
            return Err(format!("account {address} is {found:?}"));
        }
        for (slot, value) in expected.storage {
            let found = state.storage(address, slot.into()).unwrap();
            if found != U256::from_be_bytes(value.0) {
                return Err(format!("slot {slot} of {address} is {found}"));
            }
        }
    }
    Ok(())
}

#[test]
fn all_cancun_blockchain_cases_pass() {
    let suite = suite();
    let cases: Vec<(String, &Value)> = suite
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(file, cases)| {
            cases
                .as_object()
                .unwrap()
                .iter()
                .map(move |(name, case)| (format!("{file} {name}"), case))
        })
        .collect();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let failures: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers)
            .map(|worker| {
                let cases = &cases;
                scope.spawn(move || {
                    cases
                        .iter()
                        .skip(worker)
                        .step_by(workers)
                        .filter_map(|(name, case)| {
                            run(case).err().map(|error| format!("{name}: {error}"))
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let passed = cases.len() - failures.len();
    assert!(
        failures.is_empty(),
        "{passed} of {} cases pass; the first that fail:\n{}",
        cases.len(),
        failures.iter().take(30).cloned().collect::<Vec<_>>().join("\n")
    );
    assert!(passed > 0, "the suite is empty");
}
