// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import "../governance/Errors.sol";
import "../governance/Events.sol";
import "../governance/Types.sol";
import {Fixture} from "./Fixture.sol";

/// @dev A member whose account is a contract that votes with little gas.
contract Miser {
    function call(address to, bytes calldata data, uint256 gas_) external returns (bool, bytes memory) {
        return to.call{gas: gas_}(data);
    }
}

/// @dev From a proposal to its end.
contract VotingTest is Fixture {
    function test_proposalIsWhatWasProposed() external {
        Action[] memory actions = both(gasLimit(), act(ActionKind.SuspendMember, 3));
        vm.expectEmit(address(governance));
        emit ProposalCreated(1, 2, true, uint64(START + 7 days), actions, "they are late");
        vm.expectEmit(address(governance));
        emit VoteCast(1, 2, true);
        vm.prank(account(2));
        same(governance.propose(actions, true, "they are late"), 1, "id");
        same(governance.proposalCount(), 1, "count");
        Proposal memory expected = Proposal({
            id: 1,
            proposer: 2,
            state: ProposalState.InProgress,
            force: true,
            createdAt: uint64(START),
            expiresAt: uint64(START + 7 days),
            settledAt: 0,
            votesFor: 1,
            votesAgainst: 0,
            activeMembers: 4,
            threshold: 50,
            actions: actions,
            reason: "they are late",
            failure: ""
        });
        same(abi.encode(governance.proposal(1)), abi.encode(expected), "proposal");
        same(governance.revision(), 1, "nothing has changed");

        vm.warp(START + 60);
        vote(1, 1, true);
        vm.expectEmit(address(governance));
        emit VoteCast(1, 4, true);
        vm.expectEmit(address(governance));
        emit ProposalSettled(1, ProposalState.Approved, 3, 0, 4, "");
        vote(4, 1, true);
        expected.state = ProposalState.Approved;
        expected.settledAt = uint64(START + 60);
        expected.votesFor = 3;
        same(abi.encode(governance.proposal(1)), abi.encode(expected), "the approved proposal");
        Vote[] memory votes = new Vote[](3);
        votes[0] = Vote(2, true, uint64(START));
        votes[1] = Vote(1, true, uint64(START + 60));
        votes[2] = Vote(4, true, uint64(START + 60));
        same(abi.encode(governance.votesOf(1)), abi.encode(votes), "votes");
    }

    function test_pages() external {
        same(governance.proposals(1, 10).length, 0, "none");
        for (uint256 i = 0; i < 5; i++) propose(1, gasLimit());
        same(governance.proposals(0, 100).length, 5, "all");
        same(governance.proposals(1, type(uint256).max).length, 5, "all from the first");
        same(governance.proposals(5, 2).length, 1, "the last");
        same(governance.proposals(6, 2).length, 0, "behind the last");
        Proposal[] memory page = governance.proposals(2, 2);
        same(page.length, 2, "page");
        same(page[0].id, 2, "first of the page");
        same(abi.encode(page[1]), abi.encode(governance.proposal(3)), "second of the page");
    }

    /// @dev By how many votes a proposal passes, and by how many against it is rejected.
    function test_thresholds() external {
        uint8[4][10] memory cases = [
            // members, percent, votes that approve, votes against that reject
            [1, 50, 1, 1],
            [2, 50, 2, 1],
            [3, 50, 2, 2],
            [4, 50, 3, 2],
            [5, 50, 3, 3],
            [3, 66, 2, 2],
            [4, 66, 3, 2],
            [6, 66, 4, 3],
            [9, 75, 7, 3],
            [100, 99, 100, 1]
        ];
        for (uint256 i = 0; i < cases.length; i++) {
            uint256 members = cases[i][0];
            found(members);
            // The other threshold is as it was: each looks at its own.
            if (cases[i][1] != 50) pass(thresholds(cases[i][1], 50));
            checkVotes(act(ActionKind.SuspendValidator, 1), members, cases[i][2], cases[i][3]);
            found(members);
            if (cases[i][1] != 50) pass(thresholds(50, cases[i][1]));
            checkVotes(gasLimit(), members, cases[i][2], cases[i][3]);
        }
    }

    /// @dev Neither threshold may be lowered, nor the rules changed, by less than the higher one.
    function test_theHigherThresholdHoldsForMixturesAndForItself() external {
        pass(thresholds(80, 50));
        same(governance.proposal(propose(1, thresholds(50, 50))).threshold, 80, "thresholds");
        Action[] memory rules = act(ActionKind.UpgradeRules, abi.encode(uint32(2), uint64(100)));
        same(governance.proposal(propose(1, rules)).threshold, 80, "rules");
        same(governance.proposal(propose(1, gasLimit())).threshold, 50, "a parameter");
        Action[] memory mixed = both(gasLimit(), act(ActionKind.SuspendMember, 2));
        same(governance.proposal(propose(1, mixed)).threshold, 80, "a mixture");
        pass(thresholds(50, 80));
        same(governance.proposal(propose(1, rules)).threshold, 80, "rules");
        same(governance.proposal(propose(1, mixed)).threshold, 80, "a mixture");
        same(governance.proposal(propose(1, act(ActionKind.SuspendMember, 2))).threshold, 50, "member");
    }

    function test_settledProposalsKeepTheirCount() external {
        uint256 id = pass(gasLimit());
        pass(thresholds(80, 80));
        pass(act(ActionKind.RemoveMember, 2));
        Proposal memory proposal = governance.proposal(id);
        same(proposal.votesFor, 3, "votes");
        same(proposal.activeMembers, 4, "members");
        same(proposal.threshold, 50, "threshold");
    }

    function test_executesOnce() external {
        uint256 id = propose(1, act(ActionKind.SuspendMember, 4));
        vote(2, id, true);
        vote(3, id, true);
        is_(governance.state(id), ProposalState.Approved);
        same(governance.revision(), 2, "revision");
        pass(act(ActionKind.ResumeMember, 4));
        refuseVote(4, id, notInProgress(id, ProposalState.Approved));
        refuseSettle(id, notInProgress(id, ProposalState.Approved));
        same(governance.revision(), 3, "revision");
        same(uint256(governance.member(4).state), uint256(MemberState.Active), "still resumed");
    }

    function test_rejects() external {
        uint256 id = propose(1, gasLimit());
        vote(2, id, false);
        is_(governance.state(id), ProposalState.InProgress);
        vm.expectEmit(address(governance));
        emit VoteCast(id, 3, false);
        vm.expectEmit(address(governance));
        emit ProposalSettled(id, ProposalState.Rejected, 1, 2, 4, "");
        vote(3, id, false);
        is_(governance.state(id), ProposalState.Rejected);
        refuseVote(4, id, notInProgress(id, ProposalState.Rejected));
        refuseSettle(id, notInProgress(id, ProposalState.Rejected));
        same(governance.parameters().gasLimit, 30_000_000, "gas limit");
    }

    function test_expires() external {
        uint256 id = propose(1, gasLimit());
        vote(2, id, true);
        vm.warp(START + 7 days - 1);
        is_(governance.state(id), ProposalState.InProgress);
        vm.warp(START + 7 days);
        is_(governance.state(id), ProposalState.Expired);
        is_(governance.proposal(id).state, ProposalState.Expired);
        same(governance.proposal(id).settledAt, 0, "not settled");
        refuseVote(3, id, notInProgress(id, ProposalState.Expired));
        vm.expectEmit(address(governance));
        emit ProposalSettled(id, ProposalState.Expired, 2, 0, 4, "");
        vm.prank(account(4));
        governance.settle(id);
        is_(governance.state(id), ProposalState.Expired);
        same(governance.proposal(id).settledAt, START + 7 days, "settled");
        refuseSettle(id, notInProgress(id, ProposalState.Expired));
        refuseVote(3, id, notInProgress(id, ProposalState.Expired));
    }

    function test_actionFails() external {
        uint256 id = propose(1, act(ActionKind.RemoveValidator, 2));
        vote(2, id, true);
        pass(act(ActionKind.RemoveValidator, 2));
        bytes memory failure = abi.encodeWithSelector(UnknownValidator.selector, 2);
        vm.expectEmit(address(governance));
        emit VoteCast(id, 3, true);
        vm.expectEmit(address(governance));
        emit ProposalSettled(id, ProposalState.ActionFailed, 3, 0, 4, failure);
        vote(3, id, true);
        same(governance.votesOf(id).length, 3, "the vote is kept");
        same(governance.proposal(id).failure, failure, "failure");
        refuseVote(4, id, notInProgress(id, ProposalState.ActionFailed));
        refuseSettle(id, notInProgress(id, ProposalState.ActionFailed));
    }

    function test_votesOfTheSuspendedAndRemovedDontCount() external {
        uint256 id = propose(1, gasLimit());
        vote(2, id, true);
        pass(act(ActionKind.SuspendMember, 2));
        same(governance.proposal(id).votesFor, 1, "votes");
        same(governance.proposal(id).activeMembers, 3, "members");
        same(governance.votesOf(id).length, 2, "the record of the votes");
        pass(act(ActionKind.ResumeMember, 2));
        same(governance.proposal(id).votesFor, 2, "votes, as it is back");
        pass(act(ActionKind.RemoveMember, 2));
        same(governance.proposal(id).votesFor, 1, "votes");
        // Back with another id, it may vote again.
        pass(act(ActionKind.AddMember, abi.encode(newMember(2, 0))));
        vote(2, id, true);
        same(governance.proposal(id).votesFor, 2, "votes");
    }

    function test_theProposersVoteGoesWithIt() external {
        uint256 id = propose(4, gasLimit());
        pass(act(ActionKind.RemoveMember, 4));
        same(governance.proposal(id).votesFor, 0, "votes");
        vote(1, id, true);
        vote(2, id, true);
        is_(governance.state(id), ProposalState.Approved);
        same(governance.proposal(id).proposer, 4, "proposer");
    }

    function test_settleExecutesWhatOthersDecided() external {
        uint256 id = propose(1, gasLimit());
        vote(2, id, true);
        refuseSettle(id, abi.encodeWithSelector(ProposalUndecided.selector, id));
        pass(act(ActionKind.RemoveMember, 4));
        is_(governance.state(id), ProposalState.InProgress);
        vm.expectEmit(address(governance));
        emit ProposalSettled(id, ProposalState.Approved, 2, 0, 3, "");
        vm.prank(account(3));
        governance.settle(id);
        same(governance.parameters().gasLimit, 40_000_000, "gas limit");
    }

    function test_settleRejectsWhatOthersDecided() external {
        uint256 id = propose(4, gasLimit());
        vote(1, id, false);
        pass(act(ActionKind.RemoveMember, 4));
        pass(act(ActionKind.RemoveMember, 3));
        vm.prank(account(1));
        governance.settle(id);
        is_(governance.state(id), ProposalState.Rejected);
    }

    function test_refusesWhoMayNotVote() external {
        uint256 id = propose(1, gasLimit());
        bytes memory outsider = abi.encodeWithSelector(NotAMember.selector, OUTSIDER);
        vm.expectRevert(outsider);
        vm.prank(OUTSIDER);
        governance.vote(id, true);
        vm.expectRevert(outsider);
        vm.prank(OUTSIDER);
        governance.propose(gasLimit(), false, "");
        vm.expectRevert(outsider);
        vm.prank(OUTSIDER);
        governance.settle(id);
        refuseVote(1, id, abi.encodeWithSelector(AlreadyVoted.selector, id, 1));
        vote(2, id, false);
        refuseVote(2, id, abi.encodeWithSelector(AlreadyVoted.selector, id, 2));
        pass(act(ActionKind.SuspendMember, 3));
        bytes memory suspended = abi.encodeWithSelector(MemberNotActive.selector, 3);
        refuseVote(3, id, suspended);
        vm.expectRevert(suspended);
        vm.prank(account(3));
        governance.propose(gasLimit(), false, "");
        vm.expectRevert(suspended);
        vm.prank(account(3));
        governance.settle(id);
        pass(act(ActionKind.RemoveMember, 3));
        refuseVote(3, id, abi.encodeWithSelector(NotAMember.selector, account(3)));
    }

    function test_refusesUnknownProposals() external {
        propose(1, gasLimit());
        for (uint256 id = 0; id < 3; id += 2) {
            bytes memory unknown = abi.encodeWithSelector(UnknownProposal.selector, id);
            refuseVote(2, id, unknown);
            vm.expectRevert(unknown);
            vm.prank(account(1));
            governance.settle(id);
            vm.expectRevert(unknown);
            governance.state(id);
            vm.expectRevert(unknown);
            governance.proposal(id);
            vm.expectRevert(unknown);
            governance.votesOf(id);
        }
    }

    function test_reason() external {
        string memory most = string(new bytes(256));
        vm.prank(account(1));
        governance.propose(gasLimit(), false, most);
        same(governance.proposal(1).reason, most, "reason");
        vm.expectRevert(abi.encodeWithSelector(ReasonLength.selector, 257));
        vm.prank(account(1));
        governance.propose(gasLimit(), false, string(new bytes(257)));
    }

    function test_oneMemberAlone() external {
        found(1);
        vm.expectEmit(address(governance));
        emit ProposalSettled(1, ProposalState.Approved, 1, 0, 1, "");
        uint256 id = propose(1, gasLimit());
        is_(governance.state(id), ProposalState.Approved);
        same(governance.parameters().gasLimit, 40_000_000, "gas limit");
    }

    /// @dev With too little gas the vote is undone, or all is done: no gas makes an action fail.
    function test_littleGasSpoilsNothing() external {
        Miser miser = new Miser();
        vm.prank(account(3));
        governance.setMemberAccount(address(miser));
        NewMember memory new_ = newMember(5, 3);
        uint256 id = propose(1, act(ActionKind.AddMember, abi.encode(new_)));
        vote(2, id, true);
        bytes memory call_ = abi.encodeCall(governance.vote, (id, true));
        uint256 start = vm.snapshotState();
        bool starved = false;
        bool approved = false;
        for (uint256 gas_ = 40_000; gas_ < 4_000_000; gas_ += 10_000) {
            (bool done, bytes memory failure) = miser.call(address(governance), call_, gas_);
            if (done) {
                is_(governance.state(id), ProposalState.Approved);
                same(governance.member(5).organization, "organization-5", "the new member");
                approved = true;
            } else {
                bytes memory poor = abi.encodeWithSelector(NotEnoughGas.selector, id);
                if (failure.length != 0) same(failure, poor, "failure");
                starved = starved || failure.length != 0;
                is_(governance.state(id), ProposalState.InProgress);
                same(governance.votesOf(id).length, 2, "votes");
            }
            holds(!approved || done, "more gas never hurts");
            vm.revertToState(start);
        }
        holds(starved && approved, "both were seen");
    }

    function checkVotes(Action[] memory actions, uint256 members, uint256 yes, uint256 no) private {
        uint256 start = vm.snapshotState();
        uint256 id = propose(1, actions);
        for (uint256 i = 2; i <= yes; i++) {
            is_(governance.state(id), ProposalState.InProgress);
            vote(i, id, true);
        }
        holds(governance.state(id) != ProposalState.InProgress, "enough votes for it");
        holds(governance.state(id) != ProposalState.Rejected, "not against it");
        vm.revertToState(start);
        // Its proposer is for it, so where one vote against is enough another member casts it.
        if (members == 1) return;
        id = propose(1, actions);
        for (uint256 i = 0; i < no; i++) {
            is_(governance.state(id), ProposalState.InProgress);
            vote(members - i, id, false);
        }
        is_(governance.state(id), ProposalState.Rejected);
        vm.revertToState(start);
    }

    function notInProgress(uint256 id, ProposalState state) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ProposalNotInProgress.selector, id, state);
    }

    function refuseVote(uint256 member, uint256 id, bytes memory reason) private {
        vm.expectRevert(reason);
        vote(member, id, true);
    }

    function refuseSettle(uint256 id, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(account(1));
        governance.settle(id);
    }

    function gasLimit() private pure returns (Action[] memory) {
        return act(ActionKind.SetGasLimit, abi.encode(uint64(40_000_000)));
    }

    function thresholds(uint8 membership, uint8 parameters) private pure returns (Action[] memory) {
        return act(ActionKind.SetThreshold, abi.encode(membership, parameters));
    }
}
