// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import "../governance/Types.sol";
import {Fixture} from "./Fixture.sol";

/// @dev What a key is; once it is or was a validator's it becomes nothing else. An observer's is free
/// when it is none any more, and members may vote it to anybody's node.
enum Role {
    None,
    Observer,
    Node,
    Consensus,
    Gone
}

/// @dev Random histories: proposals of random actions, votes by anybody in any order, members'
/// own changes, time. Whatever is refused or fails, the invariants hold after each step.
contract InvariantsTest is Fixture {
    uint256 private random;
    uint256 private fresh = 1_000;
    /// @dev What each proposal that is settled was.
    mapping(uint256 id => bytes32) private settled;
    /// @dev All keys that were in the lists of nodes, and what they were when looked at last; of those
    /// that are or were validators', whose.
    bytes32[] private seen;
    mapping(bytes32 key => bool) private known;
    mapping(bytes32 key => Role) private roles;
    mapping(bytes32 key => uint32 member) private owners;
    mapping(bytes32 key => uint256 round) private lastSeen;
    uint256 private round;

    function testFuzz_histories(uint256 seed) external {
        random = seed;
        for (uint256 i = 0; i < 40; i++) {
            step();
            check();
        }
    }

    /// @dev More of the same, so that members and validators come and go.
    function testFuzz_executions(uint256 seed) external {
        random = seed;
        for (uint256 i = 0; i < 40; i++) {
            uint64 revision = governance.revision();
            bytes memory before = everything();
            Action[] memory actions = someActions();
            vm.prank(address(governance));
            try governance.execute(actions) {
                same(governance.revision(), revision + 1, "revision");
            } catch (bytes memory failure) {
                holds(failure.length >= 4, "a reason");
                same(everything(), before, "what a failed execution left");
            }
            check();
        }
    }

    function step() private {
        uint256 dice = draw(10);
        address who = draw(20) == 0 ? OUTSIDER : someAccount();
        uint256 id = someProposal();
        if (dice < 3) {
            Action[] memory actions = someActions();
            vm.prank(who);
            try governance.propose(actions, draw(2) == 0, "") {} catch {}
        } else if (dice < 8) {
            vm.prank(who);
            try governance.vote(id, draw(4) != 0) {} catch {}
        } else if (dice < 9) {
            vm.warp(block.timestamp + draw(2 days));
            vm.prank(who);
            try governance.settle(id) {} catch {}
        } else {
            ownChange();
        }
    }

    function ownChange() private {
        uint256 dice = draw(4);
        Observer[] memory observers = governance.observers();
        address who = someAccount();
        vm.prank(who);
        if (dice == 0) {
            try governance.setMemberAccount(account(fresh++)) {} catch {}
        } else if (dice == 1) {
            try governance.addObserver(someKey(), "observer:1") {} catch {}
        } else if (dice == 2 && observers.length > 0) {
            try governance.removeObserver(observers[draw(observers.length)].nodeKey) {} catch {}
        } else {
            try governance.setValidatorEndpoint(some(), "host:2") {} catch {}
        }
    }

    function someActions() private returns (Action[] memory actions) {
        actions = new Action[](1 + draw(3));
        for (uint256 i = 0; i < actions.length; i++) {
            ActionKind kind = ActionKind(draw(10));
            actions[i] = Action(kind, someArguments(kind));
        }
    }

    function someArguments(ActionKind kind) private returns (bytes memory) {
        if (kind == ActionKind.AddMember) {
            NewMember memory new_ = newMember(fresh++, draw(3));
            new_.observers = new NewObserver[](draw(3));
            for (uint256 i = 0; i < new_.observers.length; i++) {
                new_.observers[i] = newObserver(fresh++);
                if (draw(2) == 0) new_.observers[i].nodeKey = contested();
            }
            if (new_.validators.length > 0 && draw(2) == 0) {
                new_.validators[0].consensusKey = contested();
            }
            return abi.encode(new_);
        }
        if (kind == ActionKind.AddValidator) return someValidator();
        if (kind == ActionKind.ReplaceKey) return abi.encode(some(), KeyKind(draw(2)), someKey());
        if (kind == ActionKind.SetGasLimit) return abi.encode(uint64(1_000_000 + draw(1_000_000)));
        return abi.encode(some());
    }

    /// @dev Often with keys that are observers', mostly of the same member, or are about to be.
    function someValidator() private returns (bytes memory) {
        NewValidator memory new_ = newValidator(fresh++);
        uint32 member = some();
        Observer[] memory observers = governance.observers();
        if (observers.length > 0 && draw(2) == 0) {
            Observer memory observer = observers[draw(observers.length)];
            new_.nodeKey = observer.nodeKey;
            if (draw(4) != 0) member = observer.member;
        } else if (draw(4) == 0) {
            new_.nodeKey = someKey();
        }
        if (draw(4) == 0) new_.consensusKey = contested();
        return abi.encode(member, new_);
    }

    function check() private {
        checkSet();
        Member[] memory members = governance.members();
        uint256 active = 0;
        for (uint256 i = 0; i < members.length; i++) {
            if (members[i].state == MemberState.Active) active++;
            same(governance.memberOf(members[i].account), members[i].id, "member of the account");
            for (uint256 j = 0; j < i; j++) {
                holds(!equal(members[i].organization, members[j].organization), "organizations differ");
            }
        }
        holds(active > 0, "an active member");
        checkKeys();
        checkRoles();
        checkProposals();
    }

    function checkRoles() private {
        round++;
        Validator[] memory validators = governance.validators();
        Observer[] memory observers = governance.observers();
        for (uint256 i = 0; i < validators.length; i++) {
            checkRole(validators[i].nodeKey, Role.Node, validators[i].member);
            checkRole(validators[i].consensusKey, Role.Consensus, validators[i].member);
        }
        for (uint256 i = 0; i < observers.length; i++) {
            checkRole(observers[i].nodeKey, Role.Observer, observers[i].member);
        }
        for (uint256 i = 0; i < seen.length; i++) {
            bytes32 key = seen[i];
            bool present = lastSeen[key] == round;
            if (!present && roles[key] == Role.Observer) roles[key] = Role.None;
            // In between two looks it may have been a validator's.
            if (roles[key] == Role.None) continue;
            same(governance.usedKeys(key) ? 1 : 0, roles[key] != Role.Observer ? 1 : 0, "used for ever");
            if (!present) roles[key] = Role.Gone;
        }
    }

    function checkRole(bytes32 key, Role role, uint32 member) private {
        lastSeen[key] = round;
        Role before = roles[key];
        if (!known[key]) seen.push(key);
        known[key] = true;
        if (before == Role.None || before == Role.Observer) owners[key] = member;
        else holds(before == role, "a key's role");
        same(owners[key], member, "a key's member");
        roles[key] = role;
    }

    function checkKeys() private view {
        Validator[] memory validators = governance.validators();
        Observer[] memory observers = governance.observers();
        bytes32[] memory keys = new bytes32[](2 * validators.length + observers.length);
        uint256 next = 0;
        for (uint256 i = 0; i < validators.length; i++) {
            if (i > 0) holds(validators[i - 1].nodeKey < validators[i].nodeKey, "ascending");
            keys[next++] = validators[i].nodeKey;
            keys[next++] = validators[i].consensusKey;
            MemberState state = governance.member(validators[i].member).state;
            holds(state == MemberState.Active || state == MemberState.Suspended, "a member's");
        }
        for (uint256 i = 0; i < observers.length; i++) {
            keys[next++] = observers[i].nodeKey;
            Member memory member = governance.member(observers[i].member);
            holds(member.state != MemberState.Removed, "a member's");
            same(observers[i].active ? 1 : 0, member.state == MemberState.Active ? 1 : 0, "active");
        }
        for (uint256 i = 0; i < keys.length; i++) {
            for (uint256 j = 0; j < i; j++) holds(keys[i] != keys[j], "no key twice");
        }
    }

    function checkProposals() private {
        for (uint256 id = 1; id <= governance.proposalCount(); id++) {
            Proposal memory proposal = governance.proposal(id);
            bool final_ = proposal.settledAt != 0;
            if (settled[id] != 0) same(keccak256(abi.encode(proposal)), settled[id], "settled");
            if (final_) settled[id] = keccak256(abi.encode(proposal));
            if (!final_) holds(proposal.failure.length == 0, "no failure yet");
            holds(proposal.votesFor + proposal.votesAgainst <= proposal.activeMembers, "votes");
            holds(final_ == (governance.state(id) != ProposalState.InProgress)
                || governance.state(id) == ProposalState.Expired, "state");
        }
    }

    /// @dev One of a few keys that members propose and register.
    function contested() private returns (bytes32) {
        return keccak256(abi.encode("contested", draw(12)));
    }

    /// @dev Mostly a key that was never seen; else one that is or was a node's, or is contested.
    function someKey() private returns (bytes32) {
        if (draw(3) == 0) return contested();
        if (seen.length > 0 && draw(8) == 0) return seen[draw(seen.length)];
        return draw(4) == 0 ? nodeKey(1 + draw(6)) : keccak256(abi.encode("key", fresh++));
    }

    /// @dev The account of any member, or of one that was.
    function someAccount() private returns (address) {
        Member[] memory members = governance.members();
        if (draw(20) == 0) return account(1 + draw(4));
        return members[draw(members.length)].account;
    }

    /// @dev Mostly one of the last, so that some are decided; sometimes none.
    function someProposal() private returns (uint256) {
        uint256 count = governance.proposalCount();
        uint256 back = draw(4);
        return draw(10) == 0 || back >= count ? draw(count + 2) : count - back;
    }

    /// @dev An id that a member or a validator may have.
    function some() private returns (uint32) {
        return uint32(1 + draw(8));
    }

    function draw(uint256 below) private returns (uint256) {
        random = uint256(keccak256(abi.encode(random)));
        return random % below;
    }

    function equal(string memory a, string memory b) private pure returns (bool) {
        return keccak256(bytes(a)) == keccak256(bytes(b));
    }
}
