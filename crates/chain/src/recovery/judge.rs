//! Whether the members agree on a recovery.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256};

use super::successor::predecessor;
use super::{Recovery, RecoveryError, successor};
use crate::export::Exported;
use crate::genesis::Genesis;
use crate::governance::abi::Governance::membersCall;
use crate::governance::ask;

/// The state of a member that takes part.
const ACTIVE: u8 = 1;

/// A member of the network as the export has it.
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
    /// The active members.
    pub members: Vec<Seat>,
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
}

/// Checks a recovery file against an export: that it names this export and the one document that can
/// follow it, that every signature holds and is an active member's. Whether enough signed is for the
/// caller to ask.
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
    let members: Vec<Seat> = members
        .into_iter()
        .filter(|member| member.state == ACTIVE)
        .map(|member| Seat {
            organization: member.organization,
            account: member.account,
            signed: signers.contains(&member.account),
        })
        .collect();
    let accounts: BTreeSet<Address> = members.iter().map(|member| member.account).collect();
    if let Some(stranger) = signers.difference(&accounts).next() {
        return Err(RecoveryError::Stranger(*stranger));
    }
    Ok(Judgement { genesis, successor: hash, members })
}
