//! A transaction, as clients send it.
#![no_main]

use alloy_eips::eip2718::Encodable2718 as _;
use windlass_node::pool::{FeeRule, PoolRules, decode, recover};

const RULES: PoolRules = PoolRules {
    chain_id: 1,
    fees: FeeRule::Free,
    block_gas_limit: 30_000_000,
    transaction_gas_cap: 1 << 24,
    contract_size_limit: 24_576,
};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(transaction) = decode(bytes, &RULES) {
        assert_eq!(transaction.encoded_2718(), bytes);
        let _sender = recover(transaction);
    }
});
