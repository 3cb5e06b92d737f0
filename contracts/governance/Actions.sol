// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Checks} from "./Checks.sol";
import {ActionCount, MalformedArguments, NotCanonical, OnlySelf} from "./Errors.sol";
import {Members} from "./Members.sol";
import {Network} from "./Network.sol";
import {Permissions} from "./Permissions.sol";
import {
    Action,
    ActionKind,
    CHANGES_MEMBERSHIP,
    CHANGES_PARAMETERS,
    FeePolicy,
    KeyKind,
    MAX_ACTIONS,
    NewMember,
    NewValidator
} from "./Types.sol";

/// @dev Whether an action is only looked at, as it is when it is proposed.
enum Run {
    Check,
    Change
}

/// @dev What the actions of proposals are, and do.
abstract contract Actions is Members, Network, Permissions {
    /// @notice Makes the changes, all or none. Only the contract calls it, when a proposal is
    /// approved: in a call of its own, so that a failing action takes back those before it. With
    /// eth_call, and the contract's address as the sender, anybody can try what actions would do.
    function execute(Action[] calldata actions) external {
        if (msg.sender != address(this)) revert OnlySelf(msg.sender);
        uint8 changes = 0;
        uint32 previous = lastMember;
        for (uint256 i = 0; i < actions.length; i++) {
            perform(actions[i], Run.Change);
            changes |= changesOf(actions[i].kind);
        }
        if (changes & CHANGES_MEMBERSHIP != 0) completeMembership(previous);
        revise();
    }

    /// @notice Refuses an action that could never be executed: its arguments are not the encoding
    /// that its kind has, exactly, or are out of their bounds. Changes nothing.
    function checkAction(Action calldata action) external {
        perform(action, Run.Check);
    }

    /// @dev What the actions change, as bits.
    function checkActions(Action[] memory actions) internal returns (uint8 changes) {
        if (actions.length == 0 || actions.length > MAX_ACTIONS) revert ActionCount(actions.length);
        for (uint256 i = 0; i < actions.length; i++) {
            changes |= changesOf(actions[i].kind);
            // In a call of its own, since what can't be decoded reverts without a reason.
            try this.checkAction(actions[i]) {}
            catch (bytes memory failure) {
                bool undecodable = failure.length == 0 || bytes4(failure) == NotCanonical.selector;
                if (undecodable) revert MalformedArguments(i);
                rethrow(failure);
            }
        }
    }

    /// @dev The rules change everything, and the thresholds would else be lowered by the lower one.
    function changesOf(ActionKind kind) private pure returns (uint8) {
        if (kind >= ActionKind.UpgradeRules) return CHANGES_MEMBERSHIP | CHANGES_PARAMETERS;
        return kind >= ActionKind.SetGasLimit ? CHANGES_PARAMETERS : CHANGES_MEMBERSHIP;
    }

    function perform(Action calldata action, Run run) private {
        ActionKind kind = action.kind;
        bytes calldata arguments = action.arguments;
        if (kind == ActionKind.AddMember) performAddMember(arguments, run);
        else if (kind == ActionKind.AddValidator) performAddValidator(arguments, run);
        else if (kind == ActionKind.ReplaceKey) performReplaceKey(arguments, run);
        else if (kind < ActionKind.SetGasLimit) performById(kind, arguments, run);
        else if (kind < ActionKind.Allow) performParameters(kind, arguments, run);
        else if (kind < ActionKind.UpgradeRules) performPermissions(kind, arguments, run);
        else performRules(kind, arguments, run);
    }

    function performAddMember(bytes calldata arguments, Run run) private {
        NewMember memory new_ = abi.decode(arguments, (NewMember));
        Checks.canonical(arguments, abi.encode(new_));
        Checks.member(new_);
        if (run == Run.Change) addMember(new_);
    }

    function performAddValidator(bytes calldata arguments, Run run) private {
        (uint32 id, NewValidator memory new_) = abi.decode(arguments, (uint32, NewValidator));
        Checks.canonical(arguments, abi.encode(id, new_));
        Checks.validator(new_);
        if (run == Run.Check) return;
        existingMember(id);
        addValidator(id, new_);
    }

    function performReplaceKey(bytes calldata arguments, Run run) private {
        Checks.words(arguments, 3);
        (uint32 id, KeyKind kind, bytes32 key) = abi.decode(arguments, (uint32, KeyKind, bytes32));
        Checks.key(key);
        if (run == Run.Change) replaceKey(id, kind, key);
    }

    function performById(ActionKind kind, bytes calldata arguments, Run run) private {
        Checks.words(arguments, 1);
        uint32 id = abi.decode(arguments, (uint32));
        if (run == Run.Check) return;
        if (kind == ActionKind.SuspendMember) suspendMember(id);
        else if (kind == ActionKind.ResumeMember) resumeMember(id);
        else if (kind == ActionKind.RemoveMember) removeMember(id);
        else if (kind == ActionKind.RemoveValidator) removeValidator(id);
        else if (kind == ActionKind.SuspendValidator) suspendValidator(id);
        else resumeValidator(id);
    }

    function performParameters(ActionKind kind, bytes calldata arguments, Run run) private {
        if (kind == ActionKind.SetGasLimit) {
            Checks.words(arguments, 1);
            uint64 gasLimit = abi.decode(arguments, (uint64));
            Checks.gasLimit(gasLimit);
            if (run == Run.Change) setGasLimit(gasLimit);
        } else if (kind == ActionKind.SetFees) {
            Checks.words(arguments, 2);
            (FeePolicy policy, uint64 floor) = abi.decode(arguments, (FeePolicy, uint64));
            Checks.fees(policy, floor);
            if (run == Run.Change) setFees(policy, floor);
        } else if (kind == ActionKind.SetBlockInterval) {
            Checks.words(arguments, 1);
            uint32 milliseconds = abi.decode(arguments, (uint32));
            Checks.blockInterval(milliseconds);
            if (run == Run.Change) setBlockInterval(milliseconds);
        } else {
            Checks.words(arguments, 2);
            (bool senders, bool deployers) = abi.decode(arguments, (bool, bool));
            if (run == Run.Change) setPermissioning(senders, deployers);
        }
    }

    function performPermissions(ActionKind kind, bytes calldata arguments, Run run) private {
        Checks.words(arguments, 2);
        (address account, uint8 permissions) = abi.decode(arguments, (address, uint8));
        Checks.permissions(permissions);
        if (run == Run.Check) return;
        if (kind == ActionKind.Allow) allow(account, permissions);
        else deny(account, permissions);
    }

    function performRules(ActionKind kind, bytes calldata arguments, Run run) private {
        Checks.words(arguments, 2);
        if (kind == ActionKind.UpgradeRules) {
            (uint32 version, uint64 height) = abi.decode(arguments, (uint32, uint64));
            Checks.height(height);
            if (run == Run.Change) upgradeRules(version, height);
        } else {
            (uint8 membership, uint8 parameters_) = abi.decode(arguments, (uint8, uint8));
            Checks.threshold(membership);
            Checks.threshold(parameters_);
            if (run == Run.Change) setThresholds(membership, parameters_);
        }
    }

    function rethrow(bytes memory failure) private pure {
        assembly ("memory-safe") {
            revert(add(failure, 32), mload(failure))
        }
    }
}
