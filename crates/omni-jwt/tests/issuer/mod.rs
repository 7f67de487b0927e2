//! An issuer of tokens with a key of each kind.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use omni_jwt::{Algorithm, KeySet};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://issuer.example";
/// The time at which the tests are, in seconds since 1970.
pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) struct Issuer {
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
    random: SystemRandom,
}

pub(crate) fn number(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn encoded(value: &Value) -> String {
    number(value.to_string().as_bytes())
}

impl Issuer {
    pub(crate) fn new() -> Self {
        Issuer::of_seed(7)
    }

    /// One whose keys have the ids of the other's.
    pub(crate) fn strange() -> Self {
        Issuer::of_seed(8)
    }

    fn of_seed(seed: u8) -> Self {
        let random = SystemRandom::new();
        let scalar = |length| vec![seed; length];
        // The public point of a private number is computed by nothing that is here, so these two are new each time.
        let p256 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let p384 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random).unwrap();
        Issuer {
            rsa: RsaKeyPair::from_pkcs8(include_bytes!("../keys/rsa.pk8")).unwrap(),
            p256: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, p256.as_ref(), &random).unwrap(),
            p384: EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, p384.as_ref(), &random).unwrap(),
            ed25519: Ed25519KeyPair::from_seed_unchecked(&scalar(32)).unwrap(),
            random,
        }
    }

    /// What it publishes: keys of the ids `rsa`, `p256`, `p384` and `ed`.
    pub(crate) fn set(&self) -> Value {
        let rsa = PublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
        let point = |key: &[u8]| {
            let (x, y) = key[1..].split_at((key.len() - 1) / 2);
            (number(x), number(y))
        };
        let (x256, y256) = point(self.p256.public_key().as_ref());
        let (x384, y384) = point(self.p384.public_key().as_ref());
        json!({ "keys": [
            {
                "kty": "RSA", "kid": "rsa", "use": "sig", "e": number(&rsa.e),
                "n": number(&rsa.n),
            },
            { "kty": "EC", "crv": "P-256", "kid": "p256", "x": x256, "y": y256, "alg": "ES256" },
            { "kty": "EC", "crv": "P-384", "kid": "p384", "x": x384, "y": y384, "key_ops": ["verify"] },
            { "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": number(self.ed25519.public_key().as_ref()) },
        ] })
    }

    pub(crate) fn key_set(&self) -> KeySet {
        KeySet::read(self.set().to_string().as_bytes()).unwrap()
    }

    pub(crate) fn token(&self, algorithm: Algorithm, claims: &Value) -> String {
        let id = match algorithm {
            Algorithm::Es256 => "p256",
            Algorithm::Es384 => "p384",
            Algorithm::EdDsa => "ed",
            _ => "rsa",
        };
        self.signed(algorithm, &json!({ "alg": algorithm.name(), "kid": id, "typ": "at+jwt" }), claims)
    }

    pub(crate) fn signed(&self, algorithm: Algorithm, header: &Value, claims: &Value) -> String {
        self.signed_text(algorithm, &header.to_string(), &claims.to_string())
    }

    /// Signs by `algorithm`, whatever the header says.
    pub(crate) fn signed_text(&self, algorithm: Algorithm, header: &str, payload: &str) -> String {
        let text = format!("{}.{}", number(header.as_bytes()), number(payload.as_bytes()));
        let rsa = |padding: &'static dyn RsaEncoding| {
            let mut signature = vec![0; self.rsa.public().modulus_len()];
            self.rsa.sign(padding, &self.random, text.as_bytes(), &mut signature).unwrap();
            signature
        };
        let elliptic =
            |pair: &EcdsaKeyPair| pair.sign(&self.random, text.as_bytes()).unwrap().as_ref().to_vec();
        let signature = match algorithm {
            Algorithm::Rs256 => rsa(&RSA_PKCS1_SHA256),
            Algorithm::Rs384 => rsa(&RSA_PKCS1_SHA384),
            Algorithm::Rs512 => rsa(&RSA_PKCS1_SHA512),
            Algorithm::Ps256 => rsa(&RSA_PSS_SHA256),
            Algorithm::Ps384 => rsa(&RSA_PSS_SHA384),
            Algorithm::Ps512 => rsa(&RSA_PSS_SHA512),
            Algorithm::Es256 => elliptic(&self.p256),
            Algorithm::Es384 => elliptic(&self.p384),
            Algorithm::EdDsa => self.ed25519.sign(text.as_bytes()).as_ref().to_vec(),
        };
        format!("{text}.{}", number(&signature))
    }

    pub(crate) fn hmac_by_the_public_key(&self, text: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.rsa.public().as_ref());
        number(hmac::sign(&key, text.as_bytes()).as_ref())
    }
}
