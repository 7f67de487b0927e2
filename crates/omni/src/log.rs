//! The log: one event, one line, and no text of others that looks like a line or a field of ours.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use omni_call::shown_line;
use tracing::field::{Field, Visit};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime as FullTime};

use crate::{terminal, variables};

/// Logs to stderr at the level of `--log-level`, which is `flag`, else at that of `OMNI_LOG`, else at `default`; and as
/// JSON, one object a line, where `OMNI_LOG_FORMAT` is `json`.
///
/// # Errors
///
/// The flag or one of the variables holds something else; the sentence names it.
pub(crate) fn to_stderr(flag: Option<&str>, default: &str) -> Result<(), String> {
    let variable = variables::text("OMNI_LOG")?;
    let filter = match (flag, &variable) {
        (Some(wanted), _) => filter(wanted, |shown| format!("`--log-level {shown}`"))?,
        (None, Some(wanted)) => filter(wanted, |shown| format!("`OMNI_LOG={shown}` in the environment"))?,
        (None, None) => EnvFilter::new(default),
    };
    let undecided = Some(default).filter(|_| flag.is_none() && variable.is_none());
    let as_json = match variables::text("OMNI_LOG_FORMAT")?.as_deref() {
        None | Some("text") => false,
        Some("json") => true,
        Some(other) => {
            let other = shown_line(other);
            return Err(format!(
                "`OMNI_LOG_FORMAT={other}` in the environment: possible values are `text`, `json`"
            ));
        }
    };
    let log = tracing_subscriber::fmt().with_target(false).with_timer(Time);
    if as_json {
        let log = log.json().with_writer(|| terminal::JsonLog);
        let log = log.with_env_filter(filter).with_filter_reloading();
        let handle = log.reload_handle();
        follow(undecided, move |filter| handle.reload(filter).is_ok());
        log.init();
    } else {
        let colours = terminal::stderr_is_terminal() && variables::get("NO_COLOR").is_none();
        let log = log.with_writer(|| terminal::Log).with_ansi(colours).fmt_fields(Fields);
        let log = log.with_env_filter(filter).with_filter_reloading();
        let handle = log.reload_handle();
        follow(undecided, move |filter| handle.reload(filter).is_ok());
        log.init();
    }
    Ok(())
}

/// Changes what is logged.
struct Reload {
    /// The level where no settings file says one.
    default: String,
    reload: Box<dyn Fn(EnvFilter) -> bool + Send + Sync>,
}

/// Set where neither the flag nor the variable has said what is logged.
static RELOAD: OnceLock<Reload> = OnceLock::new();

fn follow(default: Option<&str>, reload: impl Fn(EnvFilter) -> bool + Send + Sync + 'static) {
    if let Some(default) = default {
        let _ = RELOAD.set(Reload { default: default.to_owned(), reload: Box::new(reload) });
    }
}

/// Logs as `log_level` in omni.toml says, `None` where it says nothing, unless the flag or the variable has said it.
///
/// # Errors
///
/// That is no level; the sentence says so.
pub(crate) fn by_settings(wanted: Option<&str>) -> Result<(), String> {
    let filter = wanted.map(|wanted| filter(wanted, in_settings)).transpose()?;
    if let Some(Reload { default, reload }) = RELOAD.get() {
        reload(filter.unwrap_or_else(|| EnvFilter::new(default)));
    }
    Ok(())
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Whether the flag or the variable has said what is logged, so that no settings file does.
pub(crate) fn is_decided() -> bool {
    RELOAD.get().is_none()
}

/// Whether `log_level` in omni.toml is one.
///
/// # Errors
///
/// It is none; the sentence says so.
pub(crate) fn check_settings(wanted: &str) -> Result<(), String> {
    filter(wanted, in_settings).map(|_| ())
}

fn in_settings(shown: &str) -> String {
    format!("`log_level = \"{shown}\"` in omni.toml")
}

/// What is logged: a level, or levels by module as tracing's filters write them (`warn,omni_server=debug`).
/// `written` says how somebody has written it, as the beginning of an error.
fn filter(wanted: &str, written: impl Fn(&str) -> String) -> Result<EnvFilter, String> {
    let is_level = LEVELS.iter().any(|level| level.eq_ignore_ascii_case(wanted.trim()));
    // A word alone would otherwise be a module that nobody has, and silence.
    let is_word = wanted.trim().bytes().all(|byte| byte.is_ascii_alphanumeric());
    let wrong = |why: &str| {
        let written = written(&shown_line(wanted));
        format!(
            "{written}: {why}; use one of {}, or levels by module, as in `warn,omni_server=debug`",
            LEVELS.map(|level| format!("`{level}`")).join(", ")
        )
    };
    if is_word && !is_level {
        return Err(wrong("that is no level"));
    }
    EnvFilter::try_new(wanted.trim()).map_err(|error| wrong(&error.to_string()))
}

/// Has a panic logged like everything else, in one line.
pub(crate) fn panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let said = info.payload_as_str().unwrap_or("something that is no text");
        let backtrace = std::backtrace::Backtrace::capture();
        match backtrace.status() {
            std::backtrace::BacktraceStatus::Captured => {
                tracing::error!(said, place, %backtrace, "a bug of omni: it panicked");
            }
            _ => tracing::error!(said, place, "a bug of omni: it panicked"),
        }
        // It may be the last that this process does.
        terminal::flush_log(Duration::from_millis(200));
    }));
}

