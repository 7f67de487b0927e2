//! The command line and the environment variables, in one place: the reference pages are made from it.

use std::ffi::OsString;
use std::ops::Deref;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use omni_call::ExecutorKind;
use omni_catalog::NameStyle;
use serde::Deserialize;

/// Serves a folder of Python skills over the Model Context Protocol.
#[derive(Debug, Parser)]
#[command(name = "omni", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// How much the log on stderr says: off, error, warn, info, debug, trace, or levels by module, as in
    /// warn,omni_server=debug [env: OMNI_LOG] [default: info for servers, warn for the rest]
    #[arg(long, value_name = "LEVEL", global = true)]
    pub(crate) log_level: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the tools over MCP
    Mcp(McpArguments),
    /// Run the tools for other omni servers, by the runner contract
    Runner(RunnerServeArguments),
    /// Call one tool and print its result; no server is needed
    Call(CallArguments),
    /// List the tools, resources and prompts
    List(ListArguments),
    /// Show one tool, prompt or resource: its schemas, limits and where it is written
    Describe(DescribeArguments),
    /// Bring the cached manifest up to date with the folder, and install what the skills need
    Sync(SyncArguments),
    /// Report everything that is wrong with the skills or with this machine
    Doctor(DoctorArguments),
    /// Have servers that run look at their folders now, and say what has changed
    Reload(ReloadArguments),
    /// Let the settings and skills found in a folder be obeyed, or list and revoke that
    Trust(TrustArguments),
    /// Print the folder of the Python package in this binary, for PYTHONPATH
    PythonPath(PythonPathArguments),
    /// Load a Python into this process, say what that costs, and end; omni starts this by itself
    #[command(hide = true)]
    EmbedCheck(EmbedCheckArguments),
}

/// Where things are, and who else may run tools. Taken by every command but `omni runner`, which is that somebody.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct PlaceArguments {
    #[command(flatten)]
    pub(crate) folders: FolderArguments,
    #[command(flatten)]
    pub(crate) runner: RunnerArguments,
    /// How the tools are named for clients; calls are taken by either name [default: underscore]
    #[arg(long, value_enum, env = "OMNI_NAMES", hide_short_help = true)]
    pub(crate) names: Option<Names>,
    /// Whether the tool `skill_read` is listed, by which a model reads skills [default: true]
    #[arg(long, value_name = "BOOL", env = "OMNI_SKILL_READ", hide_short_help = true)]
    pub(crate) skill_read: Option<bool>,
    /// The profile of omni.toml that every client gets, whatever it calls itself [default: by client]
    #[arg(long, value_name = "NAME", env = "OMNI_PROFILE", hide_short_help = true)]
    pub(crate) profile: Option<String>,
}

/// How the tools are named for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Names {
    /// `files_read`, which every client takes: no dot, at most 48 characters
    Underscore,
    /// `files.read`, which some clients refuse
    Dotted,
}

impl Names {
    pub(crate) fn style(self) -> NameStyle {
        match self {
            Names::Underscore => NameStyle::Underscore,
            Names::Dotted => NameStyle::Dotted,
        }
    }
}

impl Deref for PlaceArguments {
    type Target = FolderArguments;

    fn deref(&self) -> &FolderArguments {
        &self.folders
    }
}

/// Where things are.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct FolderArguments {
    /// A folder of skills, or of one skill; `shipped` are those that come with omni; may be given several times, and in
    /// the variable with `:` between them [default: ./skills if there is one, else shipped]
    #[arg(long, value_name = "DIR", env = "OMNI_SKILLS")]
    pub(crate) skills: Vec<PathBuf>,
    /// The folder that tools work in [default: the current folder]
    #[arg(long, value_name = "DIR", env = "OMNI_ROOT")]
    pub(crate) root: Option<PathBuf>,
    /// Settings file [default: ./omni.toml, else omni/omni.toml in the user's config folder]
    #[arg(long, value_name = "FILE", env = "OMNI_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Where caches go; deleting them costs time only [default: omni in the user's cache folder]
    #[arg(long, value_name = "DIR", env = "OMNI_CACHE_DIR", hide_short_help = true)]
    pub(crate) cache_dir: Option<PathBuf>,
}

