// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Governance} from "../Governance.sol";
import "../governance/Types.sol";
import {Assertions, Log} from "./Vm.sol";

/// @dev A network of members 1, 2, … with one validator each, whose ids are the same, and what a
/// test does with it.
abstract contract Fixture is Assertions {
    uint256 internal constant START = 1_700_000_000;
    address internal constant OUTSIDER = address(0xBAD);

    Governance internal governance;
    bool private expecting;

    function setUp() public virtual {
        vm.warp(START);
        vm.roll(1);
        found(4);
    }

    /// @dev Begins anew with so many members.
    function found(uint256 count) internal {
        NewMember[] memory all = new NewMember[](count);
        for (uint256 i = 0; i < count; i++) all[i] = newMember(i + 1, 1);
        governance = new Governance(settings(), all, new Grant[](0));
    }

    function settings() internal pure returns (Settings memory) {
        return Settings({
            gasLimit: 30_000_000,
            feePolicy: FeePolicy.Free,
            baseFeeFloor: 0,
            minBlockIntervalMs: 100,
            proposalLifetime: 7 days,
            membershipThreshold: 50,
            parametersThreshold: 50,
            rulesVersion: 1,
            sendersPermissioned: false,
            deployersPermissioned: false
        });
    }

    function account(uint256 n) internal pure returns (address) {
        return address(uint160(0xA000000 + n));
    }

    /// @dev Keys whose order is not that of their numbers.
    function nodeKey(uint256 n) internal pure returns (bytes32) {
        return keccak256(abi.encode("node", n));
    }

    function consensusKey(uint256 n) internal pure returns (bytes32) {
        return keccak256(abi.encode("consensus", n));
    }

    function label(string memory prefix, uint256 n) internal pure returns (string memory) {
        return string.concat(prefix, vm.toString(n));
    }

    function newValidator(uint256 n) internal pure returns (NewValidator memory) {
        return NewValidator({
            name: label("validator-", n),
            nodeKey: nodeKey(n),
            consensusKey: consensusKey(n),
            account: address(uint160(0xC000000 + n)),
            endpoint: label("host:", n)
        });
    }

    function newMember(uint256 n, uint256 validators) internal pure returns (NewMember memory new_) {
        new_.organization = label("organization-", n);
        new_.endpoint = label("https://member-", n);
        new_.account = account(n);
        new_.validators = new NewValidator[](validators);
        for (uint256 i = 0; i < validators; i++) new_.validators[i] = newValidator(n + 1_000 * i);
    }

    function newObserver(uint256 n) internal pure returns (NewObserver memory) {
        return NewObserver(keccak256(abi.encode("observer", n)), label("observer:", n));
    }

    function act(ActionKind kind, bytes memory arguments) internal pure returns (Action[] memory all) {
        all = new Action[](1);
        all[0] = Action(kind, arguments);
    }

    function act(ActionKind kind, uint32 id) internal pure returns (Action[] memory) {
        return act(kind, abi.encode(id));
    }

    function both(Action[] memory first, Action[] memory second)
        internal
        pure
        returns (Action[] memory all)
    {
        all = new Action[](first.length + second.length);
        for (uint256 i = 0; i < first.length; i++) all[i] = first[i];
        for (uint256 i = 0; i < second.length; i++) all[first.length + i] = second[i];
    }

    function add(NewMember memory new_) internal pure returns (Action[] memory) {
        return act(ActionKind.AddMember, abi.encode(new_));
    }

    function addValidator(uint32 member, uint256 n) internal pure returns (Action[] memory) {
        return act(ActionKind.AddValidator, abi.encode(member, newValidator(n)));
    }

    function replace(uint32 id, KeyKind kind, bytes32 key) internal pure returns (Action[] memory) {
        return act(ActionKind.ReplaceKey, abi.encode(id, kind, key));
    }

    /// @dev The member adds an observer.
    function observe(uint256 member, uint256 n) internal returns (bytes32 key) {
        key = newObserver(n).nodeKey;
        vm.prank(account(member));
        governance.addObserver(key, "");
    }

    /// @dev A validator that has an observer's node key.
    function promote(uint32 member, uint256 observer) internal pure returns (Action[] memory) {
        NewValidator memory new_ = newValidator(1_000 + observer);
        new_.nodeKey = newObserver(observer).nodeKey;
        return act(ActionKind.AddValidator, abi.encode(member, new_));
    }

    function propose(uint256 member, Action[] memory actions) internal returns (uint256) {
        vm.prank(account(member));
        return governance.propose(actions, false, "because");
    }

    function vote(uint256 member, uint256 id, bool support) internal {
        vm.prank(account(member));
        governance.vote(id, support);
    }

    /// @dev Member 1 proposes, and the others vote for it as long as it is in progress.
    function carry(Action[] memory actions) internal returns (uint256 id) {
        id = propose(1, actions);
        Member[] memory all = governance.members();
        for (uint256 i = 0; i < all.length; i++) {
            if (governance.state(id) != ProposalState.InProgress) break;
            if (all[i].account == account(1) || all[i].state != MemberState.Active) continue;
            vm.prank(all[i].account);
            governance.vote(id, true);
        }
    }

    /// @dev The event that the test emits next must be among those of the actions that pass then.
    function expectAtExecution() internal {
        vm.recordLogs();
        expecting = true;
    }

    /// @dev Carries the actions, which must take effect.
    function pass(Action[] memory actions) internal returns (uint256 id) {
        id = carry(actions);
        if (expecting) checkLogs();
        Proposal memory proposal = governance.proposal(id);
        same(proposal.failure, "", "failure");
        is_(proposal.state, ProposalState.Approved);
        checkSet();
    }

    /// @dev Carries the actions, which must fail for this reason and change nothing.
    function fail(Action[] memory actions, bytes memory failure) internal returns (uint256 id) {
        bytes memory before = everything();
        id = carry(actions);
        Proposal memory proposal = governance.proposal(id);
        is_(proposal.state, ProposalState.ActionFailed);
        same(proposal.failure, failure, "failure");
        same(everything(), before, "what a failed action left");
    }

    /// @dev The proposal must be refused for this reason.
    function refuse(Action[] memory actions, bytes memory reason) internal {
        vm.expectRevert(reason);
        vm.prank(account(1));
        governance.propose(actions, false, "");
    }

    function is_(ProposalState found_, ProposalState expected) internal pure {
        same(uint256(found_), uint256(expected), "state of the proposal");
    }

    function everything() internal view returns (bytes memory) {
        return abi.encode(
            governance.validatorSetHash(),
            governance.members(),
            governance.validators(),
            governance.observers(),
            governance.parameters(),
            governance.permitted(0, type(uint256).max)
        );
    }

    function slot(uint256 number) internal view returns (uint256) {
        return uint256(vm.load(address(governance), bytes32(number)));
    }

    /// @dev Slot 0 is what the test makes of the members and validators by itself.
    function checkSet() internal view {
        Validator[] memory all = governance.validators();
        Validator[] memory set = governance.validatorSet();
        bytes memory packed;
        bytes32 previous = 0;
        uint256 count = 0;
        // Each round takes the least node key above the last one.
        while (true) {
            uint256 least = all.length;
            for (uint256 i = 0; i < all.length; i++) {
                if (all[i].nodeKey <= previous || !counts(all[i])) continue;
                if (least == all.length || all[i].nodeKey < all[least].nodeKey) least = i;
            }
            if (least == all.length) break;
            previous = all[least].nodeKey;
            packed = bytes.concat(packed, previous, all[least].consensusKey);
            same(abi.encode(set[count++]), abi.encode(all[least]), "in the set");
        }
        holds(count > 0, "an active validator");
        same(set.length, count, "size of the set");
        same(bytes32(slot(0)), keccak256(packed), "hash of the set");
        same(governance.validatorSetHash(), keccak256(packed), "the set's hash as it is told");
    }

    function checkLogs() private {
        expecting = false;
        Log[] memory logs = vm.getRecordedLogs();
        same(logs[0].emitter, address(this), "emitter of the expected event");
        bool found_ = false;
        for (uint256 i = 1; i < logs.length; i++) {
            bytes memory log = abi.encode(logs[i].topics, logs[i].data);
            if (logs[i].emitter != address(governance)) continue;
            if (keccak256(log) == keccak256(abi.encode(logs[0].topics, logs[0].data))) found_ = true;
        }
        holds(found_, "the event");
    }

    function counts(Validator memory validator) private view returns (bool) {
        bool active = validator.state == ValidatorState.Active
            && governance.member(validator.member).state == MemberState.Active;
        same(validator.active ? 1 : 0, active ? 1 : 0, "active");
        return active;
    }
}
