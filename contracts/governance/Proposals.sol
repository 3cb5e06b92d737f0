// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Actions} from "./Actions.sol";
import {
    AlreadyVoted,
    NotEnoughGas,
    ProposalNotInProgress,
    ProposalUndecided,
    ReasonLength,
    UnknownProposal
} from "./Errors.sol";
import {ProposalCreated, ProposalSettled, VoteCast} from "./Events.sol";
import {Lists} from "./Lists.sol";
import {
    Action,
    CHANGES_MEMBERSHIP,
    CHANGES_PARAMETERS,
    Choice,
    MAX_REASON_BYTES,
    MemberState,
    Proposal,
    ProposalRecord,
    ProposalState,
    Tally,
    Vote
} from "./Types.sol";

/// @dev Proposals and votes. A proposal is approved when 100 × votes for > threshold × active
/// members, and rejected when that can't come any more. Votes count while their member is active.
abstract contract Proposals is Actions {
    using Lists for *;

    /// @notice Proposes 1 to 16 actions, which are executed together or not at all; the proposer
    /// votes for them. `force`: the members accept that the new set of validators may lack a quorum
    /// of reachable ones. `reason` is for people, of at most 256 bytes.
    /// @return id The proposal's number. If one vote is enough it is executed already.
    function propose(Action[] memory actions, bool force, string memory reason)
        external
        returns (uint256 id)
    {
        uint32 proposer = activeSender();
        if (bytes(reason).length > MAX_REASON_BYTES) revert ReasonLength(bytes(reason).length);
        uint8 changes = checkActions(actions);
        id = ++proposalCount;
        ProposalRecord storage record = proposalRecords[id];
        record.proposer = proposer;
        record.force = force;
        record.changes = changes;
        record.createdAt = uint40(block.timestamp);
        record.expiresAt = uint40(block.timestamp) + parametersRecord.proposalLifetime;
        record.actions = abi.encode(actions);
        record.reason = reason;
        emit ProposalCreated(id, proposer, force, record.expiresAt, actions, reason);
        castVote(id, proposer, true);
        conclude(id);
    }

    /// @notice Votes on a proposal in progress, once a member. The vote that is enough executes the
    /// actions; the one that makes approval impossible rejects them.
    function vote(uint256 id, bool support) external {
        uint32 member = activeSender();
        requireInProgress(id);
        castVote(id, member, support);
        conclude(id);
    }

    /// @notice Settles a proposal that nobody's vote settled: it is expired, or decided since other
    /// members or thresholds changed. Any active member may call it.
    function settle(uint256 id) external {
        activeSender();
        if (state(id) == ProposalState.Expired && proposalRecords[id].settledAt == 0) {
            close(id, ProposalState.Expired, tallyOf(id));
            emitSettled(id);
            return;
        }
        requireInProgress(id);
        if (!conclude(id)) revert ProposalUndecided(id);
    }

    /// @notice The state of a proposal at this block's time.
    function state(uint256 id) public view returns (ProposalState) {
        if (id == 0 || id > proposalCount) revert UnknownProposal(id);
        ProposalRecord storage record = proposalRecords[id];
        bool open = record.state == ProposalState.InProgress;
        return open && block.timestamp >= record.expiresAt ? ProposalState.Expired : record.state;
    }

    /// @notice A proposal with its actions and the count of its votes.
    function proposal(uint256 id) public view returns (Proposal memory answer) {
        answer.id = id;
        answer.state = state(id);
        ProposalRecord storage record = proposalRecords[id];
        bool settled = record.settledAt != 0;
        Tally memory tally = settled ? record.tally : tallyOf(id);
        answer.proposer = record.proposer;
        answer.force = record.force;
        answer.createdAt = record.createdAt;
        answer.expiresAt = record.expiresAt;
        answer.settledAt = record.settledAt;
        answer.votesFor = tally.votesFor;
        answer.votesAgainst = tally.votesAgainst;
        answer.activeMembers = tally.activeMembers;
        answer.threshold = settled ? record.threshold : thresholdOf(record.changes);
        answer.actions = abi.decode(record.actions.load(), (Action[]));
        answer.reason = record.reason.load();
        answer.failure = record.failure.load();
    }

    /// @notice Proposals in order, at most `count` from the id `from` on; ids begin with 1.
    function proposals(uint256 from, uint256 count) external view returns (Proposal[] memory page) {
        uint256 first = from == 0 ? 1 : from;
        uint256 left = first <= proposalCount ? proposalCount - first + 1 : 0;
        page = new Proposal[](count < left ? count : left);
        for (uint256 i = 0; i < page.length; i++) page[i] = proposal(first + i);
    }

    /// @notice The votes on a proposal in the order in which they were cast, also of members that
    /// are suspended or removed since.
    function votesOf(uint256 id) external view returns (Vote[] memory) {
        state(id);
        return proposalRecords[id].votes;
    }

    function castVote(uint256 id, uint32 member, bool support) private {
        ProposalRecord storage record = proposalRecords[id];
        if (record.choices[member] != Choice.None) revert AlreadyVoted(id, member);
        record.choices[member] = support ? Choice.For : Choice.Against;
        record.votes.push(Vote(member, support, uint64(block.timestamp)));
        emit VoteCast(id, member, support);
    }

    /// @dev Approves or rejects if the votes say so.
    function conclude(uint256 id) private returns (bool) {
        Tally memory tally = tallyOf(id);
        uint256 needed = uint256(thresholdOf(proposalRecords[id].changes)) * tally.activeMembers;
        if (100 * uint256(tally.votesFor) > needed) {
            close(id, ProposalState.Approved, tally);
            executeActions(id);
        } else if (100 * uint256(tally.activeMembers - tally.votesAgainst) <= needed) {
            close(id, ProposalState.Rejected, tally);
        } else {
            return false;
        }
        emitSettled(id);
        return true;
    }

    function executeActions(uint256 id) private {
        ProposalRecord storage record = proposalRecords[id];
        (bool done, bytes memory failure) =
            address(this).call(bytes.concat(this.execute.selector, record.actions.load()));
        if (done) return;
        // Each refusal has a reason, so none means that gas ran out. Were that a failed action, the
        // deciding voter could spoil any proposal by a transaction with too little gas.
        if (failure.length == 0) revert NotEnoughGas(id);
        record.state = ProposalState.ActionFailed;
        record.failure = failure;
    }

    function close(uint256 id, ProposalState state_, Tally memory tally) private {
        ProposalRecord storage record = proposalRecords[id];
        record.state = state_;
        record.settledAt = uint40(block.timestamp);
        record.tally = tally;
        record.threshold = thresholdOf(record.changes);
    }

    function emitSettled(uint256 id) private {
        ProposalRecord storage record = proposalRecords[id];
        Tally memory tally = record.tally;
        emit ProposalSettled(
            id,
            record.state,
            tally.votesFor,
            tally.votesAgainst,
            tally.activeMembers,
            record.failure.load()
        );
    }

    function requireInProgress(uint256 id) private view {
        ProposalState current = state(id);
        if (current != ProposalState.InProgress) revert ProposalNotInProgress(id, current);
    }

    /// @dev Over the members that are active now, so that no other vote counts.
    function tallyOf(uint256 id) private view returns (Tally memory tally) {
        ProposalRecord storage record = proposalRecords[id];
        for (uint256 i = 0; i < memberIds.length; i++) {
            uint32 member = memberIds.get(i);
            if (memberRecords[member].state != MemberState.Active) continue;
            tally.activeMembers++;
            Choice choice = record.choices[member];
            if (choice == Choice.For) tally.votesFor++;
            if (choice == Choice.Against) tally.votesAgainst++;
        }
    }

    function thresholdOf(uint8 changes) private view returns (uint8) {
        uint8 membership = parametersRecord.membershipThreshold;
        uint8 parameters_ = parametersRecord.parametersThreshold;
        if (changes == CHANGES_MEMBERSHIP) return membership;
        if (changes == CHANGES_PARAMETERS) return parameters_;
        return membership > parameters_ ? membership : parameters_;
    }
}
