// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @dev The most members, suspended ones included.
uint256 constant MAX_MEMBERS = 100;
/// @dev The most validators, suspended ones included.
uint256 constant MAX_VALIDATORS = 100;
/// @dev The most observers of one member: no member can take the others' places.
uint256 constant MAX_OBSERVERS_OF_MEMBER = 16;
/// @dev The most actions of a proposal.
uint256 constant MAX_ACTIONS = 16;
/// @dev The most bytes of an organization's or a validator's name.
uint256 constant MAX_NAME_BYTES = 64;
/// @dev The most bytes of an endpoint.
uint256 constant MAX_ENDPOINT_BYTES = 256;
/// @dev The most bytes of a proposal's reason.
uint256 constant MAX_REASON_BYTES = 256;

/// @dev The least and the most gas that a block may have: the bounds that a network's spec has.
uint64 constant MIN_GAS_LIMIT = 1_000_000;
uint64 constant MAX_GAS_LIMIT = 10_000_000_000;
/// @dev The highest floor of the base fee in wei: nobody could pay for the vote that lowers another.
uint64 constant MAX_BASE_FEE_FLOOR = 10_000 gwei;
/// @dev The longest least time between two blocks, in milliseconds: the bound that a spec has.
uint32 constant MAX_BLOCK_INTERVAL_MS = 600_000;
/// @dev The longest that a proposal may be open, in seconds.
uint32 constant MAX_PROPOSAL_LIFETIME = 365 days;
/// @dev A threshold in percent: below 50 opposite proposals could both be approved, at 100 none.
uint8 constant MIN_THRESHOLD = 50;
uint8 constant MAX_THRESHOLD = 99;

/// @dev Bits of a permission, and of the switches that ask for them.
uint8 constant SEND = 1;
uint8 constant DEPLOY = 2;

/// @dev Bits of what a proposal changes; its threshold is the highest of theirs.
uint8 constant CHANGES_PARAMETERS = 1;
uint8 constant CHANGES_MEMBERSHIP = 2;

enum MemberState {
    Unknown,
    Active,
    Suspended,
    Removed
}

enum ValidatorState {
    Unknown,
    Active,
    Suspended,
    Removed
}

enum KeyKind {
    Node,
    Consensus
}

enum FeePolicy {
    Free,
    Eip1559
}

enum ProposalState {
    InProgress,
    Approved,
    Rejected,
    Expired,
    ActionFailed
}

/// What an action does; beside each, what its arguments are the ABI encoding of.
enum ActionKind {
    AddMember, // (NewMember)
    SuspendMember, // (uint32 member)
    ResumeMember, // (uint32 member)
    RemoveMember, // (uint32 member)
    AddValidator, // (uint32 member, NewValidator)
    RemoveValidator, // (uint32 validator)
    SuspendValidator, // (uint32 validator)
    ResumeValidator, // (uint32 validator)
    ReplaceKey, // (uint32 validator, KeyKind kind, bytes32 key)
    SetGasLimit, // (uint64 gas)
    SetFees, // (FeePolicy policy, uint64 baseFeeFloor in wei)
    SetBlockInterval, // (uint32 milliseconds)
    SetPermissioning, // (bool senders, bool deployers)
    Allow, // (address account, uint8 permissions)
    Deny, // (address account, uint8 permissions)
    UpgradeRules, // (uint32 version, uint64 height)
    SetThreshold // (uint8 membership, uint8 parameters), in percent
}

/// One change of a proposal.
struct Action {
    ActionKind kind;
    bytes arguments;
}

/// A validator that is to be added.
struct NewValidator {
    string name;
    bytes32 nodeKey;
    bytes32 consensusKey;
    address account;
    string endpoint;
}

/// An observer that is to be added.
struct NewObserver {
    bytes32 nodeKey;
    string endpoint;
}

