//! The console in a real browser, against a real platform.

use serde_json::Value;
use windlass_e2e::{Platform, run_tool};

#[tokio::test]
async fn a_user_finds_their_way_through_the_console() {
    let platform = Platform::start().await;
    let budget: Value = platform.run(&["quota", "set", "--networks", "2"]).await;
    assert_eq!(budget["quota"]["networks"], 2, "the journey is refused a third");
    let link: Value = platform.run(&["login"]).await;
    let url = link.get("url").and_then(Value::as_str).expect("a login link has a URL");
    let finished =
        run_tool("node", &["tests/e2e/browser/journey.mjs"], &[("WINDLASS_LOGIN_URL", url)]).await;
    let said = format!("{}\n{}", finished.stdout, finished.stderr);
    assert_eq!(finished.code, Some(0), "the journey:\n{said}");
    assert!(finished.stdout.contains(" passed, 0 failed"), "the journey:\n{said}");
}
