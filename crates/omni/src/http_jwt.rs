//! Access tokens of an OAuth issuer, from `[http.jwt]` of `omni.toml`: the verifier, and what clients are told.

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use omni_server::{Authentication, Challenge, JwtVerifier, ResourceMetadata};

use crate::jwt_keys;
use crate::settings::{JwtKeys, JwtSettings};

/// Has tokens of the issuer taken besides what `authentication` takes already. Clients call the server by
/// `http.jwt.resource`, or else by `url`. To be called within the runtime: the keys of an issuer are fetched ahead.
///
/// # Errors
/// The file of keys cannot be used, or no URL is known. An issuer that does not answer is no error: it may be back when the
/// first token comes.
pub(crate) fn with_jwt(
    authentication: Authentication,
    settings: &JwtSettings,
    url: Option<&str>,
) -> Result<Authentication> {
    let resource = settings.resource.as_ref().map(|resource| resource.text()).or(url);
    let resource = resource.context(
        "`[http.jwt]` in omni.toml: a Unix socket has no URL that tokens could be for; `resource` says by which one \
         clients call the server",
    )?;
    let metadata = ResourceMetadata::new(resource, settings.issuer(), settings.scopes());
    let scope = (!settings.scopes().is_empty()).then(|| settings.scopes().join(" "));
    let challenge = Challenge { resource_metadata: Some(metadata.url().to_owned()), scope };
    let (source, refresh) = jwt_keys::source(&settings.keys, settings.issuer(), settings.keys_age_max);
    let verifier = Arc::new(JwtVerifier::new(settings.rules(resource), source, refresh));
    match &settings.keys {
        JwtKeys::File(path) => {
            jwt_keys::check_file(path).map_err(|why| anyhow!("`http.jwt.keys` in omni.toml: {why}"))?;
        }
        JwtKeys::Url(_) | JwtKeys::OfIssuer(_) => {
            // So that the first client need not wait. What comes of it is in the log.
            let verifier = verifier.clone();
            tokio::spawn(async move { verifier.load_keys().await.map_err(drop) });
        }
    }
    Ok(authentication.with_jwt(verifier).with_metadata(metadata).with_challenge(challenge))
}
