// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {MemberState, ProposalState, ValidatorState} from "./Types.sol";

// None has text of variable length, since the reason of a failed action is stored.

/// The sender is not the account of a member.
error NotAMember(address sender);
/// The member is suspended.
error MemberNotActive(uint32 member);
/// No member has the id, or it was removed.
error UnknownMember(uint32 member);
/// The member can't be suspended or resumed, since it is in this state.
error WrongMemberState(uint32 member, MemberState state);
/// A member of this organization exists.
error OrganizationIsMember(uint32 member);
/// The account belongs to a member.
error AccountIsMember(address account, uint32 member);
/// A member has no account.
error ZeroAccount();

/// No validator has the id, or it was removed.
error UnknownValidator(uint32 validator);
/// The validator can't be suspended or resumed, since it is in this state.
error WrongValidatorState(uint32 validator, ValidatorState state);
/// The validator is the other member's.
error ValidatorOfAnother(uint32 validator, uint32 member);
/// No observer has the key.
error UnknownObserver(bytes32 nodeKey);
/// The observer is the other member's.
error ObserverOfAnother(bytes32 nodeKey, uint32 member);
/// The key is, or once was, a validator's; or it is an observer's, and without a vote on it another
/// observer can't have it.
error KeyUsed(bytes32 key);
/// A key is zero.
error ZeroKey();

/// An organization's name has this many bytes, and must have 1 to 64.
error OrganizationLength(uint256 length);
/// A validator's name has this many bytes, and must have 1 to 64.
error NameLength(uint256 length);
/// An endpoint has this many bytes, and may have 256.
error EndpointLength(uint256 length);
/// A reason has this many bytes, and may have 256.
error ReasonLength(uint256 length);

/// There would be this many members, and there may be 100.
error TooManyMembers(uint256 count);
/// There would be this many validators, and there may be 100.
error TooManyValidators(uint256 count);
/// The member would have this many observers, and may have 16.
error TooManyObservers(uint32 member, uint256 count);
/// No active member would be left.
error NoActiveMember();
/// No active validator would be left.
error NoActiveValidator();

/// The gas limit is out of its bounds, 1,000,000 to 10,000,000,000 gas.
error GasLimitOutOfBounds(uint64 gasLimit);
/// The floor of the base fee, in wei, is above 10,000 gwei, or is one though there are no fees.
error BaseFeeFloorOutOfBounds(uint64 baseFeeFloor);
/// The block interval is above 600,000 milliseconds.
error BlockIntervalOutOfBounds(uint32 milliseconds);
/// The lifetime of proposals is not from 1 second to 365 days.
error ProposalLifetimeOutOfBounds(uint32 secondsOpen);
/// A threshold is not from 50 to 99 percent.
error ThresholdOutOfBounds(uint8 percent);
/// The permissions are not SEND (1), DEPLOY (2) or both (3).
error UnknownPermissions(uint8 permissions);
/// The rules don't come after those that hold.
error RulesNotNewer(uint32 version, uint32 current);
/// The height at which the rules change is not in the future.
error HeightNotInFuture(uint64 height, uint256 current);

/// A proposal has this many actions, and must have 1 to 16.
error ActionCount(uint256 count);
/// The arguments of the action, counted from zero, are not the encoding that its kind has.
error MalformedArguments(uint256 action);
/// Bytes are not what encoding their content gives.
error NotCanonical();
/// No proposal has the id.
error UnknownProposal(uint256 id);
/// The proposal is settled or expired.
error ProposalNotInProgress(uint256 id, ProposalState state);
/// The member voted on the proposal.
error AlreadyVoted(uint256 id, uint32 member);
/// Neither approval nor rejection is certain yet.
error ProposalUndecided(uint256 id);
/// The transaction has too little gas to execute the proposal; nothing changed, the vote neither.
error NotEnoughGas(uint256 id);
/// Only the contract itself may call this.
error OnlySelf(address sender);
