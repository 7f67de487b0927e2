//! Tokens that an operator gives out. Only their digests are kept, and they may be replaced while the server runs.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use blake3::Hash;
use tokio::sync::watch;

use super::identity::Identity;
use crate::principal::Principal;

/// Shorter ones can be guessed.
const TOKEN_BYTES_MIN: usize = 16;
const TOKEN_BYTES_MAX: usize = 1024;

/// The tokens of one file, or of what a command has printed.
#[derive(Clone, Debug)]
pub struct Tokens(Vec<TokenDigests>);

#[derive(Clone, Copy)]
struct TokenDigests {
    /// Found by it.
    digest: Hash,
    /// Names whoever has it, where it has no other name, and tells nothing of it.
    principal: [u8; 16],
}

impl std::fmt::Debug for TokenDigests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("token")
    }
}

/// Whom tokens stand for, and what their holders may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenHolder {
    /// All tokens of one name are one principal, so that a new one goes on with the sessions and tasks of the old.
    /// Without a name each token is a principal of its own.
    pub name: Option<String>,
    /// The profile that they always have; `None`: what profiles match them by decides.
    pub profile: Option<String>,
    /// Calls of the principal that may run at a time; `None`: as many as anybody's.
    pub calls_max: Option<usize>,
}

/// Why a text holds no tokens. Says where, and never what stands there.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("it holds no token; `openssl rand -hex 32` makes one")]
    Empty,
    #[error(
        "line {line} is no token: a token has {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX} of A-Z a-z 0-9 - . _ ~ + / and `=` at its end"
    )]
    NoToken { line: usize },
    #[error("line {line} holds the same token as a line before it")]
    Twice { line: usize },
    /// Whose requests with it were could not be told.
    #[error("it holds a token that is also {}", holder.as_ref().map_or("in the other list without a name".to_owned(), |name| format!("`{name}`'s")))]
    AnothersToo { holder: Option<String> },
}

/// What has become of a holder's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenListChange {
    pub added: usize,
    /// Whose requests that still run are ended.
    pub removed: usize,
}

impl Tokens {
    /// Reads one token a line; empty lines mean nothing.
    pub fn read(text: &str) -> Result<Self, TokenError> {
        let mut known: Vec<TokenDigests> = Vec::new();
        for (at, token) in text.lines().map(str::trim).enumerate().filter(|(_, token)| !token.is_empty()) {
            let line = at + 1;
            if !is_token(token) || !(TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&token.len()) {
                return Err(TokenError::NoToken { line });
            }
            let digest = blake3::hash(token.as_bytes());
            if known.iter().any(|other| other.digest == digest) {
                return Err(TokenError::Twice { line });
            }
            let mut principal = [0; 16];
            let name = blake3::derive_key("omni: the principal of a bearer token, 2026", token.as_bytes());
            principal.copy_from_slice(&name[..16]);
            known.push(TokenDigests { digest, principal });
        }
        if known.is_empty() { Err(TokenError::Empty) } else { Ok(Tokens(known)) }
    }
}

/// `b64token` of RFC 6750, section 2.1.
fn is_token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty() && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}

/// The tokens that a server knows, of several holders.
#[derive(Debug)]
pub struct BearerTokens {
    holders: Vec<TokenHolder>,
    /// Looked at for each request, without a lock.
    known: ArcSwap<Vec<KnownToken>>,
    /// Held while they are replaced.
    replacing: Mutex<()>,
}

#[derive(Clone)]
struct KnownToken {
    digest: Hash,
    /// The place of its holder.
    holder: usize,
    identity: Arc<Identity>,
    revoked: Arc<watch::Sender<bool>>,
}

impl std::fmt::Debug for KnownToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "token of {:?}", self.identity.principal)
    }
}

impl BearerTokens {
    /// # Errors
    /// Two holders have the same token.
    pub fn new(holders: Vec<(TokenHolder, Tokens)>) -> Result<Self, TokenError> {
        let (holders, lists): (Vec<_>, Vec<_>) = holders.into_iter().unzip();
        let tokens = BearerTokens { holders, known: ArcSwap::default(), replacing: Mutex::default() };
        for (at, list) in lists.iter().enumerate() {
            tokens.replace(at, list)?;
        }
        Ok(tokens)
    }

    /// Gives the holder at that place of [`new`](Self::new) these tokens instead of those it has. One that is in both lists
    /// stays what it is. The requests that run with one which is not in the new list are ended, and nobody is let in
    /// with it from now on.
    ///
    /// # Errors
    /// Another holder has one of them; then nothing is changed.
    pub fn replace(&self, holder: usize, tokens: &Tokens) -> Result<TokenListChange, TokenError> {
        let _one_at_a_time = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.known.load_full();
        let (own, others): (Vec<&KnownToken>, Vec<&KnownToken>) =
            before.iter().partition(|known| known.holder == holder);
        if let Some(also) =
            others.iter().find(|other| tokens.0.iter().any(|token| token.digest == other.digest))
        {
            return Err(TokenError::AnothersToo { holder: self.holders[also.holder].name.clone() });
        }
        let mut added = 0;
        let mut after: Vec<KnownToken> = others.into_iter().cloned().collect();
        for token in &tokens.0 {
            after.push(match own.iter().find(|known| known.digest == token.digest) {
                Some(known) => (*known).clone(),
                None => {
                    added += 1;
                    self.known_token(holder, token)
                }
            });
        }
        // Those let in from now on are known before the others are sent away.
        self.known.store(Arc::new(after));
        let removed: Vec<&KnownToken> = own
            .into_iter()
            .filter(|known| tokens.0.iter().all(|token| token.digest != known.digest))
            .collect();
        removed.iter().for_each(|known| {
            known.revoked.send_replace(true);
        });
        Ok(TokenListChange { added, removed: removed.len() })
    }

