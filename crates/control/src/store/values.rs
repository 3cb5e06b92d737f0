//! Values on their way into rows and back.

use std::str::FromStr;

use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row as _, sqlite::SqliteRow};

use crate::store::error::StoreError;

/// A number as the database keeps it. Ours stay below 2^63.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A value as JSON text.
pub(crate) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our rows are plain data with string keys")
}

/// A unit variant of an enum as its bare word.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    json(value).trim_matches('"').to_owned()
}

/// Reads columns of a row, naming the column that can't be read.
pub(crate) trait Columns {
    fn text(&self, column: &'static str) -> Result<String, StoreError>;
    fn optional_text(&self, column: &'static str) -> Result<Option<String>, StoreError>;
    fn number(&self, column: &'static str) -> Result<u64, StoreError>;
    fn optional_number(&self, column: &'static str) -> Result<Option<u64>, StoreError>;
    fn parsed<T: FromStr<Err: std::fmt::Display>>(
        &self,
        column: &'static str,
    ) -> Result<T, StoreError>;
    fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError>;
    fn word<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError>;
}

fn damaged<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> StoreError {
    move |reason| StoreError::Damaged { what, reason: reason.to_string() }
}

impl Columns for SqliteRow {
    fn text(&self, column: &'static str) -> Result<String, StoreError> {
        self.try_get(column).map_err(damaged(column))
    }

    fn optional_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        self.try_get(column).map_err(damaged(column))
    }

    fn number(&self, column: &'static str) -> Result<u64, StoreError> {
        let number: i64 = self.try_get(column).map_err(damaged(column))?;
        u64::try_from(number).map_err(damaged(column))
    }

    fn optional_number(&self, column: &'static str) -> Result<Option<u64>, StoreError> {
        let number: Option<i64> = self.try_get(column).map_err(damaged(column))?;
        number.map(u64::try_from).transpose().map_err(damaged(column))
    }

    fn parsed<T: FromStr<Err: std::fmt::Display>>(
        &self,
        column: &'static str,
    ) -> Result<T, StoreError> {
        self.text(column)?.parse().map_err(damaged(column))
    }

    fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        serde_json::from_str(&self.text(column)?).map_err(damaged(column))
    }

    fn word<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        serde_json::from_value(self.text(column)?.into()).map_err(damaged(column))
    }
}
