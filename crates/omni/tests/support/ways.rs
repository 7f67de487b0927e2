//! The ways to run tools that tests walk through: one word each, and how a server is told to use it.

#[allow(unused_macros, reason = "not every test walks")]
/// Hands the names of all ways to another macro.
macro_rules! with_each_way {
    ($make:ident) => {
        $make! { pool spawn zygote prewarmed recycled embedded_worker }
    };
}
#[allow(unused_imports, reason = "not every test walks")]
pub(crate) use with_each_way;

/// What `omni mcp` is started with to run every tool this way.
pub fn arguments(way: &str) -> Vec<String> {
    vec!["--executor".to_owned(), way.to_owned()]
}
