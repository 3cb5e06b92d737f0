//! Alloy against a network, with its endpoint and no other setting, from an account without balance.

use std::{fs, time::Duration};

use alloy_contract::CallBuilder;
use alloy_eips::{BlockNumberOrTag, eip2930::AccessList, eip7702::Authorization};
use alloy_network::{
    Ethereum, EthereumWallet, Network, TransactionBuilder, TransactionBuilder7702,
};
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_provider::{DynProvider, Provider, ProviderBuilder};
use alloy_rpc_client::BatchRequest;
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::{SolConstructor, SolValue, sol};
use anyhow::Result;
use serde_json::Value;
use windlass_e2e::root;

use crate::alloy_news;

sol! {
    #[sol(rpc)]
    contract Token {
        event Transfer(address indexed from, address indexed to, uint256 value);
        event Approval(address indexed owner, address indexed spender, uint256 value);

        error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
        error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed);

        constructor(string memory name, string memory symbol, uint256 supply);
        function name() external view returns (string memory);
        function symbol() external view returns (string memory);
        function decimals() external view returns (uint8);
        function totalSupply() external view returns (uint256);
        function balanceOf(address account) external view returns (uint256);
        function transfer(address to, uint256 value) external returns (bool);
        function transferFrom(address from, address to, uint256 value) external returns (bool);
        function distribute(address[] calldata receivers, uint256 each) external;
    }
}

pub(crate) type Request = <Ethereum as Network>::TransactionRequest;
pub(crate) type Receipt = <Ethereum as Network>::ReceiptResponse;
pub(crate) type Contract = Token::TokenInstance<DynProvider>;

/// What the steps share.
pub(crate) struct Script {
    pub(crate) endpoint: String,
    pub(crate) provider: DynProvider,
    pub(crate) account: Address,
    pub(crate) friend: Address,
    pub(crate) token: Contract,
    chain_id: u64,
    deployed_in: u64,
}

fn supply() -> U256 {
    U256::from(10).pow(U256::from(24))
}

/// Runs every step.
pub(crate) async fn run(endpoint: &str) -> Result<()> {
    let script = deploy(endpoint).await?;
    who_answers(&script).await?;
    reads(&script).await?;
    let transfer = transfer(&script).await?;
    finds(&script, &transfer).await?;
    fees(&script).await?;
    reverts(&script).await?;
    many(&script).await?;
    batch(&script).await?;
    refusals(&script).await?;
    types(&script).await?;
    delegation(&script).await?;
    Box::pin(alloy_news::run(&script)).await
}

async fn deploy(endpoint: &str) -> Result<Script> {
    let signer = PrivateKeySigner::random();
    let account = signer.address();
    let url = endpoint.parse().expect("an endpoint is a URL");
    let provider = ProviderBuilder::new().wallet(EthereumWallet::from(signer)).connect_http(url);
    provider.client().set_poll_interval(Duration::from_millis(20));
    let provider = provider.erased();
    let file = root().join("contracts/build/Token.json");
    let built: Value = serde_json::from_slice(&fs::read(file)?)?;
    let code: Bytes = built["bytecode"].as_str().expect("it is there").parse()?;
    let constructor = Token::constructorCall {
        name: "Windlass".to_owned(),
        symbol: "WND".to_owned(),
        supply: supply(),
    };
    let code = [code.to_vec(), constructor.abi_encode()].concat();
    let deployment = CallBuilder::new_raw_deploy(provider.clone(), code.into());
    let receipt = deployment.send().await?.get_receipt().await?;
    assert!(receipt.status());
    let address = receipt.contract_address.expect("a deployment has an address");
    assert!(provider.get_code_at(address).await?.len() > 500);
    Ok(Script {
        endpoint: endpoint.to_owned(),
        token: Token::new(address, provider.clone()),
        chain_id: provider.get_chain_id().await?,
        deployed_in: receipt.block_number.expect("it is in a block"),
        friend: PrivateKeySigner::random().address(),
        provider,
        account,
    })
}

async fn who_answers(script: &Script) -> Result<()> {
    let provider = &script.provider;
    assert_eq!(provider.get_net_version().await?, script.chain_id);
    assert!(!provider.get_client_version().await?.is_empty());
    assert_eq!(provider.get_accounts().await?, Vec::<Address>::new());
    assert_eq!(provider.get_balance(script.account).await?, U256::ZERO);
    Ok(())
}

