//! What a JSON text must keep to beyond being JSON: bounded depth, whole surrogate pairs, and no key twice
//! in one object, however deep it lies.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

/// Deepest nesting of arrays and objects in one frame.
pub(crate) const DEPTH_MAX: usize = 64;

/// Objects up to this many keys have each compared with each; in larger ones that would be quadratic.
const PAIRWISE_MAX: usize = 16;

/// Of a key that stands twice this many characters are shown.
const SHOWN_CHARS_MAX: usize = 64;

/// What is wrong with a text that is otherwise JSON.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StrictJsonError {
    TooDeep,
    LoneSurrogate,
    /// A key that stands twice, cut to what can be shown.
    DuplicateKey(String),
}

/// Checks a text that is already known to be JSON.
///
/// One pass over the text and, for each object of more than a few keys, one sort of eight bytes a key: whatever
/// a peer sends, the work grows with its length and not with its square. A key that stands twice is refused at
/// every depth, since two readers would see two different values.
pub(crate) fn check(text: &str) -> Result<(), StrictJsonError> {
    Check { text, keys: Vec::with_capacity(16), hashes: None, comparisons: 0 }.run()
}

struct Check<'a> {
    text: &'a str,
    /// Where the keys of all objects that are open now stand, with their quotes; those of the innermost come last.
    keys: Vec<Range<usize>>,
    /// Made for the first large object. Random, so that nobody can choose keys of equal hashes.
    hashes: Option<RandomState>,
    /// How often two keys were compared, for the test that this is linear.
    comparisons: usize,
}

/// An array or object that is open.
#[derive(Clone, Copy, Default)]
struct Open {
    object: bool,
    /// Where its keys begin in [`Check::keys`].
    keys_from: usize,
}

impl Check<'_> {
    fn run(&mut self) -> Result<(), StrictJsonError> {
        let bytes = self.text.as_bytes();
        let mut stack = [Open::default(); DEPTH_MAX];
        let mut depth = 0;
        let mut at = 0;
        // In an object, a string is a key when it follows `{` or `,`.
        let mut key_next = false;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'{' | b'[' => {
                    if depth == DEPTH_MAX {
                        return Err(StrictJsonError::TooDeep);
                    }
                    stack[depth] = Open { object: byte == b'{', keys_from: self.keys.len() };
                    depth += 1;
                    key_next = byte == b'{';
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    if byte == b'}' {
                        self.close_object(stack[depth].keys_from)?;
                    }
                    key_next = false;
                }
                b',' => key_next = depth > 0 && stack[depth - 1].object,
                b'"' => {
                    let end = string_end(bytes, at)?;
                    if key_next {
                        self.keys.push(at..end + 1);
                    }
                    key_next = false;
                    at = end;
                }
                _ => {}
            }
            at += 1;
        }
        Ok(())
    }

    /// Compares the keys of an object that ends, and forgets them.
    fn close_object(&mut self, keys_from: usize) -> Result<(), StrictJsonError> {
        let keys = &self.keys[keys_from..];
        // A key with escapes is decoded to be compared, which must happen once and not for each other key.
        let plain = || keys.iter().all(|key| !self.text[key.clone()].contains('\\'));
        let few = keys.len() <= PAIRWISE_MAX && plain();
        let twice = if few { self.pairwise(keys_from) } else { self.sorted(keys_from) };
        self.keys.truncate(keys_from);
        twice.map_or(Ok(()), |key| {
            Err(StrictJsonError::DuplicateKey(key.chars().take(SHOWN_CHARS_MAX).collect()))
        })
    }

    fn pairwise(&mut self, keys_from: usize) -> Option<String> {
        let keys = &self.keys[keys_from..];
        for (n, key) in keys.iter().enumerate() {
            let key = &self.text[key.clone()];
            self.comparisons += n;
            if keys[..n].iter().any(|other| self.text[other.clone()] == *key) {
                return Some(key_text(key).into_owned());
            }
        }
        None
    }

    fn sorted(&mut self, keys_from: usize) -> Option<String> {
        let hash = self.hashes.get_or_insert_default();
        let keys = &self.keys[keys_from..];
        let hash_of = |key: &Range<usize>| hash.hash_one(&*key_text(&self.text[key.clone()]));
        let mut hashes: Vec<u64> = keys.iter().map(hash_of).collect();
        hashes.sort_unstable();
        self.comparisons += hashes.len();
        let twice = hashes.windows(2).find(|pair| pair[0] == pair[1])?[0];
        // Equal hashes are equal keys but for one case in 2^64, which is looked at as closely as any other.
        let mut suspects: Vec<_> = keys.iter().filter(|key| hash_of(key) == twice).collect();
        let first = key_text(&self.text[suspects.pop()?.clone()]);
        let equal = suspects.iter().any(|key| key_text(&self.text[(*key).clone()]) == first);
        equal.then(|| first.into_owned())
    }
}

