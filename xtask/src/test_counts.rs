//! How many tests passed and failed, as each runner says it at its end.

use std::ops::AddAssign;

/// What a stage counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TestCounts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl TestCounts {
    /// One check that went well or did not.
    pub(crate) fn one(ok: bool) -> Self {
        TestCounts { passed: ok.into(), failed: (!ok).into() }
    }
}

impl AddAssign for TestCounts {
    fn add_assign(&mut self, other: TestCounts) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Whose closing line to read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Runner {
    /// `Summary [ 0.027s] 6 tests run: 5 passed (1 slow), 1 failed, 0 skipped`.
    Nextest,
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; …`, once for every crate.
    Libtest,
    /// `=== 1 failed, 3 passed, 2 errors in 0.20s ===`, with or without the signs.
    Pytest,
    /// `12 passed, 0 failed` alone on the last line that says so; our own scripts print it.
    Plain,
}

/// What the runner counted, or `None` when its output has no closing line: it then ran no test at all,
/// or broke off.
pub(crate) fn read(runner: Runner, output: &str) -> Option<TestCounts> {
    let output = without_colour(output);
    let mut closing = output.lines().rev().filter(|line| closes(runner, line.trim()));
    match runner {
        Runner::Nextest | Runner::Pytest | Runner::Plain => closing.next().map(counts),
        Runner::Libtest => closing.map(counts).reduce(|mut sum, next| {
            sum += next;
            sum
        }),
    }
}

/// The tally of one command: its closing line, corrected where that contradicts the exit status.
pub(crate) fn judge(runner: Runner, output: &str, exited_well: bool) -> TestCounts {
    let mut counts = read(runner, output).unwrap_or_default();
    let ran_nothing = counts == TestCounts::default();
    if (!exited_well && counts.failed == 0) || (exited_well && ran_nothing) {
        // A runner that broke off, or was pointed at nothing, must not look like a success.
        counts.failed += 1;
    }
    counts
}

fn closes(runner: Runner, line: &str) -> bool {
    match runner {
        Runner::Nextest => line.starts_with("Summary [") && line.contains("run:"),
        Runner::Libtest => line.starts_with("test result: "),
        Runner::Pytest => {
            let line = line.trim_matches(|sign| sign == '=' || sign == ' ');
            line.contains(" in ")
                && line.starts_with(|first: char| first.is_ascii_digit())
                && ["passed", "failed", "error", "skipped", "deselected"]
                    .iter()
                    .any(|word| line.contains(word))
        }
        Runner::Plain => {
            let mut words = line.split(' ');
            let number = |word: Option<&str>| word.is_some_and(|word| word.parse::<u64>().is_ok());
            number(words.next())
                && words.next() == Some("passed,")
                && number(words.next())
                && words.next().is_some_and(|word| word.trim_end_matches(',') == "failed")
        }
    }
}

/// Sums the numbers that stand before the words for success and failure.
fn counts(line: &str) -> TestCounts {
    let mut counts = TestCounts::default();
    // Nextest's own `6 tests run:` and libtest's `ok.` carry no such word, so they count for nothing.
    let words: Vec<&str> = line.split_whitespace().collect();
    for pair in words.windows(2) {
        let [number, word] = pair else { continue };
        let Ok(number) = number.trim_start_matches('(').parse::<u64>() else { continue };
        match word.trim_matches(|sign: char| !sign.is_alphabetic()) {
            "passed" | "xfailed" => counts.passed += number,
            // `xpassed` is a known fault that went away unnoticed; nextest names two more ways to fail.
            "failed" | "error" | "errors" | "xpassed" | "timed" | "exec" => counts.failed += number,
            _ => {}
        }
    }
    counts
}

/// Drops terminal colours, which a tool may send although it writes into a pipe.
fn without_colour(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        if next == '\u{1b}' {
            rest.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(next);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u64, failed: u64) -> TestCounts {
        TestCounts { passed, failed }
    }

    #[test]
    fn nextest_is_counted_from_its_summary_line() {
        let good = "        PASS [   0.011s] (5/6) a b\n────\n     Summary [   0.027s] 6 tests run: 6 passed, 0 skipped\n";
        assert_eq!(read(Runner::Nextest, good), Some(counts(6, 0)));
        let mixed = "     Summary [  3.1s] 9 tests run: 5 passed (1 slow, 1 leaky), 3 failed, 1 timed out, 2 skipped\n\
                     FAIL x\nerror: test run failed\n";
        assert_eq!(read(Runner::Nextest, mixed), Some(counts(5, 4)));
        let broken_off = "     Summary [  1.0s] 3/9 tests run: 2 passed, 1 failed, 0 skipped";
        assert_eq!(read(Runner::Nextest, broken_off), Some(counts(2, 1)));
    }

    #[test]
    fn doc_tests_are_summed_over_crates() {
        let text = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s\n\
                    test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(read(Runner::Libtest, text), Some(counts(4, 2)));
    }

    #[test]
    fn pytest_is_counted_with_and_without_its_rule() {
        assert_eq!(read(Runner::Pytest, "....\n4 passed in 0.02s\n"), Some(counts(4, 0)));
        let ruled = "=== 2 failed, 31 passed, 1 skipped, 1 xfailed, 2 errors in 61.20s (0:01:01) ===";
        assert_eq!(read(Runner::Pytest, ruled), Some(counts(32, 4)));
    }

    #[test]
    fn colours_do_not_hide_a_count() {
        let text = "\u{1b}[32;1m     Summary\u{1b}[0m [ 0.1s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m \u{1b}[32mpassed\u{1b}[0m, 0 skipped";
        assert_eq!(read(Runner::Nextest, text), Some(counts(2, 0)));
    }

    #[test]
    fn a_plain_line_counts_only_when_it_stands_alone() {
        assert_eq!(read(Runner::Plain, "I saw 3 passed, 1 failed\n7 passed, 0 failed\n"), Some(counts(7, 0)));
        assert_eq!(
            read(Runner::Plain, "1 passed, 0 failed\n8 passed, 2 failed, 1 skipped\n"),
            Some(counts(8, 2))
        );
        assert_eq!(read(Runner::Plain, "I saw 3 passed, 1 failed\n"), None);
    }

    #[test]
    fn words_that_look_like_counts_in_a_test_log_are_ignored() {
        let log = "collected 3 items\nassert '9 failed' in text\n3 passed in 0.10s\n";
        assert_eq!(read(Runner::Pytest, log), Some(counts(3, 0)));
    }

    #[test]
    fn a_runner_that_ran_nothing_or_broke_off_has_failed() {
        assert_eq!(judge(Runner::Pytest, "no tests ran in 0.01s", true), counts(0, 1));
        assert_eq!(judge(Runner::Nextest, "error: could not compile", false), counts(0, 1));
        assert_eq!(judge(Runner::Plain, "5 passed, 0 failed", false), counts(5, 1));
        assert_eq!(judge(Runner::Plain, "5 passed, 2 failed", false), counts(5, 2));
    }
}
