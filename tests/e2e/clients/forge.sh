#!/usr/bin/env bash
# A Foundry project, forge/, against a network, with its endpoint, from an account without balance.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$here/forge"

wallet=$(cast wallet new --json)
key=$(field 0 private_key <<<"$wallet")
address=$(field 0 address <<<"$wallet")
CHAIN_ID=$(cast chain-id)
export CHAIN_ID

forge build
step "build"

created=$(forge create src/Counter.sol:Counter --json --broadcast --private-key "$key" --constructor-args 7 9)
COUNTER=$(field deployedTo <<<"$created")
hash=$(field transactionHash <<<"$created")
receipt=$(cast receipt "$hash" --json)
equal "$(field status <<<"$receipt")" 0x1 "deployment"
equal "$(field contractAddress <<<"$receipt")" "$(tr A-F a-f <<<"$COUNTER")" "address"
equal "$(cast code "$COUNTER" | cut -c1-4)" 0x60 "code"
equal "$(cast call "$COUNTER" 'limit()(uint256)')" 9 "limit"
step "create"

cast send "$COUNTER" 'raise()' --private-key "$key" >/dev/null
VALUE=$(cast call "$COUNTER" 'value()(uint256)')
BLOCK=$(cast block-number)
export COUNTER VALUE BLOCK
equal "$VALUE" 8 "value"
forge test --fork-url "$ENDPOINT"
# At a block of the past, the counter is what it was then.
VALUE=7 BLOCK=$((BLOCK - 1)) forge test --fork-url "$ENDPOINT" --fork-block-number $((BLOCK - 1))
equal "$(cast call "$COUNTER" 'value()(uint256)')" 8 "value after the tests"
step "test on a fork"

forge script script/Deploy.s.sol --rpc-url "$ENDPOINT" --private-key "$key" >/dev/null
equal "$(cast nonce "$address")" 2 "nonce after a dry run"
forge script script/Deploy.s.sol --broadcast --rpc-url "$ENDPOINT" --private-key "$key"
run=broadcast/Deploy.s.sol/$CHAIN_ID/run-latest.json
equal "$(field receipts length <"$run")" 5 "receipts"
for i in 0 1 2 3 4; do equal "$(field receipts $i status <"$run")" 0x1 "receipt $i"; done
equal "$(cast nonce "$address")" 7 "nonce"
first=$(field transactions 0 contractAddress <"$run")
second=$(field transactions 1 contractAddress <"$run")
equal "$(cast call "$first" 'value()(uint256)')" 9 "the first"
equal "$(cast call "$second" 'value()(uint256)')" 10 "the second"
raised=$(cast logs --json --from-block 0 --address "$second" 'Raised(address indexed,uint256)' "$address")
equal "$(field length <<<"$raised")" 2 "logs"
step "script"

cast send "$COUNTER" 'raise()' --private-key "$key" >/dev/null
if refusal=$(cast send "$COUNTER" 'raise()' --private-key "$key" 2>&1); then
  fail "a full counter was raised"
fi
grep -q "$(cast sig 'Full(uint256)')" <<<"$refusal" || fail "the custom error is not told: $refusal"
step "a custom error"

echo "forge: all steps passed"
