//! Which of its node keys a node goes by.
//!
//! A node has two while one replaces the other. The chain says which: the one that its epoch's
//! validators have. As long as a node is behind, that epoch may be long over for its peers, who let in
//! the other one only: a node that nobody has let in for a while tries that.

use std::{collections::BTreeMap, time::Duration};

use alloy_primitives::B256;
use commonware_cryptography::{Signer as _, ed25519::PublicKey};
use commonware_runtime::Clock;
use windlass_chain::genesis::Genesis;

use crate::{
    consensus::{
        exchange::key_bytes,
        peers::{Electorate, Tenure},
        signer::{HandleSigner, public_key},
    },
    seam::{Ledger, LedgerError},
    status::StatusBoard,
};

/// How often a node looks whether somebody is connected.
const LOOK: Duration = Duration::from_secs(1);
/// How many looks in a row may find nobody, at first and at most.
const PATIENCE: u32 = 5;
const LONGEST_PATIENCE: u32 = 80;

/// The epoch that comes after a tip.
pub(super) fn epoch_above(tip: u64, epoch_length: u64) -> u64 {
    tip.saturating_add(1) / epoch_length.max(1)
}

/// The validators of an epoch, as far as the ledger has them.
pub(super) fn electorate(
    ledger: &impl Ledger,
    epoch: u64,
    epoch_length: u64,
) -> Result<Electorate, LedgerError> {
    let elected_at = (epoch * epoch_length).saturating_sub(1);
    let seats = match ledger.committee(epoch)? {
        Some(kept) => kept.seats,
        None if ledger.tip().number == elected_at => ledger.next_validators()?,
        None => Vec::new(),
    };
    let node_keys = seats.iter().filter_map(|seat| public_key(&seat.node_key.0)).collect();
    Ok(Electorate { node_keys, elected_at, tenure: Tenure::Now })
}

/// The one of a node's keys by which the chain has it: as a validator of the epoch, otherwise as
/// anybody. The first where it has none of them.
pub(crate) fn known(
    ledger: &impl Ledger,
    epoch_length: u64,
    keys: &[PublicKey],
) -> Result<usize, LedgerError> {
    if keys.len() < 2 {
        return Ok(0);
    }
    let epoch = epoch_above(ledger.tip().number, epoch_length);
    let voting = electorate(ledger, epoch, epoch_length)?.node_keys;
    if let Some(found) = keys.iter().position(|key| voting.contains(key)) {
        return Ok(found);
    }
    let roster = ledger.roster()?;
    let named = |key: &PublicKey| roster.iter().any(|node| node.node_key == key_bytes(key));
    Ok(keys.iter().position(named).unwrap_or(0))
}

/// A node's signers, parted in the one of the identity that it goes by and the others' keys.
pub(super) fn chosen(
    ledger: &impl Ledger,
    epoch_length: u64,
    mut signers: Vec<HandleSigner>,
    forced: Option<&PublicKey>,
) -> Result<(HandleSigner, Vec<PublicKey>), LedgerError> {
    let keys: Vec<PublicKey> = signers.iter().map(HandleSigner::public_key).collect();
    let forced = forced.and_then(|forced| keys.iter().position(|key| key == forced));
    let index = match forced {
        Some(index) => index,
        None => known(ledger, epoch_length, &keys)?,
    };
    let signer = signers.swap_remove(index);
    let others = signers.iter().map(HandleSigner::public_key).collect();
    Ok((signer, others))
}

/// The node key with which each validator began, by its number: the configuration knows it by that.
pub(super) fn founders(
    ledger: &impl Ledger,
    genesis: &Genesis,
) -> Result<BTreeMap<u32, B256>, LedgerError> {
    if genesis.predecessor.is_none() {
        // The contract numbers them in the order of the document.
        return Ok((1..).zip(genesis.validators().map(|one| one.node_key)).collect());
    }
    let first = ledger.roster_at(0)?.unwrap_or_default().into_iter();
    Ok(first.filter_map(|node| Some((node.validator?, node.node_key))).collect())
}

/// What was found out about the identities of a node.
#[derive(Default)]
pub(super) struct GoingBy {
    /// The one to go by, whatever the ledger says.
    pub(super) forced: Option<PublicKey>,
    pub(super) patience: Patience,
}