    /// How many let somebody in at present.
    pub fn count(&self) -> usize {
        self.known.load().len()
    }

    fn known_token(&self, holder: usize, token: &TokenDigests) -> KnownToken {
        let TokenHolder { name, profile, calls_max } = &self.holders[holder];
        let principal = match name {
            Some(name) => Principal::Token(name.as_str().into()),
            None => {
                let digits: String = token.principal.iter().map(|byte| format!("{byte:02x}")).collect();
                Principal::UnnamedToken(digits.into())
            }
        };
        let (revoked, is_revoked) = watch::channel(false);
        let profile = profile.as_deref().map(Into::into);
        let identity =
            Identity { principal, profile, calls_max: *calls_max, revoked: Some(is_revoked), expires: None };
        KnownToken { digest: token.digest, holder, identity: Arc::new(identity), revoked: Arc::new(revoked) }
    }

    /// Whom a token stands for. Digests are compared, in a time that does not depend on them, and all of them.
    pub(super) fn find(&self, bearer: &str) -> Option<Arc<Identity>> {
        let digest = blake3::hash(bearer.as_bytes());
        let known = self.known.load();
        let found =
            known.iter().fold(None, |found, known| if known.digest == digest { Some(known) } else { found });
        found.map(|known| known.identity.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0123456789abcdef";
    const TWO: &str = "0123456789abcdefg";
    const THREE: &str = "0123456789abcdefgh";

    fn named(name: &str) -> TokenHolder {
        TokenHolder { name: Some(name.to_owned()), ..TokenHolder::default() }
    }

    fn tokens(list: &[&str]) -> Tokens {
        Tokens::read(&list.join("\n")).unwrap()
    }

    #[test]
    fn a_file_that_holds_something_else_is_refused_by_its_line_and_never_shown() {
        for (text, expected) in [
            ("", TokenError::Empty),
            ("\n \r\n", TokenError::Empty),
            ("short", TokenError::NoToken { line: 1 }),
            ("0123456789abcdef\nwith a blank in it", TokenError::NoToken { line: 2 }),
            ("================", TokenError::NoToken { line: 1 }),
            ("0123456789=abcdef", TokenError::NoToken { line: 1 }),
            ("# a remark, sixteen", TokenError::NoToken { line: 1 }),
            ("0123456789abcdef\n\n0123456789abcdef", TokenError::Twice { line: 3 }),
        ] {
            let error = Tokens::read(text).unwrap_err();
            assert_eq!(error, expected, "{text}");
        }
        assert_eq!(format!("{:?}", Tokens::read(ONE).unwrap()), "Tokens([token])");
    }

    #[tokio::test]
    async fn a_new_token_of_a_name_is_the_same_principal_and_the_old_one_ends() {
        let all =
            BearerTokens::new(vec![(named("ci"), tokens(&[ONE])), (named("me"), tokens(&[TWO]))]).unwrap();
        let old = all.find(ONE).unwrap();
        assert_eq!(old.principal, Principal::Token("ci".into()));
        // Both, then the new one alone.
        assert_eq!(all.replace(0, &tokens(&[ONE, THREE])), Ok(TokenListChange { added: 1, removed: 0 }));
        let kept = all.find(ONE).unwrap();
        assert!(Arc::ptr_eq(&old, &kept), "what stays in the list is not ended");
        assert_eq!(all.find(THREE).unwrap().principal, old.principal);
        assert_eq!(all.replace(0, &tokens(&[THREE])), Ok(TokenListChange { added: 0, removed: 1 }));
        old.revoked().await;
        assert!(all.find(ONE).is_none());
        // What is given out again is not what was taken back.
        all.replace(0, &tokens(&[ONE])).unwrap();
        assert!(!*all.find(ONE).unwrap().revoked.as_ref().unwrap().borrow());
        assert!(all.find(TWO).is_some(), "another's list is its own");
    }

    #[test]
    fn a_token_of_two_holders_is_refused_and_nothing_changes() {
        let twice = BearerTokens::new(vec![(named("ci"), tokens(&[ONE])), (named("me"), tokens(&[ONE]))]);
        assert_eq!(twice.unwrap_err(), TokenError::AnothersToo { holder: Some("ci".into()) });
        let all =
            BearerTokens::new(vec![(TokenHolder::default(), tokens(&[ONE])), (named("me"), tokens(&[TWO]))]);
        let all = all.unwrap();
        let refused = all.replace(1, &tokens(&[THREE, ONE])).unwrap_err();
        assert_eq!(refused, TokenError::AnothersToo { holder: None });
        assert!(!refused.to_string().contains(ONE));
        assert!(all.find(THREE).is_none() && all.find(TWO).is_some());
    }
}
