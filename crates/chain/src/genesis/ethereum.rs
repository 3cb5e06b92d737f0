//! The genesis file of an Ethereum chain, in the form that Geth reads and the public suites bring.

use std::collections::BTreeMap;

use alloy_consensus::constants::EMPTY_WITHDRAWALS;
use alloy_consensus::{BlockBody, EMPTY_OMMER_ROOT_HASH, EMPTY_ROOT_HASH, Header};
use alloy_eips::eip1559::INITIAL_BASE_FEE;
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_eips::eip7840::BlobParams;
use alloy_genesis::{ChainConfig, Genesis as File};
use alloy_primitives::{Address, B64, B256, U256};

use super::{GenesisAccount, GenesisError, state_root, wrong};
use crate::block::Block;
use crate::rules::{Fork, RuleSet, Schedule};

/// An Ethereum chain's beginning.
#[derive(Clone, Debug)]
pub struct EthereumGenesis {
    /// Its rules.
    pub rules: RuleSet,
    /// Block 0.
    pub block: Block,
    /// The state at its end.
    pub accounts: BTreeMap<Address, GenesisAccount>,
}

impl EthereumGenesis {
    /// Reads a file.
    pub fn parse(bytes: &[u8]) -> Result<Self, GenesisError> {
        let file: File = serde_json::from_slice(bytes).map_err(GenesisError::Json)?;
        let schedule = schedule(&file.config)?;
        let accounts: BTreeMap<Address, GenesisAccount> =
            file.alloc.iter().map(|(address, account)| (*address, read(account))).collect();
        let block = block(&file, &schedule, &accounts)?;
        Ok(Self { rules: RuleSet::ethereum(schedule), block, accounts })
    }
}

fn read(account: &alloy_genesis::GenesisAccount) -> GenesisAccount {
    let storage = account.storage.iter().flatten().filter(|(_, value)| !value.is_zero());
    GenesisAccount {
        balance: account.balance,
        nonce: account.nonce.unwrap_or(0),
        code: account.code.clone().unwrap_or_default(),
        storage: storage.map(|(slot, value)| (*slot, *value)).collect(),
    }
}

fn schedule(config: &ChainConfig) -> Result<Schedule, GenesisError> {
    for (field, time) in
        [("amsterdamTime", config.amsterdam_time), ("bogotaTime", config.bogota_time)]
    {
        if time.is_some() {
            return Err(wrong(format!("config.{field}"), "is of a fork that is not known"));
        }
    }
    if config.dao_fork_support && config.dao_fork_block.is_some() {
        return Err(wrong("config.daoForkBlock", "the rescue of the DAO is not known"));
    }
    let merge = match config.merge_netsplit_block {
        Some(block) => Some(block),
        // The merge by difficulty needs the difficulty of each block; from the first on, it does not.
        None => config.terminal_total_difficulty.filter(U256::is_zero).map(|_| 0),
    };
    let by_number = [
        (config.homestead_block, Fork::Homestead),
        (config.eip150_block, Fork::Tangerine),
        (config.eip158_block.or(config.eip155_block), Fork::SpuriousDragon),
        (config.byzantium_block, Fork::Byzantium),
        (config.constantinople_block, Fork::Constantinople),
        (config.petersburg_block, Fork::Petersburg),
        (config.istanbul_block, Fork::Istanbul),
        (config.muir_glacier_block, Fork::MuirGlacier),
        (config.berlin_block, Fork::Berlin),
        (config.london_block, Fork::London),
        (config.arrow_glacier_block, Fork::ArrowGlacier),
        (config.gray_glacier_block, Fork::GrayGlacier),
        (merge, Fork::Merge),
    ];
    let by_time = [
        (config.shanghai_time, Fork::Shanghai),
        (config.cancun_time, Fork::Cancun),
        (config.prague_time, Fork::Prague),
        (config.osaka_time, Fork::Osaka),
    ];
    Ok(Schedule {
        chain_id: config.chain_id,
        by_number: rising("config", &by_number)?,
        by_time: rising("config", &by_time)?,
        blobs: blobs(config),
        deposit_contract: config.deposit_contract_address.unwrap_or_default(),
    })
}

/// Those that are planned; each must come with or after the one before.
fn rising(field: &str, forks: &[(Option<u64>, Fork)]) -> Result<Vec<(u64, Fork)>, GenesisError> {
    let planned: Vec<_> = forks.iter().filter_map(|(at, fork)| Some(((*at)?, *fork))).collect();
    if let Some([_, (at, fork)]) = planned.array_windows().find(|[one, next]| one.0 > next.0) {
        return Err(wrong(field, format!("{fork:?} at {at} comes before an older fork")));
    }
    Ok(planned)
}

