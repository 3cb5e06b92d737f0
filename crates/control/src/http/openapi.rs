//! The document that describes the API, made from the handlers.
//!
//! What holds of every operation is added here, once: that it may answer a problem, that a POST
//! takes an `Idempotency-Key`, and that a change of a network takes `If-Match`.

use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, License, OpenApi, OpenApiBuilder, Ref, RefOr,
    Response, ResponseBuilder, SecurityRequirement,
    path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem},
    schema::{ArrayItems, ObjectBuilder, Schema, Type},
    security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    tag::TagBuilder,
};
use utoipa::{PartialSchema, ToSchema};
use windlass_model::Problem;

use super::failure::PROBLEM_JSON;

const DESCRIPTION: &str = "Declare, run, connect, prove and dismantle blockchain networks.\n\n\
    Actions are asynchronous: they answer 202 with an operation, which can be waited for. \
    Lists are paged by cursor. Every error is a problem document of RFC 9457 with a `code` and a \
    `hint`.";

const TAGS: [(&str, &str); 7] = [
    ("networks", "Blockchain networks and their nodes"),
    ("budgets", "What organizations may have and have used"),
    ("governance", "What the members of a network decide"),
    ("operations", "Asynchronous actions"),
    ("events", "What happens, as it happens"),
    ("sessions", "Logging in to the console"),
    ("platform", "The platform itself"),
];

/// The document.
pub fn document() -> OpenApi {
    super::routes().split_for_parts().1
}

/// The document as it is served and committed: pretty JSON with a line end.
pub fn document_json() -> String {
    let mut text = document().to_pretty_json().expect("a document is plain data with string keys");
    text.push('\n');
    text
}

/// The document before the handlers are added.
pub(super) fn base() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Windlass")
        .version("v1")
        .description(Some(DESCRIPTION))
        .license(Some(License::new("Apache-2.0")))
        .build();
    let tags = TAGS.map(|(name, description)| {
        TagBuilder::new().name(name).description(Some(description)).build()
    });
    let mut components = Components::new();
    let mut schemas = vec![(Problem::name().into_owned(), Problem::schema())];
    Problem::schemas(&mut schemas);
    components.schemas.extend(schemas);
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    let cookie = ApiKeyValue::with_description(
        "windlass_session",
        "The console's cookie; its name ends in `_` and the platform's port",
    );
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    let either = ["token", "session"].map(|name| SecurityRequirement::new(name, [""; 0]));
    OpenApiBuilder::new()
        .info(info)
        .tags(Some(tags))
        .components(Some(components))
        .security(Some(either))
        .build()
}

/// Adds what holds of every operation.
pub(super) fn complete(document: &mut OpenApi) {
    refer_to_items(document);
    for item in document.paths.paths.values_mut() {
        let PathItem { get, put, post, delete, .. } = item;
        for operation in [get.as_mut(), put.as_mut(), post.as_mut(), delete.as_mut()] {
            let Some(operation) = operation else { continue };
            operation
                .responses
                .responses
                .insert("default".to_owned(), RefOr::T(problem_response()));
        }
        if let Some(operation) = post.as_mut() {
            add_header(operation, "Idempotency-Key", "A repeated request with this key acts once");
        }
        let changes = [put.as_mut(), post.as_mut(), delete.as_mut()];
        for operation in changes.into_iter().flatten() {
            if operation.tags.iter().flatten().any(|tag| tag == "networks") {
                let text = "The `resource_version` that the caller knows; another answers 409";
                add_header(operation, "If-Match", text);
            }
        }
    }
}

/// A page's schema spells its items out; a client wants them by name.
fn refer_to_items(document: &mut OpenApi) {
    let schemas = document.components.iter_mut().flat_map(|components| &mut components.schemas);
    for (name, schema) in schemas {
        let Some(item) = name.strip_prefix("Page_") else { continue };
        let RefOr::T(Schema::Object(page)) = schema else { continue };
        if let Some(RefOr::T(Schema::Array(items))) = page.properties.get_mut("items") {
            let item = RefOr::Ref(Ref::from_schema_name(item));
            items.items = ArrayItems::RefOrSchema(Box::new(item));
        }
    }
}

fn problem_response() -> Response {
    let schema = Ref::from_schema_name(Problem::name().as_ref());
    ResponseBuilder::new()
        .description("A problem: what was wrong and what to do")
        .content(PROBLEM_JSON, ContentBuilder::new().schema(Some(schema)).build())
        .build()
}

fn add_header(operation: &mut Operation, name: &str, description: &str) {
    let parameter: Parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .description(Some(description))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build();
    operation.parameters.get_or_insert_default().push(RefOr::T(parameter));
}
