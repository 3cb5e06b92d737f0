"""web3.py against a network, with its endpoint and no other setting, from an account without balance."""

import json
import os
import pathlib
import time

from web3 import Web3
from web3.exceptions import ContractCustomError, ContractLogicError, Web3RPCError

ENDPOINT = os.environ["ENDPOINT"]
BUILD = pathlib.Path(__file__).resolve().parents[3] / "contracts" / "build" / "Token.json"
TOKEN = json.loads(BUILD.read_text())
SUPPLY = 10**24

w3 = Web3(Web3.HTTPProvider(ENDPOINT))
account = w3.eth.account.create()
friend = w3.eth.account.create()
began = time.monotonic()


def done(step: str) -> None:
    """Says that a step is done and how long it took."""
    global began
    now = time.monotonic()
    print(f"ok {step} ({round((now - began) * 1000)} ms)", flush=True)
    began = now


def send(call, sender, **extra):
    """Signs a call with each of web3.py's defaults, sends it and waits for it."""
    nonce = w3.eth.get_transaction_count(sender.address)
    transaction = call.build_transaction({"from": sender.address, "nonce": nonce, **extra})
    signed = sender.sign_transaction(transaction)
    sent = w3.eth.send_raw_transaction(signed.raw_transaction)
    return w3.eth.wait_for_transaction_receipt(sent, timeout=30, poll_latency=0.05)


def refused(kind, action, text: str = ""):
    """The error that the action must end with."""
    try:
        action()
    except kind as error:
        assert text in str(error), f"{error} does not say {text}"
        return error
    raise AssertionError(f"{kind.__name__} was expected")


assert w3.is_connected()
assert w3.eth.chain_id > 0
assert w3.net.version == str(w3.eth.chain_id)
assert w3.client_version
assert w3.eth.syncing is False
assert w3.eth.accounts == []
assert w3.eth.get_balance(account.address) == 0
done("network")

factory = w3.eth.contract(abi=TOKEN["abi"], bytecode=TOKEN["bytecode"])
deployment = send(factory.constructor("Windlass", "WND", SUPPLY), account)
assert deployment.status == 1
token = w3.eth.contract(address=deployment.contractAddress, abi=TOKEN["abi"])
assert len(w3.eth.get_code(token.address)) > 500
done("deploy")

assert token.functions.name().call() == "Windlass"
assert token.functions.totalSupply().call() == SUPPLY
assert token.functions.balanceOf(account.address).call() == SUPPLY
assert int.from_bytes(w3.eth.get_storage_at(token.address, 2), "big") == SUPPLY
done("read")

transfer = token.functions.transfer(friend.address, 4242)
assert 21_000 < transfer.estimate_gas({"from": account.address}) < 100_000
receipt = send(transfer, account)
assert receipt.status == 1
assert token.functions.balanceOf(friend.address).call() == 4242
assert w3.eth.get_transaction(receipt.transactionHash)["from"] == account.address
done("transfer")

(event,) = token.events.Transfer.get_logs(from_block=0, argument_filters={"to": friend.address})
assert event.args.value == 4242
assert event.transactionHash == receipt.transactionHash
(decoded,) = token.events.Transfer().process_receipt(receipt)
assert decoded.args["from"] == account.address
done("logs")

block = w3.eth.get_block(receipt.blockNumber, full_transactions=True)
assert block.hash == receipt.blockHash
assert w3.eth.get_block(block.hash).number == block.number
assert receipt.transactionHash in [transaction.hash for transaction in block.transactions]
receipts = w3.eth.get_block_receipts(block.number)
assert receipt.transactionHash in [one.transactionHash for one in receipts]
assert w3.eth.get_block("finalized").number >= block.number
done("blocks and receipts")

history = w3.eth.fee_history(2, "latest", [10, 90])
assert len(history.baseFeePerGas) == len(history.gasUsedRatio) + 1
assert w3.eth.gas_price >= 0
assert w3.eth.max_priority_fee >= 0
done("fees")

poor = token.functions.transfer(account.address, 10**6)
error = refused(ContractCustomError, lambda: poor.call({"from": friend.address}))
data = bytes.fromhex(error.data.removeprefix("0x"))
assert data[:4] == w3.keccak(text="ERC20InsufficientBalance(address,uint256,uint256)")[:4]
assert w3.codec.decode(["address", "uint256", "uint256"], data[4:])[1:] == (4242, 10**6)
done("a custom error is told")

nobody = token.functions.distribute([], 1)
refused(ContractLogicError, lambda: nobody.call({"from": account.address}), "no receivers")
refused(ContractLogicError, lambda: nobody.estimate_gas({"from": account.address}), "no receivers")
assert send(nobody, account, gas=100_000).status == 0
done("a revert's text is told")

with w3.batch_requests() as batch:
    for _ in range(20):
        batch.add(token.functions.balanceOf(friend.address))
    assert batch.execute() == [4242] * 20
done("batches")

# Transactions made by hand, each wrong in one thing.
template = {"to": friend.address, "gas": 21_000, "maxFeePerGas": 10**9, "maxPriorityFeePerGas": 0}


def raw(**change):
    """Sends a transfer with its fields changed."""
    nonce = w3.eth.get_transaction_count(account.address)
    fields = {**template, "value": 0, "chainId": w3.eth.chain_id, "nonce": nonce, **change}
    return w3.eth.send_raw_transaction(account.sign_transaction(fields).raw_transaction)


refused(Web3RPCError, lambda: raw(nonce=0), "nonce too low")
refused(Web3RPCError, lambda: raw(value=1), "insufficient funds")
refused(Web3RPCError, lambda: raw(chainId=w3.eth.chain_id + 1), "chain id")
refused(Web3RPCError, lambda: raw(gas=20_999), "intrinsic gas too low")
done("refusals")

print("web3.py: all steps passed")
