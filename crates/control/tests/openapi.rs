//! The committed document is the one that the code makes.
//! `UPDATE_OPENAPI=1 cargo test -p windlass-control --test openapi` writes it anew.

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi.json");

#[test]
fn the_committed_document_is_the_code_s() {
    let made = windlass_control::http::document_json();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(COMMITTED, &made).expect("the document can be written");
    }
    let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
    let hint = "openapi.json differs from the code: run UPDATE_OPENAPI=1 cargo test -p windlass-control --test openapi";
    assert!(committed == made, "{hint}");
}
