//! What the members decided of blocks, fees and permissions, as it stands in the contract's storage
//! (docs/protocol/governance.md, "What nodes read"). The state before a block says what holds in it.

use std::borrow::Cow;

use alloy_primitives::{Address, B256, U256, keccak256};

use super::{ADDRESS, DEPLOY, REVISION_SLOT, RULES_VERSION, SEND};
use crate::chain::ChainError;
use crate::rules::{FeePolicy, RuleSet};
use crate::state::base::Base;

/// The slot of the parameters, and that of the rules' version.
const PARAMETERS_SLOT: U256 = U256::from_limbs([4, 0, 0, 0]);
const RULES_SLOT: U256 = U256::from_limbs([5, 0, 0, 0]);
/// The slots of the mappings from an account to its permissions, and to the member whose it is.
const PERMISSIONS_SLOT: u8 = 2;
const MEMBERS_SLOT: u8 = 3;

/// What holds in the next block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// The gas limit of the block.
    pub gas_limit: u64,
    /// What transactions pay.
    pub fees: FeePolicy,
    /// The least time after the block before, in milliseconds.
    pub min_block_interval_ms: u32,
    /// The version of the rules.
    pub rules_version: u32,
    /// What needs a permission.
    needs: u8,
}

/// What the members decided, as the state after a block has it.
#[derive(Clone, Debug)]
pub struct Decided {
    /// The hash of the set of validators that the next epoch has.
    pub validators: B256,
    /// The number that grows with every change of what nodes read.
    pub revision: u64,
    /// What holds in the next block; `None` where nobody governs the chain.
    pub parameters: Option<Parameters>,
    /// The rules of the next block.
    pub rules: RuleSet,
    /// Why this program can neither make nor judge the next block, if it can't.
    pub obstacle: Option<String>,
}

/// What an account lacks a permission for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// To send transactions.
    Send,
    /// To deploy contracts.
    Deploy,
}

/// The rules of one block: those of the genesis, with what the members decided since.
#[derive(Clone, Debug)]
pub(crate) struct InForce<'a> {
    pub(crate) rules: Cow<'a, RuleSet>,
    /// `None` where the chain is not governed.
    pub(crate) parameters: Option<Parameters>,
}

impl<'a> InForce<'a> {
    /// The rules of block `number`, on the state before it.
    pub(crate) fn read(rules: &'a RuleSet, base: &Base, number: u64) -> Result<Self, ChainError> {
        if !rules.are_governed() {
            return Ok(Self { rules: Cow::Borrowed(rules), parameters: None });
        }
        let parameters = Parameters::read(base, number)?;
        Ok(Self {
            rules: Cow::Owned(rules.with_parameters(&parameters)),
            parameters: Some(parameters),
        })
    }

    /// Whether this program knows the rules of the block; it must not make or judge it otherwise.
    pub(crate) fn check_known(&self, number: u64) -> Result<(), ChainError> {
        match self.parameters {
            Some(Parameters { rules_version, .. }) if rules_version != RULES_VERSION => {
                Err(ChainError::UnknownRules { number, version: rules_version })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The permission that a transaction lacks.
    pub(crate) fn lacks(
        &self,
        base: &Base,
        from: Address,
        to: Option<Address>,
    ) -> Result<Option<Permission>, ChainError> {
        self.parameters.map_or(Ok(None), |parameters| parameters.lacks(base, from, to))
    }
}

impl Parameters {
    fn read(base: &Base, number: u64) -> Result<Self, ChainError> {
        let limbs = |slot: U256| Ok::<_, ChainError>(base.slot(&ADDRESS, &slot)?.into_limbs());
        let [gas_limit, floor_wei, times, policy] = limbs(PARAMETERS_SLOT)?;
        let [_revision, needs, ..] = limbs(REVISION_SLOT)?;
        let [versions, height, ..] = limbs(RULES_SLOT)?;
        let (version, next) = halves(versions);
        Ok(Self {
            gas_limit,
            fees: if first_byte(policy) == 0 {
                FeePolicy::Free
            } else {
                FeePolicy::Eip1559 { floor_wei }
            },
            min_block_interval_ms: halves(times).0,
            rules_version: if next != 0 && number >= height { next } else { version },
            needs: first_byte(needs),
        })
    }

    fn lacks(
        &self,
        base: &Base,
        from: Address,
        to: Option<Address>,
    ) -> Result<Option<Permission>, ChainError> {
        if self.needs == 0 {
            return Ok(None);
        }
        let held = first_byte(entry(base, from, PERMISSIONS_SLOT)?.as_limbs()[0]);
        let missing = self.needs & !held;
        // No vote may lock out those who could take it back.
        let is_vote =
            to == Some(ADDRESS) && halves(entry(base, from, MEMBERS_SLOT)?.as_limbs()[0]).0 != 0;
        Ok(if missing & SEND != 0 && !is_vote {
            Some(Permission::Send)
        } else if missing & DEPLOY != 0 && to.is_none() {
            Some(Permission::Deploy)
        } else {
            None
        })
    }
}

/// What one of the contract's mappings has for an account.
fn entry(base: &Base, account: Address, slot: u8) -> Result<U256, ChainError> {
    let key = [account.into_word(), B256::with_last_byte(slot)].concat();
    base.slot(&ADDRESS, &U256::from_be_bytes(keccak256(key).0))
}

/// The lower and the higher 32 bits.
fn halves(word: u64) -> (u32, u32) {
    let half = |bits: u64| u32::try_from(bits).expect("32 bits are left");
    (half(word & u64::from(u32::MAX)), half(word >> 32))
}

fn first_byte(word: u64) -> u8 {
    word.to_le_bytes()[0]
}
