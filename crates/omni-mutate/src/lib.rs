//! Tests only: a reader of foreign bytes is shown its corpus, and then mutations of it.
//!
//! The same functions run under a coverage-guided fuzzer by hand (`fuzz/README.md`). What that finds becomes a file of
//! the corpus, which every ordinary test run shows to the reader again; the mutations after it are for what a change
//! breaks plainly. They are made from a seed, so a run can be repeated, and need neither instrumentation nor another
//! compiler.

mod mutate;
mod random;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mutate::Mutator;
use random::Random;

/// How long mutations are tried after the corpus.
const MUTATING: Duration = Duration::from_secs(5);

/// Larger inputs take time from the others and show nothing that smaller ones do not.
const INPUT_BYTES_MAX: usize = 64 << 10;

/// The variable that has another seed than the constant one, for runs by hand.
const SEED_VARIABLE: &str = "OMNI_FUZZ_SEED";

/// One reader of foreign bytes, and what it is shown.
pub struct Target<'a> {
    /// Its name: that of the folder below `fuzz/corpus/`.
    pub name: &'a str,
    /// Pieces of its language, which chance would not put together.
    pub words: &'a [&'a str],
    /// Files outside of the corpus that are worth a mutation: paths from the root of the repository, in which a `*` as
    /// a whole component stands for any name.
    pub seeds: &'a [&'a str],
    /// Must return for any bytes, and assert of what it has read whatever holds of every input.
    pub run: fn(&[u8]),
}

impl Target<'_> {
    /// Shows the reader every file of its corpus, its seeds, and mutations of both for five seconds.
    ///
    /// # Panics
    ///
    /// When the reader does, after the input has been printed with what to do about it; when there is no corpus.
    #[expect(clippy::print_stderr, reason = "a test says what it has done")]
    pub fn check(&self) {
        let root = root();
        let corpus = root.join("fuzz/corpus").join(self.name);
        let mut inputs = files(&corpus);
        assert!(!inputs.is_empty(), "`fuzz/corpus/{}` has no file", self.name);
        inputs.extend(self.seeds.iter().flat_map(|pattern| matching(&root, pattern)));
        let mut texts: Vec<Vec<u8>> = Vec::new();
        for path in &inputs {
            let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            self.show(&text, || path.strip_prefix(&root).unwrap_or(path).display().to_string());
            if text.len() <= INPUT_BYTES_MAX {
                texts.push(text);
            }
        }
        let seed =
            std::env::var(SEED_VARIABLE).ok().map_or(0, |seed| seed.parse().expect("a seed is a number"));
        let mutator = Mutator { corpus: &texts, words: self.words, bytes_max: INPUT_BYTES_MAX };
        let started = Instant::now();
        let mut tried = 0u64;
        while started.elapsed() < MUTATING {
            let input = mutator.input(&mut Random::new(seed, tried));
            self.show(&input, || format!("mutation {tried} of seed {seed}"));
            tried += 1;
        }
        eprintln!("{}: {} files, {tried} mutations of seed {seed}", self.name, inputs.len());
    }

    #[expect(clippy::print_stderr, reason = "the input is all that explains the panic")]
    fn show(&self, input: &[u8], which: impl Fn() -> String) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (self.run)(input))) {
            eprintln!(
                "`{}` failed at {}:\n  \"{}\"\nsave it as a file of `fuzz/corpus/{}`, so that it stays a case",
                self.name,
                which(),
                input.escape_ascii(),
                self.name
            );
            resume_unwind(panic);
        }
    }
}

/// The repository, of which this crate is a part.
fn root() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR"));
    crates.ancestors().nth(2).unwrap_or(crates).to_owned()
}

/// The files in a folder by name, so that a run can be repeated.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

fn matching(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![root.to_owned()];
    for component in pattern.split('/') {
        found = match component {
            "*" => found.iter().flat_map(|folder| entries(folder)).collect(),
            name => found.into_iter().map(|folder| folder.join(name)).filter(|path| path.exists()).collect(),
        };
    }
    found.retain(|path| path.is_file());
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    entries
}
