//! How the members of a network govern it: what they can propose, and what stands on the chain.
//!
//! One [`Action`] is the same in a request, in a file, on the command line and in what is answered.
//! Members and validators may be named by their ids or by their names ([`Named`]); what the platform
//! answers has ids, and words beside them. docs/protocol/governance.md says what each action does.

mod action;
mod named;
mod proposal;
mod roll;

pub use action::{Action, KeyKind, NewObserver, NewValidator, Permission, ProposedAction, Role};
pub use named::{Ed25519Key, InvalidKey, Named, Names};
pub use proposal::{
    BallotOutcome, BallotPlan, Effect, Failure, MemberName, MemberVote, Proposal, ProposalRequest,
    ProposalState, SettleRequest, Tally, UnsignedTransaction, Voice, VoteRequest,
};
pub use roll::{
    NetworkMember, NetworkObserver, NetworkParameters, NetworkValidator, NextRules,
    PermittedAccount, SeatState, Thresholds, ValidatorName,
};
