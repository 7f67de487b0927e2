//! Environment variables: one that is empty counts as unset, and what is wrong with one is said of it.
//!
//! Templates and compose files leave `OMNI_TIMEOUT=` behind where somebody has no wish. Every read of a variable in this
//! program goes through here.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::OnceLock;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory as _, FromArgMatches as _};
use omni_call::shown_line;

use crate::args::{self, Arguments, BESIDE_SERVER, Given};

/// The value of a variable, unless it is empty.
pub(crate) fn get(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The value of a variable that is text, unless it is empty. The error names it.
pub(crate) fn text(name: &str) -> Result<Option<String>, String> {
    let value = get(name).map(OsString::into_string).transpose();
    value.map_err(|_| format!("`{name}` in the environment is no text in UTF-8"))
}

/// The absolute path that a variable holds. A relative one would mean another place in each folder: the XDG base
/// directory specification has it ignored.
pub(crate) fn absolute(name: &str) -> Option<PathBuf> {
    get(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The folder for temporary files: what `TMPDIR` names, else `/tmp`.
pub(crate) fn temporary_folder() -> PathBuf {
    absolute("TMPDIR").unwrap_or_else(|| "/tmp".into())
}

/// The names of all variables, for a program that its user names and that is to see what they see.
pub(crate) fn names() -> Vec<String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect()
}

/// Why a command line is refused.
#[derive(Debug)]
pub(crate) enum ArgumentError {
    /// What is wrong with its words; the help that they ask for, too.
    Words(Box<clap::Error>),
    /// What is wrong with an environment variable, as one sentence that names it.
    Variable(String),
}

/// The flags that have a value, and of those that have it from a variable the variable. Only the wording of messages
/// depends on it.
static SPOKEN: OnceLock<HashMap<String, Option<String>>> = OnceLock::new();

/// Reads a command line, the program's name first, and for what it does not say the environment.
pub(crate) fn read(words: impl IntoIterator<Item = OsString>) -> Result<Arguments, ArgumentError> {
    let words: Vec<OsString> = words.into_iter().collect();
    let words_refused = |error| ArgumentError::Words(Box::new(error));
    // Without the variables first, so that a mistake in one of them is not reported as one in the command line.
    let alone = with_variables(Arguments::command(), &|_| false).try_get_matches_from(&words);
    let alone = match alone {
        Ok(matches) => matches,
        Err(error) => return Err(alone_refused(&words, error)),
    };
    let asks_server = asks_server(&alone).map_err(words_refused)?;
    let command = with_variables(Arguments::command(), &|variable| {
        get(variable).is_some() && (!asks_server || means_beside_server(variable))
    });
    let matches = command.try_get_matches_from(&words).map_err(|error| blamed(&words, error))?;
    let _ = SPOKEN.set(spoken(&matches));
    let mut arguments = Arguments::from_arg_matches(&matches).map_err(words_refused)?;
    if let args::Command::Mcp(mcp) = &mut arguments.command {
        mcp.given = given(&matches);
    }
    Ok(arguments)
}

/// Why the words alone are refused, whatever the environment says; the help that they ask for, too.
fn alone_refused(words: &[OsString], error: clap::Error) -> ArgumentError {
    let is_help = !error.use_stderr();
    // Help names the variables, with what they hold.
    let whole = Arguments::command().try_get_matches_from(words).err().filter(|_| is_help);
    ArgumentError::Words(Box::new(whole.unwrap_or(error)))
}

/// Whether another server is asked: then flags that say how skills are found and run are refused, and the variables that
/// stand for them mean nothing.
fn asks_server(matches: &ArgMatches) -> Result<bool, clap::Error> {
    let Some((name, matches)) = matches.subcommand() else { return Ok(false) };
    if !matches!(matches.try_contains_id("server"), Ok(true)) {
        return Ok(false);
    }
    let mut command = Arguments::command();
    let Some(command) = command.find_subcommand_mut(name) else { return Ok(false) };
    let is_given = |arg: &&Arg| matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
    let others = |arg: &&Arg| !BESIDE_SERVER.contains(&arg.get_id().as_str());
    let Some(flag) = command.get_arguments().filter(others).find(is_given).and_then(Arg::get_long) else {
        return Ok(true);
    };
    let message = format!(
        "`--{flag}` says how omni finds or runs skills, and with `--server` another server is asked: leave one out"
    );
    command.set_bin_name(format!("omni {name}"));
    Err(command.error(ErrorKind::ArgumentConflict, message))
}

/// Whether a variable stands for a flag that says something about a call of another server, too.
fn means_beside_server(variable: &str) -> bool {
    let flag = variable.strip_prefix("OMNI_").unwrap_or(variable).to_ascii_lowercase();
    BESIDE_SERVER.contains(&flag.as_str())
}

/// The flags of a command that have values, wherever these are from, in the order of its help.
fn given(matches: &ArgMatches) -> Vec<Given> {
    let Some((name, matches)) = matches.subcommand() else { return Vec::new() };
    let command = Arguments::command();
    let mut found = Vec::new();
    for arg in command.find_subcommand(name).into_iter().flat_map(Command::get_arguments) {
        let id = arg.get_id().as_str();
        let is_said =
            matches!(matches.value_source(id), Some(ValueSource::CommandLine | ValueSource::EnvVariable));
        let Some(flag) = arg.get_long().filter(|_| is_said && arg.get_action().takes_values()) else {
            continue;
        };
        for value in matches.get_raw(id).into_iter().flatten() {
            found.push(Given { flag: flag.to_owned(), variable: variable(arg), value: value.to_owned() });
        }
    }
    found
}

/// The command with only those variables that are `wanted`.
fn with_variables(command: Command, wanted: &dyn Fn(&str) -> bool) -> Command {
    command.mut_subcommands(|command| {
        command.mut_args(|arg| match variable(&arg) {
            Some(name) if !wanted(&name) => arg.env(None::<&str>),
            _ => arg,
        })
    })
}

fn variable(arg: &Arg) -> Option<String> {
    arg.get_env().map(|name| name.to_string_lossy().into_owned())
}

/// The variables that the arguments of any command can come from, each with its flag.
fn variables() -> Vec<(String, String)> {
    let command = Arguments::command();
    let arguments = command.get_subcommands().flat_map(Command::get_arguments);
    let mut found: Vec<_> =
        arguments.filter_map(|arg| Some((variable(arg)?, arg.get_long()?.to_owned()))).collect();
    found.sort();
    found.dedup();
    found
}

/// The flags of a command that have values, and from which variable, if it is from one.
fn spoken(matches: &ArgMatches) -> HashMap<String, Option<String>> {
    let Some((name, matches)) = matches.subcommand() else { return HashMap::new() };
    let command = Arguments::command();
    let arguments = command.find_subcommand(name).into_iter().flat_map(Command::get_arguments);
    let said = |arg: &Arg| {
        let variable = match matches.value_source(arg.get_id().as_str())? {
            ValueSource::EnvVariable => variable(arg),
            ValueSource::CommandLine => None,
            _ => return None,
        };
        Some((arg.get_long()?.to_owned(), variable))
    };
    arguments.filter_map(said).collect()
}

/// Finds the variable that a command line, good by itself, is refused for.
fn blamed(words: &[OsString], error: clap::Error) -> ArgumentError {
    for (name, _) in variables() {
        let command = with_variables(Arguments::command(), &|other| other == name && get(other).is_some());
        if let Err(error) = command.try_get_matches_from(words) {
            return ArgumentError::Variable(sentence(&name, &error));
        }
    }
    ArgumentError::Words(Box::new(error))
}

/// What is wrong with the value of a variable.
fn sentence(name: &str, error: &clap::Error) -> String {
    let value = get(name).unwrap_or_default();
    let written = format!("`{name}={}`", shown_line(&value.to_string_lossy()));
    let reason = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) => format!("possible values are {}", in_ticks(values)),
        _ if error.kind() == ErrorKind::InvalidUtf8 => "that is no text in UTF-8".to_owned(),
        _ => std::error::Error::source(error).map_or_else(|| error.kind().to_string(), ToString::to_string),
    };
    format!("{written} in the environment: {reason}")
}

