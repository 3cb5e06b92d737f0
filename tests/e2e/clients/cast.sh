#!/usr/bin/env bash
# cast against a network, with its endpoint and no other setting, from an account without balance.
set -euo pipefail
. "$(dirname "$0")/common.sh"
build=$here/../../../contracts/build/Token.json

# cast prints the wallet as a list of one in JSON.
wallet=$(cast wallet new --json)
key=$(field 0 private_key <<<"$wallet")
address=$(field 0 address <<<"$wallet")
friend=$(cast wallet new --json | field 0 address)

chain=$(cast chain-id)
[ "$chain" -gt 0 ] || fail "chain id"
equal "$(cast rpc net_version | tr -d '"')" "$chain" "net_version"
equal "$(cast balance "$address")" 0 "balance"
cast client >/dev/null
step "network"

code=$(field bytecode <"$build")
arguments=$(cast abi-encode 'constructor(string,string,uint256)' Windlass WND 1000000)
deployment=$(cast send --json --private-key "$key" --create "$code${arguments#0x}")
equal "$(field status <<<"$deployment")" 0x1 "deployment"
token=$(field contractAddress <<<"$deployment")
[ "$(cast codesize "$token")" -gt 500 ] || fail "code"
step "deploy"

equal "$(cast call "$token" 'name()(string)')" '"Windlass"' "name"
equal "$(cast call --json "$token" 'balanceOf(address)(uint256)' "$address" | field 0)" 1000000 "balance of the token"
equal "$(cast to-dec "$(cast storage "$token" 2)")" 1000000 "storage"
step "read"

gas=$(cast estimate --from "$address" "$token" 'transfer(address,uint256)' "$friend" 99)
[ "$gas" -gt 21000 ] && [ "$gas" -lt 100000 ] || fail "estimate $gas"
receipt=$(cast send --json --private-key "$key" "$token" 'transfer(address,uint256)' "$friend" 99)
equal "$(field status <<<"$receipt")" 0x1 "transfer"
hash=$(field transactionHash <<<"$receipt")
equal "$(cast call --json "$token" 'balanceOf(address)(uint256)' "$friend" | field 0)" 99 "after the transfer"
equal "$(cast receipt "$hash" --json | field status)" 0x1 "receipt"
equal "$(cast tx "$hash" from | tr A-F a-f)" "$(tr A-F a-f <<<"$address")" "sender"
equal "$(cast nonce "$address")" 2 "nonce"
step "transfer"

logs=$(cast logs --json --from-block 0 --address "$token" 'Transfer(address indexed,address indexed,uint256)' "$address" "$friend")
equal "$(field length <<<"$logs")" 1 "logs"
equal "$(cast to-dec "$(field 0 data <<<"$logs")")" 99 "log data"
step "logs"

number=$(field blockNumber <<<"$receipt")
equal "$(cast block "$number" --json | field hash)" "$(field blockHash <<<"$receipt")" "block"
[ "$(cast block-number)" -ge "$(cast to-dec "$number")" ] || fail "block number"
cast gas-price >/dev/null
cast base-fee >/dev/null
cast rpc eth_feeHistory 0x2 latest '[25]' >/dev/null
step "blocks and fees"

if refusal=$(cast call --from "$friend" "$token" 'transfer(address,uint256)' "$address" 12345 2>&1); then
  fail "a transfer of too much was not refused"
fi
selector=$(cast sig 'ERC20InsufficientBalance(address,uint256,uint256)')
grep -q "${selector}" <<<"$refusal" || fail "the custom error is not told: $refusal"
if refusal=$(cast estimate --from "$address" "$token" 'distribute(address[],uint256)' '[]' 1 2>&1); then
  fail "a distribution to nobody was not refused"
fi
grep -q 'no receivers' <<<"$refusal" || fail "the revert's text is not told: $refusal"
step "reverts"

echo "cast: all steps passed"
