//! JSON read strictly: no key twice, no field unknown, and every error names its field.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{GenesisError, MAX_NUMBER, wrong};

/// The JSON that the document is made of: it knows no null, no boolean and no fraction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Json {
    Number(u64),
    Text(String),
    List(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

/// A value and the path that leads to it.
#[derive(Clone, Debug)]
pub(super) struct Field {
    path: String,
    value: Json,
}

/// An object whose fields are taken one by one; what is left in the end is unknown.
#[derive(Debug)]
pub(super) struct Object {
    path: String,
    fields: BTreeMap<String, Json>,
}

impl Json {
    fn kind(&self) -> &'static str {
        match self {
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

impl Field {
    pub(super) fn root(value: Json) -> Self {
        Self { path: String::new(), value }
    }

    /// An error about this field.
    pub(super) fn wrong(&self, reason: impl Into<String>) -> GenesisError {
        let path = if self.path.is_empty() { "(document)" } else { &self.path };
        wrong(path, reason)
    }

    fn expected(&self, what: &str) -> GenesisError {
        self.wrong(format!("must be {what}, not {}", self.value.kind()))
    }

    pub(super) fn number(&self) -> Result<u64, GenesisError> {
        match &self.value {
            Json::Number(number) if *number <= MAX_NUMBER => Ok(*number),
            Json::Number(_) => Err(self.wrong("must be below 2^53")),
            Json::Text(_) | Json::List(_) | Json::Object(_) => Err(self.expected("a number")),
        }
    }

    pub(super) fn text(&self) -> Result<&str, GenesisError> {
        match &self.value {
            Json::Text(text) => Ok(text),
            Json::Number(_) | Json::List(_) | Json::Object(_) => Err(self.expected("a string")),
        }
    }

    pub(super) fn list(self) -> Result<Vec<Self>, GenesisError> {
        match self.value {
            Json::List(values) => Ok(values
                .into_iter()
                .enumerate()
                .map(|(index, value)| Self { path: format!("{}[{index}]", self.path), value })
                .collect()),
            Json::Number(_) | Json::Text(_) | Json::Object(_) => Err(self.expected("a list")),
        }
    }

    pub(super) fn object(self) -> Result<Object, GenesisError> {
        match self.value {
            Json::Object(fields) => Ok(Object { path: self.path, fields }),
            Json::Number(_) | Json::Text(_) | Json::List(_) => Err(self.expected("an object")),
        }
    }
}

impl Object {
    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub(super) fn optional(&mut self, name: &str) -> Option<Field> {
        let value = self.fields.remove(name)?;
        Some(Field { path: self.path_of(name), value })
    }

    pub(super) fn required(&mut self, name: &str) -> Result<Field, GenesisError> {
        self.optional(name).ok_or_else(|| wrong(self.path_of(name), "is missing"))
    }

    /// The next field, whatever its name.
    pub(super) fn next(&mut self) -> Option<(String, Field)> {
        let (name, value) = self.fields.pop_first()?;
        let path = self.path_of(&name);
        Some((name, Field { path, value }))
    }

    /// Refuses what was not taken.
    pub(super) fn finish(self) -> Result<(), GenesisError> {
        match self.fields.first_key_value() {
            Some((name, _)) => Err(wrong(self.path_of(name), "is unknown")),
            None => Ok(()),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a number that is not negative, a string, a list or an object")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = values.next_element()? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some((name, value)) = entries.next_entry::<String, Json>()? {
            if fields.contains_key(&name) {
                return Err(A::Error::custom(format!("the field {name} is there twice")));
            }
            fields.insert(name, value);
        }
        Ok(Json::Object(fields))
    }
}
