//! `[http.jwt]` of `omni.toml`: whose access tokens are taken, what they must say, and where the keys come from.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use omni_jwt::{Algorithm, TokenRules};
use omni_server::{ClaimProfile, ClaimTest, JwtRules};
use serde::Deserialize;

use crate::https_get::HttpsUrl;

/// As it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JwtTable {
    issuer: String,
    #[serde(default)]
    audience: OneOrMore,
    resource: Option<String>,
    keys: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    algorithms: Option<Vec<String>>,
    skew: Option<i64>,
    keys_age_max: Option<i64>,
    calls: Option<i64>,
    #[serde(default)]
    profiles: Vec<ProfileRow>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    #[default]
    Nothing,
    One(String),
    More(Vec<String>),
}

/// One of `http.jwt.profiles`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileRow {
    profile: String,
    scope: Option<String>,
    claim: Option<String>,
    value: Option<String>,
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JwtKeys {
    /// Where the issuer's own metadata say.
    OfIssuer(HttpsUrl),
    Url(HttpsUrl),
    File(PathBuf),
}

/// What holds for tokens of an issuer.
#[derive(Clone, Debug)]
pub(crate) struct JwtSettings {
    issuer: String,
    /// Empty: the resource is the audience.
    audiences: Vec<String>,
    /// The URL that clients call the server by; `None`: that which it listens at.
    pub(crate) resource: Option<HttpsUrl>,
    pub(crate) keys: JwtKeys,
    scopes: Vec<String>,
    algorithms: Vec<Algorithm>,
    skew: Duration,
    pub(crate) keys_age_max: Duration,
    calls_max: Option<usize>,
    profiles: Vec<ClaimProfile>,
}

impl JwtTable {
    /// A file of keys is looked for from the settings file.
    pub(super) fn anchor(&mut self, folder: &Path) {
        if let Some(keys) = &mut self.keys
            && !keys.contains("://")
            && let Some(path) = folder.join(&*keys).to_str()
        {
            *keys = path.to_owned();
        }
    }

    /// # Errors
    /// A value that means nothing; the sentence says which key has it.
    pub(crate) fn resolve(&self) -> Result<JwtSettings> {
        let issuer_url = url("issuer", &self.issuer)?;
        let keys = match &self.keys {
            None => JwtKeys::OfIssuer(issuer_url),
            Some(keys) if keys.contains("://") => JwtKeys::Url(url("keys", keys)?),
            Some(file) => JwtKeys::File(file.into()),
        };
        let audiences = match &self.audience {
            OneOrMore::Nothing => Vec::new(),
            OneOrMore::One(name) => vec![name.clone()],
            OneOrMore::More(names) => names.clone(),
        };
        if audiences.iter().any(String::is_empty) {
            bail!("`http.jwt.audience` in omni.toml: an empty text is nobody");
        }
        for scope in &self.scopes {
            check_scope("scopes", scope)?;
        }
        Ok(JwtSettings {
            issuer: self.issuer.clone(),
            audiences,
            resource: self.resource.as_deref().map(|resource| url("resource", resource)).transpose()?,
            keys,
            scopes: self.scopes.clone(),
            algorithms: algorithms(self.algorithms.as_deref())?,
            skew: Duration::from_secs(number("skew", self.skew, 60, 0..=300)?),
            keys_age_max: Duration::from_secs(number("keys_age_max", self.keys_age_max, 600, 10..=86_400)?),
            calls_max: match self.calls {
                None => None,
                written => Some(usize::try_from(number("calls", written, 1, 1..=1 << 20)?)?),
            },
            profiles: self.profiles.iter().map(ProfileRow::resolve).collect::<Result<_>>()?,
        })
    }

    /// The profiles that it gives.
    pub(super) fn profile_names(&self) -> impl Iterator<Item = &str> {
        self.profiles.iter().map(|row| row.profile.as_str())
    }
}

impl JwtSettings {
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(crate) fn scopes(&self) -> &[String] {
        &self.scopes
    }

    /// The rules of a server that clients call by `resource`.
    pub(crate) fn rules(&self, resource: &str) -> JwtRules {
        let audiences = match self.audiences.is_empty() {
            true => vec![resource.to_owned()],
            false => self.audiences.clone(),
        };
        let token = TokenRules {
            issuer: self.issuer.clone(),
            audiences,
            algorithms: self.algorithms.clone(),
            skew: self.skew,
        };
        JwtRules {
            token,
            scopes: self.scopes.clone(),
            profiles: self.profiles.clone(),
            calls_max: self.calls_max,
        }
    }
}

impl ProfileRow {
    fn resolve(&self) -> Result<ClaimProfile> {
        let when = match (&self.scope, &self.claim, &self.value) {
            (Some(scope), None, None) => {
                check_scope("profiles", scope)?;
                ClaimTest::Scope(scope.clone())
            }
            (None, Some(name), Some(value)) => ClaimTest::Claim { name: name.clone(), value: value.clone() },
            _ => bail!(
                "`http.jwt.profiles` in omni.toml: of the profile `{}` say either `scope`, or `claim` and `value`",
                self.profile.escape_debug()
            ),
        };
        Ok(ClaimProfile { profile: self.profile.clone(), when })
    }
}

