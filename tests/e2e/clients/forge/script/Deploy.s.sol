// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {vm} from "../Vm.sol";
import {Counter} from "../src/Counter.sol";

/// @dev A deployment of several transactions.
contract Deploy {
    function run() external returns (Counter first, Counter second) {
        vm.startBroadcast();
        first = new Counter(vm.envUint("VALUE"), 100);
        second = new Counter(first.value(), 100);
        first.raise();
        second.raise();
        second.raise();
        vm.stopBroadcast();
    }
}
