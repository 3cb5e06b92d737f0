// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// A number that anybody may raise, up to a limit.
contract Counter {
    event Raised(address indexed by, uint256 value);

    error Full(uint256 limit);

    uint256 public immutable limit;
    uint256 public value;

    constructor(uint256 value_, uint256 limit_) {
        value = value_;
        limit = limit_;
    }

    function raise() external {
        if (value == limit) revert Full(limit);
        value++;
        emit Raised(msg.sender, value);
    }
}
