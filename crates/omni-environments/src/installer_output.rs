//! What installers say while they work: how far they are, and what went wrong.

use std::borrow::Cow;

/// How far the making of an environment has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildProgress {
    /// What is being done, for a person: `installing numpy==2.1 (3 of 7)`.
    pub text: String,
    /// Packages that are there, and packages that are wanted, once that is known.
    pub done: usize,
    pub total: Option<usize>,
    /// Counts up with every change.
    pub number: u32,
}

/// Follows the lines of `uv` or pip.
#[derive(Debug, Default)]
pub(crate) struct OutputFollower {
    progress: BuildProgress,
}

impl OutputFollower {
    pub(crate) fn progress(&self) -> &BuildProgress {
        &self.progress
    }

    /// Says something of our own.
    pub(crate) fn say(&mut self, text: &str) {
        self.progress.text = text.to_owned();
        self.progress.number += 1;
    }

    /// Takes in a line. True when it told something new.
    pub(crate) fn hear(&mut self, line: &str) -> bool {
        let line = line.trim();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            // `Resolved 6 packages in 294ms`
            "Resolved" => {
                let count = rest.split(' ').next().and_then(|count| count.parse().ok());
                self.progress.total = count;
                let count = count.map_or_else(String::new, |count| format!("{count} packages, "));
                self.say(&format!("{count}downloading"));
            }
            // pip: `Collecting idna==3.7 (from requests)`
            "Collecting" => {
                let name = rest.split(" (from").next().unwrap_or(rest);
                self.say(&format!("looking for {name}"));
            }
            "Downloading" | "Building" => {
                let what = rest.trim_start_matches("https://").rsplit('/').next().unwrap_or(rest);
                let count = self.count();
                self.say(&format!("{} {what}{count}", word.to_lowercase()));
            }
            "Downloaded" | "Built" => {
                self.progress.done += 1;
                let count = self.count();
                self.say(&format!("{} {rest}{count}", word.to_lowercase()));
            }
            "Prepared" => self.say("installing"),
            // pip: `Installing collected packages: packaging, idna`
            "Installing" => {
                let count = rest.split(',').count();
                self.progress.total = Some(count);
                self.say(&format!("installing {}", rest.trim_start_matches("collected packages: ")));
            }
            // uv, after the fact: ` + idna==3.7`
            "+" => {
                self.progress.done = match self.progress.total {
                    Some(total) => (self.progress.done + 1).min(total),
                    None => self.progress.done + 1,
                };
                let count = self.count();
                self.say(&format!("installed {rest}{count}"));
            }
            _ => return false,
        }
        true
    }

    fn count(&self) -> String {
        match self.progress.total {
            Some(total) if self.progress.done > 0 => format!(" ({} of {total})", self.progress.done),
            _ => String::new(),
        }
    }
}

/// The lines of an installer's last words that say what went wrong.
const REASON_LINES_MAX: usize = 8;
const REASON_BYTES_MAX: usize = 1_200;

/// What went wrong, from all that was said: the errors, else the last lines.
pub(crate) fn reason(output: &str) -> String {
    let lines: Vec<&str> = output.lines().map(str::trim_end).filter(|line| !line.trim().is_empty()).collect();
    let is_error = |line: &&str| {
        let line = line.trim_start().to_ascii_lowercase();
        ["error:", "error ", "× ", "fatal:"].iter().any(|start| line.starts_with(start))
    };
    let from = lines.iter().position(is_error);
    let picked: Vec<&str> = match from {
        Some(from) => lines[from..].iter().take(REASON_LINES_MAX).copied().collect(),
        None => lines[lines.len().saturating_sub(REASON_LINES_MAX)..].to_vec(),
    };
    let mut text = picked.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" / ");
    if let Some((cut, _)) = text.char_indices().find(|(at, _)| *at >= REASON_BYTES_MAX) {
        text.truncate(cut);
        text.push('…');
    }
    without_passwords(&text).into_owned()
}

/// Addresses of private indexes may hold a name and a password.
pub(crate) fn without_passwords(text: &str) -> Cow<'_, str> {
    const SEPARATOR: &str = "://";
    let mut clean = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(SEPARATOR) {
        let (before, after) = rest.split_at(at + SEPARATOR.len());
        clean.push_str(before);
        let authority = after.find(|sign: char| sign == '/' || sign.is_whitespace()).unwrap_or(after.len());
        rest = match after[..authority].rfind('@') {
            Some(end) => {
                clean.push_str("***");
                &after[end..]
            }
            None => after,
        };
    }
    if clean.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(clean + rest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(lines: &str) -> Vec<String> {
        let mut follower = OutputFollower::default();
        let mut heard = Vec::new();
        for line in lines.lines() {
            if follower.hear(line) {
                heard.push(follower.progress.text.clone());
            }
        }
        heard
    }

    #[test]
    fn uv_is_followed() {
        let lines = "Using Python 3.11.7 environment at: e\nResolved 2 packages in 294ms\nDownloading numpy (16.0MiB)\n\
                     \x20Downloaded numpy\nPrepared 2 packages in 10ms\nInstalled 2 packages in 13ms\n + idna==3.7\n + numpy==2.1";
        let expected = [
            "2 packages, downloading",
            "downloading numpy (16.0MiB)",
            "downloaded numpy (1 of 2)",
            "installing",
            "installed idna==3.7 (2 of 2)",
            "installed numpy==2.1 (2 of 2)",
        ];
        assert_eq!(heard(lines), expected);
    }

    #[test]
    fn pip_is_followed() {
        let lines = "Collecting idna==3.7 (from requests)\n  Downloading idna-3.7-py3-none-any.whl (66 kB)\n\
                     Installing collected packages: packaging, idna";
        let expected = [
            "looking for idna==3.7",
            "downloading idna-3.7-py3-none-any.whl (66 kB)",
            "installing packaging, idna",
        ];
        assert_eq!(heard(lines), expected);
    }

    #[test]
    fn the_reason_is_the_error_and_has_no_password() {
        let uv = "Using Python 3.11.7\nerror: No solution found\n  cause: there is no version of idna==99\n";
        assert_eq!(reason(uv), "error: No solution found / cause: there is no version of idna==99");
        assert_eq!(reason("a\nb\n"), "a / b");
        let secret = "ERROR: https://me:secret@index.example/simple and https://plain.example/a@b gone";
        assert_eq!(
            reason(secret),
            "ERROR: https://***@index.example/simple and https://plain.example/a@b gone"
        );
        assert!(reason(&"error: x".repeat(1_000)).len() < 1_300);
    }
}
