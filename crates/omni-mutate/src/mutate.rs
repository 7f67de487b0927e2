//! What a mutation does to an input.

use std::ops::Range;

use crate::random::Random;

/// Changes that one input gets at most.
const CHANGES_MAX: usize = 8;

/// Bytes that mean something in most languages of text and in lengths.
const BYTES: &[u8] = b"\0\x01\x7f\x80\xff\n\r\t \"'\\{}[](),:;#-=%*.0129eE";

pub(crate) struct Mutator<'a> {
    pub(crate) corpus: &'a [Vec<u8>],
    pub(crate) words: &'a [&'a str],
    pub(crate) bytes_max: usize,
}

impl Mutator<'_> {
    /// One input: a file of the corpus with a few changes.
    pub(crate) fn input(&self, random: &mut Random) -> Vec<u8> {
        let mut input = random.pick(self.corpus).cloned().unwrap_or_default();
        for _ in 0..=random.below(CHANGES_MAX) {
            self.change(&mut input, random);
            input.truncate(self.bytes_max);
        }
        input
    }

    fn change(&self, input: &mut Vec<u8>, random: &mut Random) {
        let at = random.below(input.len() + 1);
        match random.below(10) {
            // A bit.
            0 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
            // A byte, in place of another or between two.
            1 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = random.byte();
                }
            }
            2 => input.insert(at, *random.pick(BYTES).unwrap_or(&0)),
            // A word, likewise.
            3 | 4 => self.splice(input, at..at, random),
            5 => {
                let range = some_of(input.len(), 16, random);
                self.splice(input, range, random);
            }
            // A part goes, stands twice, or comes from elsewhere.
            6 => {
                let range = some_of(input.len(), 64, random);
                input.drain(range);
            }
            7 => {
                let part = input[some_of(input.len(), 64, random)].to_vec();
                let times = if random.below(8) == 0 { 1 + random.below(200) } else { 1 };
                insert(input, at, &part.repeat(times));
            }
            8 => {
                if let Some(other) = random.pick(self.corpus) {
                    let part = &other[some_of(other.len(), 256, random)];
                    insert(input, at, part);
                }
            }
            // The end goes.
            _ => input.truncate(at),
        }
    }

    fn splice(&self, input: &mut Vec<u8>, range: Range<usize>, random: &mut Random) {
        let word = random.pick(self.words).copied().unwrap_or_default();
        input.splice(range, word.bytes());
    }
}

fn insert(input: &mut Vec<u8>, at: usize, part: &[u8]) {
    input.splice(at..at, part.iter().copied());
}

/// A range of at most so many bytes within so many.
fn some_of(bytes: usize, max: usize, random: &mut Random) -> Range<usize> {
    let start = random.below(bytes + 1);
    let length = random.below((bytes - start).min(max) + 1);
    start..start + length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_the_same_for_the_same_seed_and_others_differ() {
        let corpus = [b"some text".to_vec(), b"other".to_vec()];
        let mutator = Mutator { corpus: &corpus, words: &["word"], bytes_max: 1 << 10 };
        let input = |seed, number| mutator.input(&mut Random::new(seed, number));
        let inputs: std::collections::HashSet<_> = (0..1_000).map(|number| input(1, number)).collect();
        assert!(inputs.len() > 800, "{}", inputs.len());
        assert!(inputs.iter().all(|input| input.len() <= 1 << 10));
        assert_eq!(input(1, 5), input(1, 5));
        assert_ne!(input(1, 5), input(2, 5));
    }

    #[test]
    fn an_empty_corpus_file_can_grow() {
        let mutator = Mutator { corpus: &[Vec::new()], words: &["word"], bytes_max: 100 };
        assert!((0..100).any(|number| !mutator.input(&mut Random::new(0, number)).is_empty()));
    }
}
