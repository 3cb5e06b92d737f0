// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Action, FeePolicy, KeyKind, ProposalState} from "./Types.sol";

/// A member was added; `account` proposes and votes for it.
event MemberAdded(uint32 indexed member, string organization, address account, string endpoint);
/// A member was suspended: it can't act, and its nodes don't take part.
event MemberSuspended(uint32 indexed member);
/// A suspended member is active again.
event MemberResumed(uint32 indexed member);
/// A member was removed, and with it its validators and observers.
event MemberRemoved(uint32 indexed member);
/// A member changed its endpoint.
event MemberEndpointChanged(uint32 indexed member, string endpoint);
/// A member changed the account that proposes and votes for it.
event MemberAccountChanged(uint32 indexed member, address previous, address account);

/// A validator was added; the keys are Ed25519 public keys.
event ValidatorAdded(
    uint32 indexed validator,
    uint32 indexed member,
    string name,
    bytes32 nodeKey,
    bytes32 consensusKey,
    address account,
    string endpoint
);
/// A validator was removed, and its keys can't come back.
event ValidatorRemoved(uint32 indexed validator, bytes32 nodeKey, bytes32 consensusKey);
/// A validator was suspended.
event ValidatorSuspended(uint32 indexed validator);
/// A suspended validator takes part again, as far as its member is active.
event ValidatorResumed(uint32 indexed validator);
/// A key of a validator was replaced.
event ValidatorKeyReplaced(uint32 indexed validator, KeyKind kind, bytes32 previous, bytes32 key);
/// A validator's endpoint was changed by its member.
event ValidatorEndpointChanged(uint32 indexed validator, string endpoint);
/// A validator's account was changed by its member.
event ValidatorAccountChanged(uint32 indexed validator, address account);
/// The set of active validators, or their keys, changed; it holds from the next epoch on.
event ValidatorSetChanged(bytes32 validatorSetHash, uint256 count);

/// A member added an observer.
event ObserverAdded(uint32 indexed member, bytes32 indexed nodeKey, string endpoint);
/// An observer was removed, by its member or with it, or since members voted its key to another
/// node: then ValidatorAdded, ValidatorKeyReplaced or ObserverAdded with the same key follows.
event ObserverRemoved(uint32 indexed member, bytes32 indexed nodeKey);
/// An observer's endpoint was changed by its member.
event ObserverEndpointChanged(bytes32 indexed nodeKey, string endpoint);

/// The gas limit of blocks was changed, in gas.
event GasLimitChanged(uint64 gasLimit);
/// The fees were changed; the floor of the base fee is in wei per gas.
event FeesChanged(FeePolicy policy, uint64 baseFeeFloor);
/// The least time between two blocks was changed, in milliseconds.
event BlockIntervalChanged(uint32 milliseconds);
/// The thresholds were changed, in percent that the votes must exceed.
event ThresholdsChanged(uint8 membership, uint8 parameters);
/// It was changed whether sending and deploying need a permission.
event PermissioningChanged(bool senders, bool deployers);
/// An account has these permissions now: SEND is 1, DEPLOY is 2.
event PermissionsChanged(address indexed account, uint8 permissions);
/// From the block of this height on, the rules have this version.
event RulesUpgradeScheduled(uint32 version, uint64 height);

/// A member made a proposal; `expiresAt` is Unix time in seconds. With `force` the members accept
/// that the new set of validators may lack a quorum of reachable ones.
event ProposalCreated(
    uint256 indexed id,
    uint32 indexed proposer,
    bool force,
    uint64 expiresAt,
    Action[] actions,
    string reason
);
/// A member voted.
event VoteCast(uint256 indexed id, uint32 indexed member, bool support);
/// A proposal came to its end. `failure` is the error that an action had, if its state is
/// ActionFailed; then no action took effect.
event ProposalSettled(
    uint256 indexed id,
    ProposalState indexed state,
    uint256 votesFor,
    uint256 votesAgainst,
    uint256 activeMembers,
    bytes failure
);
