"""web3.py against a network, with its endpoint and no other setting, from an account without balance."""

import asyncio
import json
import os
import pathlib
import time

from web3 import AsyncWeb3, Web3, WebSocketProvider
from web3.exceptions import ContractCustomError, ContractLogicError, Web3RPCError
from web3.utils.subscriptions import LogsSubscription, NewHeadsSubscription, PendingTxSubscription

ENDPOINT = os.environ["ENDPOINT"]
SOCKET_ENDPOINT = ENDPOINT.replace("http", "ws", 1)
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
estimated = refused(ContractCustomError, lambda: poor.estimate_gas({"from": friend.address}))
assert estimated.data == error.data
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


def typed(type_: int, signer=account, **fields):
    """Sends a call with the fields of a type of transactions and finds it again."""
    nonce = w3.eth.get_transaction_count(signer.address)
    common = {"gas": 200_000, "value": 0, "chainId": w3.eth.chain_id, "nonce": nonce}
    signed = signer.sign_transaction({"to": token.address, **common, **fields})
    sent = w3.eth.send_raw_transaction(signed.raw_transaction)
    mined = w3.eth.wait_for_transaction_receipt(sent, timeout=30, poll_latency=0.05)
    found = w3.eth.get_transaction(sent)
    assert mined.type == found.type == type_
    assert found.chainId == w3.eth.chain_id
    return mined, found


call = {"data": token.encode_abi("transfer", [friend.address, 0])}
entry = {"address": token.address, "storageKeys": ["0x" + "00" * 32]}
mined, found = typed(0, gasPrice=0, **call)
assert mined.status == 1 and found.gasPrice == 0
mined, found = typed(1, gasPrice=0, accessList=[entry], **call)
assert mined.status == 1 and found.accessList[0].address == token.address
mined, found = typed(2, maxFeePerGas=0, maxPriorityFeePerGas=0, **call)
assert mined.status == 1 and found.maxFeePerGas == 0
done("each type of transaction")

smart = w3.eth.account.create()
authorization = {"chainId": w3.eth.chain_id, "address": token.address, "nonce": 0}
fees = {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0}
given = smart.sign_authorization(authorization)
mined, found = typed(4, to=smart.address, authorizationList=[given], **fees, **call)
assert [log.address for log in mined.logs] == [smart.address]
assert found.authorizationList[0].address == token.address
assert w3.eth.get_code(smart.address) == bytes.fromhex("ef0100" + token.address[2:])
# The account takes it back itself; its nonce is one higher when the authorization is looked at.
authorization = {"chainId": w3.eth.chain_id, "address": "0x" + "00" * 20, "nonce": 2}
taken = smart.sign_authorization(authorization)
typed(4, signer=smart, to=smart.address, authorizationList=[taken], **fees)
assert w3.eth.get_code(smart.address) == b""
done("an account with a contract's code (EIP-7702)")

blocks = w3.eth.filter("latest")
pending = w3.eth.filter("pending")
to_friend = {"argument_filters": {"to": friend.address}}
transfers = token.events.Transfer.create_filter(from_block="latest", **to_friend)
earlier = token.events.Transfer.create_filter(from_block=receipt.blockNumber, **to_friend)
assert earlier.get_new_entries() == []
made = [send(token.functions.transfer(friend.address, 1), account) for _ in range(2)]
other = send(token.functions.transfer(smart.address, 1), account)
assert blocks.get_new_entries() == [one.blockHash for one in (*made, other)]
assert pending.get_new_entries() == [one.transactionHash for one in (*made, other)]
found = transfers.get_new_entries()
assert [one.transactionHash for one in found] == [one.transactionHash for one in made]
assert [one.args.value for one in found] == [1, 1]
assert transfers.get_new_entries() == []
assert earlier.get_all_entries()[0].transactionHash == receipt.transactionHash
assert w3.eth.uninstall_filter(blocks.filter_id) is True
assert w3.eth.uninstall_filter(blocks.filter_id) is False
refused(Web3RPCError, blocks.get_new_entries, "filter not found")
done("filters")


def collector(count: int):
    """What a subscription tells, and its handler, which ends it after so much."""
    told = []

    async def handle(context) -> None:
        told.append(context.result)
        if len(told) == count:
            await context.subscription.unsubscribe()

    return told, handle


async def subscriptions() -> None:
    """Each subscription over a WebSocket, handled by web3.py's manager."""
    async with AsyncWeb3(WebSocketProvider(SOCKET_ENDPOINT)) as w3s:
        heads, on_head = collector(3)
        logs, on_log = collector(2)
        hashes, on_hash = collector(3)
        topics = [[w3.keccak(text="Transfer(address,address,uint256)")], [], [topic(friend)]]
        await w3s.subscription_manager.subscribe([
            NewHeadsSubscription(handler=on_head),
            LogsSubscription(address=token.address, topics=topics, handler=on_log),
            PendingTxSubscription(handler=on_hash),
        ])
        gifts = [token.functions.transfer(to.address, 1) for to in (friend, smart, friend)]
        sent = [send(gift, account) for gift in gifts]
        await asyncio.wait_for(w3s.subscription_manager.handle_subscriptions(), timeout=20)
        assert [head.hash for head in heads] == [one.blockHash for one in sent]
        assert hashes == [one.transactionHash for one in sent]
        assert [log.transactionHash for log in logs] == [sent[i].transactionHash for i in (0, 2)]
        assert w3s.subscription_manager.subscriptions == []


async def iterated() -> None:
    """A subscription over a WebSocket, read message by message."""
    async with AsyncWeb3(WebSocketProvider(SOCKET_ENDPOINT)) as w3s:
        subscription = await w3s.eth.subscribe("newHeads")
        assert await w3s.eth.chain_id == w3.eth.chain_id
        sent = send(token.functions.transfer(friend.address, 1), account)
        async for message in w3s.socket.process_subscriptions():
            assert message["subscription"] == subscription
            assert message["result"].hash == sent.blockHash
            assert message["result"].number == sent.blockNumber
            break
        assert await w3s.eth.unsubscribe(subscription) is True


def topic(holder) -> str:
    """An address as a log's topic."""
    return "0x" + holder.address[2:].lower().rjust(64, "0")


asyncio.run(subscriptions())
done("subscriptions")
asyncio.run(asyncio.wait_for(iterated(), timeout=20))
done("a subscription, message by message")

print("web3.py: all steps passed")
