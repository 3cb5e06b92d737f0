// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {PermissionsChanged, PermissioningChanged} from "./Events.sol";
import {State} from "./State.sol";
import {DEPLOY, Grant, PermissionRecord, SEND} from "./Types.sol";

/// @dev Who may send transactions, and who may deploy. The nodes enforce it.
abstract contract Permissions is State {
    /// @notice Whether the network takes transactions of `from` to `to`. The accounts of members
    /// can always reach this contract, so that no vote locks out those who could take it back.
    function maySend(address from, address to) external view returns (bool) {
        return isAllowed(from, SEND) || (to == address(this) && memberOf[from] != 0);
    }

    /// @notice Whether the network takes transactions of `from` that deploy a contract.
    function mayDeploy(address from) external view returns (bool) {
        return isAllowed(from, SEND) && isAllowed(from, DEPLOY);
    }

    /// @notice Whether the account has each of the permissions (SEND is 1, DEPLOY is 2) or needs
    /// none for it.
    function isAllowed(address account, uint8 permissions) public view returns (bool) {
        return permissions & permissioned & ~permissionRecords[account].permissions == 0;
    }

    /// @notice The permissions that the account was given: SEND is 1, DEPLOY is 2.
    function permissionsOf(address account) external view returns (uint8) {
        return permissionRecords[account].permissions;
    }

    /// @notice How many accounts have a permission.
    function permittedCount() external view returns (uint256) {
        return permittedAccounts.length;
    }

    /// @notice Accounts with permissions, at most `count` from the position `from`, which counts
    /// from zero. A denial moves the last account to the place of the denied one.
    function permitted(uint256 from, uint256 count) external view returns (Grant[] memory page) {
        uint256 length = permittedAccounts.length;
        uint256 left = from < length ? length - from : 0;
        page = new Grant[](count < left ? count : left);
        for (uint256 i = 0; i < page.length; i++) {
            address account = permittedAccounts[from + i];
            page[i] = Grant(account, permissionRecords[account].permissions);
        }
    }

    function setPermissioning(bool senders, bool deployers) internal {
        permissioned = (senders ? SEND : 0) | (deployers ? DEPLOY : 0);
        emit PermissioningChanged(senders, deployers);
    }

    function allow(address account, uint8 permissions) internal {
        setPermissions(account, permissionRecords[account].permissions | permissions);
    }

    function deny(address account, uint8 permissions) internal {
        setPermissions(account, permissionRecords[account].permissions & ~permissions);
    }

    function setPermissions(address account, uint8 permissions) private {
        PermissionRecord storage record = permissionRecords[account];
        if (record.permissions == 0 && permissions != 0) {
            permittedAccounts.push(account);
            record.position = uint64(permittedAccounts.length);
        }
        if (record.permissions != 0 && permissions == 0) {
            address last = permittedAccounts[permittedAccounts.length - 1];
            permittedAccounts[record.position - 1] = last;
            permissionRecords[last].position = record.position;
            permittedAccounts.pop();
            record.position = 0;
        }
        record.permissions = permissions;
        emit PermissionsChanged(account, permissions);
    }
}
