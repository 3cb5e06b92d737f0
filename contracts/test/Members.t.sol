// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import "../governance/Errors.sol";
import "../governance/Events.sol";
import "../governance/Types.sol";
import {Fixture} from "./Fixture.sol";

/// @dev What a member changes of its own without a vote, and what it can't.
contract MembersTest is Fixture {
    function test_endpoint() external {
        expectFrom(2);
        emit MemberEndpointChanged(2, "https://elsewhere");
        governance.setMemberEndpoint("https://elsewhere");
        same(governance.member(2).endpoint, "https://elsewhere", "endpoint");
        same(governance.revision(), 2, "revision");
        expectTooLong(2);
        governance.setMemberEndpoint(long());
    }

    function test_account() external {
        expectFrom(2);
        emit MemberAccountChanged(2, account(2), account(20));
        governance.setMemberAccount(account(20));
        same(governance.memberOf(account(2)), 0, "the former account");
        same(governance.memberOf(account(20)), 2, "the new account");
        same(governance.member(2).account, account(20), "account");
        same(governance.revision(), 2, "revision");

        // A vote by one account is the member's: there is none by the other.
        uint256 id = propose(20, act(ActionKind.SetGasLimit, abi.encode(uint64(40_000_000))));
        vm.prank(account(20));
        governance.setMemberAccount(account(21));
        vm.expectRevert(abi.encodeWithSelector(AlreadyVoted.selector, id, 2));
        vote(21, id, true);
        vm.expectRevert(abi.encodeWithSelector(NotAMember.selector, account(20)));
        vote(20, id, true);

        vm.startPrank(account(21));
        vm.expectRevert(abi.encodeWithSelector(AccountIsMember.selector, account(1), 1));
        governance.setMemberAccount(account(1));
        vm.expectRevert(abi.encodeWithSelector(AccountIsMember.selector, account(21), 2));
        governance.setMemberAccount(account(21));
        vm.expectRevert(abi.encodeWithSelector(ZeroAccount.selector));
        governance.setMemberAccount(address(0));
        vm.stopPrank();
        pass(act(ActionKind.RemoveMember, 2));
        same(governance.memberOf(account(21)), 0, "after the removal");
    }

    function test_validators() external {
        expectFrom(2);
        emit ValidatorEndpointChanged(2, "elsewhere:1");
        governance.setValidatorEndpoint(2, "elsewhere:1");
        same(governance.validator(2).endpoint, "elsewhere:1", "endpoint");
        expectFrom(2);
        emit ValidatorAccountChanged(2, address(0));
        governance.setValidatorAccount(2, address(0));
        same(governance.validator(2).account, address(0), "account");
        same(governance.revision(), 3, "revision");
        checkSet();
        expectTooLong(2);
        governance.setValidatorEndpoint(2, long());

        bytes memory foreign = abi.encodeWithSelector(ValidatorOfAnother.selector, 2, 2);
        vm.startPrank(account(1));
        vm.expectRevert(foreign);
        governance.setValidatorEndpoint(2, "");
        vm.expectRevert(foreign);
        governance.setValidatorAccount(2, OUTSIDER);
        vm.expectRevert(abi.encodeWithSelector(UnknownValidator.selector, 9));
        governance.setValidatorEndpoint(9, "");
        vm.expectRevert(abi.encodeWithSelector(UnknownValidator.selector, 9));
        governance.setValidatorAccount(9, OUTSIDER);
    }

    function test_observers() external {
        bytes32 key = newObserver(1).nodeKey;
        expectFrom(2);
        emit ObserverAdded(2, key, "observer:1");
        governance.addObserver(key, "observer:1");
        same(
            abi.encode(governance.observers()[0]),
            abi.encode(Observer(key, 2, true, "observer:1")),
            "observer"
        );
        expectFrom(2);
        emit ObserverEndpointChanged(key, "observer:2");
        governance.setObserverEndpoint(key, "observer:2");
        same(governance.observers()[0].endpoint, "observer:2", "endpoint");
        same(governance.revision(), 3, "revision");
        expectTooLong(2);
        governance.setObserverEndpoint(key, long());

        bytes memory foreign = abi.encodeWithSelector(ObserverOfAnother.selector, key, 2);
        vm.startPrank(account(1));
        vm.expectRevert(foreign);
        governance.setObserverEndpoint(key, "");
        vm.expectRevert(foreign);
        governance.removeObserver(key);
        vm.stopPrank();

        expectFrom(2);
        emit ObserverRemoved(2, key);
        governance.removeObserver(key);
        same(governance.observers().length, 0, "observers");
        same(governance.revision(), 4, "revision");
        vm.startPrank(account(2));
        bytes memory unknown = abi.encodeWithSelector(UnknownObserver.selector, key);
        vm.expectRevert(unknown);
        governance.removeObserver(key);
        vm.expectRevert(unknown);
        governance.setObserverEndpoint(key, "");
        checkSet();
    }

    function test_refusesObservers() external {
        vm.startPrank(account(2));
        vm.expectRevert(abi.encodeWithSelector(ZeroKey.selector));
        governance.addObserver(0, "");
        vm.expectRevert(abi.encodeWithSelector(KeyUsed.selector, nodeKey(1)));
        governance.addObserver(nodeKey(1), "");
        vm.expectRevert(abi.encodeWithSelector(KeyUsed.selector, consensusKey(1)));
        governance.addObserver(consensusKey(1), "");
        vm.expectRevert(abi.encodeWithSelector(EndpointLength.selector, 257));
        governance.addObserver(newObserver(1).nodeKey, long());
    }

    function test_outsidersAndSuspendedMembersChangeNothing() external {
        bytes32 key = newObserver(1).nodeKey;
        vm.prank(account(2));
        governance.addObserver(key, "");
        refuseAll(OUTSIDER, key, abi.encodeWithSelector(NotAMember.selector, OUTSIDER));
        pass(act(ActionKind.SuspendMember, 2));
        refuseAll(account(2), key, abi.encodeWithSelector(MemberNotActive.selector, 2));
        pass(act(ActionKind.RemoveMember, 2));
        refuseAll(account(2), key, abi.encodeWithSelector(NotAMember.selector, account(2)));
    }

    function test_unknownOnes() external {
        vm.expectRevert(abi.encodeWithSelector(UnknownMember.selector, 0));
        governance.member(0);
        vm.expectRevert(abi.encodeWithSelector(UnknownMember.selector, 5));
        governance.member(5);
        vm.expectRevert(abi.encodeWithSelector(UnknownValidator.selector, 0));
        governance.validator(0);
        pass(act(ActionKind.RemoveMember, 2));
        vm.expectRevert(abi.encodeWithSelector(NotAMember.selector, account(2)));
        vm.prank(account(2));
        governance.setValidatorEndpoint(2, "");
        pass(act(ActionKind.RemoveValidator, 3));
        vm.expectRevert(abi.encodeWithSelector(UnknownValidator.selector, 3));
        vm.prank(account(3));
        governance.setValidatorEndpoint(3, "");
    }

    function refuseAll(address who, bytes32 key, bytes memory reason) private {
        vm.startPrank(who);
        vm.expectRevert(reason);
        governance.setMemberEndpoint("");
        vm.expectRevert(reason);
        governance.setMemberAccount(address(1));
        vm.expectRevert(reason);
        governance.setValidatorEndpoint(2, "");
        vm.expectRevert(reason);
        governance.setValidatorAccount(2, address(1));
        vm.expectRevert(reason);
        governance.addObserver(newObserver(9).nodeKey, "");
        vm.expectRevert(reason);
        governance.removeObserver(key);
        vm.expectRevert(reason);
        governance.setObserverEndpoint(key, "");
        vm.stopPrank();
    }

    function expectFrom(uint256 member) private {
        vm.expectEmit(address(governance));
        vm.prank(account(member));
    }

    function expectTooLong(uint256 member) private {
        vm.expectRevert(abi.encodeWithSelector(EndpointLength.selector, 257));
        vm.prank(account(member));
    }

    function long() private pure returns (string memory) {
        return string(new bytes(257));
    }
}
