// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {
    MemberRecord,
    ObserverRecord,
    ParametersRecord,
    PermissionRecord,
    ProposalRecord,
    RulesRecord,
    ValidatorRecord
} from "./Types.sol";

/// @dev All storage of the contract. Nodes and proofs read slots 0 to 5 by their number, see
/// docs/protocol/governance.md: their order and their packing are part of the protocol.
abstract contract State {
    /// @notice keccak256 of nodeKey ‖ consensusKey of every active validator, in ascending order of
    /// nodeKey: the set that the next epoch has.
    bytes32 public validatorSetHash; // slot 0

    /// @notice Grows with every change of what nodes read: not with proposals and votes as such.
    uint64 public revision; // slot 1, bits 0 to 63

    /// @dev The bits SEND and DEPLOY: which of them need a permission.
    uint8 internal permissioned; // slot 1, bits 64 to 71

    /// @dev The lowest byte has the bits SEND and DEPLOY.
    mapping(address account => PermissionRecord) internal permissionRecords; // slot 2

    /// @notice The member that the account proposes and votes for, or zero.
    mapping(address account => uint32 member) public memberOf; // slot 3

    ParametersRecord internal parametersRecord; // slot 4

    RulesRecord internal rulesRecord; // slot 5

    /// @notice How many proposals were made; their ids begin with 1.
    uint64 public proposalCount; // slot 6
    /// @dev The highest ids so far, since none is given twice.
    uint32 internal lastMember;
    uint32 internal lastValidator;

    mapping(uint32 member => MemberRecord) internal memberRecords;
    mapping(uint32 validator => ValidatorRecord) internal validatorRecords;
    mapping(bytes32 nodeKey => ObserverRecord) internal observerRecords;
    mapping(uint256 proposal => ProposalRecord) internal proposalRecords;

    /// @dev The member of an organization, by the hash of its name.
    mapping(bytes32 organization => uint32 member) internal memberOfOrganization;

    /// @notice Whether the key is, or once was, a validator's node or consensus key. Such a key never
    /// comes back: whoever lost the journal of its votes could vote twice with it. Only genesis and
    /// votes bring one. Observers' keys don't count: any member can register any key as one.
    mapping(bytes32 key => bool) public usedKeys;

    /// @dev In the order in which they were added.
    uint32[] internal memberIds;
    /// @dev In ascending order of nodeKey.
    uint32[] internal validatorIds;
    address[] internal permittedAccounts;
    /// @dev By member, so that what one has to be counted or removed costs the same with any others.
    mapping(uint32 member => bytes32[]) internal observerKeys;

    function revise() internal {
        revision++;
    }
}
