//! The bearer tokens of HTTP clients: where they are read, and how they are replaced while a server runs.
//!
//! A file is looked at every second, and read when it has stayed the same for two looks, so that one which is being
//! written is not taken up half. A command is run again at its interval. What cannot be used changes nothing, and is said
//! once.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use omni_call::shown_line;
use omni_server::{BearerTokens, TokenHolder, Tokens};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::private_file::{TOKENS_BYTES_MAX, private_text};

/// How often a file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often a command is run where nobody says, and at most and at least, in seconds.
const REFRESH_DEFAULT: u64 = 300;
const REFRESH_MIN: i64 = 1;
const REFRESH_MAX: i64 = 86_400;

/// A command that has not ended after so long is killed.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// A command that has failed is run again after so long, or after its interval where that is shorter.
const COMMAND_RETRY: Duration = Duration::from_secs(10);

/// Names are shown, and stand in patterns.
const NAME_CHARS_MAX: usize = 64;

/// Calls of one name that may run at a time, at most.
const CALLS_MAX: i64 = 1 << 20;

/// `[http.tokens.NAME]` of `omni.toml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenTable {
    /// The private file of tokens, relative to the settings file.
    pub(crate) file: Option<PathBuf>,
    /// A program and its arguments, which prints tokens. A program with a slash in it is relative to the settings file.
    pub(crate) command: Option<Vec<String>>,
    /// Seconds from one run of the command to the next.
    refresh: Option<i64>,
    /// The profile that whoever has one of these tokens has.
    pub(crate) profile: Option<String>,
    /// Calls that may run at a time.
    calls: Option<i64>,
}

/// Tokens that stand for one holder, and where they are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenSource {
    pub(crate) holder: TokenHolder,
    pub(crate) origin: TokenOrigin,
    /// How whoever set it wrote that.
    pub(crate) written: String,
}

/// Where tokens are read, one a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TokenOrigin {
    File(PathBuf),
    Command { words: Vec<String>, refresh: Duration },
}

impl TokenSource {
    /// `--http-token FILE` or `http.token_file`: each token is a principal of its own.
    pub(crate) fn of_file(path: PathBuf, written: String) -> Self {
        TokenSource { holder: TokenHolder::default(), origin: TokenOrigin::File(path), written }
    }

    /// `[http.tokens.NAME]`.
    ///
    /// # Errors
    /// A name that is none, neither or both of `file` and `command`, or a number out of its bounds.
    pub(crate) fn of_table(name: &str, table: &TokenTable) -> Result<Self> {
        let sign = |sign: char| sign.is_ascii_alphanumeric() || "-_".contains(sign);
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(sign) {
            bail!(
                "`http.tokens`: `{}` is no name for tokens: it has 1 to {NAME_CHARS_MAX} of A-Z a-z 0-9 - _",
                shown_line(name)
            );
        }
        let key = format!("http.tokens.{name}");
        let written = format!("`{key}` in omni.toml");
        let refresh = table.refresh.unwrap_or(REFRESH_DEFAULT as i64);
        if !(REFRESH_MIN..=REFRESH_MAX).contains(&refresh) {
            bail!("`{key}.refresh = {refresh}` in omni.toml is not {REFRESH_MIN} to {REFRESH_MAX} seconds");
        }
        let calls_max = match table.calls {
            None => None,
            Some(calls) if (1..=CALLS_MAX).contains(&calls) => usize::try_from(calls).ok(),
            Some(calls) => bail!("`{key}.calls = {calls}` in omni.toml is not 1 to {CALLS_MAX}"),
        };
        let origin = match (&table.file, &table.command) {
            (Some(_), None) if table.refresh.is_some() => {
                bail!("{written}: `refresh` is for a command; a file is read again when it changes")
            }
            (Some(file), None) => TokenOrigin::File(file.clone()),
            (None, Some(words)) if words.first().is_some_and(|program| !program.is_empty()) => {
                let refresh = Duration::from_secs(refresh.unsigned_abs());
                TokenOrigin::Command { words: words.clone(), refresh }
            }
            (None, Some(_)) => bail!("{written}: `command` names no program"),
            (Some(_), Some(_)) => bail!("{written}: it has a `file` and a `command`; leave one of them out"),
            (None, None) => {
                bail!(
                    "{written}: it says not where the tokens are; `file = \"…\"` or `command = [\"…\"]` does"
                )
            }
        };
        let holder = TokenHolder { name: Some(name.to_owned()), profile: table.profile.clone(), calls_max };
        Ok(TokenSource { holder, origin, written })
    }

