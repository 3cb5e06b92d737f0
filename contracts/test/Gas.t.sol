// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Governance} from "../Governance.sol";
import "../governance/Types.sol";
import {Fixture} from "./Fixture.sol";

/// @dev With as many members and validators as there may be, the vote that decides fits into a
/// transaction (EIP-7825: 16,777,216 gas), by far.
contract GasTest is Fixture {
    event Gas(string what, uint256 gas);

    function setUp() public override {
        super.setUp();
        found(100);
    }

    /// @dev What a network of the usual size needs.
    function test_ofFourMembers() external {
        found(4);
        uint256 id = propose(1, act(ActionKind.SuspendValidator, 4));
        vote(2, id, true);
        measure("the vote of four members that suspends a validator", 3, id, 300_000);
        is_(governance.state(id), ProposalState.Approved);
    }

    function test_voteThatDecidesNothing() external {
        uint256 id = propose(1, act(ActionKind.SuspendValidator, 50));
        measure("a vote that decides nothing", 2, id, 1_000_000);
    }

    function test_voteThatSuspendsAValidator() external {
        decide("the vote that suspends a validator", act(ActionKind.SuspendValidator, 50), 2_500_000);
    }

    function test_voteThatRemovesAMember() external {
        decide("the vote that removes a member", act(ActionKind.RemoveMember, 1), 3_500_000);
    }

    function test_voteThatReplacesAValidator() external {
        Action[] memory swap = both(
            act(ActionKind.RemoveValidator, 50),
            act(ActionKind.AddValidator, abi.encode(uint32(1), newValidator(500)))
        );
        decide("the vote that replaces a validator", swap, 3_500_000);
    }

    function test_voteOnSixteenKeys() external {
        Action[] memory keys = new Action[](16);
        for (uint32 i = 0; i < 16; i++) {
            bytes memory arguments = abi.encode(i + 1, KeyKind.Node, nodeKey(i + 1_000));
            keys[i] = Action(ActionKind.ReplaceKey, arguments);
        }
        decide("the vote that replaces sixteen keys", keys, 10_000_000);
    }

    /// @dev The most that one member can leave to be cleared away: all nodes that there may be, with
    /// the longest texts.
    function test_voteThatRemovesTheLargestMember() external {
        NewMember[] memory all = new NewMember[](100);
        for (uint256 i = 0; i < 100; i++) all[i] = newMember(i + 1, i == 0 ? 1 : 0);
        all[99].validators = new NewValidator[](99);
        all[99].observers = new NewObserver[](100);
        string memory longest = string(new bytes(256));
        for (uint256 i = 0; i < 99; i++) {
            all[99].validators[i] = newValidator(1_000 + i);
            all[99].validators[i].name = string(new bytes(64));
            all[99].validators[i].endpoint = longest;
        }
        for (uint256 i = 0; i < 100; i++) {
            all[99].observers[i] = newObserver(i);
            all[99].observers[i].endpoint = longest;
        }
        governance = new Governance(settings(), all, new Grant[](0));
        decide("the vote that removes the largest member", act(ActionKind.RemoveMember, 100), 12_000_000);
    }

    function decide(string memory what, Action[] memory actions, uint256 most) private {
        uint256 id = propose(1, actions);
        for (uint256 i = 2; i <= 50; i++) vote(i, id, true);
        is_(governance.state(id), ProposalState.InProgress);
        measure(what, 51, id, most);
        is_(governance.state(id), ProposalState.Approved);
    }

    function measure(string memory what, uint256 member, uint256 id, uint256 most) private {
        vm.cool(address(governance));
        vm.prank(account(member));
        uint256 start = gasleft();
        governance.vote(id, true);
        uint256 gas = start - gasleft();
        emit Gas(what, gas);
        holds(gas < most, what);
    }
}
