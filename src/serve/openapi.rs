//! The description of the API, and that it is served.

/// OpenAPI 3.1, as written by hand beside the routes; a test holds the two together.
pub(super) const TEXT: &str = include_str!("openapi.json");
