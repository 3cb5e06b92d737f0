//! Reading a spec, and pointing into it when it is wrong.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use serde::de::DeserializeOwned;
use windlass_model::{
    ErrorCode, Name, Problem, read,
    spec::{GenesisFile, Manifest},
};

use crate::environment::{Outcome, problem};

/// The most bytes of a spec.
const MAX_BYTES: u64 = 1 << 20;

/// A spec with the text that it was read from.
#[derive(Debug)]
pub(crate) struct Spec {
    /// What it says, what its genesis file says among it.
    pub(crate) manifest: Manifest,
    /// What of its genesis file is left out.
    pub(crate) notes: Vec<String>,
    file: String,
    text: String,
}

impl Spec {
    /// Reads a file, or stdin for `-`.
    pub(crate) fn load(path: &Path) -> Outcome<Self> {
        let file = path.display().to_string();
        let text = text_of(path).map_err(|error| {
            problem(
                ErrorCode::InvalidRequest,
                format!("cannot read the spec {file}: {error}"),
                "name a file of UTF-8 text of at most 1 MiB, or - for stdin",
            )
        })?;
        let mut spec = Self::parse(file, text)?;
        if let Some(genesis) = &spec.manifest.genesis_from {
            let genesis = path.parent().unwrap_or(Path::new("")).join(genesis);
            spec.notes = begin_from(&genesis, &mut spec.manifest)?;
        }
        Ok(spec)
    }

    pub(crate) fn parse(file: String, text: String) -> Outcome<Self> {
        let manifest = parse(&file, &text, ErrorCode::InvalidSpec)?;
        Ok(Self { manifest, notes: Vec::new(), file, text })
    }

    /// Adds the place in the file to a problem that names a field of it.
    pub(crate) fn locate(&self, mut problem: Box<Problem>) -> Box<Problem> {
        if let Some(location) = problem.location.as_mut().filter(|it| it.file.is_none()) {
            location.file = Some(self.file.clone());
            location.line =
                location.field.as_deref().and_then(|field| read::line_of(&self.text, field));
            location.column = None;
        }
        problem
    }
}

/// Puts what a genesis file of Geth or Besu says into a manifest; what is left out of it, in words.
pub(crate) fn begin_from(path: &Path, manifest: &mut Manifest) -> Outcome<Vec<String>> {
    let file = path.display().to_string();
    let text = text_of(path).map_err(|error| {
        problem(
            ErrorCode::InvalidRequest,
            format!("cannot read the genesis file {file}: {error}"),
            "name a genesis.json of Geth or Besu of at most 1 MiB",
        )
    })?;
    let located = |mut problem: Box<Problem>| {
        problem.location.get_or_insert_default().file = Some(file.clone());
        problem
    };
    let notes = GenesisFile::parse(&text).and_then(|read| read.fill(manifest)).map_err(located)?;
    Ok(notes.into_iter().map(|note| format!("{file}: {note}")).collect())
}

/// Reads a file, or stdin for `-`, that is no spec: TOML, or JSON if its name ends in `.json`.
pub(crate) fn read_document<T: DeserializeOwned>(path: &Path) -> Outcome<T> {
    let file = path.display().to_string();
    let text = text_of(path).map_err(|error| {
        problem(
            ErrorCode::InvalidRequest,
            format!("cannot read {file}: {error}"),
            "name a file of UTF-8 text of at most 1 MiB, or - for stdin",
        )
    })?;
    parse(&file, &text, ErrorCode::InvalidRequest)
}

fn parse<T: DeserializeOwned>(file: &str, text: &str, wrong: ErrorCode) -> Outcome<T> {
    let is_json = Path::new(file).extension().is_some_and(|extension| extension == "json");
    let read = if is_json { read::json(text.as_bytes(), wrong) } else { read::toml(text, wrong) };
    read.map_err(|mut problem: Box<Problem>| {
        if let Some(location) = &mut problem.location {
            location.file = Some(file.to_owned());
        }
        problem
    })
}