impl GoingBy {
    /// The epoch has the node by this one.
    pub(super) fn sure(key: PublicKey) -> Self {
        Self { forced: Some(key), ..Self::default() }
    }

    /// Nobody let the node in by the one before.
    pub(super) fn tries(self, other: Option<PublicKey>) -> Self {
        Self { forced: other, patience: self.patience.grow() }
    }
}

/// How long a node goes by an identity with which nobody lets it in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience(u32);

impl Default for Patience {
    fn default() -> Self {
        Self(PATIENCE)
    }
}

impl Patience {
    /// It was in vain: the next time takes longer.
    fn grow(self) -> Self {
        Self((self.0 * 2).min(LONGEST_PATIENCE))
    }

    /// Returns when nobody has been connected for so long, although there are others.
    pub(super) async fn ends(self, context: &impl Clock, status: &StatusBoard) {
        let mut alone = 0;
        while alone < self.0 {
            context.sleep(LOOK).await;
            let peers = status.get().peers;
            let met = peers.is_empty() || peers.iter().any(|peer| peer.connected);
            alone = if met { 0 } else { alone + 1 };
        }
    }
}

#[cfg(test)]
mod tests {
    use commonware_macros::select;
    use commonware_runtime::{Runner as _, deterministic};
    use windlass_chain::governance::{Committee, SeatedValidator};

    use super::*;
    use crate::{
        consensus::tests::ledger::MemoryLedger,
        status::{Identity, StatusTip},
    };

    fn key(seed: u64) -> PublicKey {
        HandleSigner::from_seed(seed).public_key()
    }

    fn set(node_key: &PublicKey) -> Vec<SeatedValidator> {
        vec![SeatedValidator { node_key: key_bytes(node_key), consensus_key: key_bytes(&key(9)) }]
    }

    #[test]
    fn the_epoch_decides_and_then_the_roster() {
        let (old, new) = (key(1), key(2));
        let keys = [old.clone(), new.clone()];
        let by = |ledger: &MemoryLedger| known(ledger, 16, &keys).expect("a memory reads");
        // At the boundary the state has who votes, as long as nobody has kept it.
        assert_eq!(by(&MemoryLedger::new(set(&old))), 0);
        assert_eq!(by(&MemoryLedger::new(set(&new))), 1);
        // What is kept of the epoch holds, whatever the members have decided for the next one.
        let ledger = MemoryLedger::new(set(&new));
        let kept = Committee { hash: B256::ZERO, seats: set(&old) };
        ledger.keep_committee(0, &kept).expect("a memory writes");
        assert_eq!(by(&ledger), 0);
        // Who has no seat in the epoch goes by what the members name it.
        let kept = Committee { hash: B256::ZERO, seats: set(&key(3)) };
        ledger.keep_committee(0, &kept).expect("a memory writes");
        assert_eq!(by(&ledger), 1);
        assert_eq!(by(&MemoryLedger::new(set(&key(3)))), 0, "neither is known");
    }

    /// Whether the patience ends within ten minutes.
    async fn ends(context: &deterministic::Context, status: &StatusBoard) -> bool {
        // Both only wait.
        select! {
            () = Patience::default().ends(context, status) => true,
            () = context.sleep(Duration::from_mins(10)) => false,
        }
    }

    #[test]
    fn only_a_node_that_others_should_let_in_loses_its_patience() {
        deterministic::Runner::default().start(|context| async move {
            let board = |validators: Vec<B256>| {
                let identity = Identity {
                    node_key: key_bytes(&key(1)),
                    consensus_key: B256::ZERO,
                    genesis_hash: B256::ZERO,
                    chain_id: 1,
                    validators,
                };
                StatusBoard::new(identity, StatusTip::default())
            };
            let alone = board(vec![key_bytes(&key(1))]);
            assert!(!ends(&context, &alone).await, "there is nobody else");
            let status = board(vec![key_bytes(&key(1)), key_bytes(&key(2))]);
            assert!(ends(&context, &status).await);
            let connected = [(key_bytes(&key(2)), None)].into_iter().collect();
            status.set_connected(&connected);
            assert!(!ends(&context, &status).await, "somebody lets it in");
        });
    }
}
