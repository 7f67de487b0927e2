//! Tokens as issuers make them, and as attackers do.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its tokens has failed")]

mod issuer;

use std::time::Duration;

use issuer::{ISSUER, Issuer, NOW, encoded, number};
use omni_jwt::{
    Algorithm, Claims, KEY_SET_BYTES_MAX, KEYS_MAX, KeySet, KeySetError, TOKEN_BYTES_MAX, TokenFault,
    TokenRules,
};
use serde_json::{Value, json};

const AUDIENCE: &str = "https://mcp.example.com/mcp";

fn rules() -> TokenRules {
    TokenRules {
        issuer: ISSUER.to_owned(),
        audiences: vec![AUDIENCE.to_owned()],
        algorithms: Algorithm::ALL.to_vec(),
        skew: Duration::from_secs(60),
    }
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": NOW + 300, "scope": "tools admin" })
}

fn with(name: &str, value: Value) -> Value {
    let mut changed = claims();
    changed[name] = value;
    changed
}

fn without(name: &str) -> Value {
    let mut changed = claims();
    changed.as_object_mut().unwrap().remove(name);
    changed
}

fn verify(token: &str) -> Result<Claims, TokenFault> {
    rules().verify(token, &Issuer::new().key_set(), Duration::from_secs(NOW))
}

/// What becomes of these claims under a good signature.
fn verified(claims: &Value) -> Result<Claims, TokenFault> {
    verify(&Issuer::new().token(Algorithm::EdDsa, claims))
}

#[test]
fn a_token_of_each_algorithm_is_its_subjects() {
    let issuer = Issuer::new();
    for algorithm in Algorithm::ALL {
        let token = issuer.token(algorithm, &claims());
        let claims = rules().verify(&token, &issuer.key_set(), Duration::from_secs(NOW));
        let claims = claims.unwrap_or_else(|fault| panic!("{algorithm}: {fault}"));
        assert_eq!((claims.subject.as_str(), claims.expires), ("ada", 300 + i64::try_from(NOW).unwrap()));
        assert_eq!(claims.scopes, ["tools", "admin"]);
        assert!(claims.says("aud", AUDIENCE) && !claims.says("aud", "other"));
    }
}

#[test]
fn any_changed_letter_spoils_it() {
    let issuer = Issuer::new();
    let keys = issuer.key_set();
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Ps256] {
        let token = issuer.token(algorithm, &claims());
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            let outcome = rules().verify(&changed, &keys, Duration::from_secs(NOW));
            assert!(outcome.is_err(), "{algorithm}, letter {at}");
        }
    }
}

#[test]
fn no_header_makes_a_public_key_a_secret_or_a_signature_needless() {
    let issuer = Issuer::new();
    let body = encoded(&claims());
    // What HMAC confusion signs with: the public key, as bytes that everybody can have.
    let mac = issuer
        .hmac_by_the_public_key(&format!("{}.{body}", encoded(&json!({ "alg": "HS256", "kid": "rsa" }))));
    for (header, signature) in [
        (json!({ "alg": "none" }), ""),
        (json!({ "alg": "None", "kid": "rsa" }), ""),
        (json!({ "alg": "nOnE", "typ": "JWT" }), "AA"),
        (json!({ "alg": "HS256", "kid": "rsa" }), mac.as_str()),
        (json!({ "alg": "" }), ""),
        (json!({ "alg": "RS1", "kid": "rsa" }), "AA"),
        (json!({ "alg": "rs256", "kid": "rsa" }), "AA"),
    ] {
        let token = format!("{}.{body}.{signature}", encoded(&header));
        assert_eq!(verify(&token), Err(TokenFault::Algorithm), "{header}");
    }
    for header in
        [json!({}), json!({ "alg": null }), json!({ "alg": ["RS256"] }), json!({ "alg": "RS256", "kid": 1 })]
    {
        assert_eq!(
            verify(&format!("{}.{body}.AA", encoded(&header))),
            Err(TokenFault::Malformed),
            "{header}"
        );
    }
}

