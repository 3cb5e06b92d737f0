//! The console's files, built into the program.
//!
//! Files below `assets/` have a hash in their names and never change; everything else is asked for
//! again each time. Paths without a file are the console's own routes and get its index. When the
//! console was not built, a page says so.

use std::borrow::Cow;

use axum::{
    http::{HeaderValue, Uri, header},
    response::{IntoResponse, Response},
};
use rust_embed::RustEmbed;

use super::failure;

const IMMUTABLE: &str = "public, max-age=31536000, immutable";
const ASK_AGAIN: &str = "no-cache";
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
    <title>Windlass</title><h1>Windlass</h1>\
    <p>The platform runs, but its console was not built into this program.</p>\
    <p>Run <code>npm ci &amp;&amp; npm run build</code> in <code>console/</code> and build \
    <code>windlass</code> again. The command line and the API work without it.</p></html>\n";

#[derive(RustEmbed)]
#[folder = "../../console/dist"]
#[allow_missing = true]
struct Files;

type Content = Cow<'static, [u8]>;

/// Answers every path outside the API.
pub(super) async fn serve(method: axum::http::Method, uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path == "v1" || path.starts_with("v1/") {
        return failure::route_not_found(&method, &uri).into_response();
    }
    if !matches!(method, axum::http::Method::GET | axum::http::Method::HEAD) {
        return failure::refuse_method(&method, &uri).into_response();
    }
    answer(path, |path| Files::get(path).map(|file| file.data))
}

fn answer(path: &str, files: impl Fn(&str) -> Option<Content>) -> Response {
    if let Some(file) = files(path).filter(|_| !path.is_empty()) {
        let cache = if path.starts_with("assets/") { IMMUTABLE } else { ASK_AGAIN };
        return respond(path, file, cache);
    }
    let is_file = path.rsplit('/').next().is_some_and(|name| name.contains('.'));
    if is_file {
        let text = format!("the console has no file `{path}`");
        return failure::Failure::new(
            windlass_model::ErrorCode::RouteNotFound,
            text,
            "reload the console: it may have been updated",
        )
        .into_response();
    }
    if let Some(index) = files("index.html") {
        return respond("index.html", index, ASK_AGAIN);
    }
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], NOT_BUILT).into_response()
}

fn respond(path: &str, file: Content, cache: &'static str) -> Response {
    let mut response = file.into_owned().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(path)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(path: &str) -> Option<Content> {
        let data: &'static [u8] = match path {
            "index.html" => b"<!doctype html>",
            "assets/index-1a2b3c.js" => b"export {}",
            _ => return None,
        };
        Some(Cow::Borrowed(data))
    }

    fn check(path: &str, expect: (u16, &str, Option<&str>)) {
        let response = answer(path, built);
        let text = |name| {
            let value = response.headers().get(name)?;
            Some(value.to_str().expect("headers are ASCII").to_owned())
        };
        let media = text(header::CONTENT_TYPE).unwrap_or_default();
        assert_eq!(response.status().as_u16(), expect.0, "{path}");
        assert!(media.starts_with(expect.1), "{path}: {media}");
        assert_eq!(text(header::CACHE_CONTROL).as_deref(), expect.2, "{path}");
    }

    #[test]
    fn hashed_files_are_immutable_and_routes_get_the_index() {
        check("", (200, "text/html", Some(ASK_AGAIN)));
        check("login", (200, "text/html", Some(ASK_AGAIN)));
        check("networks/trade", (200, "text/html", Some(ASK_AGAIN)));
        check("assets/index-1a2b3c.js", (200, "text/javascript", Some(IMMUTABLE)));
        check("assets/index-gone.js", (404, "application/problem+json", Some("no-store")));
    }

    #[test]
    fn an_unbuilt_console_says_so() {
        let response = answer("login", |_| None);
        assert_eq!(response.status().as_u16(), 200);
    }
}
