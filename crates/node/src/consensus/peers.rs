//! Whom a node is connected with: those that the members have named, and nobody else.
//!
//! The validators of the epoch keep their connections until it ends, also those that were removed
//! meanwhile; those of the next epoch have theirs before it begins. An identity that was replaced keeps
//! them for an epoch more: who is behind goes by it still. Everybody else on the roster follows. Where who was removed is reached, the state before the epoch
//! says. A node that was just made knows the chain's beginning only, so until it has caught up it
//! also dials those that its own configuration names.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use commonware_cryptography::ed25519::PublicKey;
use windlass_chain::governance::{NodeRole, RosterNode};

use super::{exchange::key_bytes, signer::public_key};
use crate::seam::{Ledger, LedgerError};

/// Whom p2p is to let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    /// The validators of this epoch and of the next.
    pub validators: Vec<Contact>,
    /// Suspended validators and observers.
    pub followers: Vec<Contact>,
    /// Whether this node has the tip that its peers have.
    pub standing: Standing,
}

/// How much of the chain a node has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Less than its peers, as far as it knows.
    #[default]
    Behind,
    /// As much as its peers when it last asked.
    AtTip,
}

/// A node, and where its member says that it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Its p2p identity.
    pub node_key: PublicKey,
    /// "host:port", or anything else.
    pub endpoint: String,
    /// Its number as a validator, which it keeps whatever keys it has.
    pub validator: Option<u32>,
}

/// Who votes in an epoch, and where the state is that named them.
#[derive(Clone, Debug)]
pub struct Electorate {
    /// Their node keys.
    pub node_keys: Vec<PublicKey>,
    /// The block before the epoch's first.
    pub elected_at: u64,
    /// Whether the epoch is over: only identities of it that were replaced matter then.
    pub over: bool,
}

/// Whether p2p has room for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracking {
    /// It has.
    Done,
    /// It was opened for fewer: the node must open it anew.
    Outgrown,
}

/// Has p2p let these in, and nobody else.
pub type Track = Box<dyn FnMut(&Peers) -> Tracking + Send + Sync>;

impl Peers {
    /// Those whom the members name now, and whoever votes in these epochs.
    pub fn read(
        ledger: &impl Ledger,
        epochs: &[Electorate],
        standing: Standing,
    ) -> Result<Self, LedgerError> {
        let mut roster = ledger.roster()?;
        let mut committee = Vec::new();
        for Electorate { node_keys, elected_at, over } in epochs {
            let named = |key: &B256| roster.iter().any(|node| node.node_key == *key);
            let gone: Vec<B256> =
                node_keys.iter().map(key_bytes).filter(|key| !named(key)).collect();
            if !gone.is_empty() {
                let stays =
                    |node: &RosterNode| roster.iter().any(|one| one.validator == node.validator);
                let before = ledger.roster_at(*elected_at)?.unwrap_or_default().into_iter();
                let kept = before
                    .filter(|node| gone.contains(&node.node_key) && (!over || stays(node)))
                    .collect::<Vec<_>>();
                roster.extend(kept);
            }
            if !over {
                committee.extend(node_keys.iter().cloned());
            }
        }
        Ok(Self::new(&committee, &roster, standing))
    }

    /// Those of a roster, where `committee` votes now. Keys that are none are left out.
    pub fn new(committee: &[PublicKey], roster: &[RosterNode], standing: Standing) -> Self {
        let mut nodes: BTreeMap<PublicKey, (bool, &str, Option<u32>)> = BTreeMap::new();
        for node in roster {
            let Some(key) = public_key(&node.node_key.0) else { continue };
            let votes = node.role == NodeRole::Validator;
            nodes.entry(key).or_insert((votes, &node.endpoint, node.validator)).0 |= votes;
        }
        for key in committee {
            nodes.entry(key.clone()).or_insert((true, "", None)).0 = true;
        }
        let mut peers = Self { standing, ..Self::default() };
        for (node_key, (votes, endpoint, validator)) in nodes {
            let contact = Contact { node_key, endpoint: endpoint.to_owned(), validator };
            if votes { peers.validators.push(contact) } else { peers.followers.push(contact) }
        }
        peers
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Contact> {
        self.validators.iter().chain(&self.followers)
    }
}

#[cfg(test)]
mod tests {
    use commonware_cryptography::Signer as _;

    use super::*;
    use crate::consensus::signer::HandleSigner;

    #[test]
    fn who_votes_keeps_its_connections_and_nonsense_has_none() {
        let keys: Vec<_> = (0..4).map(|seed| HandleSigner::from_seed(seed).public_key()).collect();
        let no_key = (0..=u8::MAX).map(B256::repeat_byte).find(|key| public_key(&key.0).is_none());
        let no_key = no_key.expect("half of all bytes are no point of the curve");
        let node = |key: B256, role| RosterNode {
            node_key: key,
            endpoint: "node.example:30303".to_owned(),
            role,
            validator: None,
        };
        let roster = [
            node(key_bytes(&keys[0]), NodeRole::Validator),
            node(key_bytes(&keys[1]), NodeRole::Suspended),
            node(key_bytes(&keys[2]), NodeRole::Observer),
            node(no_key, NodeRole::Observer),
        ];
        // The second was suspended and the fourth removed in this epoch: both vote until its end.
        let peers = Peers::new(&[keys[1].clone(), keys[3].clone()], &roster, Standing::AtTip);
        let mut voting: Vec<_> = peers.validators.iter().map(|one| &one.node_key).collect();
        voting.sort_by_key(|key| keys.iter().position(|other| other == *key));
        assert_eq!(voting, [&keys[0], &keys[1], &keys[3]]);
        assert_eq!(peers.followers.len(), 1);
        assert_eq!(peers.followers[0].node_key, keys[2]);
        let reached = |one: &&Contact| one.endpoint == "node.example:30303";
        assert_eq!(peers.iter().filter(reached).count(), 3, "a removed one has no endpoint");
    }
}
