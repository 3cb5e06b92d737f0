//! Whether the members agree on a recovery.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256};

use super::successor::predecessor;
use super::{Recovery, RecoveryError, successor};
use crate::export::Exported;
use crate::genesis::Genesis;
use crate::governance::abi::Governance::membersCall;
use crate::governance::{ActiveMember, active, ask};

/// A member of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The organization's name.
    pub organization: String,
    /// Its account.
    pub account: Address,
    /// Whether it has signed.
    pub signed: bool,
}

/// A recovery file that fits an export, and who agrees with it.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The genesis document of the network that follows.
    pub genesis: Genesis,
    /// The hash of its block 0.
    pub successor: B256,
    /// The active members, as the export has them.
    pub members: Vec<Seat>,
    /// Whose signatures hold beside theirs. They count for nothing by the export; who was let in after
    /// it has a say where the blocks since then are given up ([`Judgement::seats`]).
    pub others: BTreeSet<Address>,
}

impl Judgement {
    /// How many active members signed.
    pub fn signed(&self) -> usize {
        self.members.iter().filter(|member| member.signed).count()
    }

    /// How many have to: more than two thirds of the active members.
    pub fn needed(&self) -> usize {
        self.members.len() * 2 / 3 + 1
    }

    /// Whether enough signed.
    pub fn suffices(&self) -> bool {
        self.signed() >= self.needed()
    }

    /// Whether all signed.
    pub fn is_unanimous(&self) -> bool {
        self.signed() == self.members.len()
    }

    /// Whether this account signed, whoever's it is.
    pub fn has_signed(&self, account: &Address) -> bool {
        let of_members = self.members.iter().filter(|member| member.signed);
        self.others.contains(account)
            || of_members.map(|one| &one.account).any(|one| one == account)
    }

    /// The members of another state of the network, and whether they signed by the accounts that they
    /// have there.
    pub fn seats(&self, members: Vec<ActiveMember>) -> Vec<Seat> {
        let seat = |member: ActiveMember| Seat {
            signed: self.has_signed(&member.account),
            organization: member.organization,
            account: member.account,
        };
        members.into_iter().map(seat).collect()
    }

    /// Who still has to sign before blocks are given up after which these are the active members:
    /// every active member of the export, and every one of them.
    pub fn missing(&self, newer: Vec<ActiveMember>) -> Vec<Seat> {
        let mut missing = self.members.clone();
        for seat in self.seats(newer) {
            if missing.iter().all(|known| known.account != seat.account) {
                missing.push(seat);
            }
        }
        missing.retain(|seat| !seat.signed);
        missing
    }
}

/// Checks a recovery file against an export: that it names this export and the one document that can
/// follow it, and that every signature holds. Whether enough signed, and whose signatures count beside
/// those of the export's members, is for the caller to ask.
pub fn judge(exported: &Exported, recovery: &Recovery) -> Result<Judgement, RecoveryError> {
    let (named, given) = (&recovery.predecessor, predecessor(exported));
    for (what, named, given) in [
        ("the network with genesis", named.genesis, given.genesis),
        ("the export with SHA-256", named.export, given.export),
        ("the block", named.hash, given.hash),
        ("the state root", named.state_root, given.state_root),
    ] {
        if named != given {
            return Err(RecoveryError::differs(what, named, given));
        }
    }
    let genesis = successor(exported)?;
    let numbers = [
        ("the block number", named.number, given.number),
        ("the chain id", recovery.chain_id, genesis.chain_id),
    ];
    if let Some((what, named, given)) = numbers.into_iter().find(|(_, named, given)| named != given)
    {
        let (named, given) = (named.to_string(), given.to_string());
        return Err(RecoveryError::Differs { what, named, given });
    }
    let hash = genesis.hash();
    if recovery.successor != hash {
        return Err(RecoveryError::differs("the successor with genesis", recovery.successor, hash));
    }
    let signers = recovery.signers()?;
    let members = ask(&exported.governance, &membersCall {}).map_err(RecoveryError::Contract)?;
    let members: Vec<Seat> = active(members)
        .into_iter()
        .map(|member| Seat {
            signed: signers.contains(&member.account),
            organization: member.organization,
            account: member.account,
        })
        .collect();
    let others = signers.into_iter().filter(|one| members.iter().all(|its| its.account != *one));
    let others = others.collect();
    Ok(Judgement { genesis, successor: hash, members, others })
}