fn in_ticks(values: &[String]) -> String {
    values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ")
}

/// Whether a flag has its value from its variable.
pub(crate) fn set_by_variable(flag: &str) -> bool {
    SPOKEN.get().and_then(|spoken| spoken.get(flag)).is_some_and(Option::is_some)
}

/// A setting as whoever gave it has written it: `--timeout -1`, or `OMNI_TIMEOUT=-1`.
pub(crate) fn written(flag: &str, value: impl Display) -> String {
    match SPOKEN.get().and_then(|spoken| spoken.get(flag)) {
        Some(Some(variable)) => format!("`{variable}={value}`"),
        _ => format!("`--{flag} {value}`"),
    }
}

/// The flag, or the variable, that says something whatever a settings file says: `--timeout`, or `OMNI_TIMEOUT`. `None`
/// where nobody has given it.
pub(crate) fn given_by(flag: &str) -> Option<String> {
    let variable = SPOKEN.get()?.get(flag)?;
    Some(variable.clone().unwrap_or_else(|| format!("--{flag}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_named_after_its_flag_and_stands_for_one() {
        let all = variables();
        assert!(all.len() > 15, "{all:?}");
        for (variable, flag) in all {
            assert_eq!(variable, format!("OMNI_{}", flag.replace('-', "_").to_uppercase()));
        }
    }

    #[test]
    fn a_setting_is_shown_as_it_was_written() {
        assert_eq!(written("timeout", -1), "`--timeout -1`");
    }
}