/// Writes the time of an event, as `tracing` does: the date and the second are worked out once a second.
struct Time;

impl FormatTime for Time {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        thread_local! {
            /// A second, counted from 1970, and how it is written up to its fraction.
            static SECOND: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
        }
        let Ok(now) = SystemTime::now().duration_since(UNIX_EPOCH) else {
            return FullTime.format_time(writer);
        };
        SECOND.with_borrow_mut(|(second, written)| {
            if *second != now.as_secs() {
                written.clear();
                FullTime.format_time(&mut Writer::new(written))?;
                if SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .is_ok_and(|later| later.as_secs() != now.as_secs())
                {
                    // The next second has begun meanwhile, so nobody knows of which of the two that is.
                    *second = u64::MAX;
                    return writer.write_str(written);
                }
                written.truncate(written.find('.').unwrap_or(written.len()));
                *second = now.as_secs();
            }
            writer.write_str(written)?;
            write!(writer, ".{:06}Z", now.subsec_micros())
        })
    }
}

/// Writes an event's message and its fields. A value that is more than one plain word stands in quotes.
struct Fields;

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut line = LogLine { writer, written: Ok(()), first: true };
        fields.record(&mut line);
        line.written
    }
}

struct LogLine<'writer> {
    writer: Writer<'writer>,
    written: fmt::Result,
    first: bool,
}

impl LogLine<'_> {
    fn add(&mut self, field: &Field, value: &str) {
        let value = shown_line(value);
        self.plain(field, |writer| writer.write_str(&value));
    }

    /// A value with nothing in it that has to be shown by its number.
    ///
    /// A server writes six of these for every call, so each goes piece by piece: one `write!` of all of them takes
    /// several times as long.
    fn plain(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.written.is_err() || field.name().starts_with("log.") {
            return;
        }
        let first = std::mem::take(&mut self.first);
        self.written = self.name(first, field.name()).and_then(|()| value(&mut self.writer));
    }

    fn name(&mut self, first: bool, name: &str) -> fmt::Result {
        if !first {
            self.writer.write_char(' ')?;
        }
        if self.writer.has_ansi_escapes() {
            return write!(self.writer, "\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m");
        }
        self.writer.write_str(name)?;
        self.writer.write_char('=')
    }

    /// The event's own sentence stands first, and bare.
    fn sentence(&mut self, text: &str) {
        if self.written.is_ok() && std::mem::take(&mut self.first) {
            self.written = write!(self.writer, "{}", shown_line(text));
        }
    }
}