#[test]
fn an_algorithm_that_is_not_allowed_is_not_taken_although_the_key_is_known() {
    let issuer = Issuer::new();
    let only = TokenRules { algorithms: vec![Algorithm::Es256], ..rules() };
    let ask = |algorithm| {
        only.verify(&issuer.token(algorithm, &claims()), &issuer.key_set(), Duration::from_secs(NOW))
    };
    assert!(ask(Algorithm::Es256).is_ok());
    for other in [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es384, Algorithm::EdDsa] {
        assert_eq!(ask(other), Err(TokenFault::Algorithm));
    }
    // A key that says which algorithm it is for is for no other, even of the same kind.
    let mut set = issuer.set();
    set["keys"][0]["alg"] = "PS256".into();
    let keys = KeySet::read(set.to_string().as_bytes()).unwrap();
    let ask =
        |algorithm| rules().verify(&issuer.token(algorithm, &claims()), &keys, Duration::from_secs(NOW));
    assert!(ask(Algorithm::Ps256).is_ok());
    assert_eq!(ask(Algorithm::Rs256), Err(TokenFault::Signature));
}

#[test]
fn a_key_in_the_header_and_a_key_id_that_is_a_path_lead_nowhere() {
    let issuer = Issuer::new();
    let stranger = Issuer::strange();
    let own = &stranger.set()["keys"][3];
    for header in [
        json!({ "alg": "EdDSA", "kid": "ed", "jwk": own }),
        json!({ "alg": "EdDSA", "kid": "ed", "jku": "https://evil.example/jwks", "x5u": "https://evil.example/x" }),
        json!({ "alg": "EdDSA", "kid": "ed", "x5c": ["AAAA"] }),
    ] {
        assert_eq!(
            verify(&stranger.signed(Algorithm::EdDsa, &header, &claims())),
            Err(TokenFault::Signature)
        );
    }
    for id in
        ["/dev/null", "../../../../etc/passwd", "' OR 1=1 --", "ed\u{0}", "https://evil.example/", "ED", ""]
    {
        let header = json!({ "alg": "EdDSA", "kid": id });
        assert_eq!(
            verify(&issuer.signed(Algorithm::EdDsa, &header, &claims())),
            Err(TokenFault::UnknownKey),
            "{id}"
        );
    }
    // One that names no key is held to those that fit.
    let nameless = json!({ "alg": "EdDSA" });
    assert!(verify(&issuer.signed(Algorithm::EdDsa, &nameless, &claims())).is_ok());
    assert_eq!(verify(&stranger.signed(Algorithm::EdDsa, &nameless, &claims())), Err(TokenFault::UnknownKey));
}

#[test]
fn what_a_header_wants_to_be_understood_or_is_no_access_token_is_refused() {
    let issuer = Issuer::new();
    let header = |name: &str, value: Value| {
        let mut header = json!({ "alg": "EdDSA", "kid": "ed" });
        header[name] = value;
        verify(&issuer.signed(Algorithm::EdDsa, &header, &claims()))
    };
    assert_eq!(header("crit", json!(["exp"])), Err(TokenFault::Malformed));
    assert_eq!(header("crit", json!([])), Err(TokenFault::Malformed));
    for kind in ["logout+jwt", "dpop+jwt", "secevent+jwt", "", "at+jwt "] {
        assert_eq!(header("typ", kind.into()), Err(TokenFault::WrongType), "{kind}");
    }
    for kind in ["JWT", "at+jwt", "AT+JWT", "application/at+jwt"] {
        assert!(header("typ", kind.into()).is_ok(), "{kind}");
    }
}

#[test]
fn time_counts_to_the_second_with_the_skew_on_our_side() {
    for (changed, expected) in [
        (with("exp", json!(NOW - 59)), None),
        (with("exp", json!(NOW - 60)), Some(TokenFault::Expired)),
        (with("exp", json!(0)), Some(TokenFault::Expired)),
        (with("exp", json!(NOW as f64 - 59.5)), None),
        (with("exp", json!(1e300)), None),
        (with("nbf", json!(NOW + 60)), None),
        (with("nbf", json!(NOW + 61)), Some(TokenFault::NotYet)),
        (with("iat", json!(NOW + 61)), Some(TokenFault::NotYet)),
        (with("iat", json!(NOW - 1_000_000)), None),
        (without("exp"), Some(TokenFault::Claim("exp"))),
        (with("exp", json!((NOW + 300).to_string())), Some(TokenFault::Claim("exp"))),
        (with("exp", json!(-1)), Some(TokenFault::Claim("exp"))),
        (with("exp", json!(null)), Some(TokenFault::Claim("exp"))),
        (with("nbf", json!("0")), Some(TokenFault::Claim("nbf"))),
    ] {
        assert_eq!(verified(&changed).err(), expected, "{changed}");
    }
}

