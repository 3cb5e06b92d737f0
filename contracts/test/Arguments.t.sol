// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import "../governance/Errors.sol";
import "../governance/Types.sol";
import {Fixture} from "./Fixture.sol";

/// @dev What is refused when it is proposed, since it could never be executed.
contract ArgumentsTest is Fixture {
    uint8 private constant KINDS = 17;

    function test_everyKindRefusesOtherBytes() external {
        for (uint8 kind = 0; kind < KINDS; kind++) {
            bytes memory good = argumentsOf(ActionKind(kind));
            vm.prank(account(1));
            governance.checkAction(Action(ActionKind(kind), good));
            malformed(ActionKind(kind), "");
            malformed(ActionKind(kind), bytes.concat(good, bytes32(0)));
            malformed(ActionKind(kind), bytes.concat(good, hex"00"));
            malformed(ActionKind(kind), cut(good));
        }
    }

    /// @dev A value wider than its type, in the last or the only word.
    function test_wideValuesAreRefused() external {
        bytes32 wide = bytes32(type(uint256).max);
        ActionKind[7] memory ofOne = [
            ActionKind.SuspendMember,
            ActionKind.ResumeMember,
            ActionKind.RemoveMember,
            ActionKind.RemoveValidator,
            ActionKind.SetGasLimit,
            ActionKind.SetBlockInterval,
            ActionKind.ResumeValidator
        ];
        for (uint256 i = 0; i < ofOne.length; i++) malformed(ofOne[i], bytes.concat(wide));
        ActionKind[6] memory ofTwo = [
            ActionKind.SetFees,
            ActionKind.SetPermissioning,
            ActionKind.Allow,
            ActionKind.Deny,
            ActionKind.UpgradeRules,
            ActionKind.SetThreshold
        ];
        for (uint256 i = 0; i < ofTwo.length; i++) {
            malformed(ofTwo[i], bytes.concat(bytes32(uint256(1)), wide));
            malformed(ofTwo[i], bytes.concat(wide, bytes32(uint256(1))));
        }
        malformed(ActionKind.ReplaceKey, abi.encode(uint32(1), uint8(2), nodeKey(9)));
        malformed(ActionKind.ReplaceKey, abi.encode(wide, KeyKind.Node, nodeKey(9)));
        malformed(ActionKind.SetFees, abi.encode(uint8(2), uint64(1)));
    }

    /// @dev Decodes to the same, but not everybody's decoder would read it so.
    function test_onlyTheCanonicalEncodingIsTaken() external {
        bytes memory encoded = abi.encode(uint32(1), newValidator(9));
        // The offset of the tuple points one word further, and the tuple lies there.
        bytes memory moved = new bytes(encoded.length + 32);
        for (uint256 i = 0; i < 64; i++) moved[i] = encoded[i];
        for (uint256 i = 64; i < encoded.length; i++) moved[i + 32] = encoded[i];
        moved[63] = bytes1(uint8(encoded[63]) + 32);
        (uint32 id, NewValidator memory decoded) = abi.decode(moved, (uint32, NewValidator));
        same(abi.encode(id, decoded), encoded, "it decodes to the same");
        malformed(ActionKind.AddValidator, moved);
    }

    function test_saysWhichActionIsMalformed() external {
        Action[] memory actions = both(
            act(ActionKind.SuspendMember, 2), act(ActionKind.SuspendMember, "")
        );
        refuse(actions, abi.encodeWithSelector(MalformedArguments.selector, 1));
    }

    function test_unknownKindIsRefused() external {
        bytes memory call_ = abi.encodeCall(
            governance.propose, (act(ActionKind.SetThreshold, abi.encode(uint32(1))), false, "")
        );
        // The kind lies behind selector, three head words, the count, one offset.
        same(uint8(call_[4 + 32 * 6 - 1]), uint8(ActionKind.SetThreshold), "the kind's place");
        call_[4 + 32 * 6 - 1] = bytes1(KINDS);
        vm.prank(account(1));
        (bool done,) = address(governance).call(call_);
        holds(!done, "an unknown kind");
    }

    function test_countOfActions() external {
        refuse(new Action[](0), abi.encodeWithSelector(ActionCount.selector, 0));
        refuse(new Action[](17), abi.encodeWithSelector(ActionCount.selector, 17));
        Action[] memory most = new Action[](16);
        for (uint64 i = 0; i < 16; i++) {
            most[i] = Action(ActionKind.SetGasLimit, abi.encode(2_000_000 + i));
        }
        pass(most);
        same(governance.parameters().gasLimit, 2_000_015, "the last one");
    }

    function test_textsOfMembers() external {
        NewMember memory new_ = newMember(5, 1);
        new_.organization = "";
        refuse(add(new_), abi.encodeWithSelector(OrganizationLength.selector, 0));
        new_.organization = text(65);
        refuse(add(new_), abi.encodeWithSelector(OrganizationLength.selector, 65));
        new_.organization = text(64);
        new_.endpoint = text(257);
        refuse(add(new_), abi.encodeWithSelector(EndpointLength.selector, 257));
        new_.endpoint = text(256);
        new_.account = address(0);
        refuse(add(new_), abi.encodeWithSelector(ZeroAccount.selector));
        new_.account = account(5);
        new_.validators[0].name = text(65);
        refuse(add(new_), abi.encodeWithSelector(NameLength.selector, 65));
        new_.validators[0].name = text(64);
        new_.observers = new NewObserver[](1);
        refuse(add(new_), abi.encodeWithSelector(ZeroKey.selector));
        new_.observers[0] = newObserver(1);
        new_.observers[0].endpoint = text(257);
        refuse(add(new_), abi.encodeWithSelector(EndpointLength.selector, 257));
        new_.observers[0].endpoint = text(256);
        pass(add(new_));
        same(governance.member(5).organization, text(64), "organization");
        same(governance.member(5).endpoint, text(256), "endpoint");
        same(governance.observers()[0].endpoint, text(256), "endpoint of the observer");
    }

    function test_validators() external {
        NewValidator memory new_ = newValidator(5);
        new_.name = "";
        refuse(addValidator(new_), abi.encodeWithSelector(NameLength.selector, 0));
        new_ = newValidator(5);
        new_.nodeKey = 0;
        refuse(addValidator(new_), abi.encodeWithSelector(ZeroKey.selector));
        new_ = newValidator(5);
        new_.consensusKey = 0;
        refuse(addValidator(new_), abi.encodeWithSelector(ZeroKey.selector));
        new_ = newValidator(5);
        new_.endpoint = text(257);
        refuse(addValidator(new_), abi.encodeWithSelector(EndpointLength.selector, 257));
        bytes memory arguments = abi.encode(uint32(1), KeyKind.Node, bytes32(0));
        refuse(act(ActionKind.ReplaceKey, arguments), abi.encodeWithSelector(ZeroKey.selector));
    }

    function test_bounds() external {
        refuseValue(ActionKind.SetGasLimit, 999_999, GasLimitOutOfBounds.selector);
        refuseValue(ActionKind.SetGasLimit, 10_000_000_001, GasLimitOutOfBounds.selector);
        pass(act(ActionKind.SetGasLimit, abi.encode(uint64(1_000_000))));
        pass(act(ActionKind.SetGasLimit, abi.encode(uint64(10_000_000_000))));
        refuseValue(ActionKind.SetBlockInterval, 600_001, BlockIntervalOutOfBounds.selector);
        pass(act(ActionKind.SetBlockInterval, abi.encode(uint32(600_000))));

        bytes4 floor = BaseFeeFloorOutOfBounds.selector;
        refuse(fees(FeePolicy.Free, 1), abi.encodeWithSelector(floor, 1));
        refuse(fees(FeePolicy.Eip1559, 1e13 + 1), abi.encodeWithSelector(floor, 1e13 + 1));
        pass(fees(FeePolicy.Eip1559, 1e13));

        bytes4 threshold = ThresholdOutOfBounds.selector;
        refuse(thresholds(49, 50), abi.encodeWithSelector(threshold, 49));
        refuse(thresholds(50, 49), abi.encodeWithSelector(threshold, 49));
        refuse(thresholds(100, 50), abi.encodeWithSelector(threshold, 100));
        pass(thresholds(99, 50));

        ActionKind[2] memory kinds = [ActionKind.Allow, ActionKind.Deny];
        for (uint256 i = 0; i < 2; i++) {
            bytes4 unknown = UnknownPermissions.selector;
            refuse(act(kinds[i], abi.encode(OUTSIDER, 0)), abi.encodeWithSelector(unknown, 0));
            refuse(act(kinds[i], abi.encode(OUTSIDER, 4)), abi.encodeWithSelector(unknown, 4));
        }
        vm.roll(100);
        bytes memory past = abi.encodeWithSelector(HeightNotInFuture.selector, 100, 100);
        refuse(act(ActionKind.UpgradeRules, abi.encode(uint32(2), uint64(100))), past);
    }

    function argumentsOf(ActionKind kind) private pure returns (bytes memory) {
        if (kind == ActionKind.AddMember) return abi.encode(newMember(9, 2));
        if (kind == ActionKind.AddValidator) return abi.encode(uint32(1), newValidator(9));
        if (kind == ActionKind.ReplaceKey) return abi.encode(uint32(1), KeyKind.Node, nodeKey(9));
        if (kind == ActionKind.SetGasLimit) return abi.encode(uint64(40_000_000));
        if (kind == ActionKind.SetFees) return abi.encode(FeePolicy.Eip1559, uint64(1));
        if (kind == ActionKind.SetPermissioning) return abi.encode(true, false);
        if (kind == ActionKind.Allow || kind == ActionKind.Deny) return abi.encode(OUTSIDER, SEND);
        if (kind == ActionKind.UpgradeRules) return abi.encode(uint32(2), uint64(100));
        if (kind == ActionKind.SetThreshold) return abi.encode(uint8(66), uint8(50));
        return abi.encode(uint32(1));
    }

    function malformed(ActionKind kind, bytes memory arguments) private {
        refuse(act(kind, arguments), abi.encodeWithSelector(MalformedArguments.selector, 0));
    }

    function refuseValue(ActionKind kind, uint64 value, bytes4 selector) private {
        refuse(act(kind, abi.encode(value)), abi.encodeWithSelector(selector, value));
    }

    function cut(bytes memory whole) private pure returns (bytes memory shorter) {
        shorter = new bytes(whole.length - 1);
        for (uint256 i = 0; i < shorter.length; i++) shorter[i] = whole[i];
    }

    function text(uint256 length) private pure returns (string memory) {
        bytes memory letters = new bytes(length);
        for (uint256 i = 0; i < length; i++) letters[i] = bytes1(uint8(97 + i % 26));
        return string(letters);
    }

    function addValidator(NewValidator memory new_) private pure returns (Action[] memory) {
        return act(ActionKind.AddValidator, abi.encode(uint32(1), new_));
    }

    function fees(FeePolicy policy, uint64 floor) private pure returns (Action[] memory) {
        return act(ActionKind.SetFees, abi.encode(policy, floor));
    }

    function thresholds(uint8 membership, uint8 parameters) private pure returns (Action[] memory) {
        return act(ActionKind.SetThreshold, abi.encode(membership, parameters));
    }
}
