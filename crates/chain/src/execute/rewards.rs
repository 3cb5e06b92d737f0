//! Proof of work's rewards, for Ethereum's history.

use alloy_consensus::Header;
use alloy_primitives::U256;

use super::block::Credit;
use crate::rules::Fork;

const ETHER: u128 = 1_000_000_000_000_000_000;

/// What the miners of a block and of its ommers get.
pub(crate) fn block_rewards(fork: Fork, header: &Header, ommers: &[Header]) -> Vec<Credit> {
    let reward = U256::from(if fork >= Fork::Constantinople {
        2 * ETHER
    } else if fork >= Fork::Byzantium {
        3 * ETHER
    } else {
        5 * ETHER
    });
    let mut credits = Vec::with_capacity(ommers.len() + 1);
    for ommer in ommers {
        let share = (ommer.number + 8).saturating_sub(header.number);
        credits.push((ommer.beneficiary, reward * U256::from(share) / U256::from(8)));
    }
    let nephews = reward / U256::from(32) * U256::from(ommers.len());
    credits.push((header.beneficiary, reward + nephews));
    credits
}