/// A runner, and what is taken from it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RunnerArguments {
    /// A runner that runs the tools unless they, or --executor, say otherwise: unix:PATH or http://HOST:PORT
    #[arg(long, value_name = "ADDRESS", env = "OMNI_RUNNER")]
    pub(crate) runner: Option<String>,
    /// Where the list of tools comes from [default: manifest where there is a folder of skills, else runner]
    #[arg(long, value_enum, env = "OMNI_TOOLS")]
    pub(crate) tools: Option<ToolsFrom>,
    /// What becomes of the runner's resources [default: forward]
    #[arg(long, value_enum, env = "OMNI_RUNNER_RESOURCES", hide_short_help = true)]
    pub(crate) runner_resources: Option<Offer>,
    /// What becomes of the runner's prompts [default: forward]
    #[arg(long, value_enum, env = "OMNI_RUNNER_PROMPTS", hide_short_help = true)]
    pub(crate) runner_prompts: Option<Offer>,
    /// Pause between two looks at the runner's lists [default: 10]
    #[arg(
        long,
        value_name = "SECONDS",
        env = "OMNI_RUNNER_REFRESH",
        value_parser = number,
        allow_negative_numbers = true,
        hide_short_help = true
    )]
    pub(crate) runner_refresh: Option<f64>,
}

/// How tools are run, and what is said of it. Taken by the commands that run some.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) work: WorkArguments,
    /// Total time limit of a call in seconds, 0 for none [default: 1800]
    #[arg(long, value_name = "SECONDS", env = "OMNI_TIMEOUT", value_parser = number, allow_negative_numbers = true)]
    pub(crate) timeout: Option<f64>,
    /// Time limit without a sign of life from the tool (output, log, progress), 0 for none [default: 600]
    #[arg(long, value_name = "SECONDS", env = "OMNI_IDLE_TIMEOUT", value_parser = number, allow_negative_numbers = true)]
    pub(crate) idle_timeout: Option<f64>,
    /// How much of an exception the client may read [default: message for clients that are programs of yours, masked as
    /// soon as others may call, full for `omni call`]
    #[arg(long, value_enum, env = "OMNI_ERRORS")]
    pub(crate) errors: Option<Errors>,
}

impl Deref for RunArguments {
    type Target = WorkArguments;

    fn deref(&self) -> &WorkArguments {
        &self.work
    }
}

/// What runs the tools.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct WorkArguments {
    /// The Python to run tools with, 3.9 or newer [default: python3 on the PATH]
    #[arg(long, value_name = "PATH", env = "OMNI_PYTHON")]
    pub(crate) python: Option<PathBuf>,
    /// How tools are run that do not say it themselves: pool, fork, spawn, embedded or runner [default: pool]
    #[arg(long, value_name = "NAME", env = "OMNI_EXECUTOR")]
    pub(crate) executor: Option<ExecutorKind>,
    /// How many Python workers to keep and to allow [default: 1..64]
    #[arg(long, value_name = "MIN..MAX", env = "OMNI_WORKERS")]
    pub(crate) workers: Option<Workers>,
    /// What stands between a tool's processes and all others [default: auto]
    #[arg(long, value_enum, env = "OMNI_ISOLATION")]
    pub(crate) isolation: Option<Isolation>,
    /// Whether the log has, at level info, what tools print and log and no client asked for [default: true]
    #[arg(long, value_name = "BOOL", env = "OMNI_LOG_OUTPUT")]
    pub(crate) log_output: Option<bool>,
    /// Pass this environment variable on to tools; may be given several times
    #[arg(long = "env", value_name = "NAME")]
    pub(crate) env: Vec<String>,
}

/// What stands between a tool's processes and all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Isolation {
    /// A process-id namespace where the machine has them
    Auto,
    /// None: for tools that need `sudo`, containers of their own, or to see other processes
    None,
}

#[derive(Debug, Default, Args)]
pub(crate) struct McpArguments {
    #[command(flatten)]
    pub(crate) place: PlaceArguments,
    #[command(flatten)]
    pub(crate) run: RunArguments,
    /// How clients reach the server [default: stdio]
    #[arg(long, value_enum, env = "OMNI_TRANSPORT")]
    pub(crate) transport: Option<Transport>,
    /// Address to listen on (http) [default: 127.0.0.1]
    #[arg(long, env = "OMNI_HOST")]
    pub(crate) host: Option<String>,
    /// Port to listen on (http); 0 takes a free one [default: 8000]
    #[arg(long, value_parser = port, env = "OMNI_PORT")]
    pub(crate) port: Option<u16>,
    /// Listen on this Unix socket, which only this user may open, instead of on a port; means --transport http
    #[arg(long, value_name = "PATH")]
    pub(crate) unix: Option<PathBuf>,
    /// A user besides your own and root whose programs may call over loopback or the socket; a name or a number (http)
    #[arg(long = "allow-user", value_name = "USER")]
    pub(crate) allow_users: Vec<String>,
    /// Another host name that clients may use for this server (http)
    #[arg(long = "allow-host", value_name = "NAME")]
    pub(crate) allow_hosts: Vec<String>,
    /// An origin whose web pages may use this server (http)
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    pub(crate) allow_origins: Vec<String>,
    /// A private file of tokens, one a line: only requests with `Authorization: Bearer TOKEN` are served; it is read again
    /// when it changes (http)
    #[arg(long, value_name = "FILE")]
    pub(crate) http_token: Option<PathBuf>,
    /// Listen on an address that other machines reach although no token is wanted: anybody there can run the tools (http)
    #[arg(long)]
    pub(crate) allow_unauthenticated: bool,
    /// All of this as it was written.
    #[arg(skip)]
    pub(crate) given: Vec<Given>,
}

