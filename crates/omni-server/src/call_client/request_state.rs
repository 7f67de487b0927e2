//! The `requestState` of a parked call: what a repeated request needs to go on with it, sealed so that nobody but this
//! server can read or make one, and good for one principal and one request.
//!
//! It is a client's to keep, so it is attacker input when it comes back ("Multi Round-Trip Requests", 2026-07-28):
//! XChaCha20-Poly1305 over its contents, with principal, method and what the request names as associated data. The key
//! is derived from the one in the state folder, so that a server which was started anew reads what the one before it
//! gave out.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use chacha20poly1305::{AeadInOut as _, Key, KeyInit as _, Tag, XChaCha20Poly1305, XNonce};
use omni_call::{Answer, AskRefusal};

use super::answer_log::GivenAnswer;
use super::digest::Digest;
use crate::random::random_bytes;
use crate::seal_key::SealKey;

/// Names one round of a parked call; 128 bits cannot be guessed.
pub(super) type StateId = [u8; ID_BYTES];

const ID_BYTES: usize = 16;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// The first byte of the contents. States of another layout are none of ours.
const LAYOUT: u8 = 1;

/// A longer text is none of ours, and is not decoded: twice what the answers in a state may take.
const TEXT_BYTES_MAX: usize = 512 << 10;

/// The secret that seals states.
pub(super) struct StateKey(XChaCha20Poly1305);

/// The principal and request that a state is good for. They are no part of the text.
#[derive(Clone, Copy)]
pub(super) struct StateBinding<'a> {
    pub(super) principal: &'a str,
    pub(super) method: &'a str,
    /// What the request names: a tool, a prompt, a URI.
    pub(super) name: &'a str,
}

/// What a state says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StateContents {
    pub(super) id: StateId,
    /// Until when it is good, in milliseconds of the wall clock since 1970.
    pub(super) expiry_ms: u64,
    /// Stands for the arguments of the request.
    pub(super) arguments: Digest,
    /// What the client is asked: the key of each question, and what stands for it.
    pub(super) questions: Vec<(String, Digest)>,
    /// What has been asked and answered before; `None` where that is more than a state may hold.
    pub(super) answers: Option<Vec<GivenAnswer>>,
}

/// A new name for a round.
pub(super) fn new_id() -> StateId {
    random_bytes()
}

impl StateKey {
    pub(super) fn new(key: &SealKey) -> Self {
        let key = blake3::derive_key("omni: requestState of parked calls, 2026", &key.0);
        StateKey(XChaCha20Poly1305::new(&Key::from(key)))
    }

    /// The text of a state, which is given out. Nothing can be read of it but how long it is.
    pub(super) fn seal(&self, contents: &StateContents, binding: StateBinding<'_>) -> String {
        let nonce: [u8; NONCE_BYTES] = random_bytes();
        let mut sealed = nonce.to_vec();
        write(contents, &mut sealed);
        let tag = self
            .0
            .encrypt_inout_detached(
                &XNonce::from(nonce),
                &associated_data(binding),
                (&mut sealed[NONCE_BYTES..]).into(),
            )
            .expect("a state is much shorter than what one nonce may encrypt");
        sealed.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// What a text says; `None` when it is not one of ours for that principal and request. Each state has one spelling.
    pub(super) fn open(&self, text: &str, binding: StateBinding<'_>) -> Option<StateContents> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let mut sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let contents_end = sealed.len().checked_sub(TAG_BYTES)?;
        let tag: [u8; TAG_BYTES] = sealed.split_off(contents_end).try_into().ok()?;
        let (nonce, contents) = sealed.split_at_mut_checked(NONCE_BYTES)?;
        let nonce: [u8; NONCE_BYTES] = (&*nonce).try_into().ok()?;
        self.0
            .decrypt_inout_detached(
                &XNonce::from(nonce),
                &associated_data(binding),
                (&mut *contents).into(),
                &Tag::from(tag),
            )
            .ok()?;
        read(contents)
    }
}

/// With their lengths, so that no two bindings give the same bytes.
fn associated_data(binding: StateBinding<'_>) -> Vec<u8> {
    let mut data = Vec::new();
    for text in [binding.principal, binding.method, binding.name] {
        data.extend_from_slice(&(text.len() as u64).to_be_bytes());
        data.extend_from_slice(text.as_bytes());
    }
    data
}

/// What a given answer is, in the contents.
const TAKEN_BACK: u8 = 0;
const RESULT: u8 = 1;
/// A refusal is this and the place of its reason in [`AskRefusal::ALL`].
const REFUSED: u8 = 2;

fn write(contents: &StateContents, out: &mut Vec<u8>) {
    let StateContents { id, expiry_ms, arguments, questions, answers } = contents;
    out.push(LAYOUT);
    out.extend_from_slice(id);
    out.extend_from_slice(&expiry_ms.to_be_bytes());
    out.extend_from_slice(arguments);
    write_length(questions.len(), out);
    for (key, digest) in questions {
        write_text(key.as_bytes(), out);
        out.extend_from_slice(digest);
    }
    let Some(answers) = answers else { return };
    write_length(answers.len(), out);
    for GivenAnswer { question, answer } in answers {
        out.extend_from_slice(question);
        match answer {
            None => out.push(TAKEN_BACK),
            Some(Answer::Result(result)) => {
                out.push(RESULT);
                write_text(result, out);
            }
            Some(Answer::Refused { why, message }) => {
                let why = AskRefusal::ALL.iter().position(|known| known == why).unwrap_or_default();
                out.push(REFUSED + u8::try_from(why).unwrap_or_default());
                write_text(message.as_bytes(), out);
            }
        }
    }
}

fn write_length(length: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
}

fn write_text(text: &[u8], out: &mut Vec<u8>) {
    write_length(text.len(), out);
    out.extend_from_slice(text);
}

/// Reads contents of our own. `None` for those of a server that is newer or older than this.
fn read(contents: &[u8]) -> Option<StateContents> {
    let mut rest = contents;
    let rest = &mut rest;
    if take::<1>(rest)? != [LAYOUT] {
        return None;
    }
    let id = take(rest)?;
    let expiry_ms = u64::from_be_bytes(take(rest)?);
    let arguments = take(rest)?;
    let mut questions = Vec::new();
    for _ in 0..take_length(rest)? {
        let key = String::from_utf8(take_text(rest)?.to_vec()).ok()?;
        questions.push((key, take(rest)?));
    }
    let mut answers = None;
    if !rest.is_empty() {
        let answers = answers.insert(Vec::new());
        for _ in 0..take_length(rest)? {
            let question = take(rest)?;
            let [kind] = take(rest)?;
            let answer = match kind {
                TAKEN_BACK => None,
                RESULT => Some(Answer::Result(Bytes::copy_from_slice(take_text(rest)?))),
                refused => Some(Answer::Refused {
                    why: *AskRefusal::ALL.get(usize::from(refused.checked_sub(REFUSED)?))?,
                    message: String::from_utf8(take_text(rest)?.to_vec()).ok()?,
                }),
            };
            answers.push(GivenAnswer { question, answer });
        }
    }
    rest.is_empty().then_some(StateContents { id, expiry_ms, arguments, questions, answers })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*taken)
}

