//! What is checked of every request before anything else, and said with every answer.
//!
//! A web page that a user happens to visit can make the user's browser call a server on loopback.
//! Two checks keep it out: the `Host` must be a name of loopback or the address that was listened
//! on (a page that has its own name resolved to 127.0.0.1 is refused), and an `Origin`, which a
//! browser adds to every request across sites, must be the one that the request itself goes to.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use windlass_model::ErrorCode;

use super::{Api, failure::Failure};

/// The console's policy: its own scripts, styles and data, nothing else, and no frame around it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SECURITY_HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Refuses foreign hosts and origins, and adds the security headers to every answer.
pub(super) async fn check(State(api): State<Api>, request: Request, next: Next) -> Response {
    let authority = request.uri().authority().map(|authority| authority.as_str().to_owned());
    let checked = host(request.headers(), authority.as_deref())
        .and_then(|host| check_host(host, api.listen()))
        .and_then(|()| check_origin(request.headers()));
    let mut response = match checked {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    };
    for (name, value) in SECURITY_HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Refuses a request that does not prove, by its `Origin`, that it comes from the console.
pub(super) fn require_same_origin(headers: &HeaderMap) -> Result<(), Failure> {
    if headers.contains_key(header::ORIGIN) {
        return check_origin(headers);
    }
    Err(Failure::new(
        ErrorCode::OriginRefused,
        "a change by a session needs an Origin header",
        "use the console, or a bearer token instead of the session's cookie",
    ))
}

fn host<'a>(headers: &'a HeaderMap, authority: Option<&'a str>) -> Result<&'a str, Failure> {
    let mut values = headers.get_all(header::HOST).iter();
    let header = values.next().map(|value| value.to_str().unwrap_or_default());
    match (header, values.next(), authority) {
        (Some(host), None, None) => Ok(host),
        (Some(host), None, Some(authority)) if host.eq_ignore_ascii_case(authority) => Ok(host),
        (None, None, Some(authority)) => Ok(authority),
        (_, _, _) => Err(refused_host("a request must name one host")),
    }
}

fn refused_host(detail: impl Into<String>) -> Failure {
    Failure::new(
        ErrorCode::HostRefused,
        detail,
        "call the platform as 127.0.0.1, localhost or the address that it listens on",
    )
}

fn check_host(host: &str, listen: SocketAddr) -> Result<(), Failure> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let address: Option<IpAddr> =
        name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name).parse().ok();
    let served = match address {
        // An address can't be rebound to another site, so that any one is fine where all are
        // listened on.
        Some(address) => {
            address.is_loopback() || address == listen.ip() || listen.ip().is_unspecified()
        }
        None => name.eq_ignore_ascii_case("localhost"),
    };
    if served { Ok(()) } else { Err(refused_host(format!("the host `{host}` is not served here"))) }
}

fn check_origin(headers: &HeaderMap) -> Result<(), Failure> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let site = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    if site.is_some_and(|site| !host.is_empty() && site.eq_ignore_ascii_case(host)) {
        return Ok(());
    }
    Err(Failure::new(
        ErrorCode::OriginRefused,
        format!("the origin `{origin}` may not call this platform"),
        "open the console at the address that `windlass up` printed; other sites are refused",
    ))
}
