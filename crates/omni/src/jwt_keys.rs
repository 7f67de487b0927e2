//! Where the keys of a token issuer come from: a file, an address, or what the issuer's metadata say.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use omni_call::shown_path;
use omni_jwt::{KEY_SET_BYTES_MAX, KeySet};
use omni_server::{KeyRefresh, KeySetSource};
use serde::Deserialize;

use crate::https_get::{self, HttpsUrl};
use crate::settings::JwtKeys;

/// A file is looked at this often: reading it costs next to nothing.
const FILE_AGE_MAX: Duration = Duration::from_secs(2);
/// The least time between two looks at a file, and two requests to an issuer, whatever tokens come.
const FILE_PAUSE: Duration = Duration::from_secs(1);
const ISSUER_PAUSE: Duration = Duration::from_secs(10);
/// Metadata of issuers have some kilobytes.
const METADATA_BYTES_MAX: usize = 64 << 10;

/// The source for what is set, and when it is asked; `age_max` is what is set of that.
pub(crate) fn source(keys: &JwtKeys, issuer: &str, age_max: Duration) -> (Arc<dyn KeySetSource>, KeyRefresh) {
    let asked = KeyRefresh { age_max, pause: ISSUER_PAUSE };
    match keys {
        JwtKeys::File(path) => {
            (Arc::new(KeysFile(path.clone())), KeyRefresh { age_max: FILE_AGE_MAX, pause: FILE_PAUSE })
        }
        JwtKeys::Url(url) => (Arc::new(KeysUrl(url.clone())), asked),
        JwtKeys::OfIssuer(url) => {
            (Arc::new(IssuerMetadata { url: url.clone(), issuer: issuer.to_owned() }), asked)
        }
    }
}

type Reading<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send + 'a>>;

#[derive(Debug)]
struct KeysFile(PathBuf);

impl KeySetSource for KeysFile {
    fn read(&self) -> Reading<'_> {
        Box::pin(async move {
            let path = self.0.clone();
            let read = tokio::task::spawn_blocking(move || read_file(&path)).await;
            read.unwrap_or_else(|error| Err(error.to_string()))
        })
    }
}

/// Whether a file holds keys that can be used.
pub(crate) fn check_file(path: &Path) -> Result<(), String> {
    let keys = KeySet::read(&read_file(path)?);
    keys.map(drop).map_err(|error| format!("the file {} is not taken: {error}", shown_path(path)))
}

/// Public keys are no secret, so who may read them does not matter. Who may write them does.
fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};

    let shown = shown_path(path);
    let failed = |error: std::io::Error| format!("the file {shown} cannot be read: {error}");
    let mut options = std::fs::OpenOptions::new();
    // Without waiting: to open a pipe would take until somebody writes to it.
    options.read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    let file = options.open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    let own = rustix::process::geteuid().as_raw();
    if !about.is_file() {
        return Err(format!("{shown} is no ordinary file"));
    }
    if (about.uid() != own && about.uid() != 0) || about.mode() & 0o022 != 0 {
        return Err(format!(
            "the file {shown} can be written by others (user {}, mode {:o}), who could add a key of their own",
            about.uid(),
            about.mode() & 0o7777
        ));
    }
    let mut text = Vec::new();
    file.take(KEY_SET_BYTES_MAX as u64 + 1).read_to_end(&mut text).map_err(failed)?;
    Ok(text)
}

#[derive(Debug)]
struct KeysUrl(HttpsUrl);

impl KeySetSource for KeysUrl {
    fn read(&self) -> Reading<'_> {
        Box::pin(https_get::get(&self.0, KEY_SET_BYTES_MAX))
    }
}

/// Looks up in the issuer's metadata (RFC 8414; OpenID Connect Discovery 1.0) where its keys are.
#[derive(Debug)]
struct IssuerMetadata {
    url: HttpsUrl,
    /// As tokens have to name it.
    issuer: String,
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

impl KeySetSource for IssuerMetadata {
    fn read(&self) -> Reading<'_> {
        Box::pin(async move {
            let mut failures = Vec::new();
            for address in places(&self.url) {
                match self.keys_by(&address).await {
                    Ok(keys) => return https_get::get(&keys, KEY_SET_BYTES_MAX).await,
                    Err(why) => failures.push(why),
                }
            }
            Err(failures.join("; "))
        })
    }
}

impl IssuerMetadata {
    async fn keys_by(&self, address: &str) -> Result<HttpsUrl, String> {
        let url = HttpsUrl::read(address).map_err(|error| format!("{address}: {error:#}"))?;
        let text = https_get::get(&url, METADATA_BYTES_MAX).await?;
        let metadata: Metadata = serde_json::from_slice(&text)
            .map_err(|_| format!("{address}: it is no metadata of an issuer with `issuer` and `jwks_uri`"))?;
        // A document for another issuer says nothing of this one (RFC 8414, section 3.3).
        if metadata.issuer != self.issuer {
            return Err(format!(
                "{address}: it is of another issuer than `http.jwt.issuer` names, letter by letter"
            ));
        }
        HttpsUrl::read(&metadata.jwks_uri)
            .map_err(|error| format!("{address}: its `jwks_uri` is not taken: {error:#}"))
    }
}

/// Where the metadata of an issuer may be, in the order in which MCP clients look for them.
fn places(issuer: &HttpsUrl) -> Vec<String> {
    let (origin, path) = (issuer.origin(), issuer.path());
    let mut places = vec![
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        places.push(format!("{origin}{path}/.well-known/openid-configuration"));
    }
    places
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn metadata_are_looked_for_where_clients_look() {
        let of = |text: &str| places(&HttpsUrl::read(text).unwrap());
        let known = "https://a.example/.well-known";
        let plain = [format!("{known}/oauth-authorization-server"), format!("{known}/openid-configuration")];
        assert_eq!(of("https://a.example"), plain);
        assert_eq!(of("https://a.example/"), plain);
        assert_eq!(
            of("https://a.example/t1"),
            [
                format!("{known}/oauth-authorization-server/t1"),
                format!("{known}/openid-configuration/t1"),
                "https://a.example/t1/.well-known/openid-configuration".to_owned(),
            ]
        );
    }

    #[test]
    fn a_file_that_others_can_write_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        fs::write(&path, "{}").unwrap();
        for (mode, good) in [(0o600, true), (0o644, true), (0o664, false), (0o606, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_file(&path).is_ok(), good, "{mode:o}");
        }
        assert!(read_file(folder.path()).unwrap_err().contains("ordinary"));
        assert!(read_file(&folder.path().join("none")).unwrap_err().contains("cannot be read"));
    }
}
