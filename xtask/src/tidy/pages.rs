//! Checks over the documentation: that it names what exists.

use std::path::Path;

use windlass_model::ErrorCode;

use crate::tidy::Tree;

/// Every path in a table of ARCHITECTURE.md exists.
pub(crate) fn architecture(tree: &Tree) -> Vec<String> {
    let Some(text) = tree.text(Path::new("ARCHITECTURE.md")) else {
        return vec!["ARCHITECTURE.md is missing".to_owned()];
    };
    paths_in_tables(&text)
        .into_iter()
        .filter(|path| !tree.root.join(path).exists())
        .map(|path| format!("ARCHITECTURE.md names `{path}`, which does not exist"))
        .collect()
}

/// What stands in backticks in a table's rows and looks like a path.
fn paths_in_tables(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| line.starts_with('|'))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter(|code| {
            code.contains('/') && !code.contains([' ', '<', '{', '*']) && !code.starts_with('/')
        })
        .map(str::to_owned)
        .collect()
}

/// Every error code has a page, and every page a code.
pub(crate) fn errors(tree: &Tree) -> Vec<String> {
    let folder = Path::new("docs/errors");
    let mut findings = Vec::new();
    for code in ErrorCode::ALL {
        let page = folder.join(format!("{}.md", code.as_str()));
        match tree.text(&page) {
            None => findings.push(format!("{} is missing", page.display())),
            Some(text) if !text.contains(code.title()) => {
                findings.push(format!("{} does not say `{}`", page.display(), code.title()));
            }
            Some(_) => {}
        }
    }
    for file in tree.with_extension("md").filter(|file| file.parent() == Some(folder)) {
        let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if stem != "README" && !ErrorCode::ALL.iter().any(|code| code.as_str() == stem) {
            findings.push(format!("{} is of no error code", file.display()));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_from_table_rows_only() {
        let text = "`crates/none`\n| what | `crates/model`, `make test` and `/v1/x` |\n";
        assert_eq!(paths_in_tables(text), ["crates/model"]);
    }
}
