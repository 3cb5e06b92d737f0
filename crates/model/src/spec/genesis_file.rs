//! The `genesis.json` of Geth or Besu, as far as a network can begin with it.
//!
//! Taken are the accounts with their balances, nonces, codes and storage, the chain id, the gas limit
//! and Besu's limit on the size of contracts and its base fee of zero. Block 0 itself is Windlass's own,
//! all forks up to Osaka are active from it on, and who makes blocks is in the spec; what a file says
//! otherwise is named by [`GenesisFile::notes`]. [Geth's] and [Besu's] documentation have the form.
//!
//! [Geth's]: https://geth.ethereum.org/docs/fundamentals/private-network
//! [Besu's]: https://besu.hyperledger.org/public-networks/concepts/genesis-file

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    AccountAddress, Allocation, Fees, HexBytes, MAX_CHAIN_ID, MAX_GAS_LIMIT, MIN_GAS_LIMIT,
    Manifest, Quantity,
};
use crate::{ErrorCode, Problem};

/// Contracts that every network has, which genesis files of newer forks name too: EIP-2935, EIP-4788,
/// EIP-7002, EIP-7251.
const SYSTEM_CONTRACTS: [&str; 4] = [
    "0x0000f90827f1c53a10cb7a02335b175320002935",
    "0x000f3df6d732807ef1319fb7b8bb8522d0beac02",
    "0x00000961ef480eb55e80d19ad83579a64c007002",
    "0x0000bbddc7ce488642fb579f8b00f3a590007251",
];

/// Sections of `config` by which clients choose how blocks are made.
const CONSENSUS: [&str; 8] =
    ["clique", "ethash", "fixeddifficulty", "ibft", "ibft2", "istanbul", "qbft", "aura"];

/// What a genesis file says that a network can begin with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GenesisFile {
    /// `config.chainId`.
    pub chain_id: Option<u64>,
    /// `gasLimit`, where a network can have it.
    pub gas_limit: Option<u64>,
    /// Besu's `config.contractSizeLimit`.
    pub contract_size_limit: Option<u32>,
    /// `free` where Besu's `config.zeroBaseFee` is set.
    pub fees: Option<Fees>,
    /// `alloc`.
    pub alloc: BTreeMap<AccountAddress, Allocation>,
    /// What it says beside, and what comes of that, in words.
    pub notes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    config: Map<String, Value>,
    #[serde(default)]
    gas_limit: Value,
    alloc: BTreeMap<String, Account>,
    /// Parts of block 0.
    #[serde(flatten)]
    block: Map<String, Value>,
}

/// Besu's files hold comments and private keys beside.
#[derive(Deserialize)]
struct Account {
    #[serde(default)]
    balance: Value,
    #[serde(default)]
    nonce: Value,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    storage: BTreeMap<String, String>,
}

impl GenesisFile {
    /// Reads a file. What is wrong with it is told with the path in it.
    pub fn parse(text: &str) -> Result<Self, Box<Problem>> {
        let File { config, gas_limit, alloc, block } = serde_json::from_str(text)
            .map_err(|error| invalid(format!("it is no genesis file: {error}")))?;
        let mut read = Self::default();
        read.take_config(&config)?;
        read.take_gas_limit(&gas_limit)?;
        for (address, account) in alloc {
            read.take_account(&address, account)?;
        }
        read.note_block(&block);
        Ok(read)
    }

    /// Puts what it says where a spec says nothing; the accounts of both are in block 0.
    pub fn fill(self, manifest: &mut Manifest) -> Result<Vec<String>, Box<Problem>> {
        manifest.genesis_from = None;
        manifest.chain_id = manifest.chain_id.or(self.chain_id);
        manifest.gas_limit = manifest.gas_limit.or(self.gas_limit);
        manifest.contract_size_limit = manifest.contract_size_limit.or(self.contract_size_limit);
        manifest.fees = manifest.fees.take().or(self.fees);
        let alloc = manifest.alloc.get_or_insert_default();
        for (address, account) in self.alloc {
            if alloc.contains_key(&address) {
                let detail = format!("`{address}` is in `alloc` and in the genesis file");
                return Err(Box::new(Problem::new(
                    ErrorCode::InvalidSpec,
                    detail,
                    "leave it out of one of the two",
                )));
            }
            alloc.insert(address, account);
        }
        Ok(self.notes)
    }

