//! `windlass context …`.

use std::io::Read;

use serde::Serialize;
use windlass_model::ErrorCode;

use crate::{
    args::{ContextVerb, Global},
    context::{Contexts, Platform, check_url, given_token},
    environment::{self, Outcome, problem},
    output::Output,
    render::Table,
};

/// A context without its token.
#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    url: String,
    current: bool,
}

pub(crate) fn run(verb: &ContextVerb, global: &Global, output: Output) -> Outcome<()> {
    let path = environment::contexts_file()?;
    let mut contexts = Contexts::load(&path)?;
    match verb {
        ContextVerb::Ls => {
            let listed = list(&contexts);
            output.result(&listed, || text(&listed));
            return Ok(());
        }
        ContextVerb::Add { name } => contexts.add(name, described(global)?)?,
        ContextVerb::Use { name } => {
            contexts.get(name)?;
            contexts.current = Some(name.clone());
        }
        ContextVerb::Rm { name } => contexts.remove(name)?,
    }
    contexts.save(&path)?;
    let listed = list(&contexts);
    output.result(&listed, || text(&listed));
    Ok(())
}

fn described(global: &Global) -> Outcome<Platform> {
    let Some(url) = &global.url else {
        return Err(problem(
            ErrorCode::InvalidRequest,
            "the platform's URL is missing",
            "name it with --url, such as --url https://windlass.example.com",
        ));
    };
    let token = match given_token(global)? {
        Some(token) => token,
        None => read_token()?,
    };
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(problem(
            ErrorCode::InvalidRequest,
            "that is no token",
            "the token is the one line of the file `token` in the platform's data directory",
        ));
    }
    Ok(Platform { url: check_url(url)?, token })
}

fn read_token() -> Outcome<String> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(4_096).read_to_string(&mut text);
    match read {
        Ok(_) => Ok(text.trim().to_owned()),
        Err(error) => Err(problem(
            ErrorCode::InvalidRequest,
            format!("cannot read the token from stdin: {error}"),
            "name a file that holds it with --token-file",
        )),
    }
}

fn list(contexts: &Contexts) -> Vec<Listed> {
    let entries = contexts.contexts.iter();
    entries
        .map(|(name, platform)| Listed {
            name: name.clone(),
            url: platform.url.clone(),
            current: contexts.current.as_ref() == Some(name),
        })
        .collect()
}

fn text(listed: &[Listed]) -> String {
    if listed.is_empty() {
        return "no contexts: the platform of the data directory is used".to_owned();
    }
    let mut table = Table::new(&["", "NAME", "URL"]);
    for Listed { name, url, current } in listed {
        let mark = if *current { "*" } else { "" };
        table.row([mark.to_owned(), name.clone(), url.clone()]);
    }
    table.text()
}
