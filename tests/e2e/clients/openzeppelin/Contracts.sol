// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {Governor} from "@openzeppelin/contracts/governance/Governor.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {GovernorCountingSimple} from
    "@openzeppelin/contracts/governance/extensions/GovernorCountingSimple.sol";
import {GovernorSettings} from "@openzeppelin/contracts/governance/extensions/GovernorSettings.sol";
import {GovernorTimelockControl} from
    "@openzeppelin/contracts/governance/extensions/GovernorTimelockControl.sol";
import {GovernorVotes, IVotes} from "@openzeppelin/contracts/governance/extensions/GovernorVotes.sol";
import {GovernorVotesQuorumFraction} from
    "@openzeppelin/contracts/governance/extensions/GovernorVotesQuorumFraction.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit, Nonces} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC20Votes} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {ReentrancyGuardTransient} from
    "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

/// A token whose holders vote, by the clock: there are no blocks while nobody does anything.
contract Shares is ERC20, ERC20Permit, ERC20Votes {
    constructor(uint256 supply) ERC20("Shares", "SHR") ERC20Permit("Shares") {
        _mint(msg.sender, supply);
    }

    function clock() public view override returns (uint48) {
        return uint48(block.timestamp);
    }

    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    function nonces(address owner) public view override(ERC20Permit, Nonces) returns (uint256) {
        return super.nonces(owner);
    }

    function _update(address from, address to, uint256 value) internal override(ERC20, ERC20Votes) {
        super._update(from, to, value);
    }
}

/// What those who have its role may issue.
contract Deeds is ERC721, AccessControl {
    bytes32 public constant REGISTRAR = keccak256("REGISTRAR");

    constructor() ERC721("Deeds", "DEED") {
        _grantRole(DEFAULT_ADMIN_ROLE, msg.sender);
    }

    function issue(address to, uint256 id) external onlyRole(REGISTRAR) {
        _safeMint(to, id);
    }

    function supportsInterface(bytes4 id)
        public
        view
        override(ERC721, AccessControl)
        returns (bool)
    {
        return super.supportsInterface(id);
    }
}

/// A number that its owner sets: an account, or a timelock.
contract Setting is Ownable2Step {
    uint256 public value;

    constructor() Ownable(msg.sender) {}

    function set(uint256 value_) external onlyOwner {
        value = value_;
    }
}

/// Carries out what its proposers decided, some time later. Its executor is nobody, so anybody may be.
contract Timelock is TimelockController {
    constructor(uint256 delaySeconds, address admin)
        TimelockController(delaySeconds, new address[](0), new address[](1), admin)
    {}
}

/// Votes of `Shares` decide what its timelock does.
contract Assembly is
    Governor,
    GovernorSettings,
    GovernorCountingSimple,
    GovernorVotes,
    GovernorVotesQuorumFraction,
    GovernorTimelockControl
{
    constructor(IVotes shares, TimelockController timelock_, uint32 periodSeconds)
        Governor("Assembly")
        GovernorSettings(0, periodSeconds, 0)
        GovernorVotes(shares)
        GovernorVotesQuorumFraction(50)
        GovernorTimelockControl(timelock_)
    {}

    function proposalThreshold()
        public
        view
        override(Governor, GovernorSettings)
        returns (uint256)
    {
        return super.proposalThreshold();
    }

    function state(uint256 id)
        public
        view
        override(Governor, GovernorTimelockControl)
        returns (ProposalState)
    {
        return super.state(id);
    }

    function proposalNeedsQueuing(uint256 id)
        public
        view
        override(Governor, GovernorTimelockControl)
        returns (bool)
    {
        return super.proposalNeedsQueuing(id);
    }

    function _queueOperations(
        uint256 id,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 description
    ) internal override(Governor, GovernorTimelockControl) returns (uint48) {
        return super._queueOperations(id, targets, values, calldatas, description);
    }

    function _executeOperations(
        uint256 id,
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 description
    ) internal override(Governor, GovernorTimelockControl) {
        super._executeOperations(id, targets, values, calldatas, description);
    }

    function _cancel(
        address[] memory targets,
        uint256[] memory values,
        bytes[] memory calldatas,
        bytes32 description
    ) internal override(Governor, GovernorTimelockControl) returns (uint256) {
        return super._cancel(targets, values, calldatas, description);
    }

    function _executor()
        internal
        view
        override(Governor, GovernorTimelockControl)
        returns (address)
    {
        return super._executor();
    }
}

/// Behind a proxy, and replaced by the second.
contract BoxV1 is Initializable, UUPSUpgradeable {
    error NotTheOwner(address account);

    address public owner;
    uint256 public value;

    constructor() {
        _disableInitializers();
    }

    function initialize(uint256 value_) external initializer {
        owner = msg.sender;
        value = value_;
    }

    function version() external pure virtual returns (uint256) {
        return 1;
    }

    function _authorizeUpgrade(address) internal view override {
        if (msg.sender != owner) revert NotTheOwner(msg.sender);
    }
}

contract BoxV2 is BoxV1 {
    function increment() external {
        value++;
    }

    function version() external pure override returns (uint256) {
        return 2;
    }
}

contract Proxy is ERC1967Proxy {
    constructor(address implementation, bytes memory data) ERC1967Proxy(implementation, data) {}
}

interface Callee {
    function called() external;
}

/// Calls back whoever enters, who may not enter again meanwhile.
contract Door is ReentrancyGuard {
    uint256 public entered;

    function enter() external nonReentrant {
        entered++;
        Callee(msg.sender).called();
    }
}

/// The same with a lock in transient storage (EIP-1153).
contract TransientDoor is ReentrancyGuardTransient {
    uint256 public entered;

    function enter() external nonReentrant {
        entered++;
        Callee(msg.sender).called();
    }
}

/// Enters a door, and again from within if it is greedy.
contract Visitor is Callee {
    bool private greedy;

    function visit(Door door, bool greedy_) external {
        greedy = greedy_;
        door.enter();
    }

    function called() external {
        if (greedy) Door(msg.sender).enter();
    }
}