    /// A line for a shell that prints a token.
    pub(crate) fn shell_line(&self) -> Result<String> {
        use crate::connect::{quoted, quoted_words};
        Ok(match &self.origin {
            TokenOrigin::File(path) => format!("grep -m 1 . {}", quoted(&std::path::absolute(path)?)),
            TokenOrigin::Command { words, .. } => format!("{} | grep -m 1 .", quoted_words(words)),
        })
    }

    fn read(&self) -> Result<Tokens> {
        let text = match &self.origin {
            TokenOrigin::File(path) => private_text(path, &self.written)?,
            TokenOrigin::Command { words, .. } => printed_by(words, COMMAND_TIMEOUT)
                .with_context(|| format!("{}: its command", self.written))?,
        };
        Tokens::read(&text).with_context(|| format!("{} cannot be used", self.written))
    }
}

/// Reads all tokens, for the first time. Then what is to be kept running, so that they stay what their files and commands
/// say.
///
/// # Errors
/// One that cannot be read, or a token that stands in two places.
pub(crate) fn open(sources: &[TokenSource]) -> Result<(Arc<BearerTokens>, TokenRotation)> {
    let mut holders = Vec::new();
    let mut watched = Vec::new();
    for (at, source) in sources.iter().enumerate() {
        // Before it is read: what is written from now on is seen as a change.
        let stamp = FileStamp::of(&source.origin);
        let tokens = source.read()?;
        holders.push((source.holder.clone(), tokens));
        watched.push(WatchedSource { at, source: source.clone(), read: stamp, seen: stamp, problem: None });
    }
    let tokens = BearerTokens::new(holders).map_err(|error| {
        let places: Vec<&str> = sources.iter().map(|source| source.written.as_str()).collect();
        anyhow::anyhow!("{}: one of them cannot be used: {error}", places.join(", "))
    })?;
    let tokens = Arc::new(tokens);
    Ok((tokens.clone(), TokenRotation { tokens, sources: watched }))
}

/// Keeps tokens what their files and commands say.
pub(crate) struct TokenRotation {
    tokens: Arc<BearerTokens>,
    sources: Vec<WatchedSource>,
}

impl TokenRotation {
    /// Does so for ever. Dropping the future ends it; a command that runs then is left to its end.
    pub(crate) async fn keep(self) {
        let mut tasks = JoinSet::new();
        for source in self.sources {
            tasks.spawn(source.keep(self.tokens.clone()));
        }
        while tasks.join_next().await.is_some() {}
    }
}

/// One source, and what was last seen of it.
struct WatchedSource {
    at: usize,
    source: TokenSource,
    /// Of the file whose tokens are in force.
    read: Option<FileStamp>,
    /// Of the file at the last look.
    seen: Option<FileStamp>,
    /// Why the last try changed nothing.
    problem: Option<String>,
}

impl WatchedSource {
    async fn keep(mut self, tokens: Arc<BearerTokens>) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            match self.source.origin {
                TokenOrigin::File(_) => drop(looks.tick().await),
                TokenOrigin::Command { refresh, .. } => {
                    sleep(if self.problem.is_some() { refresh.min(COMMAND_RETRY) } else { refresh }).await;
                }
            }
            let tokens = tokens.clone();
            // Neither a slow disk nor a slow command may hold up requests.
            let looked = tokio::task::spawn_blocking(move || {
                self.look(&tokens);
                self
            });
            match looked.await {
                Ok(source) => self = source,
                Err(error) => return tracing::error!(%error, "bug: looking at tokens failed"),
            }
        }
    }

    fn look(&mut self, tokens: &BearerTokens) {
        let stamp = FileStamp::of(&self.source.origin);
        if let TokenOrigin::File(_) = self.source.origin {
            if stamp == self.read && self.problem.is_none() {
                return;
            }
            if std::mem::replace(&mut self.seen, stamp) != stamp {
                return;
            }
        }
        let name = &self.source.written;
        let replaced = self.source.read().and_then(|new| {
            if FileStamp::of(&self.source.origin) != stamp {
                bail!("{name} is being written");
            }
            tokens.replace(self.at, &new).with_context(|| format!("{name} cannot be used"))
        });
        match replaced {
            Ok(change) => {
                self.read = stamp;
                if change.added + change.removed > 0 || self.problem.is_some() {
                    tracing::info!(
                        new = change.added,
                        taken_back = change.removed,
                        "tokens were read again: {name}"
                    );
                }
                self.problem = None;
            }
            Err(error) => {
                let problem = format!("{error:#}");
                if self.problem.as_ref() != Some(&problem) {
                    tracing::warn!("the tokens in force stay: {problem}");
                }
                self.problem = Some(problem);
            }
        }
    }
}

