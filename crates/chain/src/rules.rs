//! The rules of a chain, as a value: which EVM, which header fields, which fees.
//!
//! [`RuleSet::windlass`] is Ethereum's newest rules (Osaka) without blobs, withdrawals and ommers,
//! with limits from the genesis, and with the gas limit and the fees that the members decide. [`RuleSet::ethereum`] is
//! Ethereum itself by a schedule of forks, so that the public suites check the same executor.

use std::collections::BTreeSet;

use alloy_consensus::Header;
use alloy_eips::eip1559::BaseFeeParams;
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::Address;
use alloy_primitives::{B256, U256, keccak256};
use revm::context::{BlockEnv, CfgEnv};
use revm::primitives::hardfork::SpecId;

use crate::genesis::{Fees, Genesis};
use crate::governance::Parameters;

/// How gas is priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeePolicy {
    /// The base fee is constantly zero; fees are neither required nor charged.
    Free,
    /// EIP-1559, the base fee never below the floor.
    Eip1559 {
        /// The least base fee, in wei.
        floor_wei: u64,
    },
}

/// Ethereum's forks that change execution or the header, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are Ethereum's")]
pub enum Fork {
    Frontier,
    Homestead,
    Tangerine,
    SpuriousDragon,
    Byzantium,
    Constantinople,
    Petersburg,
    Istanbul,
    MuirGlacier,
    Berlin,
    London,
    ArrowGlacier,
    GrayGlacier,
    Merge,
    Shanghai,
    Cancun,
    Prague,
    Osaka,
}

/// When each fork of an Ethereum chain begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// The chain id that transactions sign.
    pub chain_id: u64,
    /// Forks by the first block number, in rising order; the oldest fork holds before them.
    pub by_number: Vec<(u64, Fork)>,
    /// Forks by the first timestamp (seconds), in rising order; they are later than all by number.
    pub by_time: Vec<(u64, Fork)>,
    /// How blobs are priced, by the first timestamp (seconds), in rising order.
    pub blobs: Vec<(u64, BlobParams)>,
    /// The contract whose logs are deposits (EIP-6110).
    pub deposit_contract: Address,
}

/// The rules of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSet {
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Windlass(Windlass),
    Ethereum(Schedule),
}

/// What the genesis of a Windlass network fixes, and its members change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Windlass {
    pub(crate) chain_id: u64,
    pub(crate) gas_limit: u64,
    pub(crate) contract_size_limit: u64,
    pub(crate) transaction_gas_cap: u64,
    pub(crate) fees: FeePolicy,
}

impl RuleSet {
    /// The rules of a Windlass network.
    pub fn windlass(genesis: &Genesis) -> Self {
        let fees = match genesis.fees {
            Fees::Free => FeePolicy::Free,
            Fees::Eip1559 { floor_wei } => FeePolicy::Eip1559 { floor_wei },
        };
        Self {
            kind: Kind::Windlass(Windlass {
                chain_id: genesis.chain_id,
                gas_limit: genesis.gas_limit,
                contract_size_limit: genesis.contract_size_limit,
                transaction_gas_cap: genesis.transaction_gas_cap,
                fees,
            }),
        }
    }

    /// The rules of an Ethereum chain; the seal of proof of work is not checked.
    pub fn ethereum(schedule: Schedule) -> Self {
        Self { kind: Kind::Ethereum(schedule) }
    }

    /// Whether members govern the chain.
    pub(crate) fn are_governed(&self) -> bool {
        matches!(self.kind, Kind::Windlass(_))
    }

    /// These rules with what the members decided.
    pub(crate) fn with_parameters(&self, parameters: &Parameters) -> Self {
        let mut rules = self.clone();
        if let Kind::Windlass(windlass) = &mut rules.kind {
            windlass.gas_limit = parameters.gas_limit;
            windlass.fees = parameters.fees;
        }
        rules
    }

    /// The chain id that transactions sign.
    pub fn chain_id(&self) -> u64 {
        match &self.kind {
            Kind::Windlass(rules) => rules.chain_id,
            Kind::Ethereum(schedule) => schedule.chain_id,
        }
    }

