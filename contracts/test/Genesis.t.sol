// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Governance} from "../Governance.sol";
import "../governance/Errors.sol";
import "../governance/Types.sol";
import {Fixture} from "./Fixture.sol";

/// @dev What the constructor leaves, and refuses.
contract GenesisTest is Fixture {
    function test_holdsWhatItWasGiven() external view {
        checkSet();
        same(governance.revision(), 1, "revision");
        same(governance.members().length, 4, "members");
        for (uint32 id = 1; id <= 4; id++) {
            Member memory member = Member(
                id,
                MemberState.Active,
                account(id),
                newMember(id, 0).organization,
                newMember(id, 0).endpoint
            );
            same(abi.encode(governance.members()[id - 1]), abi.encode(member), "member in the list");
            same(abi.encode(governance.member(id)), abi.encode(member), "member");
            same(governance.memberOf(account(id)), id, "member of the account");
            NewValidator memory new_ = newValidator(id);
            Validator memory validator = Validator(
                id,
                id,
                ValidatorState.Active,
                true,
                new_.name,
                new_.nodeKey,
                new_.consensusKey,
                new_.account,
                new_.endpoint
            );
            same(abi.encode(governance.validator(id)), abi.encode(validator), "validator");
            holds(governance.usedKeys(new_.nodeKey), "the node key is used");
            holds(governance.usedKeys(new_.consensusKey), "the consensus key is used");
        }
        Parameters memory parameters = Parameters(
            1, 30_000_000, FeePolicy.Free, 0, 100, 7 days, 50, 50, false, false, 1, 0, 0
        );
        same(abi.encode(governance.parameters()), abi.encode(parameters), "parameters");
    }

    function test_takesObserversAndGrants() external {
        NewMember[] memory all = new NewMember[](1);
        all[0] = newMember(1, 2);
        all[0].observers = new NewObserver[](1);
        all[0].observers[0] = newObserver(1);
        Grant[] memory grants = new Grant[](2);
        grants[0] = Grant(OUTSIDER, SEND);
        grants[1] = Grant(address(7), SEND | DEPLOY);
        Settings memory with = settings();
        with.sendersPermissioned = true;
        with.deployersPermissioned = true;
        with.feePolicy = FeePolicy.Eip1559;
        with.baseFeeFloor = 7 gwei;
        governance = new Governance(with, all, grants);
        checkSet();
        Observer memory observer = Observer(newObserver(1).nodeKey, 1, true, "observer:1");
        same(abi.encode(governance.observers()[0]), abi.encode(observer), "observer");
        same(abi.encode(governance.permitted(0, 9)), abi.encode(grants), "grants");
        holds(governance.maySend(OUTSIDER, address(1)), "sends");
        holds(!governance.mayDeploy(OUTSIDER), "does not deploy");
        same(governance.parameters().baseFeeFloor, 7 gwei, "floor");
    }

    /// @dev The vector that docs/protocol/governance.md has, computed by another program.
    function test_hashOfTheSet() external {
        NewMember[] memory all = new NewMember[](1);
        all[0] = newMember(1, 2);
        all[0].validators[0].nodeKey = pattern(3);
        all[0].validators[0].consensusKey = pattern(4);
        all[0].validators[1].nodeKey = pattern(1);
        all[0].validators[1].consensusKey = pattern(2);
        governance = new Governance(settings(), all, new Grant[](0));
        same(bytes32(slot(0)), 0x3fdc9032c16d440f6c96be209c36d3d0e1aed61a2531490fe0ca475eb615c40a, "hash");
    }

    function pattern(uint8 each) private pure returns (bytes32 key) {
        for (uint256 i = 0; i < 32; i++) key = key << 8 | bytes32(uint256(each));
    }

    /// @dev Nodes and proofs read these by their number.
    function test_storageIsWhereNodesReadIt() external {
        Settings memory with = settings();
        with.feePolicy = FeePolicy.Eip1559;
        with.baseFeeFloor = 5;
        with.membershipThreshold = 66;
        with.deployersPermissioned = true;
        Grant[] memory grants = new Grant[](1);
        grants[0] = Grant(OUTSIDER, DEPLOY);
        NewMember[] memory all = new NewMember[](1);
        all[0] = newMember(1, 1);
        governance = new Governance(with, all, grants);
        same(slot(0), uint256(keccak256(bytes.concat(nodeKey(1), consensusKey(1)))), "slot 0");
        same(slot(1), 1 | uint256(DEPLOY) << 64, "slot 1");
        same(slot(uint256(keccak256(abi.encode(OUTSIDER, 2)))) & 0xff, DEPLOY, "slot 2: permissions");
        same(slot(uint256(keccak256(abi.encode(account(1), 3)))), 1, "slot 3: members by account");
        uint256 packed = 30_000_000 | 5 << 64 | 100 << 128 | 7 days << 160 | 1 << 192 | 66 << 200
            | 50 << 208;
        same(slot(4), packed, "slot 4");
        same(slot(5), 1, "slot 5");
        pass(act(ActionKind.UpgradeRules, abi.encode(uint32(3), uint64(1_000))));
        same(slot(5), 1 | 3 << 32 | 1_000 << 64, "slot 5 with the next rules");
        same(slot(1), 2 | uint256(DEPLOY) << 64, "slot 1 after a change");
    }

    function test_takesNoEther() external {
        vm.deal(address(this), 1 ether);
        (bool done,) = address(governance).call{value: 1}("");
        holds(!done, "a transfer");
        (done,) = address(governance).call{value: 1}(abi.encodeCall(governance.settle, (1)));
        holds(!done, "a call with value");
        (done,) = address(governance).call(hex"12345678");
        holds(!done, "an unknown function");
    }

    function test_refusesSettings() external {
        Settings memory with = settings();
        with.gasLimit = 999_999;
        refuseSettings(with, abi.encodeWithSelector(GasLimitOutOfBounds.selector, 999_999));
        with = settings();
        with.baseFeeFloor = 1;
        refuseSettings(with, abi.encodeWithSelector(BaseFeeFloorOutOfBounds.selector, 1));
        with = settings();
        with.minBlockIntervalMs = 600_001;
        refuseSettings(with, abi.encodeWithSelector(BlockIntervalOutOfBounds.selector, 600_001));
        with = settings();
        with.proposalLifetime = 0;
        refuseSettings(with, abi.encodeWithSelector(ProposalLifetimeOutOfBounds.selector, 0));
        with.proposalLifetime = 365 days + 1;
        refuseSettings(with, abi.encodeWithSelector(ProposalLifetimeOutOfBounds.selector, 365 days + 1));
        with = settings();
        with.membershipThreshold = 49;
        refuseSettings(with, abi.encodeWithSelector(ThresholdOutOfBounds.selector, 49));
        with = settings();
        with.parametersThreshold = 100;
        refuseSettings(with, abi.encodeWithSelector(ThresholdOutOfBounds.selector, 100));
    }

    function test_refusesGrants() external {
        Grant[] memory grants = new Grant[](1);
        grants[0] = Grant(OUTSIDER, 4);
        vm.expectRevert(abi.encodeWithSelector(UnknownPermissions.selector, 4));
        new Governance(settings(), new NewMember[](0), grants);
    }

    function test_refusesMembers() external {
        refuseMembers(new NewMember[](0), abi.encodeWithSelector(NoActiveMember.selector));
        NewMember[] memory all = new NewMember[](1);
        all[0] = newMember(1, 0);
        refuseMembers(all, abi.encodeWithSelector(NoActiveValidator.selector));
        all[0] = newMember(1, 1);
        all[0].organization = "";
        refuseMembers(all, abi.encodeWithSelector(OrganizationLength.selector, 0));
        all[0] = newMember(1, 101);
        refuseMembers(all, abi.encodeWithSelector(TooManyValidators.selector, 101));
        all = new NewMember[](101);
        for (uint256 i = 0; i < all.length; i++) all[i] = newMember(i, i == 0 ? 1 : 0);
        refuseMembers(all, abi.encodeWithSelector(TooManyMembers.selector, 101));
    }

    function refuseSettings(Settings memory with, bytes memory reason) private {
        vm.expectRevert(reason);
        new Governance(with, new NewMember[](0), new Grant[](0));
    }

    function refuseMembers(NewMember[] memory all, bytes memory reason) private {
        vm.expectRevert(reason);
        new Governance(settings(), all, new Grant[](0));
    }
}
