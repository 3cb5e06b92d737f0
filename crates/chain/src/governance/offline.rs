//! The contract asked outside of any chain: its account is all there is.

use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolCall;
use revm::context::result::{ExecutionResult, Output, ResultAndState};
use revm::context::{Context, TxEnv};
use revm::database::InMemoryDB;
use revm::primitives::TxKind;
use revm::primitives::hardfork::SpecId;
use revm::state::{AccountInfo, Bytecode};
use revm::{ExecuteEvm, MainBuilder, MainContext};

use super::{ADDRESS, READING_GAS};
use crate::genesis::GenesisAccount;

/// What a view of the contract returns where the contract has this code and storage. The error is
/// what the contract, or the EVM, has against it.
pub(crate) fn ask<C: SolCall>(account: &GenesisAccount, call: &C) -> Result<C::Return, String> {
    let mut database = InMemoryDB::default();
    let code = Bytecode::new_raw(account.code.clone());
    let info = AccountInfo { nonce: 1, code_hash: code.hash_slow(), ..AccountInfo::default() };
    database.insert_account_info(ADDRESS, AccountInfo { code: Some(code), ..info });
    for (slot, value) in &account.storage {
        let set = database.insert_account_storage(ADDRESS, (*slot).into(), (*value).into());
        set.map_err(|error| error.to_string())?;
    }
    let outcome = run(database, call.abi_encode().into(), READING_GAS)?;
    let output = match outcome.result {
        ExecutionResult::Success { output: Output::Call(output), .. } => output,
        ExecutionResult::Success { .. } => return Err("it created something".to_owned()),
        ExecutionResult::Revert { .. } => return Err(format!("{} reverted", C::SIGNATURE)),
        ExecutionResult::Halt { reason, .. } => return Err(format!("{reason:?}")),
    };
    C::abi_decode_returns(&output).map_err(|error| format!("{}: {error}", C::SIGNATURE))
}

/// Calls the contract's address with this gas; nothing is kept.
pub(super) fn run(database: InMemoryDB, data: Bytes, gas: u64) -> Result<ResultAndState, String> {
    let mut evm = Context::mainnet()
        .with_db(database)
        .modify_cfg_chained(|cfg| {
            cfg.set_spec_and_mainnet_gas_params(SpecId::OSAKA);
            cfg.tx_gas_limit_cap = Some(gas);
        })
        .modify_block_chained(|block| block.gas_limit = gas)
        .build_mainnet();
    let transaction = TxEnv {
        caller: Address::ZERO,
        kind: TxKind::Call(ADDRESS),
        gas_limit: gas,
        data,
        ..TxEnv::default()
    };
    evm.transact(transaction).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::abi::Governance::membersCall;
    use super::*;

    #[test]
    fn a_question_without_an_end_is_given_up() {
        let code = Bytes::from_static(&[0x5b, 0x5f, 0x56]);
        let endless = GenesisAccount { code, ..GenesisAccount::default() };
        let error = ask(&endless, &membersCall {}).unwrap_err();
        assert!(error.contains("OutOfGas"), "{error}");
    }
}