    /// The base fee of the block after `parent`, where that block has one.
    pub fn next_base_fee(&self, parent: &Header) -> Option<u64> {
        match &self.kind {
            Kind::Windlass(Windlass { fees: FeePolicy::Free, .. }) => Some(0),
            Kind::Windlass(Windlass { fees: FeePolicy::Eip1559 { floor_wei }, .. }) => {
                let next = parent.next_block_base_fee(BaseFeeParams::ethereum());
                // Never zero: that shows that nothing is charged, to whoever has the block alone.
                Some(next.unwrap_or(*floor_wei).max(*floor_wei).max(1))
            }
            Kind::Ethereum(_) => parent.next_block_base_fee(BaseFeeParams::ethereum()),
        }
    }

    /// The most gas a transaction may ask for, where the rules cap it (EIP-7825).
    pub fn transaction_gas_cap(&self) -> Option<u64> {
        match &self.kind {
            Kind::Windlass(rules) => Some(rules.transaction_gas_cap),
            Kind::Ethereum(_) => None,
        }
    }

    /// Whether fees are neither required nor charged.
    pub fn fees_are_free(&self) -> bool {
        matches!(&self.kind, Kind::Windlass(Windlass { fees: FeePolicy::Free, .. }))
    }

    /// What transactions pay; `None` where Ethereum's schedule says it.
    pub fn fees(&self) -> Option<FeePolicy> {
        match &self.kind {
            Kind::Windlass(rules) => Some(rules.fees),
            Kind::Ethereum(_) => None,
        }
    }

    /// The gas limit of every block; `None` where proposers choose it.
    pub fn gas_limit(&self) -> Option<u64> {
        match &self.kind {
            Kind::Windlass(rules) => Some(rules.gas_limit),
            Kind::Ethereum(_) => None,
        }
    }

    /// The fork that a block is of.
    pub fn fork(&self, number: u64, timestamp: u64) -> Fork {
        match &self.kind {
            Kind::Windlass(_) => Fork::Osaka,
            Kind::Ethereum(schedule) => schedule.fork(number, timestamp),
        }
    }

    /// The schedule of forks of an Ethereum chain; `None` where the rules are always the newest.
    pub fn schedule(&self) -> Option<&Schedule> {
        match &self.kind {
            Kind::Windlass(_) => None,
            Kind::Ethereum(schedule) => Some(schedule),
        }
    }

    /// How blobs are priced at a time; `None` where there are none.
    pub fn blob_params(&self, timestamp: u64) -> Option<BlobParams> {
        match &self.kind {
            Kind::Windlass(_) => None,
            Kind::Ethereum(schedule) => latest(&schedule.blobs, timestamp),
        }
    }

    /// What a unit of blob gas costs in a block; `None` where there are no blobs.
    pub fn blob_fee(&self, header: &Header) -> Option<u128> {
        Some(self.blob_params(header.timestamp)?.calc_blob_fee(header.excess_blob_gas?))
    }

    /// What a unit of blob gas costs in the block after `parent`, if that comes a moment later.
    pub fn next_blob_fee(&self, parent: &Header) -> Option<u128> {
        let params = self.blob_params(parent.timestamp)?;
        let excess = params.next_block_excess_blob_gas_osaka(
            parent.excess_blob_gas?,
            parent.blob_gas_used?,
            parent.base_fee_per_gas?,
        );
        Some(params.calc_blob_fee(excess))
    }

    /// The EVM's configuration for a block.
    pub(crate) fn evm_config(&self, header: &Header) -> CfgEnv {
        let spec = spec_id(self.fork(header.number, header.timestamp));
        let mut config = CfgEnv::new_with_spec(spec).with_chain_id(self.chain_id());
        match &self.kind {
            Kind::Windlass(rules) => {
                let limit = usize::try_from(rules.contract_size_limit).unwrap_or(usize::MAX);
                config.limit_contract_code_size = Some(limit);
                config.tx_gas_limit_cap = Some(rules.transaction_gas_cap);
            }
            Kind::Ethereum(_) => {
                if let Some(params) = self.blob_params(header.timestamp) {
                    config.max_blobs_per_tx = Some(params.max_blobs_per_tx);
                    config.blob_base_fee_update_fraction =
                        Some(u64::try_from(params.update_fraction).unwrap_or(u64::MAX));
                }
            }
        }
        config
    }

