// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import "./Errors.sol";
import {
    DEPLOY,
    FeePolicy,
    MAX_BASE_FEE_FLOOR,
    MAX_BLOCK_INTERVAL_MS,
    MAX_ENDPOINT_BYTES,
    MAX_GAS_LIMIT,
    MAX_NAME_BYTES,
    MAX_THRESHOLD,
    MIN_GAS_LIMIT,
    MIN_THRESHOLD,
    NewMember,
    NewValidator,
    SEND
} from "./Types.sol";

/// @dev What can be said of values without looking at the state, so that it is said when a change
/// is proposed. The action's part is checked once more when it is executed.
library Checks {
    /// @dev Without fields that differ by encoding, everybody reads the same out of a proposal.
    function canonical(bytes calldata arguments, bytes memory encoding) internal pure {
        if (keccak256(arguments) != keccak256(encoding)) revert NotCanonical();
    }

    function words(bytes calldata arguments, uint256 count) internal pure {
        if (arguments.length != 32 * count) revert NotCanonical();
    }

    function member(NewMember memory new_) internal pure {
        uint256 length = bytes(new_.organization).length;
        if (length == 0 || length > MAX_NAME_BYTES) revert OrganizationLength(length);
        endpoint(new_.endpoint);
        account(new_.account);
        for (uint256 i = 0; i < new_.validators.length; i++) validator(new_.validators[i]);
        for (uint256 i = 0; i < new_.observers.length; i++) {
            key(new_.observers[i].nodeKey);
            endpoint(new_.observers[i].endpoint);
        }
    }

    function validator(NewValidator memory new_) internal pure {
        uint256 length = bytes(new_.name).length;
        if (length == 0 || length > MAX_NAME_BYTES) revert NameLength(length);
        key(new_.nodeKey);
        key(new_.consensusKey);
        endpoint(new_.endpoint);
    }

    function key(bytes32 key_) internal pure {
        if (key_ == 0) revert ZeroKey();
    }

    function account(address account_) internal pure {
        if (account_ == address(0)) revert ZeroAccount();
    }

    function endpoint(string memory endpoint_) internal pure {
        uint256 length = bytes(endpoint_).length;
        if (length > MAX_ENDPOINT_BYTES) revert EndpointLength(length);
    }

    function gasLimit(uint64 gas) internal pure {
        if (gas < MIN_GAS_LIMIT || gas > MAX_GAS_LIMIT) revert GasLimitOutOfBounds(gas);
    }

    function fees(FeePolicy policy, uint64 baseFeeFloor) internal pure {
        uint64 most = policy == FeePolicy.Free ? 0 : MAX_BASE_FEE_FLOOR;
        if (baseFeeFloor > most) revert BaseFeeFloorOutOfBounds(baseFeeFloor);
    }

    function blockInterval(uint32 milliseconds) internal pure {
        if (milliseconds > MAX_BLOCK_INTERVAL_MS) revert BlockIntervalOutOfBounds(milliseconds);
    }

    function threshold(uint8 percent) internal pure {
        if (percent < MIN_THRESHOLD || percent > MAX_THRESHOLD) {
            revert ThresholdOutOfBounds(percent);
        }
    }

    function permissions(uint8 permissions_) internal pure {
        if (permissions_ == 0 || permissions_ > SEND | DEPLOY) {
            revert UnknownPermissions(permissions_);
        }
    }

    function height(uint64 height_) internal view {
        if (height_ <= block.number) revert HeightNotInFuture(height_, block.number);
    }
}
