//! The route table on disk, in the gateway's own directory.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use crate::routes::RouteTable;

const FILE: &str = "routes.json";

/// Reads the table that was in force; a directory without one begins with nothing.
pub(crate) fn load(directory: &Path) -> io::Result<RouteTable> {
    let path = directory.join(FILE);
    match fs::read(&path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            // Better to serve nothing until the next push than not to be there for it.
            tracing::error!(path = %path.display(), %error, "the stored routes can't be read");
            RouteTable::default()
        })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(RouteTable::default()),
        Err(error) => Err(error),
    }
}

/// Stores a table so that it, or the one before, is found after any crash.
pub(crate) fn save(directory: &Path, table: &RouteTable) -> io::Result<()> {
    let draft = directory.join(format!(".{FILE}.new"));
    let bytes = serde_json::to_vec_pretty(table).map_err(io::Error::other)?;
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(&bytes)?;
    file.sync_data()?;
    fs::rename(&draft, directory.join(FILE))
}
