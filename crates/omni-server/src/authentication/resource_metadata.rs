//! What clients are told of this server as a protected resource (RFC 9728): who issues the tokens that it takes.

use bytes::Bytes;
use serde_json::json;

/// Where the metadata of a resource is, before the path of that resource (RFC 9728, section 3.1).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The metadata of this server.
#[derive(Clone, Debug)]
pub struct ResourceMetadata {
    /// The path of the resource: `/mcp`, or what a proxy has before it.
    path: String,
    /// Where clients find the metadata.
    url: String,
    body: Bytes,
}

impl ResourceMetadata {
    /// `resource` is the URL by which clients call the server, such as `https://example.com/mcp`; `issuer` that of the
    /// authorization server; `scopes` those that a token must have.
    pub fn new(resource: &str, issuer: &str, scopes: &[String]) -> Self {
        let authority = resource.find("://").map_or(0, |at| at + 3);
        let path_at = resource[authority..].find('/').map_or(resource.len(), |at| authority + at);
        let (origin, path) = resource.split_at(path_at);
        let path = path.trim_end_matches('/');
        let mut document = json!({
            "resource": resource,
            "authorization_servers": [issuer],
            "bearer_methods_supported": ["header"],
            "resource_name": "omni",
        });
        if !scopes.is_empty() {
            document["scopes_supported"] = scopes.into();
        }
        ResourceMetadata {
            path: path.to_owned(),
            url: format!("{origin}{WELL_KNOWN}{path}"),
            body: document.to_string().into(),
        }
    }

    /// Where clients find it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The document at a path of this server, where there is one: that of the resource, as clients make it of the address
    /// they have; that of `/mcp`, for a proxy that takes its own path away; and that without any, which clients try last.
    pub(crate) fn at(&self, path: &str) -> Option<Bytes> {
        let resource = path.strip_prefix(WELL_KNOWN)?.trim_end_matches('/');
        [self.path.as_str(), "/mcp", ""].contains(&resource).then(|| self.body.clone())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn clients_find_it_wherever_they_look_for_it() {
        let metadata = ResourceMetadata::new(
            "https://a.example/omni/mcp",
            "https://issuer.example",
            &["tools".to_owned()],
        );
        assert_eq!(metadata.url(), "https://a.example/.well-known/oauth-protected-resource/omni/mcp");
        for path in ["/omni/mcp", "/omni/mcp/", "/mcp", "", "/"] {
            let body = metadata.at(&format!("{WELL_KNOWN}{path}")).unwrap();
            let document: Value = serde_json::from_slice(&body).unwrap();
            let expected = json!({
                "resource": "https://a.example/omni/mcp",
                "authorization_servers": ["https://issuer.example"],
                "bearer_methods_supported": ["header"],
                "resource_name": "omni",
                "scopes_supported": ["tools"],
            });
            assert_eq!(document, expected);
        }
        for path in ["/other", "x", "/mcp/x", "//mcp"] {
            assert_eq!(metadata.at(&format!("{WELL_KNOWN}{path}")), None, "{path}");
        }
        let bare = ResourceMetadata::new("https://a.example", "https://issuer.example", &[]);
        assert_eq!(bare.url(), "https://a.example/.well-known/oauth-protected-resource");
        assert!(!String::from_utf8_lossy(&bare.at(WELL_KNOWN).unwrap()).contains("scopes"));
    }
}
