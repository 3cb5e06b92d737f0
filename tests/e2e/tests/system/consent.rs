//! Blocks are given up only if everybody agrees whom they concern: who was let in after an export too.

use std::fs;

use serde_json::{Value, json};
use windlass_e2e::{Account, Platform};
use windlass_model::{
    api::Accepted,
    governance::NetworkMember,
    network::{Network, NetworkState},
};

use crate::{
    council::Down,
    recovery::{CHAIN_ID, Files, refused, run, set_aside, signature_elsewhere},
    support::{healthy, one_tip},
};

/// A network that acme founded alone; beta was let in after the export that acme has signed.
struct Founded {
    platform: Platform,
    files: Files,
    beta: Account,
}

const FORCE: [&str; 5] = ["network", "recover", "trade", "-y", "--force"];

impl Founded {
    async fn new() -> Self {
        let platform = Platform::start().await;
        let files = Files { folder: tempfile::tempdir().expect("a folder") };
        let founder = "[[members]]\norganization = \"acme\"\nvalidators = 4\n";
        let spec = format!("kind = \"consortium\"\nchain_id = {CHAIN_ID}\n{founder}");
        fs::write(files.path("spec.toml"), spec).expect("a spec");
        let path = files.path("spec.toml");
        let _created: Accepted = platform.run(&["network", "create", "trade", "-f", &path]).await;
        healthy(&platform, "trade").await;
        let pair = files.pair("old.json", "old.export");
        run(&platform, &["network", "export", "trade", "-o"], &pair[3..]).await;
        let to = ["--export", &pair[3], "-o", &pair[1]].map(str::to_owned);
        run(&platform, &["network", "recovery", "propose"], &to).await;
        run(&platform, &["network", "recovery", "sign", "trade", "--as", "acme"], &pair).await;
        let beta = Account::new(CHAIN_ID);
        let account = format!("{:#x}", beta.address);
        let propose = ["network", "propose", "trade", "--as", "acme", "add-member", "beta"];
        let _added: Accepted =
            platform.run(&[&propose[..], &["--account", &account]].concat()).await;
        assert_eq!(members(&platform).await, ["acme", "beta"]);
        let network = platform.show("trade").await;
        one_tip(&platform, &network, 2).await;
        Self { platform, files, beta }
    }

    fn pair(&self) -> [String; 4] {
        self.files.pair("old.json", "old.export")
    }

    /// Beta signs as well, whom the export does not know.
    async fn beta_signs(&self) {
        let Self { platform, beta, .. } = self;
        let pair = self.pair();
        let signature = signature_elsewhere(platform, &pair, beta).await;
        let add = ["network", "recovery", "add", "--signature", &signature];
        let (code, detail) = refused(platform, &add, &pair).await;
        assert_eq!(code, "recovery_invalid", "{detail}");
        assert!(detail.contains("the account of no active member in the export"), "{detail}");
        let account = format!("{:#x}", beta.address);
        let added = run(platform, &[&add[..], &["--account", &account]].concat(), &pair).await;
        assert_eq!((&added["signed"], &added["members"][1]), (&json!(1), &Value::Null), "{added}");
        assert_eq!(added["others"], json!([account]), "{added}");
    }

    /// All agreed: the network has begun anew as it was before beta came.
    async fn has_begun_anew(&self) {
        let is_anew = |network: &Network| {
            network.state == NetworkState::Usable
                && network.operation.is_none()
                && network.recovered.is_some()
        };
        let anew = self.platform.until("trade", "it has begun anew", is_anew).await;
        assert!(anew.recovered.expect("it says so").forced);
        assert_eq!(members(&self.platform).await, ["acme"]);
        assert_eq!(set_aside(&self.platform, &self.platform.show("trade").await).len(), 4);
    }
}

async fn members(platform: &Platform) -> Vec<String> {
    let members: Vec<NetworkMember> = platform.run(&["network", "members", "trade"]).await;
    members.into_iter().map(|member| member.organization).collect()
}

#[tokio::test]
async fn who_was_let_in_after_an_export_has_to_agree_before_that_is_undone() {
    let founded = Founded::new().await;
    let Founded { platform, beta, .. } = &founded;
    let (code, detail) = refused(platform, &FORCE, &founded.pair()).await;
    assert_eq!(code, "recovery_refused", "{detail}");
    let missing = format!("(not yet: beta ({:#x}))", beta.address);
    assert!(detail.contains("would be given up") && detail.contains(&missing), "{detail}");
    assert_eq!(members(platform).await, ["acme", "beta"]);
    founded.beta_signs().await;
    let begun = run(platform, &FORCE, &founded.pair()).await;
    assert_eq!(begun["operation"]["kind"], json!("recover"), "{begun}");
    founded.has_begun_anew().await;
    let recovered = platform.show("trade").await.recovered.expect("it says so");
    assert_eq!((recovered.members, &*recovered.signed_by.concat()), (2, "acmebeta"));
    platform.destroy("trade").await;
}

/// The platform can't ask anybody; each node looks for itself.
#[tokio::test]
async fn nodes_give_nothing_up_that_a_platform_could_not_see() {
    let founded = Founded::new().await;
    let platform = &founded.platform;
    let network = platform.show("trade").await;
    let down: Vec<_> = network.nodes.iter().map(|node| Down::take(platform, node)).collect();
    let all_say_why = |network: &Network| {
        network.nodes.iter().all(|node| node.pid.is_none() && node.reason.is_some())
    };
    platform.until("trade", "none of its nodes runs", all_say_why).await;
    let unwaited = [&FORCE[..], &["--no-wait"]].concat();
    run(platform, &unwaited, &founded.pair()).await;
    down.into_iter().for_each(Down::give_back);
    let missing = format!("missing: beta ({:#x})", founded.beta.address);
    let wait_for_beta = |network: &Network| {
        let mut reasons = network.nodes.iter().map(|node| node.reason.as_ref());
        reasons.all(|reason| reason.is_some_and(|reason| reason.message.contains(&missing)))
    };
    let refusing = platform.until("trade", "its nodes wait for beta", wait_for_beta).await;
    assert_eq!(set_aside(platform, &refusing).len(), 0);
    // The same file is no news; with beta's signature it is.
    let (code, detail) = refused(platform, &FORCE, &founded.pair()).await;
    assert!(code == "recovery_refused" && detail.contains("already"), "{detail}");
    founded.beta_signs().await;
    run(platform, &unwaited, &founded.pair()).await;
    founded.has_begun_anew().await;
    platform.destroy("trade").await;
}
