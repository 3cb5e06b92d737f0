//! How many calls a client sends: a batch is as many as it has entries, and everything else is one.
//!
//! Nothing is parsed that does not have to be: brackets, strings and the commas between a batch's entries
//! are told apart byte by byte, as the bytes come, so that a message of any size is counted in a few words
//! of memory. What is no JSON is counted as something, and refused by the node.

/// Counts the calls of one body or message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Calls {
    form: Form,
    /// How many brackets and braces are open.
    depth: u32,
    text: Text,
    /// Those that are complete, and whether another has begun.
    ended: u32,
    begun: Begun,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Form {
    #[default]
    Unknown,
    Single,
    Batch,
}

/// Where in a string the next byte is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Text {
    #[default]
    Outside,
    Inside,
    Escaped,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Begun {
    #[default]
    Nothing,
    Entry,
}

impl Calls {
    /// The calls of a whole body.
    pub(crate) fn of(body: &[u8]) -> u32 {
        let mut calls = Self::default();
        for byte in body {
            calls.next(*byte);
            if calls.form == Form::Single {
                break;
            }
        }
        calls.count()
    }

    /// Looks at the next byte.
    pub(crate) fn next(&mut self, byte: u8) {
        match self.form {
            Form::Single => {}
            Form::Unknown if byte.is_ascii_whitespace() => {}
            Form::Unknown => {
                self.form = if byte == b'[' { Form::Batch } else { Form::Single };
                self.depth = 1;
            }
            Form::Batch => self.next_of_batch(byte),
        }
    }

    fn next_of_batch(&mut self, byte: u8) {
        self.text = match (self.text, byte) {
            (Text::Inside, b'\\') => Text::Escaped,
            (Text::Inside, b'"') => Text::Outside,
            (Text::Inside | Text::Escaped, _) => Text::Inside,
            (Text::Outside, b'"') => {
                self.begun = Begun::Entry;
                Text::Inside
            }
            (Text::Outside, _) => {
                self.next_outside(byte);
                Text::Outside
            }
        };
    }

    fn next_outside(&mut self, byte: u8) {
        match byte {
            b'[' | b'{' => {
                self.depth = self.depth.saturating_add(1);
                self.begun = Begun::Entry;
            }
            b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            b',' if self.depth == 1 => {
                self.ended = self.ended.saturating_add(1);
                self.begun = Begun::Nothing;
            }
            byte if byte.is_ascii_whitespace() => {}
            _ => self.begun = Begun::Entry,
        }
    }

    /// How many there are, at the end; nothing is one call too.
    pub(crate) fn count(&self) -> u32 {
        let begun = match self.begun {
            Begun::Entry => 1,
            Begun::Nothing => 0,
        };
        self.ended.saturating_add(begun).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_as_many_calls_as_it_has_entries() {
        for (body, expect) in [
            ("", 1),
            ("nonsense", 1),
            (r#"{"method":"a,b","params":[1,2,3]}"#, 1),
            ("[]", 1),
            ("  [ ]", 1),
            (r#"[{"method":"a","params":[1,[2,3],{"x":4}]}]"#, 1),
            (" [{},{}]", 2),
            (r#"[{"x":"],[\",{"},{"y":"\\"},{"z":1}]"#, 3),
            ("[1,2,3,4]", 4),
            (r#"["a","b"]"#, 2),
            ("[null,null", 2),
        ] {
            assert_eq!(Calls::of(body.as_bytes()), expect, "{body}");
        }
    }
}