/// A flag that has a value from the command line, or from its variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// Without `--`.
    pub(crate) flag: String,
    pub(crate) variable: Option<String>,
    pub(crate) value: OsString,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("address").required(true).args(["unix", "port"])))]
pub(crate) struct RunnerServeArguments {
    /// Listen on this Unix socket, which only this user may open
    #[arg(long, value_name = "PATH")]
    pub(crate) unix: Option<PathBuf>,
    /// Listen on this port of 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "N", value_parser = port)]
    pub(crate) port: Option<u16>,
    /// What calls that run get at the signal to end [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = number, allow_negative_numbers = true)]
    pub(crate) grace: Option<f64>,
    #[command(flatten)]
    pub(crate) folders: FolderArguments,
    #[command(flatten)]
    pub(crate) work: WorkArguments,
}

/// Another MCP server, asked instead of the skills. What it is given says nothing of how skills are run: see
/// `variables::read`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ServerArguments {
    /// Ask this MCP server instead of the skills: its address, as http://HOST:PORT/mcp, or in quotes the command that
    /// starts one and speaks over its standard input and output
    #[arg(long, value_name = "URL|COMMAND")]
    pub(crate) server: Option<String>,
    /// A private file with the token that the server wants (`Authorization: Bearer TOKEN`), or with headers, one
    /// `Name: value` a line (http)
    #[arg(long, value_name = "FILE", requires = "server")]
    pub(crate) server_token: Option<PathBuf>,
    /// How long the server may take to open a conversation, and for each answer but a call's [default: 60]
    #[arg(
        long,
        value_name = "SECONDS",
        value_parser = number,
        allow_negative_numbers = true,
        requires = "server",
        hide_short_help = true
    )]
    pub(crate) server_timeout: Option<f64>,
    /// Speak to the server as clients of one era do [default: what the server speaks]
    #[arg(long, value_enum, requires = "server", hide_short_help = true)]
    pub(crate) server_era: Option<ServerEra>,
}

/// The two ways to open a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ServerEra {
    /// A handshake (`initialize`), then a session: the revisions before 2026
    Legacy,
    /// Each request by itself, beginning with `server/discover`
    Modern,
}

/// What still means something beside `--server`, of whatever commands have that.
pub(crate) const BESIDE_SERVER: [&str; 12] = [
    "server",
    "server_token",
    "server_timeout",
    "server_era",
    "timeout",
    "idle_timeout",
    "tool",
    "pairs",
    "args",
    "json",
    "log_level",
    "help",
];

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    pub(crate) server: ServerArguments,
    #[command(flatten)]
    pub(crate) read: ReadArguments,
}

#[derive(Debug, Args)]
pub(crate) struct CallArguments {
    #[command(flatten)]
    pub(crate) server: ServerArguments,
    #[command(flatten)]
    pub(crate) place: PlaceArguments,
    #[command(flatten)]
    pub(crate) run: RunArguments,
    /// The tool, as `omni list` names it
    pub(crate) tool: String,
    /// Arguments as NAME=VALUE; the value is text or JSON, as the tool's schema wants
    #[arg(value_name = "NAME=VALUE", conflicts_with = "args")]
    pub(crate) pairs: Vec<String>,
    /// All arguments as one JSON object; `-` reads it from standard input
    #[arg(long, value_name = "JSON")]
    pub(crate) args: Option<String>,
    /// Print the whole result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReadArguments {
    #[command(flatten)]
    pub(crate) place: PlaceArguments,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DescribeArguments {
    #[command(flatten)]
    pub(crate) server: ServerArguments,
    #[command(flatten)]
    pub(crate) read: ReadArguments,
    /// The tool or prompt, as `omni list` names it, or a resource's URI
    #[arg(value_name = "NAME")]
    pub(crate) tool: String,
}

#[derive(Debug, Args)]
pub(crate) struct SyncArguments {
    #[command(flatten)]
    pub(crate) read: ReadArguments,
    /// The Python to run tools with, 3.9 or newer [default: python3 on the PATH]
    #[arg(long, value_name = "PATH", env = "OMNI_PYTHON")]
    pub(crate) python: Option<PathBuf>,
    /// Write nothing; exit 1 when the manifest is out of date
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) check: bool,
    /// Write nothing; show what would change
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Build packages from source, and take them from addresses that skills name, also for skills that are not trusted
    #[arg(long, conflicts_with_all = ["check", "dry_run"])]
    pub(crate) allow_build: bool,
    /// Remove the environments that no skill needs any more
    #[arg(long, conflicts_with_all = ["check", "dry_run"])]
    pub(crate) prune: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    pub(crate) read: ReadArguments,
    /// The Python to run tools with, 3.9 or newer [default: python3 on the PATH]
    #[arg(long, value_name = "PATH", env = "OMNI_PYTHON")]
    pub(crate) python: Option<PathBuf>,
    /// Exit 1 on any warning or error
    #[arg(long)]
    pub(crate) strict: bool,
    /// Load the skills too, each in a process that is ended after 30 seconds, and say what fails or differs from what was
    /// read; of skills that you name or have trusted
    #[arg(long)]
    pub(crate) load: bool,
}