    fn take_config(&mut self, config: &Map<String, Value>) -> Result<(), Box<Problem>> {
        for (key, value) in config.iter().filter(|(_, value)| !value.is_null()) {
            match key.as_str() {
                "chainId" => {
                    let id = whole("config.chainId", value)?;
                    if !(1..=MAX_CHAIN_ID).contains(&id) {
                        return Err(invalid(format!("config.chainId is {id}: not 1 to 2^53 − 1")));
                    }
                    self.chain_id = Some(id);
                }
                "contractSizeLimit" => {
                    let limit = whole("config.contractSizeLimit", value)?;
                    self.contract_size_limit = u32::try_from(limit).ok();
                }
                "zeroBaseFee" if value == &Value::Bool(true) => self.fees = Some(Fees::Free {}),
                "zeroBaseFee" => {}
                key if CONSENSUS.contains(&key) => self.notes.push(format!(
                    "config.{key}: blocks are made by the validators of the spec, and are final"
                )),
                key if key.ends_with("Block") || key.ends_with("Time") => {
                    let begins = whole(&format!("config.{key}"), value)?;
                    self.note_fork(key, begins);
                }
                // They only say that a chain has left proof of work, or price blobs.
                "terminalTotalDifficulty"
                | "terminalTotalDifficultyPassed"
                | "blobSchedule"
                | "eip150Hash"
                | "depositContractAddress"
                | "daoForkSupport" => {}
                key => self.notes.push(format!("config.{key} is not supported, and left out")),
            }
        }
        Ok(())
    }

    fn note_fork(&mut self, key: &str, begins: u64) {
        let newer = ["amsterdamTime", "bogotaTime", "futureEipsTime", "experimentalEipsTime"];
        if newer.contains(&key) {
            self.notes.push(format!("config.{key} is not supported: the newest rules are Osaka's"));
        } else if begins > 0 {
            self.notes.push(format!(
                "config.{key} is {begins}: all forks up to Osaka are active from block 0 on"
            ));
        }
    }

    fn take_gas_limit(&mut self, value: &Value) -> Result<(), Box<Problem>> {
        if value.is_null() {
            return Ok(());
        }
        let limit = whole("gasLimit", value)?;
        if (MIN_GAS_LIMIT..=MAX_GAS_LIMIT).contains(&limit) {
            self.gas_limit = Some(limit);
        } else {
            self.notes.push(format!(
                "gasLimit is {limit}: it can be {MIN_GAS_LIMIT} to {MAX_GAS_LIMIT} here, and is as \
                 the spec has it, or 30000000"
            ));
        }
        Ok(())
    }

    fn take_account(&mut self, address: &str, account: Account) -> Result<(), Box<Problem>> {
        let at = format!("alloc.{address}");
        let digits = address.strip_prefix("0x").unwrap_or(address).to_ascii_lowercase();
        let address: AccountAddress = told(&at, format!("0x{digits}").parse())?;
        if SYSTEM_CONTRACTS.contains(&address.as_str()) {
            self.notes.push(format!(
                "{at}: every network has this system contract as the rules say; the file's is left out"
            ));
            return Ok(());
        }
        let nonce = match &account.nonce {
            Value::Null => 0,
            nonce => whole(&format!("{at}.nonce"), nonce)?,
        };
        let code = match account.code.as_deref() {
            None | Some("" | "0x") => None,
            Some(code) => {
                let digits = code.strip_prefix("0x").unwrap_or(code);
                Some(told::<HexBytes>(&format!("{at}.code"), format!("0x{digits}").parse())?)
            }
        };
        let mut storage = BTreeMap::new();
        for (slot, value) in account.storage {
            let at = format!("{at}.storage.{slot}");
            let word = |text: &str| {
                let digits = text.strip_prefix("0x").unwrap_or(text);
                told::<Quantity>(&at, format!("0x{digits}").parse())
            };
            let (slot, value) = (word(&slot)?, word(&value)?);
            if value != Quantity::default() {
                storage.insert(slot, value);
            }
        }
        let balance = match &account.balance {
            Value::Null => Quantity::default(),
            balance => amount(&format!("{at}.balance"), balance)?,
        };
        if self.alloc.insert(address, Allocation { balance, nonce, code, storage }).is_some() {
            return Err(invalid(format!("{at} is there twice")));
        }
        Ok(())
    }

