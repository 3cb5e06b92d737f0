//! Whom a node is connected with: those that the members have named, and nobody else.
//!
//! The validators of the epoch keep their connections until it ends, also those that were removed
//! meanwhile, who have theirs a moment longer: what clients gave them last must reach the others.
//! Those of the next epoch have theirs before it begins. An identity that was replaced keeps them for
//! an epoch more: who is behind goes by it still. Everybody else on the roster follows. Where who was
//! removed is reached, the state before the epoch says. A node that was just made knows the chain's
//! beginning only, so until it has caught up it also dials those that its own configuration names.

use std::collections::BTreeMap;

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
    /// Those who had a seat until a moment ago, and are nobody's any more.
    pub leaving: Vec<Contact>,
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
    /// Whether they vote still.
    pub tenure: Tenure,
}

/// Whether who was elected votes still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tenure {
    /// They do.
    Now,
    /// Their epoch ended a moment ago.
    JustOver,
    /// It is over: only identities that were replaced matter.
    Over,
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
        let roster = ledger.roster()?;
        let named = |key: &PublicKey| roster.iter().any(|node| node.node_key == key_bytes(key));
        let mut before = Vec::new();
        for Electorate { node_keys, elected_at, .. } in epochs {
            let all_named = node_keys.iter().all(named);
            let then = if all_named { None } else { ledger.roster_at(*elected_at)? };
            before.push(then.unwrap_or_default());
        }
        Ok(Self::of(roster, epochs.iter().zip(before), standing))
    }

    /// Those of a roster, and whoever votes in these epochs, each with the roster before it.
    fn of<'a>(
        mut roster: Vec<RosterNode>,
        epochs: impl Iterator<Item = (&'a Electorate, Vec<RosterNode>)>,
        standing: Standing,
    ) -> Self {
        let (mut committee, mut leaving) = (Vec::new(), Vec::new());
        for (Electorate { node_keys, tenure, .. }, before) in epochs {
            let is_gone = |node: &RosterNode| {
                roster.iter().all(|one| one.node_key != node.node_key)
                    && node_keys.iter().any(|key| key_bytes(key) == node.node_key)
            };
            let stays =
                |node: &RosterNode| roster.iter().any(|one| one.validator == node.validator);
            let (kept, gone): (Vec<_>, Vec<_>) = before
                .into_iter()
                .filter(is_gone)
                .partition(|node| *tenure == Tenure::Now || stays(node));
            roster.extend(kept);
            match tenure {
                Tenure::Now => committee.extend(node_keys.iter().cloned()),
                Tenure::JustOver => leaving.extend(gone),
                Tenure::Over => {}
            }
        }
        let Self { validators, followers, .. } = Self::new(&[], &leaving, standing);
        let leaving = validators.into_iter().chain(followers).collect();
        Self { leaving, ..Self::new(&committee, &roster, standing) }
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

    /// All whom the members name.
    pub fn named(&self) -> impl Iterator<Item = &Contact> {
        self.validators.iter().chain(&self.followers)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Contact> {
        self.named().chain(&self.leaving)
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
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

    #[test]
    fn who_lost_its_seat_stays_a_moment_longer_and_who_has_another_key_an_epoch() {
        let keys: Vec<_> = (0..5).map(|seed| HandleSigner::from_seed(seed).public_key()).collect();
        let node = |key: usize, validator| RosterNode {
            node_key: key_bytes(&keys[key]),
            endpoint: format!("node-{key}.example:30303"),
            role: NodeRole::Validator,
            validator: Some(validator),
        };
        // Of 0, 1, 2 and 3 the third was removed, and the fourth goes by the fifth key now.
        let before = vec![node(0, 0), node(1, 1), node(2, 2), node(3, 3)];
        let now = vec![node(0, 0), node(1, 1), node(4, 3)];
        let check = |tenure, expect: [&[usize]; 2]| {
            let elected = |keys: &[PublicKey], tenure| Electorate {
                node_keys: keys.to_vec(),
                elected_at: 0,
                tenure,
            };
            let epochs = [elected(&keys[..4], tenure), elected(&[], Tenure::Now)];
            let epochs = epochs.iter().zip([before.clone(), Vec::new()]);
            let peers = Peers::of(now.clone(), epochs, Standing::AtTip);
            for (contacts, expect) in [&peers.validators, &peers.leaving].into_iter().zip(expect) {
                let found: Vec<_> = contacts
                    .iter()
                    .map(|one| keys.iter().position(|key| *key == one.node_key).expect("a key"))
                    .collect();
                let mut sorted = found.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, expect, "{tenure:?}");
                assert!(contacts.iter().all(|one| !one.endpoint.is_empty()), "{contacts:?}");
            }
            assert_eq!(peers.named().count() + peers.leaving.len(), peers.iter().count());
        };
        check(Tenure::Now, [&[0, 1, 2, 3, 4], &[]]);
        check(Tenure::JustOver, [&[0, 1, 3, 4], &[2]]);
        check(Tenure::Over, [&[0, 1, 3, 4], &[]]);
    }
}
