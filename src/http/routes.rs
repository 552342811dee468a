//! The routes, and the order of what surrounds them.

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{DefaultBodyLimit, RawPathParams, Request};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::refusal::{self, Reason};
use super::{Shared, act, guard, logs, openapi, page, read};

/// Largest request body, bytes.
const BODY_MAX: usize = 64 * 1024;
/// The longest name in a path, bytes.
const NAME_MAX: usize = 128;

/// The API: every route stands in its description, because it comes from there.
pub(super) fn described() -> OpenApiRouter<Shared> {
    let document = openapi::Base::openapi();
    OpenApiRouter::with_openapi(document)
        .routes(routes!(read::status))
        .routes(routes!(read::agents))
        .routes(routes!(read::rounds))
        .routes(routes!(read::round))
        .routes(routes!(read::approvals))
        .routes(routes!(read::budgets))
        .routes(routes!(read::positions))
        .routes(routes!(read::orders))
        .routes(routes!(read::universe))
        .routes(routes!(read::curve))
        .routes(routes!(read::arena))
        .routes(routes!(read::chats))
        .routes(routes!(read::config))
        .routes(routes!(logs::logs))
        .routes(routes!(read::audit))
        .routes(routes!(read::export))
        .routes(routes!(read::events))
        .routes(routes!(read::description))
        .routes(routes!(read::metrics))
        .routes(routes!(read::live))
        .routes(routes!(read::ready))
        .routes(routes!(act::halt))
        .routes(routes!(act::reduce))
        .routes(routes!(act::resume))
        .routes(routes!(act::flatten))
        .routes(routes!(act::mode))
        .routes(routes!(act::approval))
        .routes(routes!(act::consult))
        .routes(routes!(act::context))
}

/// The control room: pages for people, which are no part of the API.
fn pages() -> Router<Shared> {
    Router::new()
        .route("/", get(page::whole))
        .route("/panels", get(page::some))
        .route("/rounds/{id}", get(page::round))
        .route("/agents/{name}", get(page::agent))
        .route("/audit", get(page::audit))
        .route("/logs", get(page::logs))
        .route("/config", get(page::config))
        .route("/assets/app.js", get(page::script))
}

/// The whole HTTP side, with everything that surrounds it.
pub fn router(shared: Shared) -> Router {
    refusal::begin_count();
    let (api, _) = described().split_for_parts();
    api.merge(pages())
        .route_layer(middleware::from_fn(names))
        .fallback(|| async { Reason::NotFound.because("there is no such path") })
        .method_not_allowed_fallback(|| async { Reason::MethodNotAllowed.answer() })
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn_with_state(shared.clone(), guard::token))
        .layer(middleware::from_fn_with_state(shared.clone(), guard::rate))
        .layer(middleware::from_fn_with_state(shared.clone(), guard::host))
        .layer(middleware::from_fn(guard::site))
        .layer(middleware::from_fn(guard::patience))
        .layer(middleware::from_fn(guard::headers))
        .layer(middleware::from_fn(refusal::count))
        .with_state(shared)
}

/// What stands in a path is a name and nothing that a file system or a record could take for more.
async fn names(
    params: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Response {
    let is_name = |text: &str| {
        let is_plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.');
        (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(is_plain) && !text.starts_with('.')
    };
    // What is no text after its signs are resolved is no name either.
    if params.is_ok_and(|params| params.iter().all(|(_, value)| is_name(value))) {
        next.run(request).await
    } else {
        Reason::InvalidPath.answer()
    }
}
