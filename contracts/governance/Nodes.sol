// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import "./Errors.sol";
import "./Events.sol";
import {Lists} from "./Lists.sol";
import {State} from "./State.sol";
import {
    KeyKind,
    MAX_OBSERVERS_OF_MEMBER,
    MAX_VALIDATORS,
    MemberState,
    NewObserver,
    NewValidator,
    Observer,
    ObserverRecord,
    Validator,
    ValidatorRecord,
    ValidatorState
} from "./Types.sol";

/// @dev The members' validators and observers.
abstract contract Nodes is State {
    using Lists for *;

    /// @notice The active validators in ascending order of their node keys: the next epoch's.
    function validatorSet() external view returns (Validator[] memory set) {
        set = new Validator[](activeValidators());
        uint256 next = 0;
        for (uint256 i = 0; i < validatorIds.length; i++) {
            Validator memory each = viewValidator(validatorIds.get(i));
            if (each.active) set[next++] = each;
        }
    }

    /// @notice All validators, suspended ones too, in ascending order of their node keys.
    function validators() external view returns (Validator[] memory all) {
        all = new Validator[](validatorIds.length);
        for (uint256 i = 0; i < all.length; i++) all[i] = viewValidator(validatorIds.get(i));
    }

    /// @notice The validator with the id, also when it was removed.
    function validator(uint32 id) external view returns (Validator memory) {
        if (validatorRecords[id].state == ValidatorState.Unknown) revert UnknownValidator(id);
        return viewValidator(id);
    }

    /// @notice All observers, member by member.
    function observers() external view returns (Observer[] memory all) {
        uint256 count = 0;
        for (uint256 i = 0; i < memberIds.length; i++) count += observerKeys[memberIds.get(i)].length;
        all = new Observer[](count);
        uint256 next = 0;
        for (uint256 i = 0; i < memberIds.length; i++) {
            uint32 member = memberIds.get(i);
            bool active = memberRecords[member].state == MemberState.Active;
            bytes32[] storage keys = observerKeys[member];
            for (uint256 j = 0; j < keys.length; j++) {
                bytes32 key = keys[j];
                all[next++] = Observer(key, member, active, observerRecords[key].endpoint.load());
            }
        }
    }

    function addValidator(uint32 member, NewValidator memory new_) internal {
        useKey(new_.nodeKey);
        useKey(new_.consensusKey);
        uint32 id = ++lastValidator;
        ValidatorRecord storage record = validatorRecords[id];
        record.account = new_.account;
        record.state = ValidatorState.Active;
        record.member = member;
        record.nodeKey = new_.nodeKey;
        record.consensusKey = new_.consensusKey;
        record.name = new_.name;
        record.endpoint = new_.endpoint;
        insertSorted(id);
        emit ValidatorAdded(
            id,
            member,
            new_.name,
            new_.nodeKey,
            new_.consensusKey,
            new_.account,
            new_.endpoint
        );
    }

    /// @dev The record stays: what a key signed has an owner, and clearing a hundred of them with
    /// long texts would take the gas of half a transaction.
    function removeValidator(uint32 id) internal {
        ValidatorRecord storage record = existingValidator(id);
        emit ValidatorRemoved(id, record.nodeKey, record.consensusKey);
        validatorIds.remove(id);
        record.state = ValidatorState.Removed;
    }

    function suspendValidator(uint32 id) internal {
        changeState(id, ValidatorState.Active, ValidatorState.Suspended);
        emit ValidatorSuspended(id);
    }

    function resumeValidator(uint32 id) internal {
        changeState(id, ValidatorState.Suspended, ValidatorState.Active);
        emit ValidatorResumed(id);
    }

    function replaceKey(uint32 id, KeyKind kind, bytes32 key) internal {
        ValidatorRecord storage record = existingValidator(id);
        useKey(key);
        bytes32 previous;
        if (kind == KeyKind.Node) {
            previous = record.nodeKey;
            validatorIds.remove(id);
            record.nodeKey = key;
            insertSorted(id);
        } else {
            previous = record.consensusKey;
            record.consensusKey = key;
        }
        emit ValidatorKeyReplaced(id, kind, previous, key);
    }

    function insertObserver(uint32 member, NewObserver memory new_) internal {
        bytes32 key = new_.nodeKey;
        if (usedKeys[key] || observerRecords[key].member != 0) revert KeyUsed(key);
        observerRecords[key] = ObserverRecord(member, new_.endpoint);
        observerKeys[member].push(key);
        emit ObserverAdded(member, key, new_.endpoint);
    }

    /// @dev What members voted for goes before what another did without a vote, so that nobody can
    /// spoil a proposal by registering a key that it has.
    function insertVotedObserver(uint32 member, NewObserver memory new_) internal {
        if (observerRecords[new_.nodeKey].member != member) deleteObserver(new_.nodeKey);
        insertObserver(member, new_);
    }

    /// @dev If there is one with the key.
    function deleteObserver(bytes32 nodeKey) internal {
        uint32 member = observerRecords[nodeKey].member;
        if (member == 0) return;
        emit ObserverRemoved(member, nodeKey);
        delete observerRecords[nodeKey];
        bytes32[] storage keys = observerKeys[member];
        uint256 last = keys.length - 1;
        uint256 i = last;
        while (keys[i] != nodeKey) i--;
        keys[i] = keys[last];
        keys.pop();
    }

    function removeNodesOf(uint32 member) internal {
        for (uint256 i = validatorIds.length; i > 0; i--) {
            uint32 id = validatorIds.get(i - 1);
            if (validatorRecords[id].member == member) removeValidator(id);
        }
        bytes32[] storage keys = observerKeys[member];
        for (uint256 i = keys.length; i > 0; i--) deleteObserver(keys[i - 1]);
    }

    function existingValidator(uint32 id) internal view returns (ValidatorRecord storage record) {
        record = validatorRecords[id];
        if (record.state == ValidatorState.Unknown || record.state == ValidatorState.Removed) {
            revert UnknownValidator(id);
        }
    }

    function checkObserverCount(uint32 member) internal view {
        uint256 count = observerKeys[member].length;
        if (count > MAX_OBSERVERS_OF_MEMBER) revert TooManyObservers(member, count);
    }

    /// @dev Makes slot 0 the hash of the set. Once a proposal, not once an action: with a hundred
    /// validators it costs more than half a million gas.
    function updateValidatorSet() internal {
        if (validatorIds.length > MAX_VALIDATORS) revert TooManyValidators(validatorIds.length);
        uint256 count = activeValidators();
        if (count == 0) revert NoActiveValidator();
        bytes32[] memory keys = new bytes32[](2 * count);
        uint256 next = 0;
        for (uint256 i = 0; i < validatorIds.length; i++) {
            uint32 id = validatorIds.get(i);
            if (!isActive(id)) continue;
            keys[next++] = validatorRecords[id].nodeKey;
            keys[next++] = validatorRecords[id].consensusKey;
        }
        bytes32 hash = keccak256(abi.encodePacked(keys));
        if (hash == validatorSetHash) return;
        validatorSetHash = hash;
        emit ValidatorSetChanged(hash, count);
    }

    /// @dev Makes the key a validator's, for ever. An observer that has it, whosever, goes: it becomes
    /// the validator, or was registered to keep the key from what members voted for.
    function useKey(bytes32 key) private {
        if (usedKeys[key]) revert KeyUsed(key);
        deleteObserver(key);
        usedKeys[key] = true;
    }

    function changeState(uint32 id, ValidatorState from, ValidatorState to) private {
        ValidatorRecord storage record = existingValidator(id);
        if (record.state != from) revert WrongValidatorState(id, record.state);
        record.state = to;
    }

    function insertSorted(uint32 id) private {
        validatorIds.push(id);
        bytes32 nodeKey = validatorRecords[id].nodeKey;
        uint256 i = validatorIds.length - 1;
        while (i > 0) {
            uint32 before = validatorIds.get(i - 1);
            if (validatorRecords[before].nodeKey < nodeKey) break;
            validatorIds[i] = before;
            i--;
        }
        validatorIds[i] = id;
    }

    function activeValidators() private view returns (uint256 count) {
        for (uint256 i = 0; i < validatorIds.length; i++) {
            if (isActive(validatorIds.get(i))) count++;
        }
    }

    function isActive(uint32 id) private view returns (bool) {
        ValidatorRecord storage record = validatorRecords[id];
        return record.state == ValidatorState.Active
            && memberRecords[record.member].state == MemberState.Active;
    }

    function viewValidator(uint32 id) private view returns (Validator memory answer) {
        ValidatorRecord storage record = validatorRecords[id];
        answer.id = id;
        answer.member = record.member;
        answer.state = record.state;
        answer.active = isActive(id);
        answer.name = record.name.load();
        answer.nodeKey = record.nodeKey;
        answer.consensusKey = record.consensusKey;
        answer.account = record.account;
        answer.endpoint = record.endpoint.load();
    }
}
