//! How a refusal leaves the API: always a problem document of RFC 9457.

use axum::{
    extract::rejection::{PathRejection, QueryRejection},
    http::{HeaderValue, Method, Uri, header},
    response::{IntoResponse, Response},
};
use windlass_model::{ErrorCode, Problem};

/// The media type of a problem document.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// A problem on its way to the client. Boxed, so that a handler's result stays small.
#[derive(Debug)]
pub(super) struct Failure(Box<Problem>);

impl Failure {
    pub(super) fn new(code: ErrorCode, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self(Box::new(Problem::new(code, detail, hint)))
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<Box<Problem>> for Failure {
    fn from(problem: Box<Problem>) -> Self {
        Self(problem)
    }
}

impl From<PathRejection> for Failure {
    fn from(rejection: PathRejection) -> Self {
        Self::new(
            ErrorCode::InvalidRequest,
            format!("the path cannot be read: {}", rejection.body_text().to_lowercase()),
            "percent-encode the names in the path as UTF-8",
        )
    }
}

impl From<QueryRejection> for Failure {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(
            ErrorCode::InvalidRequest,
            format!("the query cannot be read: {}", rejection.body_text().to_lowercase()),
            "see /v1/openapi.json for the parameters that this path takes",
        )
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let problem = &*self.0;
        if problem.status >= 500 {
            tracing::error!(code = %problem.code, detail = %problem.detail, "request failed");
        }
        let status = axum::http::StatusCode::from_u16(problem.status)
            .unwrap_or(axum::http::StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(problem).expect("a problem is plain data with string keys");
        let mut response = (status, body).into_response();
        // For whoever audits refusals.
        response.extensions_mut().insert(problem.code);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if problem.code == ErrorCode::Unauthenticated {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"windlass\""),
            );
        }
        response
    }
}

/// Answers a path of the API that does not exist.
pub(super) fn route_not_found(method: &Method, uri: &Uri) -> Failure {
    Failure::new(
        ErrorCode::RouteNotFound,
        format!("there is no {method} {}", uri.path()),
        "see /v1/openapi.json for the paths that there are",
    )
}

/// Answers a method that the path does not take. axum adds the `Allow` header.
pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Failure {
    std::future::ready(refuse_method(&method, &uri)).await
}

/// The answer to a method that the path does not take.
pub(super) fn refuse_method(method: &Method, uri: &Uri) -> Failure {
    Failure::new(
        ErrorCode::MethodNotAllowed,
        format!("{} does not take {method}", uri.path()),
        "see the Allow header of this answer for the methods that it takes",
    )
}