/// A whole number within its bounds.
fn number(key: &str, written: Option<i64>, default: u64, bounds: RangeInclusive<u64>) -> Result<u64> {
    let Some(written) = written else { return Ok(default) };
    match u64::try_from(written) {
        Ok(value) if bounds.contains(&value) => Ok(value),
        _ => bail!(
            "`http.jwt.{key} = {written}` in omni.toml: it is a whole number from {} to {}",
            bounds.start(),
            bounds.end()
        ),
    }
}

fn url(key: &str, text: &str) -> Result<HttpsUrl> {
    HttpsUrl::read(text)
        .with_context(|| format!("`http.jwt.{key} = \"{}\"` in omni.toml", text.escape_debug()))
}

/// A scope goes into a header, between quotes, with blanks around it (RFC 6749, section 3.3).
fn check_scope(key: &str, scope: &str) -> Result<()> {
    if scope.is_empty() || !scope.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
    {
        bail!(
            "`http.jwt.{key}` in omni.toml: `{}` is no scope; one has no blanks, quotes or backslashes, and each stands by itself",
            scope.escape_debug()
        );
    }
    Ok(())
}

fn algorithms(names: Option<&[String]>) -> Result<Vec<Algorithm>> {
    let Some(names) = names else { return Ok(Algorithm::ALL.to_vec()) };
    if names.is_empty() {
        bail!("`http.jwt.algorithms` in omni.toml: with none, no token is good");
    }
    let known = |name: &String| {
        let listed = Algorithm::ALL.map(Algorithm::name).join(", ");
        let why = if name.starts_with("HS") || name.eq_ignore_ascii_case("none") {
            "is not for tokens that others issue"
        } else {
            "is no algorithm that is known here"
        };
        Algorithm::named(name).with_context(|| {
            format!("`http.jwt.algorithms` in omni.toml: `{}` {why}; there are {listed}", name.escape_debug())
        })
    };
    names.iter().map(known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(more: &str) -> Result<JwtSettings, String> {
        let text = format!("issuer = 'https://issuer.example'\n{more}");
        let table: JwtTable = toml::from_str(&text).map_err(|error| error.to_string())?;
        table.resolve().map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn an_issuer_alone_is_enough_and_the_resource_is_the_audience() {
        let settings = resolved("").unwrap();
        assert!(matches!(&settings.keys, JwtKeys::OfIssuer(url) if url.text() == "https://issuer.example"));
        let rules = settings.rules("http://127.0.0.1:8000/mcp");
        assert_eq!(rules.token.audiences, ["http://127.0.0.1:8000/mcp"]);
        assert_eq!(
            (rules.token.skew, settings.keys_age_max),
            (Duration::from_secs(60), Duration::from_secs(600))
        );
        assert_eq!(rules.token.algorithms, Algorithm::ALL);
    }

    #[test]
    fn what_is_written_holds() {
        let settings = resolved(
            "audience = ['a', 'b']\nresource = 'https://a.example/omni/mcp'\nkeys = 'keys.json'\nscopes = ['tools']\n\
             algorithms = ['ES256']\nskew = 0\nkeys_age_max = 60\ncalls = 4\n\
             profiles = [{ profile = 'p', scope = 's' }, { profile = 'q', claim = 'groups', value = 'ops' }]",
        );
        let settings = settings.unwrap();
        assert_eq!(settings.keys, JwtKeys::File("keys.json".into()));
        let rules = settings.rules("https://a.example/omni/mcp");
        assert_eq!((rules.token.audiences.len(), rules.calls_max), (2, Some(4)));
        assert_eq!(rules.profiles[1].when, ClaimTest::Claim { name: "groups".into(), value: "ops".into() });
    }

    #[test]
    fn what_means_nothing_is_refused_by_its_key() {
        for (text, named) in [
            ("keys = 'http://issuer.example/jwks'", "http.jwt.keys"),
            ("keys = 'ftp://issuer.example/jwks'", "http.jwt.keys"),
            ("resource = 'example.com/mcp'", "http.jwt.resource"),
            ("audience = ''", "http.jwt.audience"),
            ("scopes = ['a b']", "http.jwt.scopes"),
            ("scopes = ['a\"']", "http.jwt.scopes"),
            ("algorithms = []", "http.jwt.algorithms"),
            ("algorithms = ['none']", "not for tokens that others issue"),
            ("algorithms = ['HS256']", "not for tokens that others issue"),
            ("algorithms = ['rs256']", "RS256, RS384"),
            ("skew = 301", "http.jwt.skew"),
            ("keys_age_max = 1", "http.jwt.keys_age_max"),
            ("calls = 0", "http.jwt.calls"),
            ("profiles = [{ profile = 'p' }]", "http.jwt.profiles"),
            ("profiles = [{ profile = 'p', scope = 's', claim = 'c', value = 'v' }]", "http.jwt.profiles"),
            ("isuer = 'x'", "isuer"),
        ] {
            let error = resolved(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
