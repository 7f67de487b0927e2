//! Access tokens of an OAuth authorization server: JSON Web Tokens, held to the keys that it publishes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use blake3::Hash;
use omni_jwt::{Claims, TokenFault, TokenRules};
use tokio::time::Instant;

use super::identity::Identity;
use super::issuer_keys::{CurrentKeys, IssuerKeys, KeyRefresh, KeySetSource};
use super::refusal::Refusal;
use crate::principal::Principal;

/// What tokens of an issuer must be, and what their holders may.
#[derive(Clone, Debug)]
pub struct JwtRules {
    pub token: TokenRules,
    /// A token must have all of these.
    pub scopes: Vec<String>,
    /// The first that fits gives the profile; where none does, what profiles match the principal by decides.
    pub profiles: Vec<ClaimProfile>,
    /// Calls of one subject that may run at a time; `None`: as many as anybody's.
    pub calls_max: Option<usize>,
}

/// The profile of those whose token says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimProfile {
    pub profile: String,
    pub when: ClaimTest,
}

/// What a token may say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimTest {
    Scope(String),
    Claim { name: String, value: String },
}

/// Tokens that were verified are known again by their digests, up to so many: a client sends one token with each of its
/// requests, and a signature takes longer to verify than a small call to answer.
const VERIFIED_MAX: usize = 1024;

/// Verifies the tokens of one issuer.
#[derive(Debug)]
pub struct JwtVerifier {
    rules: JwtRules,
    keys: Arc<IssuerKeys>,
    verified: Mutex<Verified>,
}

/// What was verified by the keys of one version.
#[derive(Debug, Default)]
struct Verified {
    version: u64,
    tokens: HashMap<Hash, Arc<Identity>>,
}

impl JwtVerifier {
    pub fn new(rules: JwtRules, source: Arc<dyn KeySetSource>, refresh: KeyRefresh) -> Self {
        JwtVerifier { rules, keys: IssuerKeys::new(source, refresh), verified: Mutex::default() }
    }

    /// Fetches the keys before the first token comes. Whoever waits is not needed: what comes of it is logged.
    ///
    /// # Errors
    /// They cannot be had, for this reason; a later token tries again.
    pub async fn load_keys(&self) -> Result<(), String> {
        self.keys.current().await.map(drop)
    }