async fn reads(script: &Script) -> Result<()> {
    let token = &script.token;
    assert_eq!(token.name().call().await?, "Windlass");
    assert_eq!(token.symbol().call().await?, "WND");
    assert_eq!(token.decimals().call().await?, 18);
    assert_eq!(token.totalSupply().call().await?, supply());
    assert_eq!(token.balanceOf(script.account).call().await?, supply());
    let slot = script.provider.get_storage_at(*token.address(), U256::from(2)).await?;
    assert_eq!(slot, supply());
    Ok(())
}

async fn transfer(script: &Script) -> Result<Receipt> {
    let call = script.token.transfer(script.friend, U256::from(12_345));
    let gas = call.estimate_gas().await?;
    assert!((21_000..100_000).contains(&gas), "the estimate is {gas}");
    assert!(call.call().await?);
    let receipt = call.send().await?.get_receipt().await?;
    assert!(receipt.status() && receipt.gas_used <= gas);
    let event = receipt.decoded_log::<Token::Transfer>().expect("it logs a transfer");
    assert_eq!(event.value, U256::from(12_345));
    assert_eq!(balance(script).await?, U256::from(12_345));
    Ok(receipt)
}

async fn balance(script: &Script) -> Result<U256> {
    Ok(script.token.balanceOf(script.friend).call().await?)
}

/// Logs, blocks, receipts and transactions.
async fn finds(script: &Script, transfer: &Receipt) -> Result<()> {
    let (provider, from) = (&script.provider, script.deployed_in);
    let events = script.token.Transfer_filter().topic2(script.friend).from_block(from);
    let [(event, log)] = &events.query().await?[..] else { panic!("one transfer") };
    assert_eq!((event.from, event.value), (script.account, U256::from(12_345)));
    assert_eq!(log.transaction_hash, Some(transfer.transaction_hash));
    let none = script.token.Approval_filter().from_block(from).query().await?;
    assert!(none.is_empty());
    let (number, hash) =
        (transfer.block_number.expect("it is there"), transfer.block_hash.expect("it is there"));
    let block = provider.get_block_by_number(number.into()).full().await?.expect("it is there");
    assert_eq!(provider.get_block_by_hash(hash).full().await?.as_ref(), Some(&block));
    assert!(block.transactions.hashes().any(|hash| hash == transfer.transaction_hash));
    let header = provider.get_header_by_number(number.into()).await?.expect("it is there");
    assert_eq!(header.hash, hash);
    let receipts = provider.get_block_receipts(number.into()).await?.expect("it is there");
    assert!(receipts.contains(transfer));
    let found =
        provider.get_transaction_by_hash(transfer.transaction_hash).await?.expect("it is there");
    assert_eq!((found.block_hash, found.inner.signer()), (Some(hash), script.account));
    let proof = provider.get_proof(*script.token.address(), vec![B256::with_last_byte(2)]);
    assert_eq!(proof.await?.storage_proof[0].value, supply());
    Ok(())
}

async fn fees(script: &Script) -> Result<()> {
    script.provider.get_gas_price().await?;
    script.provider.estimate_eip1559_fees().await?;
    let history =
        script.provider.get_fee_history(2, BlockNumberOrTag::default(), &[25.0, 75.0]).await;
    let history = history?;
    assert_eq!(history.base_fee_per_gas.len(), history.gas_used_ratio.len() + 1);
    assert_eq!(history.reward.expect("it is there").len(), history.gas_used_ratio.len());
    Ok(())
}

/// Errors of contracts are decoded, from calls and from estimates.
async fn reverts(script: &Script) -> Result<()> {
    let Script { token, friend, account, .. } = script;
    let call = token.transfer(*account, U256::from(99_999)).from(*friend);
    let error = call.call().await.expect_err("it is refused");
    let error = error.as_decoded_error::<Token::ERC20InsufficientBalance>().expect("it is decoded");
    assert_eq!((error.sender, error.needed), (*friend, U256::from(99_999)));
    let call = token.transferFrom(*account, *friend, U256::from(1)).from(*friend);
    let error = call.estimate_gas().await.expect_err("it is refused");
    let error = error.as_decoded_error::<Token::ERC20InsufficientAllowance>();
    assert_eq!(error.expect("it is decoded").spender, *friend);
    let none = token.distribute(Vec::new(), U256::from(1));
    let error = none.call().await.err().expect("it reverts");
    assert!(error.to_string().contains("execution reverted: no receivers"), "{error}");
    let data = error.as_revert_data().expect("it has data");
    assert_eq!(String::abi_decode(&data[4..])?, "no receivers");
    let sent = none.gas(100_000).send().await?;
    let receipt = sent.get_receipt().await?;
    assert!(!receipt.status() && receipt.logs().is_empty());
    Ok(())
}