#[test]
fn a_token_for_others_or_of_others_is_none_for_us() {
    for (changed, expected) in [
        (with("aud", json!([AUDIENCE, "https://other.example"])), None),
        (with("aud", json!(["https://other.example"])), Some(TokenFault::Audience)),
        (with("aud", json!("https://mcp.example.com")), Some(TokenFault::Audience)),
        (with("aud", json!("https://mcp.example.com/mcp/")), Some(TokenFault::Audience)),
        (with("aud", json!("https://MCP.example.com/mcp")), Some(TokenFault::Audience)),
        (with("aud", json!([])), Some(TokenFault::Audience)),
        (with("aud", json!([[AUDIENCE]])), Some(TokenFault::Audience)),
        (with("aud", json!({ AUDIENCE: 1 })), Some(TokenFault::Claim("aud"))),
        (without("aud"), Some(TokenFault::Claim("aud"))),
        (with("iss", json!(format!("{ISSUER}/"))), Some(TokenFault::Issuer)),
        (with("iss", json!("https://ISSUER.example")), Some(TokenFault::Issuer)),
        (with("iss", json!([ISSUER])), Some(TokenFault::Claim("iss"))),
        (without("iss"), Some(TokenFault::Claim("iss"))),
        (without("sub"), Some(TokenFault::Claim("sub"))),
        (with("sub", json!("")), Some(TokenFault::Claim("sub"))),
        (with("sub", json!(7)), Some(TokenFault::Claim("sub"))),
        (with("sub", json!("a".repeat(1025))), Some(TokenFault::Claim("sub"))),
        (with("scope", json!({})), Some(TokenFault::Claim("scope"))),
        (without("scope"), None),
    ] {
        assert_eq!(verified(&changed).err(), expected, "{changed}");
    }
}

#[test]
fn a_claim_or_a_header_that_stands_twice_is_refused() {
    let issuer = Issuer::new();
    let payload =
        format!(r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","exp":{},"sub":"ada","sub":"root"}}"#, NOW + 300);
    let header = r#"{"alg":"EdDSA","kid":"ed"}"#;
    assert_eq!(verify(&issuer.signed_text(Algorithm::EdDsa, header, &payload)), Err(TokenFault::Malformed));
    let header = r#"{"alg":"none","kid":"ed","alg":"EdDSA"}"#;
    assert_eq!(
        verify(&issuer.signed_text(Algorithm::EdDsa, header, &claims().to_string())),
        Err(TokenFault::Malformed)
    );
}

#[test]
fn what_is_no_token_is_refused_whatever_it_is() {
    let good = Issuer::new().token(Algorithm::EdDsa, &claims());
    let parts: Vec<&str> = good.split('.').collect();
    let long = Issuer::new().token(Algorithm::EdDsa, &with("pad", json!("x".repeat(TOKEN_BYTES_MAX))));
    assert_eq!(verify(&long), Err(TokenFault::TooLong));
    for text in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        format!("{good}."),
        format!("{good}.{}", parts[2]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{}=.{}.{}", parts[0], parts[1], parts[2]),
        format!("{}.{}.{}=", parts[0], parts[1], parts[2]),
        format!(" {good}"),
        format!("{}.{}.+/{}", parts[0], parts[1], parts[2]),
        "ä.ä.ä".into(),
        // Five parts: an encrypted token.
        "a.b.c.d.e".into(),
    ] {
        assert_eq!(verify(&text), Err(TokenFault::Malformed), "{text}");
    }
    // Deep claims cost no stack, and signed ones that are no object are none.
    for payload in ["[]", "1", "null", "", &"[".repeat(10_000), &format!("{}1", r#"{"a":"#.repeat(1500))] {
        let token = Issuer::new().signed_text(Algorithm::EdDsa, r#"{"alg":"EdDSA","kid":"ed"}"#, payload);
        assert_eq!(verify(&token), Err(TokenFault::Malformed));
    }
}

#[test]
fn mutated_tokens_are_never_taken() {
    let good = Issuer::new().token(Algorithm::EdDsa, &claims()).into_bytes();
    let keys = Issuer::new().key_set();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |bound: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % bound as u64).unwrap()
    };
    for _ in 0..4_000 {
        let mut bytes = good.clone();
        for _ in 0..=next(4) {
            let at = next(bytes.len().max(1));
            if bytes.is_empty() {
                break;
            }
            match next(4) {
                0 => bytes[at] = b"ABab01-_.={}\"\xff"[next(14)],
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"Aa0._="[next(6)]),
                _ => bytes.truncate(at.max(1)),
            }
        }
        if bytes == good {
            continue;
        }
        let text = String::from_utf8_lossy(&bytes);
        assert!(rules().verify(&text, &keys, Duration::from_secs(NOW)).is_err(), "{text}");
    }
}

