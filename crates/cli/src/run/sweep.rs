//! What is left of private platforms when a command, its platform and everything between were killed at
//! once: nodes and gateways have ended by themselves, a directory is left. The next `windlass` of the user
//! has it end in order, and shows the receipts that nobody saw.

use super::{
    private::{Root, finish},
    tell,
};
use crate::{environment, output::Output};

/// Looks, and never fails: what cannot be done now is looked for by the next one.
pub(crate) fn sweep(output: Output) {
    for path in environment::private_roots() {
        // None is there as long as nothing was ever run.
        let Ok(root) = Root::open(&path) else { continue };
        // Somebody may look, or make one, in this very moment.
        let dead = root.dead().unwrap_or_default();
        if !dead.is_empty() {
            end(&root, &dead, output);
        }
        for lease in root.told().unwrap_or_default() {
            let receipts = root.take_receipts(&lease).unwrap_or_default();
            for receipt in &receipts {
                tell(receipt, output);
            }
        }
    }
}

fn end(root: &Root, dead: &[windlass_model::LeaseId], output: Output) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async {
        for lease in dead {
            if let Err(problem) = finish(root, lease).await {
                output.warning(&format!(
                    "what an earlier `windlass run` left is not gone yet: {problem} ({})",
                    problem.code
                ));
            }
        }
    });
}
