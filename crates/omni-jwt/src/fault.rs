//! Why a token is refused.

/// The longest token that is looked at. Those with hundreds of groups have some 10 KiB.
pub const TOKEN_BYTES_MAX: usize = 16 << 10;

/// Why a token is refused. Shows nothing of the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// It is no token of three parts, or has a part that does not mean anything here.
    #[error("it is no JSON Web Token that can be read")]
    Malformed,
    #[error("it is longer than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    #[error("it is of another type than an access token")]
    WrongType,
    #[error("it is signed by an algorithm that is not allowed here")]
    Algorithm,
    /// None of the keys may have signed it. The issuer may have new ones: they are worth a look, at times.
    #[error("it is signed by a key that its issuer does not publish")]
    UnknownKey,
    #[error("its signature is wrong")]
    Signature,
    /// A claim is missing that must be there, or is no value of its kind.
    #[error("its claim `{0}` is missing, or is not what such a claim is")]
    Claim(&'static str),
    #[error("it was issued by somebody else")]
    Issuer,
    #[error("it is meant for somebody else")]
    Audience,
    #[error("it has expired")]
    Expired,
    #[error("it is not valid yet")]
    NotYet,
}