impl Visit for LogLine<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        // Also one that is called `message`: a sentence of ours comes as a format, never as a text.
        if is_plain_ascii(value) {
            // Nothing in it is hidden.
            return self.plain(field, |writer| writer.write_str(value));
        }
        self.add(field, &word(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.plain(field, |writer| write!(writer, "{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, |writer| write!(writer, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, |writer| write!(writer, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, |writer| write!(writer, "{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_str(field, &omni_call::with_causes(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" && self.first {
            return self.sentence(&text);
        }
        // A text that `Debug` has put in quotes already.
        if is_quoted(&text) { self.add(field, &text) } else { self.record_str(field, &text) }
    }
}

/// The ASCII characters of a value that stands without quotes: letters, digits and these signs. Looked up, since a server
/// asks of some hundred characters for every call.
const PLAIN: [bool; 128] = {
    let mut plain = [false; 128];
    let mut at = 0;
    while at < plain.len() {
        plain[at] = (at as u8).is_ascii_alphanumeric();
        at += 1;
    }
    let signs = b"-_./:@%+,~<>()*#";
    let mut at = 0;
    while at < signs.len() {
        plain[signs[at] as usize] = true;
        at += 1;
    }
    plain
};

fn is_plain_ascii(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| PLAIN.get(usize::from(byte)).is_some_and(|plain| *plain))
}

/// A value as one word: what has blanks or signs in it stands in quotes, and those within it are escaped.
fn word(value: &str) -> Cow<'_, str> {
    let plain = |sign: char| if sign.is_ascii() { PLAIN[sign as usize] } else { sign.is_alphanumeric() };
    if !value.is_empty() && value.chars().all(plain) {
        return Cow::Borrowed(value);
    }
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for sign in value.chars() {
        if matches!(sign, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(sign);
    }
    quoted.push('"');
    Cow::Owned(quoted)
}

/// Whether a text is one literal in quotes, with none inside that is not escaped.
fn is_quoted(text: &str) -> bool {
    let Some(inside) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return false };
    let mut escaped = false;
    for sign in inside.chars() {
        match sign {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return false,
            _ => {}
        }
    }
    !escaped
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::captured_output::CapturedOutput;

    const HOSTILE: &str = "a\nERROR forged: x level=\"y\" \u{202e}z\x1b[2J";

    fn logged(event: impl FnOnce()) -> String {
        let kept = CapturedOutput::default();
        let writer = kept.clone();
        let log = tracing_subscriber::fmt()
            .without_time()
            .with_target(false)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .fmt_fields(Fields)
            .finish();
        tracing::subscriber::with_default(log, event);
        kept.text()
    }

    #[test]
    fn an_event_is_one_line_and_a_value_one_field_whatever_is_in_it() {
        let expected = r#""a\nERROR forged: x level=\"y\" \u{202e}z\x1b[2J""#;
        let error = io::Error::other(HOSTILE);
        let text = logged(|| {
            tracing::warn!(text = HOSTILE, shown = %HOSTILE, %error, "it went wrong");
        });
        assert_eq!(text, format!(" WARN it went wrong text={expected} shown={expected} error={expected}\n"));
        let debug = logged(|| tracing::warn!(debug = ?HOSTILE, "it went wrong"));
        assert_eq!(debug.lines().count(), 1);
        assert!(!debug.contains(['\x1b', '\u{202e}']), "{debug}");
        let message = logged(|| tracing::warn!("{HOSTILE}"));
        assert_eq!(message.lines().count(), 1, "{message}");
        // A field may have the name of the event's own sentence, which alone stands bare.
        let named = logged(|| tracing::warn!(message = HOSTILE, other = 1, "it went wrong"));
        assert_eq!(named, format!(" WARN it went wrong message={expected} other=1\n"));
    }

    #[test]
    fn the_time_of_an_event_is_written_as_tracing_writes_it() {
        let written = |timer: &dyn Fn(&mut Writer<'_>) -> fmt::Result| {
            let mut text = String::new();
            timer(&mut Writer::new(&mut text)).unwrap();
            text
        };
        // Within one second, which hardly ever takes a second try; a clock that stands still would try for ever.
        let (before, ours, after) = loop {
            let before = written(&|writer| FullTime.format_time(writer));
            // The second time, from what was kept.
            let ours =
                [written(&|writer| Time.format_time(writer)), written(&|writer| Time.format_time(writer))];
            let after = written(&|writer| FullTime.format_time(writer));
            if before[..19] == after[..19] {
                break (before, ours, after);
            }
        };
        let [first, second] = &ours;
        assert!(before <= *first && first <= second && *second <= after, "{before} {first} {second} {after}");
    }

    #[test]
    fn plain_words_and_numbers_stand_as_they_are() {
        let text = logged(
            || tracing::warn!(path = %"/a/b-c.py:3", count = 3, name = "x", list = ?[1, 2], none = ?None::<u8>, "m"),
        );
        assert_eq!(text, " WARN m path=/a/b-c.py:3 count=3 name=x list=\"[1, 2]\" none=None\n");
        let text = logged(|| tracing::warn!(quoted = ?"a b", empty = "", open = "\"", "m"));
        assert_eq!(text, " WARN m quoted=\"a b\" empty=\"\" open=\"\\\"\"\n");
    }
}
