//! The `requestState` of a parked call: a name that only this process can give out, good for one principal and request.

use std::time::Duration;

/// Names a parked call; 128 bits cannot be guessed.
pub(super) type Nonce = [u8; NONCE_BYTES];

const NONCE_BYTES: usize = 16;
const EXPIRY_BYTES: usize = 8;
const SEAL_BYTES: usize = 32;
const STATE_BYTES: usize = NONCE_BYTES + EXPIRY_BYTES + SEAL_BYTES;

/// The secret that seals states. Never leaves the process, since the calls do not outlive it either.
pub(super) struct StateKey([u8; 32]);

/// The principal and request that a state is good for. They go into the seal only: the text does not reveal them.
#[derive(Clone, Copy)]
pub(super) struct StateBinding<'a> {
    pub(super) principal: &'a str,
    pub(super) method: &'a str,
    /// What the request names: a tool, a prompt, a URI.
    pub(super) name: &'a str,
}

impl StateKey {
    pub(super) fn random() -> Self {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("the kernel gives random bytes");
        StateKey(key)
    }

    /// A new name, and the text of it that is given out. `expiry` is on the clock of whoever reads it again.
    pub(super) fn issue(&self, expiry: Duration, binding: StateBinding<'_>) -> (Nonce, String) {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).expect("the kernel gives random bytes");
        let mut state = Vec::with_capacity(STATE_BYTES);
        state.extend_from_slice(&nonce);
        let milliseconds = u64::try_from(expiry.as_millis()).unwrap_or(u64::MAX);
        state.extend_from_slice(&milliseconds.to_be_bytes());
        let seal = self.seal(&state, binding);
        state.extend_from_slice(seal.as_bytes());
        (nonce, state.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// What a text names, and until when; `None` when it is not one of ours for that principal and request.
    pub(super) fn open(&self, text: &str, binding: StateBinding<'_>) -> Option<(Nonce, Duration)> {
        let state = decode(text)?;
        let (payload, seal) = state.split_at(NONCE_BYTES + EXPIRY_BYTES);
        // The comparison of two hashes takes the same time wherever they differ.
        if self.seal(payload, binding) != blake3::Hash::from_bytes(seal.try_into().ok()?) {
            return None;
        }
        let (nonce, expiry) = payload.split_at(NONCE_BYTES);
        let expiry = u64::from_be_bytes(expiry.try_into().ok()?);
        Some((nonce.try_into().ok()?, Duration::from_millis(expiry)))
    }

    fn seal(&self, payload: &[u8], binding: StateBinding<'_>) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(payload);
        // With their lengths, so that no two bindings give the same bytes.
        for text in [binding.principal, binding.method, binding.name] {
            hasher.update(&(text.len() as u64).to_be_bytes()).update(text.as_bytes());
        }
        hasher.finalize()
    }
}

/// The bytes of lower-case hexadecimal digits: each state has one spelling.
fn decode(text: &str) -> Option<[u8; STATE_BYTES]> {
    let digits = text.as_bytes();
    let mut state = [0; STATE_BYTES];
    if digits.len() != 2 * STATE_BYTES {
        return None;
    }
    for (byte, pair) in state.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: StateBinding<'static> = StateBinding { principal: "user 1", method: "tools/call", name: "a" };

    #[test]
    fn a_state_opens_for_its_principal_and_request_and_no_other() {
        let key = StateKey::random();
        let (nonce, text) = key.issue(Duration::from_secs(5), MINE);
        assert_eq!(key.open(&text, MINE), Some((nonce, Duration::from_secs(5))));
        for other in [
            StateBinding { principal: "user 2", ..MINE },
            StateBinding { method: "prompts/get", ..MINE },
            StateBinding { name: "b", ..MINE },
            StateBinding { principal: "user 1tools", method: "/call", ..MINE },
            StateBinding { name: "", method: "tools/calla", ..MINE },
        ] {
            assert_eq!(key.open(&text, other), None);
        }
        assert_eq!(StateKey::random().open(&text, MINE), None);
        assert_ne!(key.issue(Duration::from_secs(5), MINE).1, text);
    }

    #[test]
    fn no_digit_of_a_state_can_be_changed_and_it_has_one_spelling() {
        let key = StateKey::random();
        let (_, text) = key.issue(Duration::from_secs(5), MINE);
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut forged = text.clone().into_bytes();
                forged[at] ^= 1 << bit;
                if let Ok(forged) = String::from_utf8(forged) {
                    assert_eq!(key.open(&forged, MINE), None, "byte {at}, bit {bit}");
                }
            }
        }
        let others =
            [text.to_uppercase(), format!(" {text}"), format!("{text} "), format!("{text}00"), String::new()];
        for other in others.iter().filter(|other| **other != text) {
            assert_eq!(key.open(other, MINE), None, "{other}");
        }
        assert_eq!(key.open(&"é".repeat(STATE_BYTES), MINE), None);
        assert_eq!(key.open(&"0".repeat(2 * STATE_BYTES), MINE), None);
    }
}
