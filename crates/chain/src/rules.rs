//! The rules of a chain, as a value: which EVM, which header fields, which fees.

use alloy_primitives::{B256, Bytes, U256};
use alloy_consensus::Header;
use crate::genesis::{Fees, Genesis};

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
    Berlin,
    London,
    Merge,
    Shanghai,
    Cancun,
    Prague,
    Osaka,
}

/// When each fork of an Ethereum chain begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The chain id that transactions sign.
    pub chain_id: u64,
    /// Forks by the first block number, in order.
    pub by_number: Vec<(u64, Fork)>,
    /// Forks by the first timestamp (seconds), in order.
    pub by_time: Vec<(u64, Fork)>,
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

/// What the genesis of a Windlass network fixes.
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

    /// The chain id that transactions sign.
    pub fn chain_id(&self) -> u64 {
        match &self.kind {
            Kind::Windlass(rules) => rules.chain_id,
            Kind::Ethereum(schedule) => schedule.chain_id,
        }
    }

    /// The base fee of the block after `parent`.
    pub fn next_base_fee(&self, parent: &Header) -> Option<u64> {
        let _ = (parent, U256::ZERO, B256::ZERO, Bytes::new());
        todo!()
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
}