fn take_length(rest: &mut &[u8]) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(take(rest)?)).ok()
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_length(rest)?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: StateBinding<'static> = StateBinding { principal: "user 1", method: "tools/call", name: "a" };

    fn key() -> StateKey {
        StateKey::new(&SealKey([7; 32]))
    }

    fn contents() -> StateContents {
        let refused = |why| Answer::Refused { why, message: "no ☹".into() };
        let given = [
            Some(Answer::Result(Bytes::from_static(br#"{"action":"accept"}"#))),
            None,
            Some(refused(AskRefusal::Unsupported)),
            Some(refused(AskRefusal::Failed)),
            Some(refused(AskRefusal::Gone)),
        ];
        StateContents {
            id: [1; 16],
            expiry_ms: 1_796_000_000_000,
            arguments: [5; 32],
            questions: vec![("q1".into(), [2; 32]), ("ein Schlüssel".into(), [3; 32])],
            answers: Some(
                given.into_iter().map(|answer| GivenAnswer { question: [4; 32], answer }).collect(),
            ),
        }
    }

    #[test]
    fn a_state_says_what_was_sealed_to_its_principal_and_request_and_to_no_other() {
        let (key, sealed) = (key(), contents());
        let text = key.seal(&sealed, MINE);
        assert_eq!(key.open(&text, MINE), Some(sealed.clone()));
        for other in [
            StateBinding { principal: "user 2", ..MINE },
            StateBinding { method: "prompts/get", ..MINE },
            StateBinding { name: "b", ..MINE },
            StateBinding { principal: "user 1tools", method: "/call", ..MINE },
            StateBinding { name: "", method: "tools/calla", ..MINE },
        ] {
            assert_eq!(key.open(&text, other), None);
        }
        assert_eq!(StateKey::new(&SealKey([8; 32])).open(&text, MINE), None);
        assert_ne!(key.seal(&sealed, MINE), text, "each sealing has a nonce of its own");
        let unanswered = StateContents { answers: None, questions: Vec::new(), ..sealed };
        assert_eq!(key.open(&key.seal(&unanswered, MINE), MINE), Some(unanswered));
    }

    #[test]
    fn nothing_of_the_answers_can_be_read_in_the_text() {
        let text = key().seal(&contents(), MINE);
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"accept"));
    }

    #[test]
    fn no_bit_of_a_state_can_be_changed_and_it_has_one_spelling() {
        let key = key();
        let text = key.seal(&contents(), MINE);
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut forged = text.clone().into_bytes();
                forged[at] ^= 1 << bit;
                if let Ok(forged) = String::from_utf8(forged) {
                    assert_eq!(key.open(&forged, MINE), None, "byte {at}, bit {bit}");
                }
            }
            assert_eq!(key.open(&text[..at], MINE), None, "the first {at} bytes");
        }
        for other in [
            format!(" {text}"),
            format!("{text} "),
            format!("{text}="),
            format!("{text}AA"),
            "é".repeat(40),
            "A".repeat(TEXT_BYTES_MAX),
            "A".repeat(TEXT_BYTES_MAX + 1),
        ] {
            assert_eq!(key.open(&other, MINE), None, "{other}");
        }
    }

    #[test]
    fn contents_that_are_cut_or_longer_are_none() {
        let mut whole = Vec::new();
        write(&contents(), &mut whole);
        let questions_end = {
            let mut without = Vec::new();
            write(&StateContents { answers: None, ..contents() }, &mut without);
            without.len()
        };
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]).is_some(), end == questions_end, "the first {end} bytes");
        }
        whole.push(0);
        assert_eq!(read(&whole), None);
        whole[0] = LAYOUT + 1;
        assert_eq!(read(&whole), None);
    }
}
