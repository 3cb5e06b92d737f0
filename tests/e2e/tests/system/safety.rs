//! Safe from the first day: who may read what, who listens where, and what is not written down.

use std::fs;

use serde_json::Value;
use windlass_e2e::{Platform, world};

#[tokio::test]
async fn files_listeners_arguments_and_logs_give_nothing_away() {
    let platform = Platform::start().await;
    let (network, _) = platform.create("safe", 4).await;
    assert_eq!(world::mode(&platform.data_dir), 0o700);
    assert_eq!(world::mode(&platform.data_dir.join("token")), 0o600);
    let keys = world::tree(&platform.data_dir.join("keys"));
    assert!(!keys.is_empty());
    for path in &keys {
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(world::mode(path), expected, "{}", path.display());
    }

    let found = world::processes(&platform.data_dir);
    let pids: Vec<u32> = found.iter().map(|process| process.pid).collect();
    assert_eq!(pids.len(), 6, "platform, gateway, four nodes: {found:?}");
    let listeners = world::listeners(&pids);
    assert!(listeners.len() >= 6, "{listeners:?}");
    assert!(listeners.iter().all(|(_, loopback)| *loopback), "{listeners:?}");

    // The platform's token, the endpoint's key, and each private key as bytes or as text.
    let endpoint = network.endpoint.expect("it has an endpoint");
    let mut secrets = vec![platform.token.clone()];
    secrets.extend(endpoint.rsplit('/').next().map(str::to_owned));
    for path in keys.iter().filter(|path| path.is_file()) {
        let text = fs::read_to_string(path).unwrap_or_default();
        secrets.extend(hex_runs(&text, 64));
    }
    for process in &found {
        let environment = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
        let mut said = process.arguments.join(" ");
        said.push_str(&String::from_utf8_lossy(&environment));
        assert_silent("arguments and environment", &said, &secrets);
    }
    let logs = world::tree(&platform.data_dir.join("workloads"));
    for path in logs.iter().filter(|path| path.extension().is_some_and(|end| end == "log")) {
        assert_silent(
            &path.display().to_string(),
            &fs::read_to_string(path).unwrap_or_default(),
            &secrets,
        );
    }
    assert_silent("the platform's log", &platform.log(), &secrets);
}

/// The runs of hex digits of at least a length that are secret: those that are public keys too are
/// told by the platform itself and are left out by the caller's choice of files.
fn hex_runs(text: &str, length: usize) -> Vec<String> {
    let secret = text.find("secret").or_else(|| text.find("private"));
    let Some(rest) = secret.and_then(|at| text.get(at..)) else { return Vec::new() };
    rest.split(|character: char| !character.is_ascii_hexdigit())
        .filter(|run| run.len() >= length)
        .map(str::to_owned)
        .collect()
}

fn assert_silent(what: &str, text: &str, secrets: &[String]) {
    for secret in secrets {
        assert!(
            !text.contains(secret.as_str()),
            "{what} has a secret of {} characters",
            secret.len()
        );
    }
}

#[tokio::test]
async fn no_endpoint_answers_without_a_credential() {
    let platform = Platform::start().await;
    let token = platform.token.clone();
    let (status, text) = platform.api("GET", "/v1/openapi.json", Some(&token)).await;
    assert_eq!(status, 200);
    let document: Value = serde_json::from_str(&text).expect("the document is JSON");
    let paths = document.get("paths").and_then(Value::as_object).expect("it has paths");
    let mut tried = 0;
    for (path, operations) in paths {
        let path = path
            .replace("{organization}", "default")
            .replace("{network}", "x")
            .replace("{node}", "0")
            .replace("{id}", "x")
            .replace("{operation}", "x");
        for method in operations.as_object().expect("a path has methods").keys() {
            // The exchange of the one-time code is what a login is.
            if method == "post" && path == "/v1/session" {
                continue;
            }
            // That something serves, and what the API is like, are no secrets.
            if method == "get" && ["/health", "/v1/openapi.json"].contains(&path.as_str()) {
                let (_, text) = platform.api("GET", &path, None).await;
                assert!(path != "/health" || text.trim() == "{\"status\":\"serving\"}", "{text}");
                continue;
            }
            for credential in [None, Some("wrong"), Some(token.get(1..).expect("a token is long"))]
            {
                let (status, text) = platform.api(&method.to_uppercase(), &path, credential).await;
                assert_eq!(status, 401, "{method} {path}: {text}");
                assert!(text.contains("\"unauthenticated\""), "{method} {path}: {text}");
            }
            tried += 1;
        }
    }
    assert!(tried >= 12, "the document has {tried} operations");
}

#[tokio::test]
async fn other_hosts_and_origins_are_refused() {
    let platform = Platform::start().await;
    let client = reqwest::Client::new();
    let status = |request: reqwest::RequestBuilder| {
        let request = request.bearer_auth(&platform.token);
        async { request.send().await.expect("the platform answers").status().as_u16() }
    };
    let url = format!("{}/v1/status", platform.url);
    assert_eq!(status(client.get(&url)).await, 200);
    assert_eq!(status(client.get(&url).header("host", "attacker.example")).await, 421);
    assert_eq!(status(client.get(&url).header("origin", "http://attacker.example")).await, 403);
    let shutdown = client.post(format!("{}/v1/shutdown", platform.url));
    assert_eq!(status(shutdown.header("origin", "http://attacker.example")).await, 403);
    assert_eq!(status(client.get(&url)).await, 200, "it still runs");
}