#[test]
fn a_set_is_bounded_and_what_cannot_be_used_of_it_is_said() {
    let issuer = Issuer::new();
    let read = |set: &Value| KeySet::read(set.to_string().as_bytes());
    assert_eq!(read(&issuer.set()).unwrap().usable(), 4);
    let of = |keys: Vec<Value>| read(&json!({ "keys": keys }));
    let key = issuer.set()["keys"][3].clone();
    assert_eq!(of(vec![key.clone(); KEYS_MAX + 1]), Err(KeySetError::TooMany { keys: KEYS_MAX + 1 }));
    assert_eq!(of(vec![key.clone(); KEYS_MAX]).unwrap().usable(), KEYS_MAX);
    let large = KeySet::read(&vec![b' '; KEY_SET_BYTES_MAX + 1]);
    assert_eq!(large, Err(KeySetError::TooLarge { bytes: KEY_SET_BYTES_MAX + 1 }));
    for text in ["", "{}", "[]", r#"{"keys":{}}"#, r#"{"keys":[1]}"#, r#"{"keys":[],"keys":[]}"#, "<html>"] {
        assert_eq!(KeySet::read(text.as_bytes()), Err(KeySetError::NoSet), "{text}");
    }
    let deep = format!(r#"{{"keys":{}"#, "[".repeat(100_000));
    assert_eq!(KeySet::read(deep.as_bytes()), Err(KeySetError::NoSet));
    let mut private = key.clone();
    private["d"] = "AAAA".into();
    assert_eq!(of(vec![key.clone(), private]), Err(KeySetError::Private { key: 2 }));
    assert!(matches!(of(vec![]), Err(KeySetError::NoneUsable { keys: 0, .. })));

    let small = json!({ "kty": "RSA", "n": number(&[0xff; 128]), "e": "AQAB" });
    let huge = json!({ "kty": "RSA", "n": number(&[0xff; 20_000]), "e": "AQAB" });
    let mut encryption = key.clone();
    encryption["use"] = "enc".into();
    let mut short = key.clone();
    short["x"] = "AAAA".into();
    let mut confused = key.clone();
    confused["alg"] = "RS256".into();
    let mut signing = key.clone();
    signing["key_ops"] = json!(["sign"]);
    let unusable = vec![
        small,
        huge,
        encryption,
        short,
        confused,
        signing,
        json!({ "kty": "oct", "k": "AAAA" }),
        json!({ "kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA" }),
        json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" }),
        json!({ "kty": "OKP", "crv": "X25519", "x": "AA" }),
        json!({}),
    ];
    let count = unusable.len();
    let error = of(unusable.clone()).unwrap_err();
    assert!(matches!(&error, KeySetError::NoneUsable { keys, .. } if *keys == count), "{error}");
    assert_eq!(
        error.to_string(),
        format!("none of its {count} keys can be used: key 1 has not 2048 to 8192 bits")
    );
    let mixed = of([vec![key], unusable].concat()).unwrap();
    assert_eq!((mixed.usable(), mixed.skipped().len()), (1, count));
}
