//! Holds JSON Web Tokens (RFC 7519) that clients bring to the keys of their issuer and to what a server wants of them.
//!
//! A function of texts and a time: whoever has the keys hands them in, and says what time it is. In reading order: a [`KeySet`]
//! is what an issuer publishes (RFC 7517); [`TokenRules`] say what a token must be; [`TokenRules::verify`] gives its
//! [`Claims`], or the [`TokenFault`] for which it is refused. Nothing of a token is believed before its signature holds
//! (RFC 8725): the header chooses among the keys and algorithms that are allowed already, and leads nowhere.

mod algorithm;
mod claims;
mod fault;
mod key;
mod key_set;
mod strict_json;
mod token;
mod verify;

pub use algorithm::Algorithm;
pub use claims::Claims;
pub use fault::{TOKEN_BYTES_MAX, TokenFault};
pub use key_set::{KEY_SET_BYTES_MAX, KEYS_MAX, KeySet, KeySetError};
pub use verify::TokenRules;
