// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @dev The part of forge's cheatcodes that this project uses, without forge-std.
interface Vm {
    function envAddress(string calldata name) external view returns (address);
    function envUint(string calldata name) external view returns (uint256);
    function expectEmit(address emitter) external;
    function expectRevert(bytes calldata data) external;
    function prank(address sender) external;
    function startBroadcast() external;
    function stopBroadcast() external;
}

Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