/// A member that is to be added, with its first nodes.
struct NewMember {
    string organization;
    string endpoint;
    address account;
    NewValidator[] validators;
    NewObserver[] observers;
}

/// An account and what it may do: the bits SEND and DEPLOY.
struct Grant {
    address account;
    uint8 permissions;
}

/// What a network begins with.
struct Settings {
    uint64 gasLimit;
    FeePolicy feePolicy;
    uint64 baseFeeFloor;
    uint32 minBlockIntervalMs;
    uint32 proposalLifetime;
    uint8 membershipThreshold;
    uint8 parametersThreshold;
    uint32 rulesVersion;
    bool sendersPermissioned;
    bool deployersPermissioned;
}

// What is answered.

/// A member; a removed one too keeps its id and its organization's name.
struct Member {
    uint32 id;
    MemberState state;
    address account;
    string organization;
    string endpoint;
}

/// A validator; `active` when it and its member are. A removed one too keeps its id and its keys.
struct Validator {
    uint32 id;
    uint32 member;
    ValidatorState state;
    bool active;
    string name;
    bytes32 nodeKey;
    bytes32 consensusKey;
    address account;
    string endpoint;
}

/// An observer; `active` when its member is not suspended.
struct Observer {
    bytes32 nodeKey;
    uint32 member;
    bool active;
    string endpoint;
}

/// What holds at the block that is asked for.
struct Parameters {
    uint64 revision;
    uint64 gasLimit;
    FeePolicy feePolicy;
    uint64 baseFeeFloor;
    uint32 minBlockIntervalMs;
    uint32 proposalLifetime;
    uint8 membershipThreshold;
    uint8 parametersThreshold;
    bool sendersPermissioned;
    bool deployersPermissioned;
    uint32 rulesVersion;
    uint32 nextRulesVersion;
    uint64 nextRulesHeight;
}

/// A proposal; the votes are those that count, and final once it is settled.
struct Proposal {
    uint256 id;
    uint32 proposer;
    ProposalState state;
    bool force;
    uint64 createdAt;
    uint64 expiresAt;
    uint64 settledAt;
    uint256 votesFor;
    uint256 votesAgainst;
    uint256 activeMembers;
    uint8 threshold;
    Action[] actions;
    string reason;
    bytes failure;
}

/// A vote that a member cast, whether or not it still counts.
struct Vote {
    uint32 member;
    bool support;
    uint64 castAt;
}

// What is stored.

struct MemberRecord {
    address account;
    MemberState state;
    string organization;
    string endpoint;
}

struct ValidatorRecord {
    address account;
    ValidatorState state;
    uint32 member;
    bytes32 nodeKey;
    bytes32 consensusKey;
    string name;
    string endpoint;
}

struct ObserverRecord {
    uint32 member;
    string endpoint;
}

/// `position` counts from 1 in the list of those with a permission.
struct PermissionRecord {
    uint8 permissions;
    uint64 position;
}

struct ParametersRecord {
    uint64 gasLimit;
    uint64 baseFeeFloor;
    uint32 minBlockIntervalMs;
    uint32 proposalLifetime;
    FeePolicy feePolicy;
    uint8 membershipThreshold;
    uint8 parametersThreshold;
}

/// `version` holds below `nextHeight`, `nextVersion` from there on; no next one when it is zero.
struct RulesRecord {
    uint32 version;
    uint32 nextVersion;
    uint64 nextHeight;
}

struct ProposalRecord {
    uint32 proposer;
    ProposalState state;
    bool force;
    uint8 changes;
    uint40 createdAt;
    uint40 expiresAt;
    uint40 settledAt;
    Tally tally;
    uint8 threshold;
    bytes actions;
    string reason;
    bytes failure;
    Vote[] votes;
    mapping(uint32 member => Choice) choices;
}

enum Choice {
    None,
    For,
    Against
}

/// How the active members voted.
struct Tally {
    uint8 votesFor;
    uint8 votesAgainst;
    uint8 activeMembers;
}
