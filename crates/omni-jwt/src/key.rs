//! One public key of an issuer (RFC 7517, RFC 7518 section 6, RFC 8037).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use serde_json::{Map, Value};

use crate::algorithm::Algorithm;

/// A key that signatures can be held to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key {
    pub(crate) id: Option<String>,
    /// The one algorithm it is meant for, if it says so.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Clone, Debug, PartialEq)]
enum Material {
    /// Big-endian, without zeros in front.
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// A point, uncompressed.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// Bits of a modulus. Below, it can be factored; above, one signature takes as long as a thousand.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

impl Key {
    /// Reads a key of a set. The error says why it is no key for us, which other keys of a set may be (RFC 7517, section 5).
    pub(crate) fn of(members: &Map<String, Value>) -> Result<Self, &'static str> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        if text("use").is_some_and(|purpose| purpose != "sig") {
            return Err("is not for signatures (`use`)");
        }
        let verifies = |operations: &Vec<Value>| operations.iter().any(|operation| operation == "verify");
        if members.get("key_ops").and_then(Value::as_array).is_some_and(|operations| !verifies(operations)) {
            return Err("is not for verifying (`key_ops`)");
        }
        let number = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?.trim_end_matches('=')).ok();
        let material = match (text("kty"), text("crv")) {
            (Some("RSA"), _) => {
                let (Some(modulus), Some(exponent)) = (number("n"), number("e")) else {
                    return Err("lacks `n` or `e`");
                };
                let (modulus, exponent) = (without_zeros(modulus), without_zeros(exponent));
                if !RSA_BITS.contains(&bits(&modulus)) {
                    return Err("has not 2048 to 8192 bits");
                }
                Material::Rsa { modulus, exponent }
            }
            (Some("EC"), Some("P-256")) => Material::P256(point(number("x"), number("y"), 32)?),
            (Some("EC"), Some("P-384")) => Material::P384(point(number("x"), number("y"), 48)?),
            (Some("OKP"), Some("Ed25519")) => match number("x") {
                Some(x) if x.len() == 32 => Material::Ed25519(x),
                _ => return Err("has no `x` of 32 bytes"),
            },
            (Some("oct"), _) => return Err("is a shared secret, which must not be published"),
            _ => return Err("is of a kind that is not known"),
        };
        let algorithm = match text("alg") {
            None => None,
            Some(name) => Some(Algorithm::named(name).ok_or("is for an algorithm that is not known")?),
        };
        let key = Key { id: text("kid").map(str::to_owned), algorithm, material };
        match algorithm {
            Some(algorithm) if !key.fits(algorithm) => Err("is of another kind than its algorithm takes"),
            _ => Ok(key),
        }
    }

    /// Whether a signature by `algorithm` may be held to it.
    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        let kind = match algorithm {
            Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => matches!(self.material, Material::Rsa { .. }),
            Algorithm::Es256 => matches!(self.material, Material::P256(_)),
            Algorithm::Es384 => matches!(self.material, Material::P384(_)),
            Algorithm::EdDsa => matches!(self.material, Material::Ed25519(_)),
        };
        kind && self.algorithm.is_none_or(|own| own == algorithm)
    }

    /// Whether `signature` by `algorithm` is this key's over `signed`. False for an algorithm that it does not fit.
    pub(crate) fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        if !self.fits(algorithm) {
            return false;
        }
        let elliptic = |rule: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(rule, key).verify(signed, signature).is_ok()
        };
        match &self.material {
            Material::Rsa { modulus, exponent } => {
                let Some(rule) = rsa_rule(algorithm) else { return false };
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(rule, signed, signature).is_ok()
            }
            Material::P256(key) => elliptic(&signature::ECDSA_P256_SHA256_FIXED, key),
            Material::P384(key) => elliptic(&signature::ECDSA_P384_SHA384_FIXED, key),
            Material::Ed25519(key) => elliptic(&signature::ED25519, key),
        }
    }
}

fn rsa_rule(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => None,
    }
}

fn without_zeros(number: Vec<u8>) -> Vec<u8> {
    number.into_iter().skip_while(|byte| *byte == 0).collect()
}

fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

fn point(x: Option<Vec<u8>>, y: Option<Vec<u8>>, length: usize) -> Result<Vec<u8>, &'static str> {
    match (x, y) {
        (Some(x), Some(y)) if x.len() == length && y.len() == length => Ok([vec![4], x, y].concat()),
        _ => Err("has no `x` and `y` of its curve's length"),
    }
}
