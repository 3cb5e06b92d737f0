//! Keys of an endpoint as people read them.

use windlass_model::key::{EndpointKey, NewEndpointKey};

use super::{Table, append, date_time};

/// The keys of a network.
pub(crate) fn keys(keys: &[EndpointKey], network: &str) -> String {
    if keys.is_empty() {
        return format!("no keys; `windlass network key create {network} NAME` makes one");
    }
    let mut table = Table::new(&["KEY", "SCOPE", "RATE", "CREATED", "ROTATED", "FORMER UNTIL"]);
    for key in keys {
        let time = |at_ms: Option<u64>| at_ms.map_or_else(|| "-".to_owned(), date_time);
        table.row([
            key.name.to_string(),
            key.scope.as_str().to_owned(),
            rate(key),
            date_time(key.created_at_ms),
            time(key.rotated_at_ms),
            time(key.former_until_ms),
        ]);
    }
    table.text()
}

/// A key with its secret, which is shown this once.
pub(crate) fn new_key(made: &NewEndpointKey) -> String {
    let NewEndpointKey { key, secret, url, .. } = made;
    let mut text = format!(
        "key         {}\nscope       {}\nrate        {}\n",
        key.name,
        key.scope.as_str(),
        rate(key)
    );
    match url {
        Some(url) => append(&mut text, format_args!("url         {url}\n")),
        None => append(&mut text, format_args!("secret      {secret}\n")),
    }
    if let Some(until_ms) = key.former_until_ms {
        let until = date_time(until_ms);
        append(&mut text, format_args!("former      works until {until}\n"));
    }
    if key.name.as_str() != windlass_model::key::DEFAULT {
        text.push_str("\nThis is shown once: only its hash is kept.\n");
    }
    text
}

fn rate(key: &EndpointKey) -> String {
    match key.rate {
        0 => "no limit".to_owned(),
        rate => format!("{rate} a second, {} at once", key.burst),
    }
}

#[cfg(test)]
mod tests {
    use windlass_model::key::KeyScope;

    use super::*;

    fn key(name: &str) -> EndpointKey {
        EndpointKey {
            name: name.parse().unwrap(),
            scope: KeyScope::Send,
            rate: 50,
            burst: 200,
            created_at_ms: 1_700_000_000_000,
            rotated_at_ms: None,
            former_until_ms: None,
        }
    }

    #[test]
    fn keys_are_a_table() {
        let rotated = EndpointKey {
            rate: 0,
            rotated_at_ms: Some(1_709_164_800_000),
            former_until_ms: Some(1_709_251_199_000),
            ..key("ci")
        };
        let expect = "\
KEY        SCOPE  RATE                      CREATED               ROTATED               FORMER UNTIL
dashboard  send   50 a second, 200 at once  2023-11-14 22:13 UTC  -                     -
ci         send   no limit                  2023-11-14 22:13 UTC  2024-02-29 00:00 UTC  2024-02-29 23:59 UTC
";
        assert_eq!(keys(&[key("dashboard"), rotated], "trade"), expect);
        assert!(keys(&[], "trade").contains("windlass network key create trade NAME"));
    }
}
