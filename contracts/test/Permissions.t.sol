// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import "../governance/Events.sol";
import "../governance/Types.sol";
import {Fixture} from "./Fixture.sol";

/// @dev Who may send and deploy.
contract PermissionsTest is Fixture {
    function test_everybodyMayWithoutSwitches() external view {
        check(OUTSIDER, true, true);
        check(account(1), true, true);
        same(governance.permissionsOf(OUTSIDER), 0, "permissions");
    }

    function test_senders() external {
        permission(true, false);
        check(OUTSIDER, false, false);
        pass(act(ActionKind.Allow, abi.encode(OUTSIDER, SEND)));
        check(OUTSIDER, true, true);
        pass(act(ActionKind.Deny, abi.encode(OUTSIDER, SEND)));
        check(OUTSIDER, false, false);
        pass(act(ActionKind.Allow, abi.encode(OUTSIDER, DEPLOY)));
        check(OUTSIDER, false, false);
    }

    function test_deployers() external {
        permission(false, true);
        check(OUTSIDER, true, false);
        pass(act(ActionKind.Allow, abi.encode(OUTSIDER, DEPLOY)));
        check(OUTSIDER, true, true);
        pass(act(ActionKind.Deny, abi.encode(OUTSIDER, SEND | DEPLOY)));
        check(OUTSIDER, true, false);
    }

    function test_both() external {
        permission(true, true);
        check(OUTSIDER, false, false);
        pass(act(ActionKind.Allow, abi.encode(OUTSIDER, SEND)));
        check(OUTSIDER, true, false);
        expectAtExecution();
        emit PermissionsChanged(OUTSIDER, SEND | DEPLOY);
        pass(act(ActionKind.Allow, abi.encode(OUTSIDER, DEPLOY)));
        check(OUTSIDER, true, true);
        holds(governance.isAllowed(OUTSIDER, SEND | DEPLOY), "both");
        expectAtExecution();
        emit PermissionsChanged(OUTSIDER, DEPLOY);
        pass(act(ActionKind.Deny, abi.encode(OUTSIDER, SEND)));
        holds(governance.isAllowed(OUTSIDER, DEPLOY), "deploy");
        check(OUTSIDER, false, false);
        permission(false, false);
        check(OUTSIDER, true, true);
    }

    /// @dev So that no vote locks out those who could take it back; suspended members too, who may
    /// become active again.
    function test_membersReachTheContractAlways() external {
        permission(true, true);
        pass(act(ActionKind.SuspendMember, 2));
        for (uint256 i = 1; i <= 2; i++) {
            holds(governance.maySend(account(i), address(governance)), "to the contract");
            holds(!governance.maySend(account(i), OUTSIDER), "to another");
        }
        holds(!governance.maySend(OUTSIDER, address(governance)), "no member");
        pass(act(ActionKind.RemoveMember, 2));
        holds(!governance.maySend(account(2), address(governance)), "no member any more");
    }

    function test_listOfThePermitted() external {
        for (uint160 i = 1; i <= 5; i++) {
            pass(act(ActionKind.Allow, abi.encode(address(i), uint8(i % 3 + 1))));
        }
        pass(act(ActionKind.Allow, abi.encode(address(2), SEND)));
        same(governance.permittedCount(), 5, "count");
        same(governance.permitted(0, 100).length, 5, "all");
        same(governance.permitted(5, 1).length, 0, "behind the last");
        same(governance.permitted(3, type(uint256).max).length, 2, "the last two");
        Grant memory second = governance.permitted(1, 1)[0];
        same(second.account, address(2), "second");
        same(second.permissions, 3, "its permissions");
        pass(act(ActionKind.Deny, abi.encode(address(1), uint8(3))));
        same(governance.permitted(0, 1)[0].account, address(5), "the last took its place");
        pass(act(ActionKind.Deny, abi.encode(address(5), uint8(3))));
        same(governance.permitted(0, 1)[0].account, address(4), "and again");
        pass(act(ActionKind.Deny, abi.encode(address(1), uint8(3))));
        same(governance.permittedCount(), 3, "count");
        pass(act(ActionKind.Deny, abi.encode(address(3), uint8(3))));
        same(governance.permittedCount(), 2, "count");
        pass(act(ActionKind.Allow, abi.encode(address(1), uint8(3))));
        same(governance.permitted(2, 1)[0].account, address(1), "it is back");
    }

    /// @dev The list has each account with a permission once, and no other.
    function testFuzz_listAndPermissionsAgree(uint256 seed) external {
        uint8[8] memory expected;
        for (uint256 i = 0; i < 40; i++) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 who = seed % 8;
            uint8 bits = uint8(seed >> 8) % 3 + 1;
            bool allow = seed >> 16 & 1 == 1;
            expected[who] = allow ? expected[who] | bits : expected[who] & ~bits;
            vm.prank(address(governance));
            governance.execute(
                act(
                    allow ? ActionKind.Allow : ActionKind.Deny,
                    abi.encode(address(uint160(who + 1)), bits)
                )
            );
        }
        Grant[] memory list = governance.permitted(0, 100);
        uint256 count = 0;
        for (uint256 who = 0; who < 8; who++) {
            address each = address(uint160(who + 1));
            same(governance.permissionsOf(each), expected[who], "permissions");
            if (expected[who] == 0) continue;
            count++;
            uint256 times = 0;
            for (uint256 i = 0; i < list.length; i++) {
                if (list[i].account != each) continue;
                same(list[i].permissions, expected[who], "permissions in the list");
                times++;
            }
            same(times, 1, "times in the list");
        }
        same(list.length, count, "length of the list");
    }

    function permission(bool senders, bool deployers) private {
        expectAtExecution();
        emit PermissioningChanged(senders, deployers);
        pass(act(ActionKind.SetPermissioning, abi.encode(senders, deployers)));
        holds(governance.parameters().sendersPermissioned == senders, "senders");
        holds(governance.parameters().deployersPermissioned == deployers, "deployers");
    }

    function check(address who, bool sends, bool deploys) private view {
        holds(governance.maySend(who, address(1)) == sends, "sends");
        holds(governance.isAllowed(who, SEND) == sends, "is allowed to send");
        holds(governance.mayDeploy(who) == deploys, "deploys");
    }
}
