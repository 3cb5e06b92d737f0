//! Reading what users write, TOML or JSON: an error names the place, the field and what was meant.

use serde::de::DeserializeOwned;

use crate::error::{ErrorCode, Location, Problem};

/// A document that could not be read: what is wrong, at which byte or line, in which field.
struct Mistake {
    message: String,
    line: Option<usize>,
    column: Option<usize>,
    /// The path of the field, such as `members[0].validators`; empty at the top.
    path: String,
}

/// Reads TOML. What is wrong has the given code and a place in the text.
pub fn toml<T: DeserializeOwned>(text: &str, wrong: ErrorCode) -> Result<T, Box<Problem>> {
    let mistake = |error: &toml::de::Error, path: String| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line_text = before.map(|before| before.rsplit('\n').next().unwrap_or_default());
        let mistake = Mistake {
            message: error.message().to_owned(),
            line: before.map(|before| before.matches('\n').count() + 1),
            column: line_text.map(|line| line.chars().count() + 1),
            path,
        };
        Box::new(mistake.explain(text, wrong, "correct the value at this place"))
    };
    let document =
        toml::Deserializer::parse(text).map_err(|error| mistake(&error, String::new()))?;
    serde_path_to_error::deserialize(document)
        .map_err(|error| mistake(error.inner(), path(error.path())))
}

/// Reads JSON. A value that isn't what it should be has the given code, and what is no JSON is an
/// invalid request.
pub fn json<T: DeserializeOwned>(bytes: &[u8], wrong: ErrorCode) -> Result<T, Box<Problem>> {
    let mistake = |error: &serde_json::Error, path: String| {
        let text = error.to_string();
        let message = text.rsplit_once(" at line ").map_or(&*text, |(message, _)| message);
        let (code, hint) = match error.classify() {
            serde_json::error::Category::Data => (wrong, "correct the value at this place"),
            serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof
            | serde_json::error::Category::Io => {
                (ErrorCode::InvalidRequest, "correct the JSON at this place")
            }
        };
        let mistake = Mistake {
            message: message.to_owned(),
            line: Some(error.line()).filter(|line| *line > 0),
            column: Some(error.column()).filter(|column| *column > 0),
            path,
        };
        Box::new(mistake.explain(&String::from_utf8_lossy(bytes), code, hint))
    };
    let mut document = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut document)
        .map_err(|error| mistake(error.inner(), path(error.path())))?;
    document.end().map_err(|error| mistake(&error, String::new()))?;
    Ok(read)
}

/// The line that sets the last name of a field's path; lines count from 1.
pub fn line_of(text: &str, field: &str) -> Option<usize> {
    let name = field.rsplit('.').next()?;
    let name = name.split('[').next()?;
    let sets = |line: &str| {
        line.split(['=', ':', ',', '{', '.'])
            .any(|part| part.trim().trim_matches(['"', '[', ']', '}', ' ']) == name)
    };
    text.lines().position(sets).map(|index| index + 1)
}

fn path(path: &serde_path_to_error::Path) -> String {
    let text = path.to_string();
    if text == "." { String::new() } else { text }
}

impl Mistake {
    fn explain(self, text: &str, code: ErrorCode, hint: &str) -> Problem {
        let Self { message, line, column, mut path } = self;
        let mut quoted = message.strip_prefix("unknown field ").map(names).unwrap_or_default();
        let mut hint = hint.to_owned();
        // Within a tagged table the place is lost, and is that of the table.
        let (mut line, mut column) = (line, column);
        if !quoted.is_empty() {
            let unknown = quoted.remove(0);
            if path.rsplit('.').next() != Some(unknown) {
                path =
                    if path.is_empty() { unknown.to_owned() } else { format!("{path}.{unknown}") };
                if let Some(exact) = line_of(text, unknown) {
                    (line, column) = (Some(exact), column.filter(|_| line == Some(exact)));
                }
            }
            hint = match nearest(unknown, &quoted) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("remove it; the fields here are {}", quoted.join(", ")),
            };
        }
        let location = Location {
            file: None,
            line,
            column,
            field: Some(path).filter(|path| !path.is_empty()),
        };
        Problem::new(code, in_plain_words(message), hint).at(location)
    }
}