    /// The block as the EVM sees it.
    pub(crate) fn evm_block(&self, header: &Header) -> BlockEnv {
        let merged = self.fork(header.number, header.timestamp) >= Fork::Merge;
        let mut block = BlockEnv {
            number: U256::from(header.number),
            beneficiary: header.beneficiary,
            timestamp: U256::from(header.timestamp),
            gas_limit: header.gas_limit,
            basefee: header.base_fee_per_gas.unwrap_or(0),
            difficulty: header.difficulty,
            prevrandao: merged.then_some(header.mix_hash),
            ..BlockEnv::default()
        };
        if let Some(excess) = header.excess_blob_gas {
            let fraction = self
                .blob_params(header.timestamp)
                .unwrap_or_else(BlobParams::osaka)
                .update_fraction;
            let fraction = u64::try_from(fraction).unwrap_or(u64::MAX);
            block.set_blob_excess_gas_and_price(excess, fraction);
        }
        block
    }
}

impl Schedule {
    /// The times at which the rules change, blobs' alone among them, in rising order.
    pub fn times(&self) -> BTreeSet<u64> {
        let forks = self.by_time.iter().map(|(at, _)| *at);
        forks.chain(self.blobs.iter().map(|(at, _)| *at)).collect()
    }

    /// Which forks a chain has passed at a time, as nodes tell each other (EIP-2124 and 6122): the
    /// CRC-32 of block 0's hash and of each fork's number or time, those of the genesis left out.
    /// All that are by number have passed.
    pub fn fork_id(&self, genesis: B256, genesis_time: u64, time: u64) -> [u8; 4] {
        let numbers: BTreeSet<u64> = self.by_number.iter().map(|(at, _)| *at).collect();
        let numbers = numbers.into_iter().filter(|at| *at > 0);
        let times = self.times().into_iter().filter(|at| *at > genesis_time && *at <= time);
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(genesis.as_slice());
        for at in numbers.chain(times) {
            hasher.update(&at.to_be_bytes());
        }
        hasher.finalize().to_be_bytes()
    }

    fn fork(&self, number: u64, timestamp: u64) -> Fork {
        latest(&self.by_time, timestamp)
            .or_else(|| latest(&self.by_number, number))
            .unwrap_or(Fork::Frontier)
    }
}

/// `prevrandao` of a Windlass block: it differs from block to block and is NOT random, since the
/// proposer of the parent can compute it.
pub(crate) fn prevrandao(parent: B256) -> B256 {
    keccak256(parent)
}

/// The last entry that begins at or before `at`.
fn latest<T: Copy>(entries: &[(u64, T)], at: u64) -> Option<T> {
    entries.iter().rev().find(|(begin, _)| *begin <= at).map(|(_, entry)| *entry)
}

fn spec_id(fork: Fork) -> SpecId {
    match fork {
        Fork::Frontier => SpecId::FRONTIER,
        Fork::Homestead => SpecId::HOMESTEAD,
        Fork::Tangerine => SpecId::TANGERINE,
        Fork::SpuriousDragon => SpecId::SPURIOUS_DRAGON,
        Fork::Byzantium => SpecId::BYZANTIUM,
        Fork::Constantinople | Fork::Petersburg => SpecId::PETERSBURG,
        Fork::Istanbul | Fork::MuirGlacier => SpecId::ISTANBUL,
        Fork::Berlin => SpecId::BERLIN,
        Fork::London | Fork::ArrowGlacier | Fork::GrayGlacier => SpecId::LONDON,
        Fork::Merge => SpecId::MERGE,
        Fork::Shanghai => SpecId::SHANGHAI,
        Fork::Cancun => SpecId::CANCUN,
        Fork::Prague => SpecId::PRAGUE,
        Fork::Osaka => SpecId::OSAKA,
    }
}
