//! Who takes part, which nodes the members have, and where they say that these are reached.

use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::SolCall;

use super::abi::Governance::{Member, membersCall, observersCall, validatorsCall};

/// The state of a member that takes part.
const ACTIVE: u8 = 1;

/// A member that takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveMember {
    /// The organization's name.
    pub organization: String,
    /// Its account.
    pub account: Address,
}

/// A node that the contract knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterNode {
    /// Its p2p identity: 32 bytes that should be an Ed25519 public key.
    pub node_key: B256,
    /// "host:port", or empty; at most 256 bytes of whatever the member wrote.
    pub endpoint: String,
    /// What it is in the network.
    pub role: NodeRole,
    /// Its number as a validator, which it keeps whatever keys it has; an observer has none.
    pub validator: Option<u32>,
}

/// What a node is in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeRole {
    /// It votes in the next epoch.
    Validator,
    /// A validator that was suspended, or whose member was.
    Suspended,
    /// It follows.
    Observer,
}

/// The call that answers with all validators, suspended ones too.
pub fn validators_call() -> Bytes {
    validatorsCall {}.abi_encode().into()
}

/// The call that answers with all observers.
pub fn observers_call() -> Bytes {
    observersCall {}.abi_encode().into()
}

/// The call that answers with all members, suspended and removed ones too.
pub(crate) fn members_call() -> Bytes {
    membersCall {}.abi_encode().into()
}

/// Those of the members who take part.
pub(crate) fn active(members: Vec<Member>) -> Vec<ActiveMember> {
    let active = members.into_iter().filter(|member| member.state == ACTIVE);
    active
        .map(|member| ActiveMember { organization: member.organization, account: member.account })
        .collect()
}

/// Who takes part, by what that call answered; `None` if it is no such answer.
pub(crate) fn read_active_members(output: &[u8]) -> Option<Vec<ActiveMember>> {
    membersCall::abi_decode_returns(output).ok().map(active)
}

/// What the two calls answered; `None` if it is no such answer.
pub fn read_roster(validators: &[u8], observers: &[u8]) -> Option<Vec<RosterNode>> {
    let validators = validatorsCall::abi_decode_returns(validators).ok()?.into_iter().map(|one| {
        let role = if one.active { NodeRole::Validator } else { NodeRole::Suspended };
        RosterNode { node_key: one.nodeKey, endpoint: one.endpoint, role, validator: Some(one.id) }
    });
    let observers =
        observersCall::abi_decode_returns(observers).ok()?.into_iter().map(|one| RosterNode {
            node_key: one.nodeKey,
            endpoint: one.endpoint,
            role: NodeRole::Observer,
            validator: None,
        });
    Some(validators.chain(observers).collect())
}