#[derive(Debug, Args)]
#[command(override_usage = "omni reload [OPTIONS] [PATH | --all]")]
pub(crate) struct ReloadArguments {
    /// Ask the servers whose skills, omni.toml or root are in this folder, or whose skills this is a part of [default: the
    /// current folder]
    pub(crate) path: Option<PathBuf>,
    /// Ask every server of this user, in place of a PATH
    #[arg(long, conflicts_with = "path")]
    pub(crate) all: bool,
    /// Show the servers that run, and have none look
    #[arg(long)]
    pub(crate) list: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TrustArguments {
    /// An omni.toml, a folder of skills, or a folder that has either [default: the current folder]
    pub(crate) path: Option<PathBuf>,
    /// Show what is trusted
    #[arg(long, conflicts_with_all = ["path", "revoke"])]
    pub(crate) list: bool,
    /// Take trust back; exit 1 when there is none
    #[arg(long)]
    pub(crate) revoke: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EmbedCheckArguments {
    /// The interpreter's program
    #[arg(long, value_name = "PATH")]
    pub(crate) python: PathBuf,
    /// The interpreter's shared library
    #[arg(long, value_name = "PATH")]
    pub(crate) library: PathBuf,
    /// Take text for UTF-8 whatever the locale says
    #[arg(long)]
    pub(crate) utf8: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PythonPathArguments {
    /// Prepare the package that `python -m omni.mcp` needs besides, and print its folder too
    #[arg(long)]
    pub(crate) with_mcp: bool,
    /// The Python that shall run it, 3.10 or newer [default: python3 on the PATH]
    #[arg(long, value_name = "PATH", env = "OMNI_PYTHON")]
    pub(crate) python: Option<PathBuf>,
    /// Where caches go [default: omni in the user's cache folder]
    #[arg(long, value_name = "DIR", env = "OMNI_CACHE_DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transport {
    /// Standard input and output; the client starts omni
    Stdio,
    /// Streamable HTTP at /mcp
    Http,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Errors {
    /// The exception's class and place; its message only when the tool raised `ToolError`
    Masked,
    /// Its message too, and the end of what a failed process wrote to standard error, 2 KiB at most
    Message,
    /// The traceback too, and all that was kept of standard error
    Full,
}

/// A range of worker counts, written `MIN..MAX`, or one number for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Workers {
    pub(crate) min: usize,
    pub(crate) max: usize,
}

impl std::str::FromStr for Workers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (min, max) = text.split_once("..").unwrap_or((text, text));
        let parse = |number: &str| number.trim().parse::<usize>().ok();
        match (parse(min), parse(max)) {
            (Some(min), Some(max)) if min <= max && (1..=1024).contains(&max) => Ok(Workers { min, max }),
            _ => Err(format!("`{text}` is not MIN..MAX with MIN <= MAX <= 1024, such as 1..64")),
        }
    }
}

/// A number of seconds; which of them make sense is the setting's own matter.
fn number(text: &str) -> Result<f64, String> {
    text.trim().parse().map_err(|_| "that is no number of seconds, such as 90 or 0.5".to_owned())
}

fn port(text: &str) -> Result<u16, String> {
    text.trim().parse().map_err(|_| "that is no port from 0 to 65535".to_owned())
}

/// Where the list of tools comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ToolsFrom {
    /// The skills folder here; the runner has the same one
    Manifest,
    /// The runner's own list
    Runner,
    /// Both: the tools of the skills folders, which run here, and those that the runner lists, which run there
    Both,
}

/// What becomes of a runner's resources, or of its prompts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Offer {
    /// Clients are given them
    #[default]
    Forward,
    /// Clients are told that there are none
    Empty,
    /// Clients are told nothing of them
    Off,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn worker_ranges_are_read_and_wrong_ones_refused() {
        assert_eq!("1..64".parse(), Ok(Workers { min: 1, max: 64 }));
        assert_eq!("4".parse(), Ok(Workers { min: 4, max: 4 }));
        for wrong in ["", "0", "5..2", "a..b", "1..9999", "-1..3"] {
            assert!(wrong.parse::<Workers>().is_err(), "{wrong}");
        }
    }
}
