// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// Names and whose they are; whoever deployed it may close it.
contract Registry {
    event Registered(string name, address indexed holder, uint256 number);
    event Closed();

    error NotTheOwner(address account);
    error Taken(string name, address holder);

    address public immutable owner = msg.sender;
    bool public closed;
    uint256 public count;
    mapping(string name => address) public holderOf;

    function register(string calldata name) external {
        require(!closed, "the registry is closed");
        address holder = holderOf[name];
        if (holder != address(0)) revert Taken(name, holder);
        holderOf[name] = msg.sender;
        emit Registered(name, msg.sender, ++count);
    }

    function close() external {
        if (msg.sender != owner) revert NotTheOwner(msg.sender);
        closed = true;
        emit Closed();
    }
}
