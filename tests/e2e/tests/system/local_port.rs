//! A network at a port of this machine, where tools for local development look for a node.

use std::net::TcpListener;

use windlass_e2e::{Account, Call, Endpoint, Platform};
use windlass_model::{ErrorCode, network::Network};

use crate::support::{chain_id, create, healthy, no_leaks};

#[tokio::test]
async fn a_network_is_reached_without_a_key_while_its_port_is_free() {
    let mut platform = Platform::start().await;
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = other.local_addr().expect("its address").port();
    let network =
        create(&platform, "here", &format!("validators = 1\nlocal_port = {port}\n")).await;
    assert_eq!(network.local_endpoint, None, "another program has it");
    drop(other);
    let served = |network: &Network| network.local_endpoint.is_some();
    let network = platform.until("here", "served at its port", served).await;
    let url = format!("http://127.0.0.1:{port}");
    assert_eq!(network.local_endpoint.as_ref(), Some(&url));
    let local = Endpoint::new(&url);
    let mut account = Account::new(chain_id(&local).await);
    let hash = account.send(&local, Call::default()).await;
    let block = local.receipt(&hash).await["blockHash"].clone();
    assert_eq!(Platform::endpoint(&network).receipt(&hash).await["blockHash"], block);

    // The gateway goes on while the platform is dead, and the platform is told again of what is served.
    platform.kill();
    assert_eq!(chain_id(&local).await, network.spec.chain_id);
    platform.up().await;
    platform.until("here", "served at its port", served).await;

    // A request wakes it there too.
    let _asleep: serde_json::Value = platform.run(&["network", "sleep", "here"]).await;
    assert_eq!(platform.node_pids(), Vec::<u32>::new());
    assert_eq!(local.receipt(&hash).await["blockHash"], block);
    healthy(&platform, "here").await;

    // While it is stopped another program may have the port, and without one there is none.
    let _stopped: serde_json::Value = platform.run(&["network", "stop", "here"]).await;
    platform.until("here", "at no port", |network| network.local_endpoint.is_none()).await;
    drop(TcpListener::bind(("127.0.0.1", port)).expect("nobody listens there"));
    let _started: serde_json::Value = platform.run(&["network", "start", "here"]).await;
    platform.until("here", "served at its port", served).await;
    let file = platform.data_dir.with_extension("toml");
    std::fs::write(&file, "name = \"here\"\nvalidators = 1\nlocal_port = 0\n").expect("a spec");
    let _applied: serde_json::Value = platform.run(&["apply", "-f", &file.to_string_lossy()]).await;
    platform.until("here", "at no port", |network| network.local_endpoint.is_none()).await;

    std::fs::write(&file, "name = \"low\"\nlocal_port = 80\n").expect("a spec");
    let (_, refused) = platform.refused(&["apply", "-f", &file.to_string_lossy()]).await;
    assert_eq!(refused.code, ErrorCode::InvalidSpec);
    assert!(refused.detail.contains("from 1024 to 65535"), "{}", refused.detail);
    platform.destroy("here").await;
    no_leaks(&platform).await;
}