/// The index of the quote that ends the string starting at `start`.
fn string_end(bytes: &[u8], start: usize) -> Result<usize, StrictJsonError> {
    let mut at = start + 1;
    loop {
        match bytes.get(at) {
            // The text is JSON, so a string always ends; an end of input here would be a bug above.
            None => return Ok(bytes.len() - 1),
            Some(b'"') => return Ok(at),
            Some(b'\\') => {
                at += if bytes.get(at + 1) == Some(&b'u') { surrogate_length(bytes, at)? } else { 2 };
            }
            Some(_) => at += 1,
        }
    }
}

/// The length of the `\u` escape at `at`, both halves of a pair together.
fn surrogate_length(bytes: &[u8], at: usize) -> Result<usize, StrictJsonError> {
    match hex4(bytes, at + 2) {
        0xDC00..=0xDFFF => Err(StrictJsonError::LoneSurrogate),
        0xD800..=0xDBFF => {
            let pair = bytes.get(at + 6) == Some(&b'\\')
                && bytes.get(at + 7) == Some(&b'u')
                && (0xDC00..=0xDFFF).contains(&hex4(bytes, at + 8));
            if pair { Ok(12) } else { Err(StrictJsonError::LoneSurrogate) }
        }
        _ => Ok(6),
    }
}

fn hex4(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        .unwrap_or(0)
}