/// What stands between back-quotes.
fn names(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn nearest<'a>(field: &str, names: &[&'a str]) -> Option<&'a str> {
    names
        .iter()
        .map(|name| (strsim::damerau_levenshtein(name, field), *name))
        .filter(|(distance, name)| *distance <= name.len().div_ceil(3))
        .min()
        .map(|(_, name)| name)
}

/// Says what a value should be without the names of our types.
fn in_plain_words(message: String) -> String {
    let numbers = ["u8", "u16", "u32", "u64"];
    match message.rsplit_once(", expected ") {
        Some((found, expected)) if numbers.contains(&expected) => {
            format!("{found}, expected a whole number")
        }
        Some((found, expected)) if expected.starts_with("struct ") => {
            format!("{found}, expected a table of fields")
        }
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Manifest;

    /// Line, field, and hint of what is wrong.
    type Told = (Option<usize>, Option<String>, String);

    fn told(read: Result<Manifest, Box<Problem>>) -> Told {
        let problem = read.expect_err("it is wrong");
        assert_eq!(problem.code, ErrorCode::InvalidSpec);
        let location = problem.location.expect("it has a place");
        (location.line, location.field, problem.hint)
    }

    #[track_caller]
    fn check(told: &Told, line: usize, field: &str, hint: &str) {
        assert_eq!((told.0, told.1.as_deref()), (Some(line), Some(field)), "{told:?}");
        assert!(told.2.contains(hint), "{told:?}");
    }

    fn of_toml(text: &str) -> Told {
        told(toml(text, ErrorCode::InvalidSpec))
    }

    fn of_json(text: &str) -> Told {
        told(json(text.as_bytes(), ErrorCode::InvalidSpec))
    }

    #[test]
    fn an_unknown_field_has_its_place_and_the_nearest_there_is() {
        check(&of_toml("name = \"a\"\nvalidatos = 4\n"), 2, "validatos", "`validators`?");
        check(&of_toml("[node_limits]\nmemory = 4\n"), 2, "node_limits.memory", "memory_mib");
        let fees = "gas_limit = 7\n[fees]\npolicy = \"eip1559\"\nfloor_we = 4\n";
        check(&of_toml(fees), 4, "fees.floor_we", "did you mean `floor_wei`?");
        let free = "[fees]\npolicy = \"free\"\nfloor_wei = 4\n";
        check(&of_toml(free), 3, "fees.floor_wei", "remove it");
        let members = "[[members]]\norganization = \"a\"\nvalidator = 1\n";
        check(&of_toml(members), 3, "members[0].validator", "`validators`?");
        check(&of_json("{\n \"validatos\": 4}"), 2, "validatos", "`validators`?");
        let limits = "{\"node_limits\": {\n \"memory_mb\": 4}}";
        check(&of_json(limits), 2, "node_limits.memory_mb", "`memory_mib`?");
    }

    #[test]
    fn a_wrong_type_has_its_place() {
        check(&of_toml("validators = \"four\"\n"), 1, "validators", "correct");
        check(&of_toml("[fees]\npolicy = \"eip1559\"\nfloor_wei = \"x\"\n"), 1, "fees", "correct");
        check(
            &of_toml("[[members]]\norganization = \"a\"\nvalidators = -1\n"),
            3,
            "members[0].validators",
            "correct",
        );
        check(&of_json("{\n \"validators\":\n \"four\"}"), 3, "validators", "correct");
        check(&of_json("{\"fees\": 7}"), 1, "fees", "correct");
    }

    #[test]
    fn what_is_no_json_is_an_invalid_request() {
        let problem =
            json::<Manifest>(b"{\"name\": ", ErrorCode::InvalidSpec).expect_err("cut off");
        assert_eq!(problem.code, ErrorCode::InvalidRequest);
        let problem = json::<Manifest>(b"{} {}", ErrorCode::InvalidSpec).expect_err("two");
        assert_eq!(problem.code, ErrorCode::InvalidRequest);
    }
}
