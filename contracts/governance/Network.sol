// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Checks} from "./Checks.sol";
import {
    BlockIntervalChanged,
    FeesChanged,
    GasLimitChanged,
    RulesUpgradeScheduled,
    ThresholdsChanged
} from "./Events.sol";
import {ProposalLifetimeOutOfBounds, RulesNotNewer} from "./Errors.sol";
import {State} from "./State.sol";
import {
    DEPLOY,
    FeePolicy,
    MAX_PROPOSAL_LIFETIME,
    Parameters,
    ParametersRecord,
    RulesRecord,
    SEND,
    Settings
} from "./Types.sol";

/// @dev The parameters of the network, and the version of its rules.
abstract contract Network is State {
    /// @notice What holds at this block: the gas limit in gas, the floor of the base fee in wei,
    /// the block interval in milliseconds, the lifetime of proposals in seconds, thresholds in percent.
    function parameters() external view returns (Parameters memory answer) {
        ParametersRecord storage record = parametersRecord;
        answer.revision = revision;
        answer.gasLimit = record.gasLimit;
        answer.feePolicy = record.feePolicy;
        answer.baseFeeFloor = record.baseFeeFloor;
        answer.minBlockIntervalMs = record.minBlockIntervalMs;
        answer.proposalLifetime = record.proposalLifetime;
        answer.membershipThreshold = record.membershipThreshold;
        answer.parametersThreshold = record.parametersThreshold;
        answer.sendersPermissioned = permissioned & SEND != 0;
        answer.deployersPermissioned = permissioned & DEPLOY != 0;
        answer.rulesVersion = currentRules();
        if (answer.rulesVersion == rulesRecord.version) {
            answer.nextRulesVersion = rulesRecord.nextVersion;
            answer.nextRulesHeight = rulesRecord.nextHeight;
        }
    }

    function initialize(Settings memory settings) internal {
        uint32 lifetime = settings.proposalLifetime;
        if (lifetime == 0 || lifetime > MAX_PROPOSAL_LIFETIME) {
            revert ProposalLifetimeOutOfBounds(lifetime);
        }
        Checks.gasLimit(settings.gasLimit);
        Checks.fees(settings.feePolicy, settings.baseFeeFloor);
        Checks.blockInterval(settings.minBlockIntervalMs);
        Checks.threshold(settings.membershipThreshold);
        Checks.threshold(settings.parametersThreshold);
        parametersRecord.proposalLifetime = lifetime;
        setGasLimit(settings.gasLimit);
        setFees(settings.feePolicy, settings.baseFeeFloor);
        setBlockInterval(settings.minBlockIntervalMs);
        setThresholds(settings.membershipThreshold, settings.parametersThreshold);
        rulesRecord.version = settings.rulesVersion;
    }

    function setGasLimit(uint64 gasLimit) internal {
        parametersRecord.gasLimit = gasLimit;
        emit GasLimitChanged(gasLimit);
    }

    function setFees(FeePolicy policy, uint64 baseFeeFloor) internal {
        parametersRecord.feePolicy = policy;
        parametersRecord.baseFeeFloor = baseFeeFloor;
        emit FeesChanged(policy, baseFeeFloor);
    }

    function setBlockInterval(uint32 milliseconds) internal {
        parametersRecord.minBlockIntervalMs = milliseconds;
        emit BlockIntervalChanged(milliseconds);
    }

    function setThresholds(uint8 membership, uint8 parameters_) internal {
        parametersRecord.membershipThreshold = membership;
        parametersRecord.parametersThreshold = parameters_;
        emit ThresholdsChanged(membership, parameters_);
    }

    /// @dev An upgrade that is scheduled but not reached is replaced.
    function upgradeRules(uint32 version, uint64 height) internal {
        uint32 current = currentRules();
        if (version <= current) revert RulesNotNewer(version, current);
        rulesRecord = RulesRecord(current, version, height);
        emit RulesUpgradeScheduled(version, height);
    }

    function currentRules() private view returns (uint32) {
        RulesRecord storage record = rulesRecord;
        bool reached = record.nextVersion != 0 && block.number >= record.nextHeight;
        return reached ? record.nextVersion : record.version;
    }
}
