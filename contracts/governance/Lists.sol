// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @dev Lists of at most about a hundred ids, and texts; in functions, since the compiler would
/// repeat the code wherever it is needed.
library Lists {
    function get(uint32[] storage list, uint256 i) internal view returns (uint32) {
        return list[i];
    }

    /// @dev The id is in the list.
    function remove(uint32[] storage list, uint32 id) internal {
        uint256 last = list.length - 1;
        uint256 i = 0;
        while (get(list, i) != id) i++;
        for (; i < last; i++) list[i] = get(list, i + 1);
        list.pop();
    }

    /// @dev Pure only by the compiler's count, which overlooks that a copy reads.
    function load(bytes storage text) internal pure returns (bytes memory) {
        return text;
    }

    function load(string storage text) internal pure returns (string memory) {
        return string(load(bytes(text)));
    }
}