/// What tells a file that was written to, or replaced, from what it was. `None` of one that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileStamp {
    place: (u64, u64),
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileStamp {
    fn of(origin: &TokenOrigin) -> Option<Self> {
        let TokenOrigin::File(path) = origin else { return None };
        let about = fs::metadata(path).ok()?;
        Some(FileStamp {
            place: (about.dev(), about.ino()),
            bytes: about.len(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        })
    }
}

/// What a command prints on standard output. Its errors go where ours do.
#[expect(
    clippy::disallowed_methods,
    reason = "it is the operator's program, no tool's, and is ended here with its group"
)]
fn printed_by(words: &[String], patience: Duration) -> Result<String> {
    let (program, arguments) = words.split_first().context("names no program")?;
    let deadline = Instant::now() + patience;
    let mut child = Command::new(program)
        .args(arguments)
        // Whatever the folder says, that omni was started in.
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| format!("`{}` could not be started", shown_line(program)))?;
    let (sender, receiver) = mpsc::channel();
    let output = child.stdout.take();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let read = output.map(|output| output.take(TOKENS_BYTES_MAX + 1).read_to_end(&mut text));
        let _ = sender.send(read.unwrap_or(Ok(0)).map(|_| text));
    });
    let program = shown_line(program);
    let Ok(read) = receiver.recv_timeout(patience) else {
        end(&mut child);
        bail!("`{program}` had not ended after {} s", patience.as_secs());
    };
    let text = read.with_context(|| format!("what `{program}` prints could not be read"));
    // Before its end is looked at: whoever writes on is ended by that nobody reads any more.
    if text.as_ref().is_ok_and(|text| text.len() as u64 > TOKENS_BYTES_MAX) {
        end(&mut child);
        bail!("`{program}` prints more than {TOKENS_BYTES_MAX} bytes");
    }
    let ended = loop {
        match child.try_wait().with_context(|| format!("`{program}` could not be waited for"))? {
            Some(status) => break status,
            None if Instant::now() > deadline => {
                end(&mut child);
                bail!("`{program}` had not ended after {} s", patience.as_secs());
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    if !ended.success() {
        bail!("`{program}` failed ({ended})");
    }
    let text = text?;
    String::from_utf8(text).ok().with_context(|| format!("what `{program}` prints is no text in UTF-8"))
}

/// Kills a command and what it has started.
#[expect(clippy::disallowed_methods, reason = "its group is its own, and it has not been waited for")]
fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

/// The files among them, which no tool may read.
pub(crate) fn files(sources: &[TokenSource]) -> impl Iterator<Item = &Path> {
    sources.iter().filter_map(|source| match &source.origin {
        TokenOrigin::File(path) => Some(path.as_path()),
        TokenOrigin::Command { .. } => None,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const ONE: &str = "0123456789abcdef";
    const TWO: &str = "0123456789abcdefg";

    fn table(text: &str) -> Result<TokenSource> {
        TokenSource::of_table("ci", &toml::from_str(text).unwrap())
    }

    fn words(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(str::to_owned).to_vec()
    }

    #[test]
    fn a_table_says_where_its_tokens_are_and_what_is_wrong_with_it() {
        let file = table("file = 'a'\nprofile = 'readers'\ncalls = 4").unwrap();
        assert_eq!(file.origin, TokenOrigin::File("a".into()));
        assert_eq!((file.holder.name.as_deref(), file.holder.calls_max), (Some("ci"), Some(4)));
        let command = table("command = ['vault', 'read']").unwrap();
        let refresh = Duration::from_secs(300);
        assert_eq!(
            command.origin,
            TokenOrigin::Command { words: vec!["vault".into(), "read".into()], refresh }
        );
        for (text, why) in [
            ("", "`file = "),
            ("file = 'a'\ncommand = ['b']", "leave one of them out"),
            ("file = 'a'\nrefresh = 5", "`refresh` is for a command"),
            ("command = []", "names no program"),
            ("command = ['']", "names no program"),
            ("command = ['a']\nrefresh = 0", "`http.tokens.ci.refresh = 0` in omni.toml is not 1 to 86400"),
            ("file = 'a'\ncalls = 0", "`http.tokens.ci.calls = 0` in omni.toml is not 1 to"),
        ] {
            let error = table(text).unwrap_err().to_string();
            assert!(error.contains(why) && error.starts_with("`http.tokens.ci"), "{text}: {error}");
        }
        for name in ["", "a b", "a*", "a.b", "é", &"a".repeat(65)] {
            let table = TokenTable { file: Some("a".into()), ..TokenTable::default() };
            assert!(TokenSource::of_table(name, &table).is_err(), "{name}");
        }
    }

    #[test]
    fn a_command_is_heard_or_its_failure_is_told_without_what_it_printed() {
        let said = |script: &str| printed_by(&words(script), Duration::from_secs(30));
        assert_eq!(said("echo a; pwd").unwrap(), "a\n/\n");
        let failed = said(&format!("echo {ONE}; exit 3")).unwrap_err().to_string();
        assert!(failed.contains("exit status: 3") && !failed.contains(ONE), "{failed}");
        let much = said("head -c 70000 /dev/zero").unwrap_err().to_string();
        assert!(much.contains("more than"), "{much}");
        let missing = printed_by(&["/no/such/program".to_owned()], Duration::from_secs(30)).unwrap_err();
        assert!(format!("{missing:#}").contains("could not be started"), "{missing:#}");
        // It is killed with what it has started, which holds the pipe, too.
        let slow = printed_by(&words("sleep 600 & sleep 600"), Duration::from_millis(50)).unwrap_err();
        assert!(slow.to_string().contains("had not ended"), "{slow}");
        let closed = printed_by(&words("exec >&-; sleep 600"), Duration::from_millis(50)).unwrap_err();
        assert!(closed.to_string().contains("had not ended"), "{closed}");
    }

    #[test]
    fn a_file_is_taken_up_when_it_has_stayed_the_same_and_a_bad_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let write = |text: &str| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        };
        write(ONE);
        let source = TokenSource::of_file(path.clone(), "`--http-token x`".to_owned());
        let (tokens, rotation) = open(&[source]).unwrap();
        let mut source = rotation.sources.into_iter().next().unwrap();
        let count = |tokens: &BearerTokens| tokens.count();
        source.look(&tokens);
        assert_eq!((count(&tokens), &source.problem), (1, &None));
        write(&format!("{ONE}\n{TWO}\n"));
        source.look(&tokens);
        assert_eq!(count(&tokens), 1, "it may be written still");
        source.look(&tokens);
        assert_eq!(count(&tokens), 2);
        for (bad, why) in [("", "no token"), ("short", "line 1")] {
            write(bad);
            (0..3).for_each(|_| source.look(&tokens));
            assert_eq!(count(&tokens), 2);
            let problem = source.problem.clone().unwrap();
            assert!(problem.contains(why) && !problem.contains("short"), "{problem}");
        }
        write(ONE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        (0..3).for_each(|_| source.look(&tokens));
        assert!(source.problem.as_ref().unwrap().contains("chmod 600"), "{:?}", source.problem);
        fs::remove_file(&path).unwrap();
        (0..3).for_each(|_| source.look(&tokens));
        assert_eq!(count(&tokens), 2, "whoever takes a file away has said nothing");
        write(TWO);
        (0..2).for_each(|_| source.look(&tokens));
        assert_eq!((count(&tokens), &source.problem), (1, &None));
    }

    #[test]
    fn a_token_of_two_names_is_refused_at_the_start() {
        let source = |name: &str| TokenSource {
            holder: TokenHolder { name: Some(name.to_owned()), ..TokenHolder::default() },
            origin: TokenOrigin::Command { words: words(&format!("echo {ONE}")), refresh: LOOK_EVERY },
            written: format!("`http.tokens.{name}`"),
        };
        let error = open(&[source("a"), source("b")]).map(|_| ()).unwrap_err().to_string();
        assert!(
            error.contains("`http.tokens.a`") && error.contains("`a`'s") && !error.contains(ONE),
            "{error}"
        );
    }
}
