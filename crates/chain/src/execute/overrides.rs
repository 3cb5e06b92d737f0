//! What a call finds otherwise than the chain has it, in the way of Geth's `eth_call`.

use std::collections::BTreeMap;

use alloy_evm::precompiles::PrecompilesMap;
use alloy_primitives::{Address, Bytes, U256};
use alloy_rpc_types::BlockOverrides;
pub(super) use alloy_rpc_types::state::{AccountOverride, StateOverride};
use revm::bytecode::Bytecode;
use revm::context::BlockEnv;
use revm::context_interface::block::BlobExcessGasAndPrice;

use super::call::CallError;
use super::state::ExecutionState;

/// What a call finds otherwise.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Of accounts.
    pub state: StateOverride,
    /// Of the block.
    pub block: BlockOverrides,
}

impl Overrides {
    /// Whether it finds all as the chain has it.
    pub(crate) fn is_nothing(&self) -> bool {
        self.state.is_empty() && self.block == BlockOverrides::default()
    }

    /// Where precompiled contracts are shown, each with where it is otherwise.
    pub(crate) fn moved(&self) -> Vec<(Address, Address)> {
        let sorted: BTreeMap<&Address, &AccountOverride> = BTreeMap::from_iter(&self.state);
        let moved = sorted.into_iter();
        moved.filter_map(|(from, account)| Some((account.move_precompile_to?, *from))).collect()
    }
}

/// Shows the EVM another block.
pub(crate) fn apply_to_block(overrides: &BlockOverrides, block: &mut BlockEnv) {
    let BlockOverrides { number, difficulty, time, gas_limit, coinbase, random, base_fee, .. } =
        overrides;
    block.number = number.unwrap_or(block.number);
    block.difficulty = difficulty.unwrap_or(block.difficulty);
    block.timestamp = time.map_or(block.timestamp, U256::from);
    block.gas_limit = gas_limit.unwrap_or(block.gas_limit);
    block.beneficiary = coinbase.unwrap_or(block.beneficiary);
    block.prevrandao = random.or(block.prevrandao);
    block.basefee = base_fee.map_or(block.basefee, |fee| fee.saturating_to());
    if let Some(fee) = overrides.blob_base_fee {
        let excess_blob_gas =
            block.blob_excess_gas_and_price.map_or(0, |blob| blob.excess_blob_gas);
        let blob_gasprice = fee.saturating_to();
        block.blob_excess_gas_and_price =
            Some(BlobExcessGasAndPrice { excess_blob_gas, blob_gasprice });
    }
}

/// Shows the EVM other accounts, and precompiled contracts elsewhere. One that is overridden is none
/// any more.
pub(crate) fn apply_to_state(
    overrides: &StateOverride,
    state: &mut ExecutionState<'_>,
    precompiles: &mut PrecompilesMap,
) -> Result<(), CallError> {
    // In one order, so that the same request has the same error.
    let sorted: BTreeMap<&Address, &AccountOverride> = BTreeMap::from_iter(overrides);
    let mut moved_to = Vec::new();
    for (address, account) in sorted {
        let wrong = |what: String| Err(CallError::Overrides(what));
        if moved_to.contains(address) {
            return wrong(format!("account {address} has already been overridden by a precompile"));
        }
        let is_precompile = precompiles.get(address).is_some();
        if let Some(to) = account.move_precompile_to {
            if !is_precompile {
                return wrong(format!("account {address} is not a precompile"));
            }
            if overrides.contains_key(&to) {
                return wrong(format!("account {to} is already overridden"));
            }
            moved_to.push(to);
        }
        if is_precompile {
            let mut taken = None;
            precompiles.apply_precompile(address, |precompile| {
                taken = precompile;
                None
            });
            if let Some(to) = account.move_precompile_to {
                precompiles.apply_precompile(&to, |_| taken);
            }
        }
        if account.state.is_some() && account.state_diff.is_some() {
            return wrong(format!("account {address} has both 'state' and 'stateDiff'"));
        }
        state.set_account(*address, account)?;
    }
    Ok(())
}

/// Code as it is given: a delegation where it is one, and otherwise whatever bytes.
pub(super) fn bytecode(code: &Bytes) -> Bytecode {
    Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code.clone()))
}
