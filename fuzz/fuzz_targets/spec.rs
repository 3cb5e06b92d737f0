//! What users and operators write: the spec of a network, a genesis file of another program, a
//! proposal, and a node's own file.
#![no_main]

use windlass_model::{
    ErrorCode, Problem,
    governance::ProposalRequest,
    read,
    spec::{Defaults, GenesisFile, Manifest},
};
use windlass_node::config::NodeConfig;

/// A spec that is read is resolved or refused, whatever genesis file it is filled from.
fn resolve(read: Result<Manifest, Box<Problem>>, text: &str) {
    let Ok(mut manifest) = read else { return };
    let organization = "acme".parse().expect("it is a name");
    let defaults = Defaults { chain_id: 1_337, organization };
    let _resolved = manifest.resolve(&defaults);
    if let Ok(file) = GenesisFile::parse(text)
        && file.fill(&mut manifest).is_ok()
    {
        let _resolved = manifest.resolve(&defaults);
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    resolve(read::json(bytes, ErrorCode::InvalidSpec), "");
    let _proposal = read::json::<ProposalRequest>(bytes, ErrorCode::InvalidRequest);
    let Ok(text) = str::from_utf8(bytes) else { return };
    resolve(read::toml(text, ErrorCode::InvalidSpec), "");
    resolve(Ok(Manifest::default()), text);
    let _config = NodeConfig::parse(text);
});