/// What a quoted key says.
fn key_text(quoted: &str) -> Cow<'_, str> {
    if quoted.contains('\\')
        && let Ok(text) = serde_json::from_str::<String>(quoted)
    {
        return Cow::Owned(text);
    }
    Cow::Borrowed(&quoted[1..quoted.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_up_to_the_limit_passes_and_one_more_does_not() {
        let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert_eq!(check(&nested(DEPTH_MAX)), Ok(()));
        assert_eq!(check(&nested(DEPTH_MAX + 1)), Err(StrictJsonError::TooDeep));
        assert_eq!(check(&format!("[\"{}\"]", "[".repeat(100))), Ok(()), "brackets in strings do not count");
    }

    #[test]
    fn half_a_surrogate_pair_is_found_wherever_it_stands() {
        for text in
            [r#"["\ud800"]"#, r#"["\udc00"]"#, r#"["\ud800\u0041"]"#, r#"{"\ud800x":1}"#, r#"["\ud800\\u"]"#]
        {
            assert_eq!(check(text), Err(StrictJsonError::LoneSurrogate), "{text}");
        }
        for text in [r#"["\ud83d\ude00"]"#, r#"["\\ud800"]"#, r#"["\u0041"]"#] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_in_one_object_is_found_also_in_disguise() {
        let twice = |key: &str| Err(StrictJsonError::DuplicateKey(key.to_owned()));
        assert_eq!(check(r#"{"id":1,"id":2}"#), twice("id"));
        assert_eq!(check(r#"{"params":{"name":"a","n\u0061me":"b"}}"#), twice("name"));
        assert_eq!(check(r#"{"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":2}]}"#), Ok(()));
        assert_eq!(check(r#"{"a":"b","c":"a"}"#), Ok(()), "values are not keys");
        let deep = |inner: &str| format!("{}{inner}{}", r#"{"a":["#.repeat(30), "]}".repeat(30));
        assert_eq!(check(&deep(r#"{"x":1,"y":{"x":2},"x":3}"#)), twice("x"));
        assert_eq!(check(&deep(r#"{"x":1,"y":[{"x":2},{"x":3}],"z":{"x":2}}"#)), Ok(()));
    }

    #[test]
    fn a_key_is_found_among_many_wherever_it_stands_first() {
        let keys = |n: usize| (0..n).map(|n| format!("\"k{n}\":{{\"k{n}\":0}}")).collect::<Vec<_>>();
        for n in [1, PAIRWISE_MAX, PAIRWISE_MAX + 1, PAIRWISE_MAX + 2, 3_000] {
            assert_eq!(check(&format!("{{{}}}", keys(n).join(","))), Ok(()), "{n}");
            for again in [0, n / 2, n - 1] {
                let twice = Err(StrictJsonError::DuplicateKey(format!("k{again}")));
                let text = format!("{{{},\"k{again}\":1}}", keys(n).join(","));
                assert_eq!(check(&text), twice, "{again} of {n}");
            }
        }
    }
    #[test]
    fn a_key_that_stands_twice_is_refused_at_every_depth_and_among_many() {
        let many: String = (0..1000).map(|n| format!(r#""k{n}":{n},"#)).collect();
        for depth in [0, 1, 5, 60] {
            let (open, close) = (r#"{"a":[{"b":"#.repeat(depth / 3), "}]}".repeat(depth / 3));
            let nested = |object: String| check(&format!("{open}{object}{close}"));
            assert_eq!(
                nested(r#"{"x":1,"x":2}"#.into()),
                Err(StrictJsonError::DuplicateKey("x".into())),
                "{depth}"
            );
            assert_eq!(nested(format!("{{{many}\"last\":0}}")), Ok(()), "{depth}");
            let twice = nested(format!("{{{many}\"\\u006b7\":0}}"));
            assert_eq!(twice, Err(StrictJsonError::DuplicateKey("k7".into())), "{depth}");
        }
        let long = "x".repeat(100_000);
        let shown = check(&format!(r#"{{"{long}":1,"{long}":2}}"#));
        assert_eq!(shown, Err(StrictJsonError::DuplicateKey("x".repeat(SHOWN_CHARS_MAX))));
    }

    /// Counted, not timed: what a peer sends must not buy more work than it is long.
    #[test]
    fn the_work_grows_with_the_length_of_a_frame_and_not_with_its_square() {
        let object = |n: usize| {
            let members: Vec<String> = (0..n).map(|n| format!(r#""{n}":0"#)).collect();
            format!("{{{}}}", members.join(","))
        };
        let escaped = |n: usize| object(n).replace(r#"":0"#, r#"\u0041":0"#);
        let shapes: [(&str, &dyn Fn(usize) -> String); 6] = [
            ("one large object", &object),
            ("with escapes in its keys", &escaped),
            ("deep inside", &|n| format!("{}{}{}", r#"{"a":["#.repeat(20), object(n), "]}".repeat(20))),
            ("an object in each member", &|n| object(n).replace(":0", r#":{"x":1,"y":[{"x":2}]}"#)),
            ("many objects of sixteen keys", &|n| {
                format!("[{}{{}}]", format!("{},", object(16)).repeat(n / 16))
            }),
            ("many objects of seventeen keys", &|n| {
                format!("[{}{{}}]", format!("{},", object(17)).repeat(n / 17))
            }),
        ];
        for (name, shape) in shapes {
            let comparisons = |n: usize| {
                let text = shape(n);
                let mut check = Check { text: &text, keys: Vec::new(), hashes: None, comparisons: 0 };
                assert_eq!(check.run(), Ok(()), "{name}");
                check.comparisons
            };
            let (small, large) = (comparisons(3_000), comparisons(300_000));
            assert!(large <= small.max(3_000) * 110, "{name}: {small} comparisons, then {large}");
            assert!(large <= 300_000 * PAIRWISE_MAX, "{name}: {large} comparisons for 300,000 keys");
        }
    }
}
