//! Validators for measurements, without a platform.
//!
//! `validator new ROOT COUNT` makes directories, `validator run DIRECTORY` runs one,
//! `validator send DIRECTORY N` sends N transactions one after the other and prints how long each
//! took to be final there.

#[path = "../tests/common/mod.rs"]
mod common;

use std::{path::Path, time::Instant};

use windlass_node::run::{Hooks, run};

#[expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "it measures real time, and tells"
)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    match words[..] {
        ["new", root, count] => {
            common::create(Path::new(root), count.parse()?, 1_000_000);
        }
        ["run", directory] => {
            let hooks = Hooks {
                ready: Box::new(|_| {}),
                shutdown: Box::pin(async {
                    // Without a signal handler there is nothing but kill.
                    std::future::pending::<()>().await;
                }),
            };
            run(Path::new(directory), hooks)?;
        }
        ["send", directory, count] => {
            let directory = Path::new(directory);
            let account = windlass_keys::throwaway_account()?;
            let tip = common::tip(&common::until(directory, "any", |_| true));
            for nonce in 0..count.parse()? {
                let transaction = common::transfer(&account, nonce);
                let begun = Instant::now();
                common::send(directory, &transaction);
                common::until(directory, "final", |status| common::tip(status) > tip + nonce);
                eprintln!("{} µs", begun.elapsed().as_micros());
            }
        }
        _ => return Err("validator new ROOT COUNT | run DIRECTORY | send DIRECTORY N".into()),
    }
    Ok(())
}
