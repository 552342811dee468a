//! The API's description, made of the routes themselves: a route that is not in it does not exist.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, response::Response};
use utoipa::{IntoResponses, Modify, OpenApi};

use super::refusal::Reason;
use super::shapes::Error;

/// The document without its paths, which the router adds.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "Conclave",
        description = "A supervised council of AI agents around a trading system. \
                       Within `v1` nothing is renamed or taken away."
    ),
    components(schemas(Error)),
    modifiers(&Bearer),
    tags(
        (name = "read", description = "Views of the running council"),
        (name = "command", description = "Commands of a person; every one takes the token and is recorded"),
        (name = "operate", description = "What an operator's tools ask for")
    )
)]
pub(super) struct Base;

/// How a person shows who he is.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("token", scheme);
    }
}

/// The whole document.
pub fn document() -> utoipa::openapi::OpenApi {
    super::routes::described().into_openapi()
}

/// How a read may be refused.
pub(super) struct Refused;

impl IntoResponses for Refused {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        refused(|reason| reason != Reason::BodyTooLarge)
    }
}

/// How a command may be refused.
pub(super) struct RefusedCommand;

impl IntoResponses for RefusedCommand {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut responses = refused(|_| true);
        let text = "A gate, safety or a person says no; the code is the reason.";
        responses.insert(StatusCode::CONFLICT.as_u16().to_string(), answer(text));
        responses
    }
}

/// The answers of these reasons, by status; several reasons may share one.
fn refused(applies: impl Fn(Reason) -> bool) -> BTreeMap<String, RefOr<Response>> {
    let mut texts: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for &reason in Reason::ALL.iter().filter(|reason| applies(**reason)) {
        let text = format!("`{}`: {}", reason.code(), reason.cause());
        texts.entry(reason.status().as_u16()).or_default().push(text);
    }
    let row = |(status, texts): (u16, Vec<String>)| (status.to_string(), answer(&texts.join(" ")));
    texts.into_iter().map(row).collect()
}

fn answer(text: &str) -> RefOr<Response> {
    let error = ContentBuilder::new().schema(Some(Ref::from_schema_name("Error"))).build();
    RefOr::T(ResponseBuilder::new().description(text).content("application/json", error).build())
}