    /// Whether a text has the look of a token of ours, which no other verifier need be asked about.
    pub(super) fn is_token(bearer: &str) -> bool {
        bearer.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// Whom a token stands for. Waits for keys where there are none, or none that it names.
    ///
    /// # Errors
    /// Why it is refused.
    pub(super) async fn verify(&self, bearer: &str) -> Result<Arc<Identity>, Refusal> {
        let digest = blake3::hash(bearer.as_bytes());
        let unavailable = |why: String| {
            Refusal::Unavailable(format!(
                "the keys of this server's token issuer cannot be had at present: {why}"
            ))
        };
        let mut keys = self.keys.current().await.map_err(unavailable)?;
        if let Some(identity) = self.known(&digest, &keys) {
            return Ok(identity);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut claims = self.rules.token.verify(bearer, &keys.set, now);
        if claims == Err(TokenFault::UnknownKey)
            && let Some(newer) = self.keys.newer_than(keys.version).await
        {
            keys = newer;
            claims = self.rules.token.verify(bearer, &keys.set, now);
        }
        let claims = claims
            .map_err(|fault| Refusal::Invalid(format!("the bearer token is not taken: {fault}").into()))?;
        if !self.rules.scopes.iter().all(|scope| claims.scopes.contains(scope)) {
            return Err(Refusal::InsufficientScope);
        }
        let identity = Arc::new(self.identity(&claims, now));
        self.keep(digest, &keys, &identity);
        Ok(identity)
    }

    fn identity(&self, claims: &Claims, now: Duration) -> Identity {
        let principal = Principal::Subject {
            issuer: self.rules.token.issuer.as_str().into(),
            subject: claims.subject.as_str().into(),
        };
        let fits = |test: &ClaimTest| match test {
            ClaimTest::Scope(scope) => claims.scopes.contains(scope),
            ClaimTest::Claim { name, value } => claims.says(name, value),
        };
        let profile =
            self.rules.profiles.iter().find(|one| fits(&one.when)).map(|one| one.profile.as_str().into());
        let ends = Duration::from_secs(u64::try_from(claims.expires).unwrap_or(0)) + self.rules.token.skew;
        // `None` for a time that is too far away to be told.
        let expires = Instant::now().checked_add(ends.saturating_sub(now));
        Identity { profile, calls_max: self.rules.calls_max, expires, ..Identity::of(principal) }
    }

    /// Whom a token stands for that was verified before, by these keys, and has not expired.
    fn known(&self, digest: &Hash, keys: &CurrentKeys) -> Option<Arc<Identity>> {
        let verified = self.verified();
        let identity = verified.tokens.get(digest).filter(|_| verified.version == keys.version)?;
        identity.expires.is_none_or(|expires| Instant::now() < expires).then(|| identity.clone())
    }

    fn keep(&self, digest: Hash, keys: &CurrentKeys, identity: &Arc<Identity>) {
        let mut verified = self.verified();
        if verified.version != keys.version {
            // A key may have been taken back.
            *verified = Verified { version: keys.version, tokens: HashMap::new() };
        }
        if verified.tokens.len() >= VERIFIED_MAX {
            let now = Instant::now();
            verified.tokens.retain(|_, identity| identity.expires.is_none_or(|expires| now < expires));
            if verified.tokens.len() >= VERIFIED_MAX {
                verified.tokens.clear();
            }
        }
        verified.tokens.insert(digest, identity.clone());
    }

    fn verified(&self) -> std::sync::MutexGuard<'_, Verified> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use omni_jwt::Algorithm;
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    use serde_json::{Value, json};
    use tokio::time::advance;

    use super::*;

    const ISSUER: &str = "https://issuer.example";

    fn pair(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    /// The set of the keys of these seeds, each of which is its id.
    fn set(seeds: &[u8]) -> String {
        let key = |seed: &u8| {
            let x = URL_SAFE_NO_PAD.encode(pair(*seed).public_key().as_ref());
            json!({ "kty": "OKP", "crv": "Ed25519", "kid": seed.to_string(), "x": x })
        };
        json!({ "keys": seeds.iter().map(key).collect::<Vec<_>>() }).to_string()
    }

    fn token(seed: u8, more: Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims =
            json!({ "iss": ISSUER, "aud": "us", "sub": "ada", "exp": now + 600, "scope": "tools" });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(&json!({ "alg": "EdDSA", "kid": seed.to_string() })), part(&claims));
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(pair(seed).sign(text.as_bytes())))
    }

    /// An issuer whose answer a test changes, and which counts how often it was asked.
    #[derive(Debug)]
    struct Published {
        answer: Mutex<Result<String, String>>,
        asked: AtomicUsize,
    }

    impl Published {
        fn new(answer: Result<String, String>) -> Arc<Self> {
            Arc::new(Published { answer: Mutex::new(answer), asked: AtomicUsize::new(0) })
        }

        fn now(&self, answer: Result<String, String>) {
            *self.answer.lock().unwrap() = answer;
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::Relaxed)
        }
    }

