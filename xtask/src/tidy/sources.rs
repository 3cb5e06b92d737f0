//! Checks over the text of the tracked files.

use std::path::Path;

use crate::tidy::Tree;

const MOST_LINES: usize = 500;

/// A file is at most 500 lines before its tests; files of tests are as long as they must be.
pub(crate) fn lengths(tree: &Tree) -> Vec<String> {
    tree.with_extension("rs")
        .filter(|file| !is_test(file))
        .filter_map(|file| {
            let lines = lines_before_tests(&tree.text(file)?);
            (lines > MOST_LINES).then(|| format!("{}: {lines} lines", file.display()))
        })
        .collect()
}

fn lines_before_tests(text: &str) -> usize {
    text.lines().take_while(|line| line.trim_end() != "#[cfg(test)]").count()
}

fn is_test(file: &Path) -> bool {
    file.file_stem().is_some_and(|stem| stem == "tests")
        || file.components().any(|part| part.as_os_str() == "tests")
            && !file.starts_with("tests/e2e/src")
}

/// `#[expect(lint, reason)]` says why and falls when it is no longer needed.
pub(crate) fn allowed_lints(tree: &Tree) -> Vec<String> {
    let needles = [concat!("#[", "allow("), concat!("#![", "allow(")];
    find(
        tree,
        |file| file.extension().is_some_and(|found| found == "rs"),
        |line| needles.iter().any(|needle| line.trim_start().starts_with(needle)),
    )
}

/// Only the store speaks SQL, so that the subset both databases share is kept in one place.
pub(crate) fn sql(tree: &Tree) -> Vec<String> {
    let store = Path::new("crates/control/src/store");
    let elsewhere = |file: &Path| {
        file.extension().is_some_and(|found| found == "rs")
            && file.starts_with("crates")
            && !file.starts_with(store)
            && file != store.with_extension("rs")
    };
    let starts = ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "CREATE TABLE ", "PRAGMA "];
    find(tree, elsewhere, |line| {
        line.contains("sqlx::") || starts.iter().any(|start| line.contains(&format!("\"{start}")))
    })
}

/// Registries are set on the machine; a name in the tree would bind the project to one. Cargo's own
/// lock file cannot leave it out.
pub(crate) fn registries(tree: &Tree) -> Vec<String> {
    let hosts = [
        concat!("registry.", "npmjs.org"),
        concat!("registry.", "yarnpkg.com"),
        concat!("crates", ".io-index"),
        concat!("static.", "crates.io"),
        concat!("index.", "crates.io"),
        concat!("pypi", ".org"),
        concat!("files.", "pythonhosted.org"),
        concat!("proxy.", "golang.org"),
        concat!("repo1.", "maven.org"),
        concat!("deb.", "debian.org"),
    ];
    find(
        tree,
        |file| file != Path::new("Cargo.lock"),
        |line| hosts.iter().any(|host| line.contains(host)),
    )
}

fn find(tree: &Tree, chosen: impl Fn(&Path) -> bool, wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| chosen(file)) {
        let Some(text) = tree.text(file) else { continue };
        for (index, line) in text.lines().enumerate() {
            if wrong(line) {
                findings.push(format!("{}:{}: {}", file.display(), index + 1, line.trim()));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_up_to_the_tests() {
        assert_eq!(lines_before_tests("a\nb\n#[cfg(test)]\nmod tests {\n}\n"), 2);
        assert_eq!(lines_before_tests("a\n    #[cfg(test)]\nb\n"), 3);
    }

    #[test]
    fn tests_are_told_from_code() {
        assert!(is_test(Path::new("crates/model/src/spec/tests.rs")));
        assert!(is_test(Path::new("crates/chain/tests/conformance.rs")));
        assert!(!is_test(Path::new("tests/e2e/src/lib.rs")));
        assert!(!is_test(Path::new("crates/model/src/spec.rs")));
    }
}
