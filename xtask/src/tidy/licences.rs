//! The licences of everything that we are built with.

use crate::tidy::Tree;

/// What we accept: permissive, each read once.
const ALLOWED: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
];

/// Every package's licence can be met with those that are allowed.
pub(crate) fn check(tree: &Tree) -> Vec<String> {
    tree.metadata
        .used
        .iter()
        .filter(|package| !acceptable(&package.licence))
        .map(|package| format!("{} {}: `{}`", package.name, package.version, package.licence))
        .collect()
}

/// Whether an SPDX expression can be met. `AND` binds stronger than `OR`; an old `/` is an `OR`.
fn acceptable(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let met = any(&mut rest);
    met && rest.is_empty()
}

fn any(words: &mut &[&str]) -> bool {
    let mut met = all(words);
    while let Some((&"OR", rest)) = words.split_first() {
        *words = rest;
        met |= all(words);
    }
    met
}

fn all(words: &mut &[&str]) -> bool {
    let mut met = one(words);
    while let Some((&"AND", rest)) = words.split_first() {
        *words = rest;
        met &= one(words);
    }
    met
}

fn one(words: &mut &[&str]) -> bool {
    let Some((&first, rest)) = words.split_first() else { return false };
    *words = rest;
    if first == "(" {
        let met = any(words);
        let closed = words.split_first().is_some_and(|(word, _)| *word == ")");
        *words = words.get(1..).unwrap_or_default();
        return met && closed;
    }
    if let [with, exception, rest @ ..] = *words
        && *with == "WITH"
    {
        let whole = format!("{first} WITH {exception}");
        *words = rest;
        return ALLOWED.contains(&whole.as_str());
    }
    ALLOWED.contains(&first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read_as_spdx_says() {
        for (expression, expected) in [
            ("MIT", true),
            ("MIT/Apache-2.0", true),
            ("Unlicense OR MIT", true),
            ("MIT OR Apache-2.0 OR LGPL-2.1-or-later", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
            ("ISC AND (GPL-2.0 OR ISC)", true),
            ("MPL-2.0", false),
            ("MIT AND GPL-3.0", false),
            ("GPL-3.0 OR MIT AND LGPL-3.0", false),
            ("MIT Apache-2.0", false),
            ("", false),
        ] {
            assert_eq!(acceptable(expression), expected, "{expression}");
        }
    }
}
