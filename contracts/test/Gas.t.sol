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

    /// @dev With as many observers as there may be, sixteen become validators, with the longest texts;
    /// others were registered with their consensus keys.
    function test_voteThatPromotesSixteenObservers() external {
        NewMember[] memory all = crowded(84);
        for (uint256 i = 0; i < 16; i++) all[1].observers[i].nodeKey = consensusKey(1_000 + i);
        governance = new Governance(settings(), all, new Grant[](0));
        Action[] memory promotions = new Action[](16);
        for (uint256 i = 0; i < 16; i++) {
            NewValidator memory new_ = newValidator(1_000 + i);
            new_.name = text(64);
            new_.nodeKey = newObserver(i).nodeKey;
            new_.endpoint = text(256);
            promotions[i] = Action(ActionKind.AddValidator, abi.encode(uint32(1), new_));
        }
        decide("the vote that makes sixteen observers validators", promotions, 14_000_000);
    }

    /// @dev What its sixteen observers add to a member: the others' don't matter.
    function test_voteThatRemovesAMemberWithSixteenObservers() external {
        governance = new Governance(settings(), crowded(100), new Grant[](0));
        Action[] memory removal = act(ActionKind.RemoveMember, 100);
        decide("the vote that removes a member with 16 of 1,600 observers", removal, 3_500_000);
    }

    function test_anObserverAmongSixteenHundred() external {
        governance = new Governance(settings(), crowded(100), new Grant[](0));
        bytes32 key = newObserver(1_590).nodeKey;
        vm.startPrank(account(100));
        vm.cool(address(governance));
        uint256 start = gasleft();
        governance.removeObserver(key);
        told("removing one of 1,600 observers", start - gasleft(), 150_000);
        string memory longest = text(256);
        vm.cool(address(governance));
        start = gasleft();
        governance.addObserver(key, longest);
        told("adding the last of 1,600 observers", start - gasleft(), 350_000);
        vm.stopPrank();
        same(governance.observers().length, 1_600, "observers");
    }

    /// @dev Nodes and platforms read them in one call, for which a node's JSON-RPC has 50,000,000 gas.
    function test_readingSixteenHundredObservers() external {
        governance = new Governance(settings(), crowded(100), new Grant[](0));
        vm.cool(address(governance));
        bytes memory call = abi.encodeCall(governance.observers, ());
        uint256 start = gasleft();
        (bool done,) = address(governance).staticcall(call);
        told("reading 1,600 observers", start - gasleft(), 50_000_000);
        holds(done, "an answer");
    }

    /// @dev The most that one member can leave to be cleared away: all nodes that there may be, with
    /// the longest texts.
    function test_voteThatRemovesTheLargestMember() external {
        NewMember[] memory all = crowded(1);
        all[99].validators = new NewValidator[](99);
        string memory longest = text(256);
        for (uint256 i = 0; i < 99; i++) {
            all[99].validators[i] = newValidator(1_000 + i);
            all[99].validators[i].name = text(64);
            all[99].validators[i].endpoint = longest;
        }
        governance = new Governance(settings(), all, new Grant[](0));
        decide("the vote that removes the largest member", act(ActionKind.RemoveMember, 100), 14_000_000);
    }

    /// @dev A hundred members with all observers that there may be, whose endpoints are the longest;
    /// so many of them have a validator.
    function crowded(uint256 validators) private pure returns (NewMember[] memory all) {
        all = new NewMember[](100);
        string memory longest = text(256);
        for (uint256 i = 0; i < 100; i++) {
            all[i] = newMember(i + 1, i < validators ? 1 : 0);
            all[i].observers = new NewObserver[](16);
            for (uint256 j = 0; j < 16; j++) {
                all[i].observers[j] = newObserver(16 * i + j);
                all[i].observers[j].endpoint = longest;
            }
        }
    }

    /// @dev Without a word of zeros, which would cost nothing to write or clear.
    function text(uint256 length) private pure returns (string memory) {
        bytes memory letters = new bytes(length);
        for (uint256 i = 0; i < length; i++) letters[i] = "x";
        return string(letters);
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
        told(what, start - gasleft(), most);
    }

    function told(string memory what, uint256 gas, uint256 most) private {
        emit Gas(what, gas);
        holds(gas < most, what);
    }
}