    /// Block 0 commits to the whole document here, and has nothing of its own.
    fn note_block(&mut self, block: &Map<String, Value>) {
        let is_nothing = |value: &Value| match value {
            Value::Null => true,
            Value::String(text) => text.trim_start_matches("0x").bytes().all(|digit| digit == b'0'),
            Value::Number(number) => number.as_u64() == Some(0),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
        };
        let said = block.iter().filter(|(_, value)| !is_nothing(value));
        let said: Vec<&str> = said.map(|(key, _)| key.as_str()).collect();
        if !said.is_empty() {
            self.notes.push(format!(
                "block 0 is made anew, without the file's {}; its hash is another one",
                said.join(", ")
            ));
        }
    }
}

/// A number as clients write it: JSON's own, decimal or hex text.
fn amount(at: &str, value: &Value) -> Result<Quantity, Box<Problem>> {
    match value {
        Value::String(text) => told(at, text.parse()),
        Value::Number(number) => told(at, number.to_string().parse()),
        other => Err(invalid(format!("{at} is {other}, not a number"))),
    }
}

fn whole(at: &str, value: &Value) -> Result<u64, Box<Problem>> {
    let quantity = amount(at, value)?;
    let digits = quantity.as_str().trim_start_matches("0x");
    u64::from_str_radix(digits, 16)
        .map_err(|_too_large| invalid(format!("{at} is {}: too large", quantity.as_str())))
}

fn told<T>(at: &str, read: Result<T, super::InvalidValue>) -> Result<T, Box<Problem>> {
    read.map_err(|error| invalid(format!("{at}: {error}")))
}

