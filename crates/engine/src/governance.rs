//! The [`Governance`] trait: how members of a network govern it, in the words of its engine.
//!
//! Like the rest of an engine it only says what is to be asked and reads what was answered: who asks
//! a node, holds keys and waits is the control plane. Everything about one answer is asked of one
//! block, so that it fits together.

use std::{collections::BTreeSet, fmt};

use serde_json::Value;
use windlass_model::{
    governance::{
        Action, Effect, Failure, Names, NetworkParameters, PermittedAccount, ProposalState,
        ProposedAction, Role, SeatState, Voice,
    },
    network::BlockRef,
    spec::NetworkSpec,
};

use crate::{EngineError, RpcRequest};

/// A member, as the chain has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberFacts {
    /// Its id.
    pub id: u32,
    /// Whether it takes part.
    pub state: SeatState,
    /// Its account: `0x` and 40 hex digits in lower case.
    pub account: String,
    /// Its organization.
    pub organization: String,
    /// Where it is reached.
    pub endpoint: String,
}

/// A validator, as the chain has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorFacts {
    /// Its id.
    pub id: u32,
    /// Its member.
    pub member: u32,
    /// What was decided about it.
    pub state: SeatState,
    /// Whether neither it nor its member is suspended.
    pub active: bool,
    /// Its name.
    pub name: String,
    /// 64 hex digits.
    pub node_key: String,
    /// 64 hex digits.
    pub consensus_key: String,
    /// Its account, if it has one.
    pub account: Option<String>,
    /// Where it is reached.
    pub endpoint: String,
}

/// An observer, as the chain has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObserverFacts {
    /// 64 hex digits.
    pub node_key: String,
    /// Its member.
    pub member: u32,
    /// Whether its member is active.
    pub active: bool,
    /// Where it is reached.
    pub endpoint: String,
}

/// Members, validators and observers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roll {
    /// The members, suspended ones too.
    pub members: Vec<MemberFacts>,
    /// The validators, suspended ones too.
    pub validators: Vec<ValidatorFacts>,
    /// The observers.
    pub observers: Vec<ObserverFacts>,
}

/// An action of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundAction {
    /// One that this version knows.
    Known(Action),
    /// Another; what can be said of it.
    Unknown(String),
}

/// A proposal, as the chain has it. Times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalFacts {
    /// Its number.
    pub id: u64,
    /// The member that made it.
    pub proposer: u32,
    /// Its state at the block that was asked.
    pub state: ProposalState,
    /// Whether the members accept that a quorum may be missing.
    pub force: Force,
    /// When it was made.
    pub created_at_s: u64,
    /// Until when votes are taken.
    pub expires_at_s: u64,
    /// When it was settled.
    pub settled_at_s: Option<u64>,
    /// Votes for it that count.
    pub votes_for: u64,
    /// Votes against it that count.
    pub votes_against: u64,
    /// Members that can vote.
    pub active_members: u64,
    /// In percent.
    pub threshold: u8,
    /// What it does.
    pub actions: Vec<FoundAction>,
    /// Why, for people.
    pub reason: String,
    /// What the action that failed reverted with.
    pub failure: Option<Vec<u8>>,
}

/// Whether a proposal names the lack of a quorum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Force {
    /// It does not.
    #[default]
    No,
    /// The members accept it.
    Yes,
}

/// A vote, as the chain has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoteFacts {
    /// Whose.
    pub member: u32,
    /// For or against.
    pub voice: Voice,
    /// Unix seconds.
    pub cast_at_s: u64,
}

/// What a member does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// It proposes; whoever an action names is named by id.
    Propose {
        /// What is to be done.
        actions: Vec<Action>,
        /// Whether the members accept that a quorum may be missing.
        force: Force,
        /// Why, for people.
        reason: String,
    },
    /// It votes.
    Vote {
        /// On which proposal.
        proposal: u64,
        /// For or against.
        voice: Voice,
    },
    /// It has a proposal settled that is expired, or decided since members or thresholds changed.
    Settle {
        /// Which.
        proposal: u64,
    },
    /// It names a node as its observer, without a vote.
    AddObserver {
        /// The node's public key.
        node_key: [u8; 32],
        /// Where it is reached: `host:port`.
        endpoint: String,
    },
    /// It takes that back; the key is free again.
    RemoveObserver {
        /// The node's public key.
        node_key: [u8; 32],
    },
}

/// The newest block, as far as a transaction depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its number and hash.
    pub block: BlockRef,
    /// The base fee in wei; zero where transactions are free.
    pub base_fee_wei: u128,
    /// The gas limit of a block.
    pub gas_limit: u64,
}

/// An account, as far as a transaction depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountFacts {
    /// The nonce of its next transaction.
    pub nonce: u64,
    /// In wei; what is above 2^128 counts as that.
    pub balance_wei: u128,
}

/// A transaction to the governance contract, before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The network's.
    pub chain_id: u64,
    /// The sender's.
    pub nonce: u64,
    /// Its gas limit.
    pub gas: u64,
    /// The most that it pays per gas, in wei.
    pub max_fee_wei: u128,
    /// The input: `0x` hex.
    pub data: String,
}

