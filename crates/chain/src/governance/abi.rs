//! The contract's interface, as nodes, members and those who watch them use it:
//! contracts/Governance.sol. A test of the engine holds it against the ABI that the compiler gave.
#![expect(clippy::too_many_arguments, reason = "an event has the fields that it has")]

alloy_sol_types::sol! {
    #[derive(Debug, PartialEq, Eq)]
    contract Governance {
        struct Settings {
            uint64 gasLimit;
            uint8 feePolicy;
            uint64 baseFeeFloor;
            uint32 minBlockIntervalMs;
            uint32 proposalLifetime;
            uint8 membershipThreshold;
            uint8 parametersThreshold;
            uint32 rulesVersion;
            bool sendersPermissioned;
            bool deployersPermissioned;
        }
        struct Action {
            uint8 kind;
            bytes arguments;
        }
        struct NewValidator {
            string name;
            bytes32 nodeKey;
            bytes32 consensusKey;
            address account;
            string endpoint;
        }
        struct NewObserver {
            bytes32 nodeKey;
            string endpoint;
        }
        struct NewMember {
            string organization;
            string endpoint;
            address account;
            NewValidator[] validators;
            NewObserver[] observers;
        }
        struct Grant {
            address account;
            uint8 permissions;
        }
        struct Member {
            uint32 id;
            uint8 state;
            address account;
            string organization;
            string endpoint;
        }
        struct Validator {
            uint32 id;
            uint32 member;
            uint8 state;
            bool active;
            string name;
            bytes32 nodeKey;
            bytes32 consensusKey;
            address account;
            string endpoint;
        }
        struct Observer {
            bytes32 nodeKey;
            uint32 member;
            bool active;
            string endpoint;
        }
        struct Parameters {
            uint64 revision;
            uint64 gasLimit;
            uint8 feePolicy;
            uint64 baseFeeFloor;
            uint32 minBlockIntervalMs;
            uint32 proposalLifetime;
            uint8 membershipThreshold;
            uint8 parametersThreshold;
            bool sendersPermissioned;
            bool deployersPermissioned;
            uint32 rulesVersion;
            uint32 nextRulesVersion;
            uint64 nextRulesHeight;
        }
        struct Proposal {
            uint256 id;
            uint32 proposer;
            uint8 state;
            bool force;
            uint64 createdAt;
            uint64 expiresAt;
            uint64 settledAt;
            uint256 votesFor;
            uint256 votesAgainst;
            uint256 activeMembers;
            uint8 threshold;
            Action[] actions;
            string reason;
            bytes failure;
        }
        struct Vote {
            uint32 member;
            bool support;
            uint64 castAt;
        }

        constructor(Settings settings, NewMember[] members, Grant[] grants);

        function members() external view returns (Member[] all);
        function member(uint32 id) external view returns (Member one);
        function validators() external view returns (Validator[] all);
        function validator(uint32 id) external view returns (Validator one);
        function validatorSet() external view returns (Validator[] set);
        function observers() external view returns (Observer[] all);
        function parameters() external view returns (Parameters answer);
        function permittedCount() external view returns (uint256 count);
        function permitted(uint256 from, uint256 count) external view returns (Grant[] page);
        function proposalCount() external view returns (uint64 count);
        function proposals(uint256 from, uint256 count) external view returns (Proposal[] page);
        function proposal(uint256 id) external view returns (Proposal answer);
        function votesOf(uint256 id) external view returns (Vote[] votes);

        function propose(Action[] actions, bool force, string reason) external returns (uint256 id);
        function vote(uint256 id, bool support) external;
        function settle(uint256 id) external;
        function execute(Action[] actions) external;
        function addObserver(bytes32 nodeKey, string endpoint) external;
        function removeObserver(bytes32 nodeKey) external;

        event VoteCast(uint256 indexed id, uint32 indexed member, bool support);
        event ProposalSettled(
            uint256 indexed id,
            uint8 indexed state,
            uint256 votesFor,
            uint256 votesAgainst,
            uint256 activeMembers,
            bytes failure
        );
    }
}

alloy_sol_types::sol! {
    /// Who may do something at all.
    #[derive(Debug, PartialEq, Eq)]
    contract MemberRefusals {
        error NotAMember(address sender);
        error MemberNotActive(uint32 member);
        error UnknownMember(uint32 member);
        error WrongMemberState(uint32 member, uint8 state);
        error OrganizationIsMember(uint32 member);
        error AccountIsMember(address account, uint32 member);
        error ZeroAccount();
        error NoActiveMember();
        error TooManyMembers(uint256 count);
        error OrganizationLength(uint256 length);
    }
}

alloy_sol_types::sol! {
    /// Validators and observers.
    #[derive(Debug, PartialEq, Eq)]
    contract NodeRefusals {
        error UnknownValidator(uint32 validator);
        error WrongValidatorState(uint32 validator, uint8 state);
        error ValidatorOfAnother(uint32 validator, uint32 member);
        error UnknownObserver(bytes32 nodeKey);
        error ObserverOfAnother(bytes32 nodeKey, uint32 member);
        error KeyUsed(bytes32 key);
        error ZeroKey();
        error NameLength(uint256 length);
        error EndpointLength(uint256 length);
        error TooManyValidators(uint256 count);
        error TooManyObservers(uint32 member, uint256 count);
        error NoActiveValidator();
    }
}

alloy_sol_types::sol! {
    /// Parameters, permissions and rules.
    #[derive(Debug, PartialEq, Eq)]
    contract ParameterRefusals {
        error GasLimitOutOfBounds(uint64 gasLimit);
        error BaseFeeFloorOutOfBounds(uint64 baseFeeFloor);
        error BlockIntervalOutOfBounds(uint32 milliseconds);
        error ProposalLifetimeOutOfBounds(uint32 secondsOpen);
        error ThresholdOutOfBounds(uint8 percent);
        error UnknownPermissions(uint8 permissions);
        error RulesNotNewer(uint32 version, uint32 current);
        error HeightNotInFuture(uint64 height, uint256 current);
    }
}

alloy_sol_types::sol! {
    /// Proposals and votes.
    #[derive(Debug, PartialEq, Eq)]
    contract ProposalRefusals {
        error ReasonLength(uint256 length);
        error ActionCount(uint256 count);
        error MalformedArguments(uint256 action);
        error NotCanonical();
        error UnknownProposal(uint256 id);
        error ProposalNotInProgress(uint256 id, uint8 state);
        error AlreadyVoted(uint256 id, uint32 member);
        error ProposalUndecided(uint256 id);
        error NotEnoughGas(uint256 id);
        error OnlySelf(address sender);
    }
}