fn invalid(detail: String) -> Box<Problem> {
    let hint =
        "give the genesis.json of a Geth or Besu network; a mistake in it is to be mended there";
    Box::new(Problem::new(ErrorCode::InvalidSpec, detail, hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Besu's quick start writes it.
    const BESU: &str = r#"{
        "config": {
            "chainId": 1337, "berlinBlock": 0, "londonBlock": 5, "contractSizeLimit": 2147483,
            "zeroBaseFee": true, "qbft": { "blockperiodseconds": 2 }, "discovery": {}
        },
        "nonce": "0x0", "timestamp": "0x58ee40ba", "gasLimit": "0x1fffffffffffff",
        "difficulty": "0x1",
        "mixHash": "0x0000000000000000000000000000000000000000000000000000000000000000",
        "coinbase": "0x0000000000000000000000000000000000000000",
        "alloc": {
            "fe3b557e8fb62b89f4916b721be55ceb828dbd73": {
                "privateKey": "8f2a55949038a9610f50fb23b5883af3b4ecb3c3bb792cbcefbd1542c692be63",
                "comment": "not to be used in production", "balance": "0xad78ebc5ac6200000"
            },
            "627306090abaB3A6e1400e9345bC60c78a8BEf57": { "balance": "90000000000000000000000" },
            "0x0000000000000000000000000000000000000888": {
                "balance": 7, "nonce": "0x2", "code": "6001",
                "storage": { "0x01": "02", "3": "0x0" }
            },
            "0x000f3df6d732807ef1319fb7b8bb8522d0beac02": { "balance": "0", "code": "0x00" }
        }
    }"#;

    fn parse(text: &str) -> Result<GenesisFile, String> {
        GenesisFile::parse(text).map_err(|problem| problem.detail)
    }

    #[test]
    fn besus_file_is_read_and_what_is_left_out_is_named() {
        let read = parse(BESU).unwrap();
        assert_eq!((read.chain_id, read.gas_limit), (Some(1337), None));
        assert_eq!(read.contract_size_limit, Some(2_147_483));
        assert_eq!(read.fees, Some(Fees::Free {}));
        let of = |address: &str| &read.alloc[&address.parse::<AccountAddress>().unwrap()];
        assert_eq!(read.alloc.len(), 3);
        let rich = of("0xfe3b557e8fb62b89f4916b721be55ceb828dbd73");
        assert_eq!(rich.balance.as_str(), "0xad78ebc5ac6200000");
        let decimal = of("0x627306090abab3a6e1400e9345bc60c78a8bef57");
        assert_eq!(decimal.balance.as_str(), "0x130ee8e7179044400000");
        let contract = of("0x0000000000000000000000000000000000000888");
        assert_eq!((contract.balance.as_str(), contract.nonce), ("0x7", 2));
        assert_eq!(contract.code.as_ref().map(HexBytes::as_str), Some("0x6001"));
        let slots: Vec<_> =
            contract.storage.iter().map(|(slot, value)| (slot.as_str(), value.as_str())).collect();
        assert_eq!(slots, [("0x1", "0x2")]);
        let notes = [
            "alloc.0x000f3df6d732807ef1319fb7b8bb8522d0beac02: every network has this system contract \
             as the rules say; the file's is left out",
            "config.discovery is not supported, and left out",
            "config.londonBlock is 5: all forks up to Osaka are active from block 0 on",
            "config.qbft: blocks are made by the validators of the spec, and are final",
            "gasLimit is 9007199254740991: it can be 1000000 to 10000000000 here, and is as the \
             spec has it, or 30000000",
            "block 0 is made anew, without the file's difficulty, timestamp; its hash is another \
             one",
        ];
        let mut said = read.notes.clone();
        said.sort();
        let mut expect = notes.map(str::to_owned).to_vec();
        expect.sort();
        assert_eq!(said, expect);
    }

    #[test]
    fn a_spec_has_the_last_word_and_no_account_is_there_twice() {
        let read = parse(BESU).unwrap();
        let mut manifest = Manifest { chain_id: Some(9), ..Manifest::default() };
        read.clone().fill(&mut manifest).unwrap();
        assert_eq!((manifest.chain_id, manifest.fees.clone()), (Some(9), Some(Fees::Free {})));
        assert_eq!(manifest.alloc.as_ref().map(BTreeMap::len), Some(3));
        let twice = read.fill(&mut manifest).unwrap_err();
        assert!(twice.detail.contains("is in `alloc` and in the genesis file"), "{twice:?}");
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (text, expect) in [
            ("{", "it is no genesis file: "),
            ("{}", "it is no genesis file: missing field `alloc`"),
            (r#"{"alloc": {"0x12": {}}}"#, "alloc.0x12: an address is 0x and 40 hex digits"),
            (r#"{"alloc": {}, "config": {"chainId": 0}}"#, "config.chainId is 0"),
            (r#"{"alloc": {}, "config": {"chainId": -1}}"#, "config.chainId: an amount is"),
            (r#"{"alloc": {}, "gasLimit": "0x1ffffffffffffffff"}"#, "gasLimit is 0x1ffff"),
            (
                r#"{"alloc": {"0000000000000000000000000000000000000001": {"balance": "x"}}}"#,
                "alloc.0000000000000000000000000000000000000001.balance: an amount is",
            ),
            (
                r#"{"alloc": {"0000000000000000000000000000000000000001": {},
                             "0x0000000000000000000000000000000000000001": {}}}"#,
                "alloc.0x0000000000000000000000000000000000000001 is there twice",
            ),
        ] {
            let refused = parse(text).unwrap_err();
            assert!(refused.contains(expect), "{text}: {refused}");
        }
        let newer = parse(r#"{"alloc": {}, "config": {"amsterdamTime": 0}}"#).unwrap();
        assert_eq!(newer.notes.len(), 1);
    }
}
