// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import "./Errors.sol";
import "./Events.sol";
import {Lists} from "./Lists.sol";
import {State} from "./State.sol";
import {
    KeyKind,
    MAX_OBSERVERS,
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

    /// @notice All observers.
    function observers() external view returns (Observer[] memory all) {
        all = new Observer[](observerKeys.length);
        for (uint256 i = 0; i < all.length; i++) {
            bytes32 nodeKey = observerKeys[i];
            ObserverRecord storage record = observerRecords[nodeKey];
            bool active = memberRecords[record.member].state == MemberState.Active;
            all[i] = Observer(nodeKey, record.member, active, record.endpoint.load());
        }
    }

    /// @dev An observer of the member can become its validator: with the node key that it has.
    function addValidator(uint32 member, NewValidator memory new_) internal {
        if (observerRecords[new_.nodeKey].member == member) deleteObserver(new_.nodeKey);
        else useKey(new_.nodeKey);
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
        useKey(new_.nodeKey);
        observerRecords[new_.nodeKey] = ObserverRecord(member, new_.endpoint);
        observerKeys.push(new_.nodeKey);
        emit ObserverAdded(member, new_.nodeKey, new_.endpoint);
    }

    function deleteObserver(bytes32 nodeKey) internal {
        emit ObserverRemoved(observerRecords[nodeKey].member, nodeKey);
        delete observerRecords[nodeKey];
        uint256 i = 0;
        while (observerKeys[i] != nodeKey) i++;
        observerKeys[i] = observerKeys[observerKeys.length - 1];
        observerKeys.pop();
    }

    function removeNodesOf(uint32 member) internal {
        for (uint256 i = validatorIds.length; i > 0; i--) {
            uint32 id = validatorIds.get(i - 1);
            if (validatorRecords[id].member == member) removeValidator(id);
        }
        for (uint256 i = observerKeys.length; i > 0; i--) {
            bytes32 nodeKey = observerKeys[i - 1];
            if (observerRecords[nodeKey].member == member) deleteObserver(nodeKey);
        }
    }

    function existingValidator(uint32 id) internal view returns (ValidatorRecord storage record) {
        record = validatorRecords[id];
        if (record.state == ValidatorState.Unknown || record.state == ValidatorState.Removed) {
            revert UnknownValidator(id);
        }
    }

    function checkObserverCount() internal view {
        uint256 count = observerKeys.length;
        if (count > MAX_OBSERVERS) revert TooManyObservers(count);
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

    function useKey(bytes32 key) private {
        if (usedKeys[key]) revert KeyUsed(key);
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
