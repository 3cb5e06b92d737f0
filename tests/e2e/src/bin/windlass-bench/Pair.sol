// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

interface IToken {
    function transfer(address to, uint256 value) external returns (bool);
    function transferFrom(address from, address to, uint256 value) external returns (bool);
    function balanceOf(address account) external view returns (uint256);
}

/// A market of two tokens of constant product, as Uniswap's second version has it, for the benchmark
/// `chain`. Pair.hex is its code, without the constructor's arguments: the compiler and the settings are
/// those of contracts/compile.mjs.
contract Pair {
    event Sync(uint112 reserve0, uint112 reserve1);
    event Swap(address indexed sender, uint256 amountIn, uint256 amountOut, address indexed to);

    IToken public immutable token0;
    IToken public immutable token1;
    uint112 public reserve0;
    uint112 public reserve1;
    uint32 public updated;
    uint256 private unlocked = 1;

    constructor(IToken token0_, IToken token1_) {
        token0 = token0_;
        token1 = token1_;
    }

    /// Takes what the contract owns as its reserves.
    function sync() external {
        update(token0.balanceOf(address(this)), token1.balanceOf(address(this)));
    }

    /// Takes so much of the first token for as much of the second one as it is worth, less 0.3 %.
    function swap(uint256 amountIn, address to) external returns (uint256 amountOut) {
        require(unlocked == 1, "locked");
        unlocked = 2;
        uint256 taken = amountIn * 997;
        amountOut = taken * reserve1 / (uint256(reserve0) * 1000 + taken);
        require(token0.transferFrom(msg.sender, address(this), amountIn), "not taken");
        require(token1.transfer(to, amountOut), "not given");
        update(token0.balanceOf(address(this)), token1.balanceOf(address(this)));
        emit Swap(msg.sender, amountIn, amountOut, to);
        unlocked = 1;
    }

    function update(uint256 balance0, uint256 balance1) private {
        reserve0 = uint112(balance0);
        reserve1 = uint112(balance1);
        updated = uint32(block.timestamp);
        emit Sync(reserve0, reserve1);
    }
}
