// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import "../governance/Errors.sol";
import "../governance/Events.sol";
import "../governance/Types.sol";
import {Fixture} from "./Fixture.sol";

/// @dev What each action does, and how it fails.
contract ActionsTest is Fixture {
    function test_addMember() external {
        NewMember memory new_ = newMember(5, 2);
        new_.observers = new NewObserver[](1);
        new_.observers[0] = newObserver(5);
        expectAtExecution();
        emit MemberAdded(5, new_.organization, new_.account, new_.endpoint);
        pass(act(ActionKind.AddMember, abi.encode(new_)));
        same(governance.member(5).organization, "organization-5", "organization");
        same(governance.memberOf(account(5)), 5, "account");
        same(governance.validatorSet().length, 6, "validators");
        same(governance.validator(6).member, 5, "member of the validator");
        same(governance.observers()[0].member, 5, "member of the observer");
        same(governance.revision(), 2, "revision");
        propose(5, act(ActionKind.SetGasLimit, abi.encode(uint64(40_000_000))));
    }

    function test_addMemberFails() external {
        NewMember memory new_ = newMember(5, 1);
        new_.organization = "organization-2";
        fail(add(new_), abi.encodeWithSelector(OrganizationIsMember.selector, 2));
        new_ = newMember(5, 1);
        new_.account = account(3);
        fail(add(new_), abi.encodeWithSelector(AccountIsMember.selector, account(3), 3));
        new_ = newMember(5, 1);
        new_.validators[0].nodeKey = consensusKey(1);
        fail(add(new_), abi.encodeWithSelector(KeyUsed.selector, consensusKey(1)));
        new_ = newMember(5, 1);
        new_.validators[0].consensusKey = nodeKey(1);
        fail(add(new_), abi.encodeWithSelector(KeyUsed.selector, nodeKey(1)));
        new_ = newMember(5, 1);
        new_.validators[0].consensusKey = new_.validators[0].nodeKey;
        fail(add(new_), abi.encodeWithSelector(KeyUsed.selector, nodeKey(5)));
        new_ = newMember(5, 0);
        new_.observers = new NewObserver[](1);
        new_.observers[0].nodeKey = nodeKey(1);
        fail(add(new_), abi.encodeWithSelector(KeyUsed.selector, nodeKey(1)));
    }

    function test_suspendAndResumeMember() external {
        vm.prank(account(2));
        governance.addObserver(newObserver(2).nodeKey, "");
        expectAtExecution();
        emit MemberSuspended(2);
        pass(act(ActionKind.SuspendMember, 2));
        same(uint256(governance.member(2).state), uint256(MemberState.Suspended), "state");
        same(governance.members().length, 4, "it is still a member");
        same(governance.validatorSet().length, 3, "its validator is not active");
        holds(!governance.observers()[0].active, "its observer neither");
        bytes memory wrong =
            abi.encodeWithSelector(WrongMemberState.selector, 2, MemberState.Suspended);
        fail(act(ActionKind.SuspendMember, 2), wrong);
        expectAtExecution();
        emit MemberResumed(2);
        pass(act(ActionKind.ResumeMember, 2));
        same(governance.validatorSet().length, 4, "its validator is active");
        holds(governance.observers()[0].active, "its observer too");
        wrong = abi.encodeWithSelector(WrongMemberState.selector, 2, MemberState.Active);
        fail(act(ActionKind.ResumeMember, 2), wrong);
        fail(act(ActionKind.SuspendMember, 9), abi.encodeWithSelector(UnknownMember.selector, 9));
    }

    function test_removeMember() external {
        vm.prank(account(3));
        governance.addObserver(newObserver(3).nodeKey, "");
        vm.prank(account(2));
        governance.addObserver(newObserver(2).nodeKey, "");
        vm.prank(account(2));
        governance.addObserver(newObserver(4).nodeKey, "");
        pass(addValidator(2, 7));
        expectAtExecution();
        emit ValidatorRemoved(2, nodeKey(2), consensusKey(2));
        pass(act(ActionKind.RemoveMember, 2));
        same(governance.members().length, 3, "members");
        same(governance.members()[1].id, 3, "the order stays");
        same(uint256(governance.member(2).state), uint256(MemberState.Removed), "state");
        same(governance.member(2).organization, "organization-2", "the name stays");
        same(governance.memberOf(account(2)), 0, "account");
        same(governance.validators().length, 3, "validators");
        same(governance.observers().length, 1, "observers");
        same(governance.observers()[0].member, 3, "the other's observer");
        fail(act(ActionKind.RemoveMember, 2), abi.encodeWithSelector(UnknownMember.selector, 2));
        fail(addValidator(2, 8), abi.encodeWithSelector(UnknownMember.selector, 2));
        // Its keys can't come back; its name and its account can, with another id.
        NewMember memory new_ = newMember(2, 1);
        fail(add(new_), abi.encodeWithSelector(KeyUsed.selector, nodeKey(2)));
        pass(add(newMember(2, 0)));
        same(governance.memberOf(account(2)), 5, "another id");
    }

    function test_removeASuspendedMember() external {
        pass(act(ActionKind.SuspendMember, 2));
        expectAtExecution();
        emit MemberRemoved(2);
        pass(act(ActionKind.RemoveMember, 2));
        same(governance.members().length, 3, "members");
    }

    function test_addValidator() external {
        NewValidator memory new_ = newValidator(8);
        new_.account = address(0);
        expectAtExecution();
        emit ValidatorAdded(
            5, 3, new_.name, new_.nodeKey, new_.consensusKey, new_.account, new_.endpoint
        );
        pass(act(ActionKind.AddValidator, abi.encode(uint32(3), new_)));
        same(governance.validator(5).member, 3, "member");
        same(governance.validatorSet().length, 5, "validators");
        fail(addValidator(9, 9), abi.encodeWithSelector(UnknownMember.selector, 9));
    }

    function test_removeValidator() external {
        pass(act(ActionKind.RemoveValidator, 2));
        same(governance.validators().length, 3, "validators");
        same(uint256(governance.validator(2).state), uint256(ValidatorState.Removed), "state");
        same(governance.validator(2).nodeKey, nodeKey(2), "the key has an owner");
        fail(act(ActionKind.RemoveValidator, 2), abi.encodeWithSelector(UnknownValidator.selector, 2));
        fail(addValidator(2, 2), abi.encodeWithSelector(KeyUsed.selector, nodeKey(2)));
    }

    function test_suspendAndResumeValidator() external {
        expectAtExecution();
        emit ValidatorSuspended(2);
        pass(act(ActionKind.SuspendValidator, 2));
        same(governance.validatorSet().length, 3, "active validators");
        same(governance.validators().length, 4, "all validators");
        bytes memory wrong =
            abi.encodeWithSelector(WrongValidatorState.selector, 2, ValidatorState.Suspended);
        fail(act(ActionKind.SuspendValidator, 2), wrong);
        expectAtExecution();
        emit ValidatorResumed(2);
        pass(act(ActionKind.ResumeValidator, 2));
        same(governance.validatorSet().length, 4, "active validators");
        wrong = abi.encodeWithSelector(WrongValidatorState.selector, 2, ValidatorState.Active);
        fail(act(ActionKind.ResumeValidator, 2), wrong);
        fail(act(ActionKind.ResumeValidator, 9), abi.encodeWithSelector(UnknownValidator.selector, 9));
    }

    function test_replaceKeys() external {
        for (uint32 id = 1; id <= 4; id++) {
            expectAtExecution();
            emit ValidatorKeyReplaced(id, KeyKind.Node, nodeKey(id), nodeKey(id + 10));
            pass(replace(id, KeyKind.Node, nodeKey(id + 10)));
            expectAtExecution();
            emit ValidatorKeyReplaced(id, KeyKind.Consensus, consensusKey(id), consensusKey(id + 10));
            pass(replace(id, KeyKind.Consensus, consensusKey(id + 10)));
            same(governance.validator(id).nodeKey, nodeKey(id + 10), "node key");
            same(governance.validator(id).consensusKey, consensusKey(id + 10), "consensus key");
        }
        bytes memory used = abi.encodeWithSelector(KeyUsed.selector, nodeKey(1));
        fail(replace(1, KeyKind.Node, nodeKey(1)), used);
        fail(replace(1, KeyKind.Consensus, nodeKey(1)), used);
        bytes memory unknown = abi.encodeWithSelector(UnknownValidator.selector, 9);
        fail(replace(9, KeyKind.Node, nodeKey(99)), unknown);
    }

    function test_parameters() external {
        expectAtExecution();
        emit GasLimitChanged(40_000_000);
        pass(act(ActionKind.SetGasLimit, abi.encode(uint64(40_000_000))));
        same(governance.parameters().gasLimit, 40_000_000, "gas limit");
        expectAtExecution();
        emit FeesChanged(FeePolicy.Eip1559, 3 gwei);
        pass(act(ActionKind.SetFees, abi.encode(FeePolicy.Eip1559, uint64(3 gwei))));
        same(governance.parameters().baseFeeFloor, 3 gwei, "floor");
        same(uint256(governance.parameters().feePolicy), uint256(FeePolicy.Eip1559), "policy");
        expectAtExecution();
        emit FeesChanged(FeePolicy.Free, 0);
        pass(act(ActionKind.SetFees, abi.encode(FeePolicy.Free, uint64(0))));
        expectAtExecution();
        emit BlockIntervalChanged(0);
        pass(act(ActionKind.SetBlockInterval, abi.encode(uint32(0))));
        same(governance.parameters().minBlockIntervalMs, 0, "interval");
        expectAtExecution();
        emit ThresholdsChanged(66, 75);
        pass(act(ActionKind.SetThreshold, abi.encode(uint8(66), uint8(75))));
        same(governance.parameters().membershipThreshold, 66, "membership threshold");
        same(governance.parameters().parametersThreshold, 75, "parameters threshold");
        same(governance.revision(), 6, "revision");
    }

    function test_upgradeRules() external {
        expectAtExecution();
        emit RulesUpgradeScheduled(2, 100);
        pass(act(ActionKind.UpgradeRules, abi.encode(uint32(2), uint64(100))));
        checkRules(1, 2, 100);
        // Before it is reached, another replaces it.
        pass(act(ActionKind.UpgradeRules, abi.encode(uint32(3), uint64(50))));
        checkRules(1, 3, 50);
        vm.roll(49);
        checkRules(1, 3, 50);
        vm.roll(50);
        checkRules(3, 0, 0);
        bytes memory older = abi.encodeWithSelector(RulesNotNewer.selector, 3, 3);
        fail(act(ActionKind.UpgradeRules, abi.encode(uint32(3), uint64(60))), older);
        pass(act(ActionKind.UpgradeRules, abi.encode(uint32(4), uint64(60))));
        checkRules(3, 4, 60);
    }

    function test_upgradeWhoseHeightPassedFails() external {
        uint256 id = propose(1, act(ActionKind.UpgradeRules, abi.encode(uint32(2), uint64(100))));
        vote(2, id, true);
        vm.roll(100);
        vote(3, id, true);
        bytes memory past = abi.encodeWithSelector(HeightNotInFuture.selector, 100, 100);
        same(governance.proposal(id).failure, past, "failure");
    }

    function test_actionsTogetherReplaceTheOnlyValidator() external {
        found(1);
        Action[] memory swap = both(act(ActionKind.RemoveValidator, 1), addValidator(1, 2));
        pass(swap);
        same(governance.validatorSet()[0].nodeKey, nodeKey(2), "the other one");
        same(governance.revision(), 2, "one revision");
    }

    function test_parametersAndMembersChangeTogether() external {
        Action[] memory mixed = both(
            act(ActionKind.RemoveValidator, 2),
            act(ActionKind.SetGasLimit, abi.encode(uint64(40_000_000)))
        );
        bytes memory left;
        Validator[] memory set = governance.validatorSet();
        for (uint256 i = 0; i < 4; i++) {
            if (set[i].id == 2) continue;
            left = bytes.concat(left, set[i].nodeKey, set[i].consensusKey);
        }
        expectAtExecution();
        emit ValidatorSetChanged(keccak256(left), 3);
        pass(mixed);
        same(governance.parameters().gasLimit, 40_000_000, "gas limit");
    }

    function test_failingActionTakesBackThoseBeforeIt() external {
        Action[] memory actions = both(
            both(add(newMember(5, 1)), act(ActionKind.SetGasLimit, abi.encode(uint64(40_000_000)))),
            act(ActionKind.RemoveValidator, 77)
        );
        fail(actions, abi.encodeWithSelector(UnknownValidator.selector, 77));
        holds(!governance.usedKeys(nodeKey(5)), "the key is free");
        pass(add(newMember(5, 1)));
        same(governance.memberOf(account(5)), 5, "the id is free");
    }

    function test_somebodyStays() external {
        found(1);
        bytes memory noMember = abi.encodeWithSelector(NoActiveMember.selector);
        bytes memory noValidator = abi.encodeWithSelector(NoActiveValidator.selector);
        fail(act(ActionKind.SuspendMember, 1), noMember);
        fail(act(ActionKind.RemoveMember, 1), noMember);
        fail(act(ActionKind.SuspendValidator, 1), noValidator);
        fail(act(ActionKind.RemoveValidator, 1), noValidator);
        pass(add(newMember(2, 0)));
        fail(act(ActionKind.SuspendMember, 1), noValidator);
        fail(act(ActionKind.RemoveMember, 1), noValidator);
    }

    function test_capsHold() external {
        found(1);
        NewMember memory large = newMember(2, 0);
        large.validators = new NewValidator[](100);
        for (uint256 i = 0; i < 100; i++) large.validators[i] = newValidator(100 + i);
        fail(add(large), abi.encodeWithSelector(TooManyValidators.selector, 101));
        found(100);
        fail(add(newMember(101, 0)), abi.encodeWithSelector(TooManyMembers.selector, 101));
        fail(addValidator(1, 101), abi.encodeWithSelector(TooManyValidators.selector, 101));
        observe(1, 1);
        fail(promote(1, 1), abi.encodeWithSelector(TooManyValidators.selector, 101));
        pass(both(promote(1, 1), act(ActionKind.RemoveValidator, 99)));
        // At the cap, one can still replace another in either order.
        pass(both(addValidator(1, 101), act(ActionKind.RemoveValidator, 100)));
    }

    function test_onlyTheContractExecutes() external {
        Action[] memory actions = act(ActionKind.SetGasLimit, abi.encode(uint64(40_000_000)));
        vm.expectRevert(abi.encodeWithSelector(OnlySelf.selector, account(1)));
        vm.prank(account(1));
        governance.execute(actions);
        vm.expectRevert(abi.encodeWithSelector(OnlySelf.selector, address(this)));
        governance.execute(actions);
        // What eth_call can pretend, to try a proposal before it is made.
        vm.prank(address(governance));
        governance.execute(actions);
        same(governance.parameters().gasLimit, 40_000_000, "gas limit");
    }

    function checkRules(uint32 version, uint32 next, uint64 height) private view {
        Parameters memory parameters = governance.parameters();
        same(parameters.rulesVersion, version, "rules");
        same(parameters.nextRulesVersion, next, "next rules");
        same(parameters.nextRulesHeight, height, "height of the next rules");
    }
}