    impl KeySetSource for Published {
        fn read(&self) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, String>> + Send + '_>> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let answer = self.answer.lock().unwrap().clone();
            Box::pin(async move {
                tokio::task::yield_now().await;
                answer.map(String::into_bytes)
            })
        }
    }

    fn verifier(source: &Arc<Published>) -> JwtVerifier {
        let token = TokenRules {
            issuer: ISSUER.to_owned(),
            audiences: vec!["us".to_owned()],
            algorithms: Algorithm::ALL.to_vec(),
            skew: Duration::ZERO,
        };
        let profiles = vec![
            ClaimProfile { profile: "admins".into(), when: ClaimTest::Scope("admin".into()) },
            ClaimProfile {
                profile: "ops".into(),
                when: ClaimTest::Claim { name: "realm.groups".into(), value: "ops".into() },
            },
        ];
        let rules = JwtRules { token, scopes: vec!["tools".into()], profiles, calls_max: Some(3) };
        let refresh = KeyRefresh { age_max: Duration::from_secs(600), pause: Duration::from_secs(10) };
        JwtVerifier::new(rules, source.clone(), refresh)
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_its_issuers_subject_with_the_profile_of_its_claims() {
        let verifier = verifier(&Published::new(Ok(set(&[1]))));
        let identity = verifier.verify(&token(1, json!({}))).await.unwrap();
        let ada = Principal::Subject { issuer: ISSUER.into(), subject: "ada".into() };
        assert_eq!(
            (&identity.principal, identity.profile.as_deref(), identity.calls_max),
            (&ada, None, Some(3))
        );
        assert!(identity.expires.is_some());
        let profile = async |more| verifier.verify(&token(1, more)).await.unwrap().profile.clone();
        assert_eq!(profile(json!({ "scope": "tools admin" })).await.as_deref(), Some("admins"));
        assert_eq!(profile(json!({ "realm": { "groups": ["ops"] } })).await.as_deref(), Some("ops"));
        let lacking = verifier.verify(&token(1, json!({ "scope": "admin" }))).await;
        assert!(matches!(lacking, Err(Refusal::InsufficientScope)));
        assert!(matches!(
            verifier.verify(&token(1, json!({ "aud": "them" }))).await,
            Err(Refusal::Invalid(_))
        ));
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_verified_once_and_known_until_it_expires_or_its_key_goes() {
        let source = Published::new(Ok(set(&[1])));
        let verifier = verifier(&source);
        let first = token(1, json!({}));
        let identity = verifier.verify(&first).await.unwrap();
        assert!(Arc::ptr_eq(&identity, &verifier.verify(&first).await.unwrap()));
        advance(Duration::from_secs(599)).await;
        assert!(Arc::ptr_eq(&identity, &verifier.verify(&first).await.unwrap()));
        // Its time is the machine's, which a test does not turn: what is kept is over, and it is looked at anew.
        advance(Duration::from_secs(2)).await;
        assert!(!Arc::ptr_eq(&identity, &verifier.verify(&first).await.unwrap()));
        source.now(Ok(set(&[2])));
        advance(Duration::from_secs(601)).await;
        // They are fetched behind a request: until then the old ones are good.
        while verifier.verify(&first).await.is_ok() {
            tokio::task::yield_now().await;
        }
        verifier.verify(&token(2, json!({}))).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_key_is_fetched_when_a_token_names_it_and_not_for_each_token() {
        let source = Published::new(Ok(set(&[1])));
        let verifier = verifier(&source);
        verifier.verify(&token(1, json!({}))).await.unwrap();
        source.now(Ok(set(&[1, 2])));
        // The pause since the first fetch is not over.
        assert!(verifier.verify(&token(2, json!({}))).await.is_err());
        assert_eq!(source.asked(), 1);
        advance(Duration::from_secs(10)).await;
        verifier.verify(&token(2, json!({}))).await.unwrap();
        assert_eq!(source.asked(), 2);
        for seed in 3..100 {
            assert!(verifier.verify(&token(seed, json!({}))).await.is_err());
        }
        assert_eq!(source.asked(), 2, "keys that nobody has do not reach the issuer");
    }

    #[tokio::test(start_paused = true)]
    async fn an_issuer_that_is_away_or_talks_nonsense_keeps_its_last_keys() {
        let source = Published::new(Err("no route to host".into()));
        let verifier = verifier(&source);
        let Err(Refusal::Unavailable(why)) = verifier.verify(&token(1, json!({}))).await else { panic!() };
        assert!(why.contains("no route to host"), "{why}");
        source.now(Ok(set(&[1])));
        advance(Duration::from_secs(10)).await;
        verifier.verify(&token(1, json!({}))).await.unwrap();
        for nonsense in [Err("gone".to_owned()), Ok("<html>".to_owned()), Ok(r#"{"keys":[]}"#.to_owned())] {
            source.now(nonsense);
            let asked = source.asked();
            advance(Duration::from_secs(600)).await;
            verifier.verify(&token(1, json!({}))).await.unwrap();
            while source.asked() == asked {
                tokio::task::yield_now().await;
            }
            verifier.verify(&token(1, json!({ "jti": asked }))).await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_wait_have_the_keys_fetched_once_and_one_who_leaves_changes_nothing() {
        let source = Published::new(Ok(set(&[1])));
        let verifier = Arc::new(verifier(&source));
        let leaving = tokio::spawn({
            let verifier = verifier.clone();
            async move { verifier.verify(&token(1, json!({}))).await.map(drop) }
        });
        tokio::task::yield_now().await;
        leaving.abort();
        let token = token(1, json!({}));
        let waiting: Vec<_> = (0..20).map(|_| verifier.verify(&token)).collect();
        for identity in futures_util::future::join_all(waiting).await {
            identity.unwrap();
        }
        assert_eq!(source.asked(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_is_bounded() {
        let verifier = verifier(&Published::new(Ok(set(&[1]))));
        for number in 0..=VERIFIED_MAX {
            verifier.verify(&token(1, json!({ "jti": number }))).await.unwrap();
        }
        assert!(verifier.verified().tokens.len() <= VERIFIED_MAX);
    }
}
