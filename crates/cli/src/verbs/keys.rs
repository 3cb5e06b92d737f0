//! `windlass network key …`.

use windlass_model::key::{KeyRequest, KeyRotation, NewEndpointKey};

use super::Session;
use crate::{
    args::{KeyRevokeArgs, KeyVerb},
    environment::Outcome,
    output, render,
};

pub(super) async fn run(session: &Session, verb: KeyVerb) -> Outcome<()> {
    match verb {
        KeyVerb::Ls(named) => {
            let keys = session.client.keys(&named.network).await?;
            session.output.result(&keys, || render::keys(&keys, &named.network));
            Ok(())
        }
        KeyVerb::Create(args) => {
            let request = KeyRequest {
                name: args.name,
                scope: args.scope.into(),
                rate: args.rate,
                burst: args.burst,
            };
            told(session, &session.client.create_key(&args.network, &request).await?);
            Ok(())
        }
        KeyVerb::Rotate(args) => {
            let rotation = KeyRotation { overlap_s: args.overlap };
            let rotated = session.client.rotate_key(&args.network, &args.name, &rotation);
            told(session, &rotated.await?);
            Ok(())
        }
        KeyVerb::Revoke(args) => revoke(session, args).await,
    }
}

fn told(session: &Session, made: &NewEndpointKey) {
    session.warn(&made.warnings);
    session.output.result(made, || render::new_key(made));
}

async fn revoke(session: &Session, args: KeyRevokeArgs) -> Outcome<()> {
    if !args.yes {
        let question = format!(
            "revoke the key {} of the network `{}` and cut what is being served with it?",
            args.name, args.network
        );
        let refused = ("nothing was revoked", "answer y to revoke it");
        let unasked =
            "a key that is revoked does not come back, and there is no terminal to ask on";
        let again = format!(
            "say that you mean it: windlass network key revoke {} {} -y",
            args.network, args.name
        );
        output::consent(&question, refused, (unasked, &again))?;
    }
    let revoked = session.client.revoke_key(&args.network, &args.name).await?;
    session.warn(&revoked.warnings);
    session.output.result(&revoked, || {
        format!("the key {} of {} is revoked", revoked.key.name, args.network)
    });
    Ok(())
}
