//! What Alloy is told of as it happens: over a WebSocket and by polling, each act once and in order.

use std::{fmt::Debug, time::Duration};

use alloy_primitives::{B256, U256};
use alloy_provider::{Provider, ProviderBuilder, WsConnect};
use anyhow::Result;
use futures::{Stream, StreamExt, stream};

use crate::alloy::{Receipt, Script};

/// How many acts each watcher is told of.
const ACTS: usize = 3;

/// Runs every step.
pub(crate) async fn run(script: &Script) -> Result<()> {
    let address = script.endpoint.replacen("http", "ws", 1);
    let connecting = ProviderBuilder::new().connect_ws(WsConnect::new(address));
    let listener = Box::pin(connecting).await?;
    let events = script.token.Transfer_filter().topic2(script.friend).filter;

    let news = listener.subscribe_blocks().await?.into_stream();
    watched(script, news.map(|header| header.hash), block_of).await?;
    let news = listener.subscribe_logs(&events).await?.into_stream();
    watched(script, news.map(|log| log.transaction_hash.expect("it is there")), transaction_of)
        .await?;
    let news = listener.subscribe_pending_transactions().await?.into_stream();
    watched(script, news, transaction_of).await?;
    assert_eq!(listener.get_chain_id().await?, script.provider.get_chain_id().await?);

    let provider = &script.provider;
    let news = provider.watch_blocks().await?.into_stream();
    watched(script, news.flat_map(stream::iter), block_of).await?;
    let news = provider.watch_logs(&events).await?.into_stream();
    let news = news.flat_map(stream::iter).map(|log| log.transaction_hash.expect("it is there"));
    watched(script, news, transaction_of).await?;
    let news = provider.watch_pending_transactions().await?.into_stream();
    watched(script, news.flat_map(stream::iter), transaction_of).await?;
    Ok(())
}

fn block_of(receipt: &Receipt) -> B256 {
    receipt.block_hash.expect("it is in a block")
}

fn transaction_of(receipt: &Receipt) -> B256 {
    receipt.transaction_hash
}

/// Gives the friend a token several times and has a watcher tell of each.
async fn watched<T: PartialEq + Debug>(
    script: &Script,
    news: impl Stream<Item = T>,
    expect: impl Fn(&Receipt) -> T,
) -> Result<()> {
    let mut news = Box::pin(news);
    for _ in 0..ACTS {
        let call = script.token.transfer(script.friend, U256::from(1));
        let receipt = call.send().await?.get_receipt().await?;
        let told = tokio::time::timeout(Duration::from_secs(10), news.next()).await;
        assert_eq!(told.expect("it is told in time"), Some(expect(&receipt)));
    }
    Ok(())
}
