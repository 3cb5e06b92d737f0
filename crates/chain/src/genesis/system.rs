//! The system contracts that Ethereum's newest rules call in every block.
//!
//! Block 1 of a network does what a fork block of Ethereum does: the first system call to the
//! request contracts (EIP-7002, EIP-7251) ends their initial inhibition, which the storage below is.

use std::collections::BTreeMap;

use alloy_eips::{eip2935, eip4788, eip7002, eip7251};
use alloy_primitives::{Address, B256, Bytes};

use super::GenesisAccount;

/// The contracts whose requests a beacon chain would serve; a Windlass network has none.
pub(crate) const BEACON_REQUEST_CONTRACTS: [Address; 2] = [
    eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
    eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
];

pub(super) fn contracts() -> BTreeMap<Address, GenesisAccount> {
    let contract = |code: &Bytes, storage: BTreeMap<B256, B256>| GenesisAccount {
        nonce: 1,
        code: code.clone(),
        storage,
        ..GenesisAccount::default()
    };
    let inhibited = BTreeMap::from([(B256::ZERO, B256::repeat_byte(0xff))]);
    let [withdrawals, consolidations] = BEACON_REQUEST_CONTRACTS;
    BTreeMap::from([
        (
            eip2935::HISTORY_STORAGE_ADDRESS,
            contract(&eip2935::HISTORY_STORAGE_CODE, BTreeMap::new()),
        ),
        (eip4788::BEACON_ROOTS_ADDRESS, contract(&eip4788::BEACON_ROOTS_CODE, BTreeMap::new())),
        (withdrawals, contract(&eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_CODE, inhibited.clone())),
        (consolidations, contract(&eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_CODE, inhibited)),
    ])
}
