//! `windlass template` and `windlass init`: specs to begin with. No platform is asked.

use std::{fs::OpenOptions, io::Write as _};

use serde::Serialize;
use windlass_model::{
    ErrorCode, Name,
    spec::{Manifest, NetworkKind, Template},
};

use crate::{
    args::{InitArgs, TemplateVerb},
    environment::{Outcome, problem},
    output::Output,
    render::{Table, append},
};

/// A template as it is listed.
#[derive(Debug, Serialize)]
struct Listed {
    name: &'static str,
    purpose: &'static str,
    manifest: Manifest,
}

pub(crate) fn run(verb: &TemplateVerb, output: Output) {
    match verb {
        TemplateVerb::Ls => {
            let listed: Vec<Listed> = Template::ALL.iter().map(|one| listed(*one)).collect();
            output.result(&listed, || {
                let mut table = Table::new(&["TEMPLATE", "WHAT"]);
                for one in &listed {
                    table.row([one.name.to_owned(), one.purpose.to_owned()]);
                }
                table.text()
            });
        }
    }
}

fn listed(template: Template) -> Listed {
    let (name, purpose) = (template.as_str(), template.purpose());
    Listed { name, purpose, manifest: template.declared() }
}

/// What was written.
#[derive(Debug, Serialize)]
struct Written {
    file: String,
    template: &'static str,
}

/// Writes a commented spec; a file that is there stays.
pub(crate) fn init(args: &InitArgs, output: Output) -> Outcome<()> {
    let file = args.file.display().to_string();
    let text = spec(args.template, &args.name, &file);
    let options = OpenOptions::new().write(true).create_new(true).open(&args.file);
    options.and_then(|mut opened| opened.write_all(text.as_bytes())).map_err(|error| {
        problem(
            ErrorCode::InvalidRequest,
            format!("cannot write {file}: {error}"),
            "name another file; what is there is not written over",
        )
    })?;
    let written = Written { file, template: args.template.as_str() };
    output.result(&written, || {
        format!("wrote {}\ncreate the network with: windlass apply -f {0}", written.file)
    });
    Ok(())
}

/// A commented spec. What is commented out is what is so unless said.
fn spec(template: Template, name: &Name, file: &str) -> String {
    let manifest = template.declared();
    let mut text = format!(
        "# A network of Windlass, from the template `{template}`: {}.\n#\n\
         #   windlass apply -f {file}     creates it, or changes what differs\n#\n\
         # What is commented out is what is so unless said.\n\nname = \"{name}\"\n",
        template.purpose()
    );
    if manifest.kind == Some(NetworkKind::Consortium) {
        text.push_str("kind = \"consortium\"\n");
    }
    let mut field = |name: &str, said: Option<String>, unless: &str, comment: &str| {
        let line = match said {
            Some(value) => format!("{name} = {value}"),
            None => format!("# {name} = {unless}"),
        };
        append(&mut text, format_args!("{line:<34} # {comment}\n"));
    };
    let number = |value: Option<u64>| value.map(|value| value.to_string());
    if manifest.members.is_none() {
        let validators = manifest.validators.map(u64::from);
        field("validators", number(validators), "4", "4 go on when one fails, 7 when two fail");
    }
    field("chain_id", number(manifest.chain_id), "424242", "drawn at random unless said");
    let interval = number(manifest.min_block_interval_ms);
    field("min_block_interval_ms", interval, "100", "the shortest time between two blocks");
    field("gas_limit", None, "30000000", "of a block");
    field("transaction_gas_cap", None, "16777216", "of a transaction (EIP-7825)");
    field("contract_size_limit", None, "24576", "bytes of code (EIP-170)");
    field("epoch_length", None, "64", "blocks; validators change at the end of an epoch");
    let sleeps = if manifest.kind == Some(NetworkKind::Consortium) { "0" } else { "1800" };
    field("sleep_after_s", None, sleeps, "without a request; the next one wakes it; 0 is never");
    field("ttl_s", None, "0", "then it is stopped, and later destroyed; 0 is without an end");
    let local = manifest.local_port.map(|port| port.to_string());
    field("local_port", local, "0", "where this machine needs no key, if it is free; 0 is none");
    field("archive", None, "false", "calls, traces and proofs at every block");
    field("cors_origins", None, "[]", "web origins that may use the endpoint; \"*\" is any");
    field(
        "fees",
        None,
        "{ policy = \"free\" }",
        "or { policy = \"eip1559\", floor_wei = 1000000000 }",
    );
    tables(&mut text, &manifest);
    text
}

/// What stands below the fields.
fn tables(text: &mut String, manifest: &Manifest) {
    text.push_str(
        "\n# [node_limits]\n# memory_mib = 512                  # of each node\n\
         # cpu_millis = 0                    # thousandths of a core; 0 is no limit\n\
         # disk_mib = 10240                  # above it no transactions are taken; 0 is no limit\n\n\
         # [governance]\n# membership_threshold = 50         # more than so many percent of the members\n\
         # parameters_threshold = 50\n# proposal_lifetime_s = 604800\n",
    );
    for member in manifest.members.iter().flatten() {
        append(
            text,
            format_args!(
                "\n[[members]]\norganization = \"{}\"\nvalidators = {}\n",
                member.organization, member.validators
            ),
        );
    }
    let accounts = manifest.alloc.iter().flatten();
    for (number, (address, allocation)) in accounts.enumerate() {
        if number == 0 {
            text.push_str(
                "\n# Accounts whose keys everybody knows: for tests, and nothing else.\n",
            );
        }
        append(text, format_args!("[alloc.\"{address}\"]\nbalance = \"{}\"\n", allocation.balance));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Spec;

    fn parsed(text: &str) -> Manifest {
        let spec = Spec::parse("windlass.toml".to_owned(), text.to_owned());
        spec.unwrap_or_else(|problem| panic!("{problem}:\n{text}")).manifest
    }

    #[test]
    fn what_is_written_is_the_template_and_what_is_commented_out_is_so() {
        let name: Name = "trade".parse().unwrap();
        for template in Template::ALL {
            let text = spec(*template, &name, "windlass.toml");
            let mut expect = Manifest { name: Some(name.clone()), ..template.declared() };
            if expect.kind == Some(NetworkKind::Private) {
                // It is so unless said.
                expect.kind = None;
            }
            assert_eq!(parsed(&text), expect, "{text}");
            let said = |line: &str| match line.strip_prefix("# ") {
                Some(rest) if rest.contains(" = ") || rest.starts_with('[') => rest.to_owned(),
                Some(_) | None => line.to_owned(),
            };
            let all: Vec<String> = text.lines().map(said).collect();
            let defaults = windlass_model::spec::Defaults {
                chain_id: 424_242,
                organization: "default".parse().unwrap(),
            };
            let resolve = |manifest: Manifest| {
                manifest.resolve(&defaults).unwrap_or_else(|problem| panic!("{problem}"))
            };
            assert_eq!(resolve(parsed(&all.join("\n"))), resolve(parsed(&text)), "{template}");
        }
    }
}