/// Twenty transfers that nobody waits for one by one.
async fn many(script: &Script) -> Result<()> {
    let mut sent = Vec::new();
    for _ in 0..20 {
        let call = script.token.transfer(script.friend, U256::from(1)).gas(100_000);
        sent.push(call.send().await?);
    }
    for pending in sent {
        assert!(pending.get_receipt().await?.status());
    }
    assert_eq!(balance(script).await?, U256::from(12_365));
    Ok(())
}

async fn batch(script: &Script) -> Result<()> {
    let mut batch = BatchRequest::new(script.provider.client());
    let chain_id = batch.add_call::<_, U64>("eth_chainId", &())?;
    let unknown = batch.add_call::<_, U64>("eth_noSuchMethod", &())?;
    let number = batch.add_call::<_, U64>("eth_blockNumber", &())?;
    batch.send().await?;
    assert_eq!(chain_id.await?, U64::from(script.chain_id));
    assert_eq!(
        unknown.await.expect_err("it is refused").as_error_resp().expect("it is there").code,
        -32601
    );
    assert!(number.await? > U64::ZERO);
    Ok(())
}

async fn refusals(script: &Script) -> Result<()> {
    let plain = || Request::default().with_to(script.friend).with_gas_limit(21_000);
    // Alloy counts nonces by itself, those of refused transactions too: this one is not to be counted.
    let next = script.provider.get_transaction_count(script.account).await?;
    let costly = plain().with_value(U256::from(1)).with_nonce(next);
    for (request, expect) in [
        (plain().with_nonce(0), "nonce too low"),
        (costly, "insufficient funds for gas * price + value"),
    ] {
        let error = script.provider.send_transaction(request).await.expect_err("it is refused");
        let answer = error.as_error_resp().expect("the network refuses it");
        assert_eq!(answer.code, -32000);
        assert!(answer.message.starts_with(expect), "{answer}");
    }
    Ok(())
}

/// Each type of transaction, with what a client fills in by itself.
async fn types(script: &Script) -> Result<()> {
    let to = *script.token.address();
    let call = Token::transferCall { to: script.friend, value: U256::from(1) };
    let plain = || Request::default().with_from(script.account).with_to(to).with_call(&call);
    let listed = script.provider.create_access_list(&plain()).await?;
    assert_eq!(listed.access_list.0.iter().map(|item| item.address).collect::<Vec<_>>(), [to]);
    let list: AccessList = listed.access_list;
    let price = script.provider.get_gas_price().await?;
    for (request, expect) in [
        (plain().with_gas_price(price), 0),
        (plain().with_gas_price(price).with_access_list(list.clone()), 1),
        (plain().with_access_list(list), 2),
    ] {
        let sent = script.provider.send_transaction(request).await?;
        let receipt = sent.get_receipt().await?;
        assert!(receipt.status());
        assert_eq!(u8::from(receipt.transaction_type()), expect);
    }
    Ok(())
}

/// An account gets a contract's code (EIP-7702); somebody else sends what it has signed.
async fn delegation(script: &Script) -> Result<()> {
    let smart = PrivateKeySigner::random();
    let chain_id = U256::from(script.chain_id);
    let given = Authorization { chain_id, address: *script.token.address(), nonce: 0 };
    let signature = smart.sign_hash_sync(&given.signature_hash())?;
    let call = Token::transferCall { to: script.friend, value: U256::ZERO };
    let request = Request::default()
        .with_to(smart.address())
        .with_call(&call)
        .with_authorization_list(vec![given.into_signed(signature)]);
    let sent = script.provider.send_transaction(request).await?;
    let receipt = sent.get_receipt().await?;
    assert!(receipt.status());
    assert_eq!(receipt.logs()[0].address(), smart.address());
    let code = script.provider.get_code_at(smart.address()).await?;
    assert_eq!(code[..], [&[0xef, 1, 0], script.token.address().as_slice()].concat());
    let itself = Token::new(smart.address(), script.provider.clone());
    assert_eq!(itself.decimals().call().await?, 18);
    Ok(())
}
