// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Checks} from "./governance/Checks.sol";
import {Proposals} from "./governance/Proposals.sol";
import {Grant, NewMember, Settings} from "./governance/Types.sol";

/// @title The governance of a network by its members
/// @notice Says who the members, validators and observers are, which parameters the blocks have,
/// and who may send and deploy; members change it by proposals and votes. Lies at a fixed address
/// from genesis on: the constructor runs for the genesis block, whose state takes what it leaves.
/// Takes no ether, calls nobody but itself, and has no owner and no way to be replaced.
/// docs/protocol/governance.md has the layout of storage and the encodings.
contract Governance is Proposals {
    /// @param settings What the network begins with.
    /// @param members_ The first members with their validators and observers; ids begin with 1.
    /// @param grants Accounts that may send or deploy, if it is permissioned.
    constructor(Settings memory settings, NewMember[] memory members_, Grant[] memory grants) {
        initialize(settings);
        setPermissioning(settings.sendersPermissioned, settings.deployersPermissioned);
        for (uint256 i = 0; i < grants.length; i++) {
            Checks.permissions(grants[i].permissions);
            allow(grants[i].account, grants[i].permissions);
        }
        for (uint256 i = 0; i < members_.length; i++) {
            Checks.member(members_[i]);
            addMember(members_[i]);
        }
        completeMembership(0);
        revision = 1;
    }
}
