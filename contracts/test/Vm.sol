// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

struct Log {
    bytes32[] topics;
    bytes data;
    address emitter;
}

/// @dev The part of forge's cheatcodes that the tests use.
interface Vm {
    function prank(address sender) external;
    function startPrank(address sender) external;
    function stopPrank() external;
    function warp(uint256 timestamp) external;
    function roll(uint256 number) external;
    function cool(address target) external;
    function load(address target, bytes32 slot) external view returns (bytes32);
    function assume(bool condition) external pure;
    function expectRevert(bytes calldata data) external;
    function expectRevert() external;
    function expectEmit(address emitter) external;
    function snapshotState() external returns (uint256);
    function revertToState(uint256 id) external returns (bool);
    function deal(address account, uint256 balance) external;
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
    function toString(uint256 value) external pure returns (string memory);
}

/// @dev Comparisons that say what they compared.
abstract contract Assertions {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    error Differs(string what, bytes expected, bytes found);

    function same(bytes memory found, bytes memory expected, string memory what) internal pure {
        if (keccak256(found) != keccak256(expected)) revert Differs(what, expected, found);
    }

    function same(uint256 found, uint256 expected, string memory what) internal pure {
        same(abi.encode(found), abi.encode(expected), what);
    }

    function same(bytes32 found, bytes32 expected, string memory what) internal pure {
        same(abi.encode(found), abi.encode(expected), what);
    }

    function same(address found, address expected, string memory what) internal pure {
        same(abi.encode(found), abi.encode(expected), what);
    }

    function same(string memory found, string memory expected, string memory what) internal pure {
        same(bytes(found), bytes(expected), what);
    }

    function holds(bool condition, string memory what) internal pure {
        same(condition ? 1 : 0, 1, what);
    }
}
