// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Governance} from "../Governance.sol";
import "../governance/Errors.sol";
import "../governance/Events.sol";
import "../governance/Types.sol";
import {Fixture} from "./Fixture.sol";

/// @dev Whose key an observer's is, which becomes of it what members vote, and how many one has.
contract ObserversTest is Fixture {
    function test_addValidatorThatWasAnObserver() external {
        bytes32 key = observe(3, 1);
        observe(3, 2);
        expectAtExecution();
        emit ObserverRemoved(3, key);
        pass(promote(3, 1));
        Observer[] memory left = governance.observers();
        same(left.length, 1, "observers");
        same(left[0].nodeKey, newObserver(2).nodeKey, "the other observer");
        same(governance.validator(5).nodeKey, key, "node key");
        same(governance.validator(5).consensusKey, consensusKey(1_001), "consensus key");
        same(governance.validator(5).member, 3, "member");
        same(governance.validatorSet().length, 5, "validators");
        same(governance.revision(), 4, "one revision, besides the observers'");

        // From there on it is like any other validator's.
        fail(promote(3, 1), used(key));
        checkSpent(key);
        vm.expectRevert(abi.encodeWithSelector(UnknownObserver.selector, key));
        vm.prank(account(3));
        governance.removeObserver(key);
        pass(act(ActionKind.RemoveValidator, 5));
        fail(promote(3, 1), used(key));
        fail(replace(3, KeyKind.Node, key), used(key));
        checkSpent(key);
    }

    /// @dev The keys of a proposal are seen by all before it is approved.
    function test_anObserverKeepsNoKeyFromAProposedValidator() external {
        uint256 id = propose(1, addValidator(3, 8));
        register(2, nodeKey(8));
        register(4, consensusKey(8));
        approve(id);
        same(governance.validator(5).nodeKey, nodeKey(8), "node key");
        same(governance.validator(5).consensusKey, consensusKey(8), "consensus key");
        same(governance.observers().length, 0, "observers");
        checkSpent(nodeKey(8));
        checkSpent(consensusKey(8));
        vm.expectRevert(abi.encodeWithSelector(UnknownObserver.selector, nodeKey(8)));
        vm.prank(account(2));
        governance.removeObserver(nodeKey(8));
    }

    function test_itsMemberIsToldOfTheObserverThatGoes() external {
        register(2, nodeKey(8));
        expectAtExecution();
        emit ObserverRemoved(2, nodeKey(8));
        pass(addValidator(3, 8));
        register(2, consensusKey(9));
        expectAtExecution();
        emit ObserverRemoved(2, consensusKey(9));
        pass(addValidator(3, 9));
    }

    function test_anObserverKeepsNoKeyFromAReplacement() external {
        for (uint256 kind = 0; kind < 2; kind++) {
            bytes32 key = newObserver(kind).nodeKey;
            uint256 id = propose(1, replace(3, KeyKind(kind), key));
            // The validator's own member may have it too.
            register(2 + kind, key);
            approve(id);
            same(governance.observers().length, 0, "observers");
            checkSpent(key);
        }
        same(governance.validator(3).nodeKey, newObserver(0).nodeKey, "node key");
        same(governance.validator(3).consensusKey, newObserver(1).nodeKey, "consensus key");
    }

    function test_anObserverKeepsNoKeyFromANewMember() external {
        NewMember memory new_ = newMember(5, 1);
        new_.observers = some(1, 2);
        uint256 id = propose(1, add(new_));
        register(2, nodeKey(5));
        register(2, consensusKey(5));
        register(2, newObserver(1).nodeKey);
        register(3, newObserver(3).nodeKey);
        approve(id);
        same(governance.validator(5).nodeKey, nodeKey(5), "node key");
        same(governance.validator(5).consensusKey, consensusKey(5), "consensus key");
        Observer[] memory all = governance.observers();
        same(all.length, 3, "observers");
        same(abi.encode(all[0]), abi.encode(Observer(newObserver(3).nodeKey, 3, true, "")), "other");
        Observer memory taken = Observer(newObserver(1).nodeKey, 5, true, "observer:1");
        same(abi.encode(all[1]), abi.encode(taken), "the new member's");
        holds(!governance.usedKeys(taken.nodeKey), "an observer's key is not used");
        vm.expectRevert(abi.encodeWithSelector(ObserverOfAnother.selector, taken.nodeKey, 5));
        vm.prank(account(2));
        governance.removeObserver(taken.nodeKey);
    }

    function test_theNewMembersObserverReplacesAnothers() external {
        NewMember memory new_ = newMember(5, 0);
        new_.observers = some(1, 1);
        register(2, newObserver(1).nodeKey);
        expectAtExecution();
        emit ObserverRemoved(2, newObserver(1).nodeKey);
        pass(add(new_));
        new_ = newMember(6, 0);
        new_.observers = some(1, 1);
        expectAtExecution();
        emit ObserverAdded(6, newObserver(1).nodeKey, "observer:1");
        pass(add(new_));
        same(governance.observers().length, 1, "observers");
    }

    function test_aNewMembersKeysDiffer() external {
        NewMember memory new_ = newMember(5, 1);
        new_.observers = some(1, 2);
        new_.observers[1].nodeKey = new_.observers[0].nodeKey;
        fail(add(new_), used(newObserver(1).nodeKey));
        register(2, newObserver(1).nodeKey);
        fail(add(new_), used(newObserver(1).nodeKey));
        new_.observers = some(1, 1);
        new_.validators[0].nodeKey = newObserver(1).nodeKey;
        fail(add(new_), used(newObserver(1).nodeKey));
        new_.validators[0] = newValidator(5);
        new_.validators[0].consensusKey = newObserver(1).nodeKey;
        fail(add(new_), used(newObserver(1).nodeKey));
        new_.validators[0].nodeKey = newObserver(1).nodeKey;
        fail(add(new_), used(newObserver(1).nodeKey));
        // What was ever a validator's stays refused.
        new_ = newMember(5, 0);
        new_.observers = some(1, 1);
        pass(act(ActionKind.RemoveValidator, 2));
        new_.observers[0].nodeKey = nodeKey(2);
        fail(add(new_), used(nodeKey(2)));
        new_.observers[0].nodeKey = consensusKey(2);
        fail(add(new_), used(consensusKey(2)));
    }

    function test_aKeyIsFreeWhenItsObserverWasRemoved() external {
        bytes32 key = observe(2, 1);
        refuseObserver(2, key, used(key));
        refuseObserver(3, key, used(key));
        vm.prank(account(2));
        governance.removeObserver(key);
        register(3, key);
        same(governance.observers()[0].member, 3, "the other's");
        pass(act(ActionKind.RemoveMember, 3));
        same(governance.observers().length, 0, "observers");
        register(2, key);
        vm.prank(account(2));
        governance.removeObserver(key);
        same(governance.observers().length, 0, "observers");
        holds(!governance.usedKeys(key), "it is not used");
        pass(promote(4, 1));
        same(governance.validator(5).nodeKey, key, "node key");
        refuseObserver(2, key, used(key));
    }

    function test_actionsTogetherTakeAnObserverAndPromoteIt() external {
        NewMember memory new_ = newMember(5, 0);
        new_.observers = some(1, 17);
        // There may be more in between.
        pass(both(add(new_), promote(5, 1)));
        same(governance.observers().length, 16, "observers");
        same(governance.validator(5).nodeKey, newObserver(1).nodeKey, "node key");
        pass(both(act(ActionKind.RemoveMember, 5), promote(2, 17)));
        same(governance.observers().length, 0, "observers");
        same(governance.validator(6).member, 2, "another's");
    }

    function test_failingActionLeavesTheObserver() external {
        bytes32 key = observe(3, 1);
        Action[] memory actions = both(promote(2, 1), act(ActionKind.RemoveValidator, 77));
        fail(actions, abi.encodeWithSelector(UnknownValidator.selector, 77));
        same(governance.observers()[0].nodeKey, key, "still an observer");
        holds(!governance.usedKeys(consensusKey(1_001)), "the consensus key is free");
        vm.prank(account(3));
        governance.setObserverEndpoint(key, "elsewhere:1");
        fail(both(promote(3, 1), promote(3, 1)), used(key));
        same(governance.observers()[0].endpoint, "elsewhere:1", "still an observer");
        pass(promote(3, 1));
        same(governance.validator(5).nodeKey, key, "the id is free");
    }

    function test_eachMemberHasItsOwnLimit() external {
        for (uint256 i = 0; i < 16; i++) observe(2, i);
        bytes32 next = newObserver(16).nodeKey;
        refuseObserver(2, next, abi.encodeWithSelector(TooManyObservers.selector, 2, 17));
        // Nobody else is affected.
        for (uint256 i = 16; i < 32; i++) observe(3, i);
        same(governance.observers().length, 32, "observers");
        // With one less there is room, whichever it is, and whoever takes it.
        vm.prank(account(2));
        governance.removeObserver(newObserver(7).nodeKey);
        observe(2, 7);
        pass(promote(4, 0));
        observe(2, 32);
        refuseObserver(2, newObserver(33).nodeKey, abi.encodeWithSelector(TooManyObservers.selector, 2, 17));
        NewMember memory new_ = newMember(5, 0);
        new_.observers = some(100, 16);
        pass(add(new_));
        same(governance.observers().length, 48, "observers");
        // What is another's comes in place of it.
        new_ = newMember(6, 0);
        new_.observers = some(100, 16);
        pass(add(new_));
        same(governance.observers().length, 48, "observers");
        observe(5, 200);
    }

    function test_aNewMemberHasTheLimitToo() external {
        NewMember memory new_ = newMember(5, 0);
        new_.observers = some(0, 17);
        fail(add(new_), abi.encodeWithSelector(TooManyObservers.selector, 5, 17));
        fail(both(add(new_), add(newMember(6, 0))), abi.encodeWithSelector(TooManyObservers.selector, 5, 17));
        NewMember[] memory all = new NewMember[](2);
        all[0] = newMember(1, 1);
        all[1] = newMember(2, 0);
        all[1].observers = some(0, 18);
        vm.expectRevert(abi.encodeWithSelector(TooManyObservers.selector, 2, 18));
        new Governance(settings(), all, new Grant[](0));
    }

    /// @dev The key was a validator's, and nobody has it as an observer's again.
    function checkSpent(bytes32 key) private {
        holds(governance.usedKeys(key), "the key is used");
        for (uint256 member = 2; member <= 4; member++) refuseObserver(member, key, used(key));
    }

    function used(bytes32 key) private pure returns (bytes memory) {
        return abi.encodeWithSelector(KeyUsed.selector, key);
    }

    function some(uint256 first, uint256 count) private pure returns (NewObserver[] memory all) {
        all = new NewObserver[](count);
        for (uint256 i = 0; i < count; i++) all[i] = newObserver(first + i);
    }

    function register(uint256 member, bytes32 key) private {
        vm.prank(account(member));
        governance.addObserver(key, "");
    }

    function refuseObserver(uint256 member, bytes32 key, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(account(member));
        governance.addObserver(key, "");
    }

    function approve(uint256 id) private {
        vote(2, id, true);
        vote(3, id, true);
        same(governance.proposal(id).failure, "", "failure");
        is_(governance.state(id), ProposalState.Approved);
        checkSet();
    }
}