/// The name from the command line or else the spec; refuses none and two different ones.
pub(crate) fn choose_name(given: Option<&str>, manifest: &mut Manifest) -> Outcome<Name> {
    let name = match (given, &manifest.name) {
        (Some(given), named) => {
            let given: Name =
                given.parse().map_err(|error: windlass_model::name::InvalidName| {
                    problem(
                        ErrorCode::InvalidName,
                        error.to_string(),
                        "a name has 1 to 40 of a-z, 0-9 and -, and begins with a letter",
                    )
                })?;
            if let Some(other) = named.as_ref().filter(|named| **named != given) {
                return Err(problem(
                    ErrorCode::InvalidName,
                    format!("the command names `{given}` and the spec names `{other}`"),
                    "leave one of the two out",
                ));
            }
            given
        }
        (None, Some(named)) => named.clone(),
        (None, None) => {
            return Err(problem(
                ErrorCode::InvalidName,
                "the network has no name",
                "add `name = \"trade\"` to the spec, or name the network on the command line",
            ));
        }
    };
    manifest.name = Some(name.clone());
    Ok(name)
}

fn text_of(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(MAX_BYTES + 1).read_to_string(&mut text)?
    } else {
        fs::File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?
    };
    if u64::try_from(read).is_ok_and(|read| read > MAX_BYTES) {
        return Err(io::Error::other("it has more than 1 MiB"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use windlass_model::error::Location;

    use super::*;

    fn place(file: &str, text: &str) -> (Option<usize>, Option<String>) {
        let problem = Spec::parse(file.to_owned(), text.to_owned()).expect_err("it is wrong");
        assert_eq!(problem.code, ErrorCode::InvalidSpec);
        let location = problem.location.expect("it has a place");
        assert_eq!(location.file.as_deref(), Some(file));
        (location.line, location.field)
    }

    #[test]
    fn a_mistake_has_its_place() {
        let toml = "name = \"trade\"\nvalidatos = 4\n";
        assert_eq!(place("a.toml", toml), (Some(2), Some("validatos".to_owned())));
        let json = "{\n  \"validatos\": 4\n}";
        assert_eq!(place("a.json", json), (Some(2), Some("validatos".to_owned())));
    }

    #[test]
    fn a_wrong_type_is_told_in_plain_words() {
        let told = |file: &str, text: &str| {
            Spec::parse(file.to_owned(), text.to_owned()).expect_err("it is wrong").detail
        };
        let expect = "invalid type: string \"four\", expected a whole number";
        assert_eq!(told("a.toml", "name = \"trade\"\nvalidators = \"four\"\n"), expect);
        assert_eq!(told("a.json", "{\"name\": \"trade\", \"validators\": \"four\"}"), expect);
    }

    #[test]
    fn a_refused_value_is_found_in_the_file() {
        let text = "validators = 4\ngas_limit = 1\n[node_limits]\nmemory_mib = 1\n";
        let spec = Spec::parse("a.toml".to_owned(), text.to_owned()).expect("it parses");
        let line = |field: &str| {
            let refused = Problem::new(ErrorCode::InvalidSpec, "it is too small", "more")
                .at(Location { field: Some(field.to_owned()), ..Location::default() });
            spec.locate(Box::new(refused)).location.and_then(|location| location.line)
        };
        assert_eq!(line("gas_limit"), Some(2));
        assert_eq!(line("node_limits.memory_mib"), Some(4));
        assert_eq!(line("epoch_length"), None);
    }

    #[test]
    fn one_name_is_needed() {
        let named = |name: Option<&str>| Manifest {
            name: name.map(|name| name.parse().expect("it is valid")),
            ..Manifest::default()
        };
        let check = |given, named_in_spec, expect: Option<&str>| {
            let chosen = choose_name(given, &mut named(named_in_spec)).ok();
            assert_eq!(chosen.as_ref().map(Name::as_str), expect);
        };
        check(Some("a"), None, Some("a"));
        check(None, Some("b"), Some("b"));
        check(Some("b"), Some("b"), Some("b"));
        check(Some("a"), Some("b"), None);
        check(Some("A b"), None, None);
        check(None, None, None);
    }
}