/// How blobs are priced from when on, forks of blob parameters only (EIP-7892) among them.
fn blobs(config: &ChainConfig) -> Vec<(u64, BlobParams)> {
    let params = config.blob_schedule_blob_params();
    let forks = [
        (config.cancun_time, params.cancun),
        (config.prague_time, params.prague),
        (config.osaka_time, params.osaka),
    ];
    let mut all: Vec<_> =
        forks.into_iter().filter_map(|(at, params)| Some((at?, params))).collect();
    all.extend(params.scheduled.iter().copied());
    all.sort_by_key(|(at, _)| *at);
    all
}

fn block(
    file: &File,
    schedule: &Schedule,
    accounts: &BTreeMap<Address, GenesisAccount>,
) -> Result<Block, GenesisError> {
    let number = file.number.unwrap_or(0);
    if number != 0 {
        return Err(wrong("number", "must be 0"));
    }
    let fork = RuleSet::ethereum(schedule.clone()).fork(0, file.timestamp);
    let from = |first: Fork| fork >= first;
    let base_fee = match file.base_fee_per_gas {
        Some(fee) => fee.try_into().ok().ok_or_else(|| wrong("baseFeePerGas", "is too high"))?,
        None => INITIAL_BASE_FEE,
    };
    let header = Header {
        parent_hash: file.parent_hash.unwrap_or_default(),
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: file.coinbase,
        state_root: state_root(accounts),
        transactions_root: EMPTY_ROOT_HASH,
        receipts_root: EMPTY_ROOT_HASH,
        difficulty: file.difficulty,
        gas_limit: file.gas_limit,
        timestamp: file.timestamp,
        extra_data: file.extra_data.clone(),
        mix_hash: file.mix_hash,
        nonce: B64::from(file.nonce),
        base_fee_per_gas: from(Fork::London).then_some(base_fee),
        withdrawals_root: from(Fork::Shanghai).then_some(EMPTY_WITHDRAWALS),
        blob_gas_used: from(Fork::Cancun).then_some(file.blob_gas_used.unwrap_or(0)),
        excess_blob_gas: from(Fork::Cancun).then_some(file.excess_blob_gas.unwrap_or(0)),
        parent_beacon_block_root: from(Fork::Cancun).then_some(B256::ZERO),
        requests_hash: from(Fork::Prague).then_some(EMPTY_REQUESTS_HASH),
        ..Header::default()
    };
    let withdrawals = from(Fork::Shanghai).then(|| Vec::new().into());
    let body = BlockBody { withdrawals, ..BlockBody::default() };
    Ok(Block::new(alloy_consensus::Block { header, body }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(config: &str) -> Result<EthereumGenesis, String> {
        let file = format!(
            r#"{{"config": {{"chainId": 7, {config}}}, "nonce": "0x0", "timestamp": "0x0",
               "extraData": "0x", "gasLimit": "0x1000000", "difficulty": "0x1",
               "mixHash": "0x0000000000000000000000000000000000000000000000000000000000000000",
               "coinbase": "0x0000000000000000000000000000000000000000", "alloc": {{}}}}"#
        );
        EthereumGenesis::parse(file.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn forks_come_in_order_and_are_known() {
        let read = parse(r#""homesteadBlock": 0, "londonBlock": 5, "shanghaiTime": 9"#).unwrap();
        assert_eq!(read.rules.fork(4, 0), Fork::Homestead);
        assert_eq!(read.rules.fork(5, 8), Fork::London);
        assert_eq!(read.rules.fork(6, 9), Fork::Shanghai);
        assert_eq!(read.block.header().base_fee_per_gas, None);
        let merged = parse(r#""londonBlock": 0, "terminalTotalDifficulty": 0"#).unwrap();
        assert_eq!(merged.rules.fork(0, 0), Fork::Merge);
        for (config, expect) in [
            (r#""berlinBlock": 7, "londonBlock": 5"#, "London at 5 comes before"),
            (r#""cancunTime": 7, "pragueTime": 5"#, "Prague at 5 comes before"),
            (r#""amsterdamTime": 7"#, "config.amsterdamTime: is of a fork that is not known"),
            (r#""daoForkBlock": 7, "daoForkSupport": true"#, "config.daoForkBlock"),
        ] {
            let refused = parse(config).unwrap_err();
            assert!(refused.contains(expect), "{config}: {refused}");
        }
        assert!(EthereumGenesis::parse(b"{").is_err());
    }
}
