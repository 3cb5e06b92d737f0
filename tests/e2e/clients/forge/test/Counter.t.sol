// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {vm} from "../Vm.sol";
import {Counter} from "../src/Counter.sol";

/// @dev On a fork of the network: what is there already, and what is deployed onto it.
contract CounterTest {
    Counter private deployed;

    function setUp() external {
        deployed = Counter(vm.envAddress("COUNTER"));
    }

    function test_the_fork_is_of_the_network() external view {
        require(block.chainid == vm.envUint("CHAIN_ID"), "another chain");
        require(block.number >= vm.envUint("BLOCK"), "an earlier block");
    }

    function test_the_state_is_that_of_the_network() external view {
        require(deployed.value() == vm.envUint("VALUE"), "another value");
        require(deployed.limit() == 9, "another limit");
    }

    function test_a_deployed_contract_goes_on() external {
        uint256 next = deployed.value() + 1;
        vm.expectEmit(address(deployed));
        emit Counter.Raised(address(0xF00D), next);
        vm.prank(address(0xF00D));
        deployed.raise();
        require(deployed.value() == next, "it was not raised");
    }

    function test_a_new_contract_is_full_at_its_limit() external {
        Counter counter = new Counter(1, 2);
        counter.raise();
        vm.expectRevert(abi.encodeWithSelector(Counter.Full.selector, 2));
        counter.raise();
    }

    function test_any_start_below_the_limit(uint64 value) external {
        Counter counter = new Counter(value, type(uint256).max);
        counter.raise();
        require(counter.value() == uint256(value) + 1, "it was not raised");
    }
}