/// A transaction that can be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Signed {
    /// Sends it. However often it is sent, it is executed once.
    pub send: RpcRequest,
    /// Its hash.
    pub hash: String,
}

/// What a receipt says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The final block.
    pub block: BlockRef,
    /// Whether it took effect.
    pub verdict: Verdict,
}

/// Whether a transaction to the contract took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did what it was to do.
    Done {
        /// The number of the proposal that it made or voted on, if it did either.
        proposal: Option<u64>,
    },
    /// It reverted.
    Reverted,
}

/// How members govern a network of the engine.
pub trait Governance: fmt::Debug + Send + Sync {
    /// The contract: `0x` and 40 hex digits in lower case.
    fn address(&self) -> String;

    /// Asks for members, validators and observers.
    fn roll(&self, at: u64) -> Vec<RpcRequest>;
    /// Reads the answers, in the order of the questions.
    fn read_roll(&self, answers: &[Value]) -> Result<Roll, EngineError>;

    /// Asks for what a member or validator is called that may be gone.
    fn former(&self, role: Role, id: u32, at: u64) -> RpcRequest;
    /// Reads the answer.
    fn read_former(&self, role: Role, answer: &Value) -> Result<String, EngineError>;

    /// Asks for the active validators.
    fn validator_set(&self, at: u64) -> RpcRequest;
    /// Reads their node keys, 64 hex digits each.
    fn read_validator_set(&self, answer: &Value) -> Result<BTreeSet<String>, EngineError>;

    /// Asks for the parameters.
    fn parameters(&self, at: u64) -> Vec<RpcRequest>;
    /// Reads the answers, in the order of the questions.
    fn read_parameters(&self, answers: &[Value]) -> Result<NetworkParameters, EngineError>;

    /// Asks for accounts with permissions, from a position on.
    fn permitted(&self, from: u64, count: u64, at: u64) -> RpcRequest;
    /// Reads the answer.
    fn read_permitted(&self, answer: &Value) -> Result<Vec<PermittedAccount>, EngineError>;

    /// Asks how many proposals there are.
    fn proposal_count(&self, at: u64) -> RpcRequest;
    /// Reads the answer.
    fn read_proposal_count(&self, answer: &Value) -> Result<u64, EngineError>;

    /// Asks for proposals, from a number on.
    fn proposals(&self, from: u64, count: u64, at: u64) -> RpcRequest;
    /// Reads the answer.
    fn read_proposals(&self, answer: &Value) -> Result<Vec<ProposalFacts>, EngineError>;

    /// Asks for the votes on a proposal.
    fn votes(&self, proposal: u64, at: u64) -> RpcRequest;
    /// Reads the answer.
    fn read_votes(&self, answer: &Value) -> Result<Vec<VoteFacts>, EngineError>;

    /// The block that an epoch begins with that comes after the one of this block.
    fn next_epoch(&self, spec: &NetworkSpec, block: u64) -> u64;
    /// The last block before the epoch of this block; none before the first.
    fn before_epoch(&self, spec: &NetworkSpec, block: u64) -> u64;
    /// What executed actions change, and when it takes effect.
    fn effects(&self, spec: &NetworkSpec, actions: &[ProposedAction], block: u64) -> Vec<Effect>;

    /// The input of the transaction by which a member does something: `0x` hex.
    fn input(&self, act: &Act) -> Result<String, EngineError>;
    /// Tries a transaction of an account without sending it.
    fn rehearsal(&self, from: &str, data: &str, at: Option<u64>) -> RpcRequest;
    /// Tries to execute actions as they would be if they were approved now.
    fn trial(&self, actions: &[Action]) -> Result<RpcRequest, EngineError>;
    /// What a revert means.
    fn failure(&self, output: &[u8], names: &Names) -> Failure;

    /// Asks for the newest block.
    fn head(&self) -> RpcRequest;
    /// Reads the answer.
    fn read_head(&self, answer: &Value) -> Result<Head, EngineError>;
    /// Asks how much gas a transaction of an account takes.
    fn estimate(&self, from: &str, data: &str) -> RpcRequest;
    /// Reads the answer.
    fn read_estimate(&self, answer: &Value) -> Result<u64, EngineError>;
    /// Asks for an account.
    fn account(&self, address: &str) -> Vec<RpcRequest>;
    /// Reads the answers, in the order of the questions.
    fn read_account(&self, answers: &[Value]) -> Result<AccountFacts, EngineError>;

    /// What has to be signed to send a transaction.
    fn signing_hash(&self, outgoing: &Outgoing) -> Result<[u8; 32], EngineError>;
    /// The transaction with its signature.
    fn signed(&self, outgoing: &Outgoing, signature: [u8; 65]) -> Result<Signed, EngineError>;
    /// Asks whether a transaction waits or is final; the answer is null where it does neither.
    fn lookup(&self, hash: &str) -> RpcRequest;
    /// Asks for a transaction's receipt.
    fn receipt(&self, hash: &str) -> RpcRequest;
    /// Reads the answer; `None` while there is no receipt.
    fn read_outcome(&self, answer: &Value) -> Result<Option<Outcome>, EngineError>;
}
