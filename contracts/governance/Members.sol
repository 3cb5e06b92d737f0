// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Checks} from "./Checks.sol";
import "./Errors.sol";
import "./Events.sol";
import {Lists} from "./Lists.sol";
import {Nodes} from "./Nodes.sol";
import {
    MAX_MEMBERS,
    Member,
    MemberRecord,
    MemberState,
    NewMember,
    NewObserver,
    ObserverRecord,
    ValidatorRecord
} from "./Types.sol";

/// @dev The members, and what a member changes of its own without a vote.
abstract contract Members is Nodes {
    using Lists for *;

    /// @notice All members, suspended ones too, in the order in which they were added.
    function members() external view returns (Member[] memory all) {
        all = new Member[](memberIds.length);
        for (uint256 i = 0; i < all.length; i++) all[i] = viewMember(memberIds.get(i));
    }

    /// @notice The member with the id, also when it was removed.
    function member(uint32 id) external view returns (Member memory) {
        if (memberRecords[id].state == MemberState.Unknown) revert UnknownMember(id);
        return viewMember(id);
    }

    /// @notice Changes the sender's endpoint: a host and port or a URL, of at most 256 bytes.
    function setMemberEndpoint(string memory endpoint) external {
        uint32 sender = activeSender();
        Checks.endpoint(endpoint);
        memberRecords[sender].endpoint = endpoint;
        revise();
        emit MemberEndpointChanged(sender, endpoint);
    }

    /// @notice Hands the sender's membership to another account, which no member has. Only the
    /// member itself can, and whoever names a wrong account needs the others' vote to come back.
    function setMemberAccount(address account) external {
        uint32 sender = activeSender();
        Checks.account(account);
        claimAccount(account, sender);
        delete memberOf[msg.sender];
        memberRecords[sender].account = account;
        revise();
        emit MemberAccountChanged(sender, msg.sender, account);
    }

    /// @notice Changes the endpoint of a validator of the sender: "host:port", at most 256 bytes.
    function setValidatorEndpoint(uint32 id, string memory endpoint) external {
        ValidatorRecord storage record = ownValidator(id);
        Checks.endpoint(endpoint);
        record.endpoint = endpoint;
        revise();
        emit ValidatorEndpointChanged(id, endpoint);
    }

    /// @notice Changes the account of a validator of the sender; zero is none.
    function setValidatorAccount(uint32 id, address account) external {
        ownValidator(id).account = account;
        revise();
        emit ValidatorAccountChanged(id, account);
    }

    /// @notice Adds an observer of the sender: its Ed25519 key, which no node has and no validator
    /// had, and "host:port", at most 256 bytes. Nothing shows that the sender has the key, so a vote
    /// on it takes it away again.
    function addObserver(bytes32 nodeKey, string memory endpoint) external {
        uint32 sender = activeSender();
        Checks.key(nodeKey);
        Checks.endpoint(endpoint);
        insertObserver(sender, NewObserver(nodeKey, endpoint));
        checkObserverCount(sender);
        revise();
    }

    /// @notice Removes an observer of the sender. Its key is free again.
    function removeObserver(bytes32 nodeKey) external {
        ownObserver(nodeKey);
        deleteObserver(nodeKey);
        revise();
    }

    /// @notice Changes the endpoint of an observer of the sender: "host:port", at most 256 bytes.
    function setObserverEndpoint(bytes32 nodeKey, string memory endpoint) external {
        ObserverRecord storage record = ownObserver(nodeKey);
        Checks.endpoint(endpoint);
        record.endpoint = endpoint;
        revise();
        emit ObserverEndpointChanged(nodeKey, endpoint);
    }

    function addMember(NewMember memory new_) internal {
        bytes32 organization = keccak256(bytes(new_.organization));
        uint32 present = memberOfOrganization[organization];
        if (present != 0) revert OrganizationIsMember(present);
        uint32 id = ++lastMember;
        claimAccount(new_.account, id);
        memberOfOrganization[organization] = id;
        memberRecords[id] = MemberRecord(
            new_.account,
            MemberState.Active,
            new_.organization,
            new_.endpoint
        );
        memberIds.push(id);
        emit MemberAdded(id, new_.organization, new_.account, new_.endpoint);
        for (uint256 i = 0; i < new_.validators.length; i++) addValidator(id, new_.validators[i]);
        for (uint256 i = 0; i < new_.observers.length; i++) insertVotedObserver(id, new_.observers[i]);
    }

    function suspendMember(uint32 id) internal {
        changeState(id, MemberState.Active, MemberState.Suspended);
        emit MemberSuspended(id);
    }

    function resumeMember(uint32 id) internal {
        changeState(id, MemberState.Suspended, MemberState.Active);
        emit MemberResumed(id);
    }

    /// @dev The record stays, so that old votes have a name.
    function removeMember(uint32 id) internal {
        MemberRecord storage record = existingMember(id);
        record.state = MemberState.Removed;
        delete memberOf[record.account];
        delete memberOfOrganization[keccak256(bytes(record.organization.load()))];
        memberIds.remove(id);
        removeNodesOf(id);
        emit MemberRemoved(id);
    }

    function existingMember(uint32 id) internal view returns (MemberRecord storage record) {
        record = memberRecords[id];
        if (record.state == MemberState.Unknown || record.state == MemberState.Removed) {
            revert UnknownMember(id);
        }
    }

    function activeSender() internal view returns (uint32 sender) {
        sender = memberOf[msg.sender];
        if (sender == 0) revert NotAMember(msg.sender);
        if (memberRecords[sender].state != MemberState.Active) revert MemberNotActive(sender);
    }

    /// @dev What must hold of members and their nodes when a change is through. In between it need
    /// not, so that one proposal can replace the last validator, or one of a hundred. Of the members,
    /// those above `previous` are new; votes give the others no more observers.
    function completeMembership(uint32 previous) internal {
        if (memberIds.length > MAX_MEMBERS) revert TooManyMembers(memberIds.length);
        for (uint32 id = previous + 1; id <= lastMember; id++) checkObserverCount(id);
        requireActiveMember();
        updateValidatorSet();
    }

    function requireActiveMember() private view {
        for (uint256 i = 0; i < memberIds.length; i++) {
            if (memberRecords[memberIds.get(i)].state == MemberState.Active) return;
        }
        revert NoActiveMember();
    }

    function claimAccount(address account, uint32 id) private {
        if (memberOf[account] != 0) revert AccountIsMember(account, memberOf[account]);
        memberOf[account] = id;
    }

    function changeState(uint32 id, MemberState from, MemberState to) private {
        MemberRecord storage record = existingMember(id);
        if (record.state != from) revert WrongMemberState(id, record.state);
        record.state = to;
    }

    function ownValidator(uint32 id) private view returns (ValidatorRecord storage record) {
        uint32 sender = activeSender();
        record = existingValidator(id);
        if (record.member != sender) revert ValidatorOfAnother(id, record.member);
    }

    function ownObserver(bytes32 nodeKey) private view returns (ObserverRecord storage record) {
        uint32 sender = activeSender();
        record = observerRecords[nodeKey];
        if (record.member == 0) revert UnknownObserver(nodeKey);
        if (record.member != sender) revert ObserverOfAnother(nodeKey, record.member);
    }

    function viewMember(uint32 id) private view returns (Member memory) {
        MemberRecord storage record = memberRecords[id];
        return Member(
            id,
            record.state,
            record.account,
            record.organization.load(),
            record.endpoint.load()
        );
    }
}
