//! The keys of `omni.toml`: what each is for, its default and bounds, and what a file that nobody has trusted may do with
//! it. Whoever reads a key takes its default and bounds from here, and the reference page is made of it.

use anyhow::{Result, bail};
use omni_call::ForkSettings;
use rustix::process::Resource;

use super::time_limit::{IDLE_TIMEOUT_DEFAULT, TIMEOUT_DEFAULT};

/// One key.
pub(super) struct SettingKey {
    /// With its table: `admission.calls`.
    pub(super) name: &'static str,
    pub(super) kind: ValueKind,
    pub(super) untrusted: UntrustedRule,
    /// What it does, for the reference.
    pub(super) about: &'static str,
}

/// What may be written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ValueKind {
    Number(Number),
    /// Seconds, whole or not; its reader has the bounds.
    Seconds {
        default: f64,
        values: &'static str,
    },
    /// Anything else, in words.
    Other {
        values: &'static str,
        default: &'static str,
    },
}

/// A whole number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number {
    /// What is counted.
    unit: &'static str,
    /// `None` is no limit, as long as nobody sets one.
    pub(super) default: Option<i64>,
    least: i64,
    most: i64,
    /// 0 is no limit, too.
    pub(super) zero_is_none: bool,
    /// What is said of less than the least, where that is not obvious.
    too_little: Option<&'static str>,
}

/// What a key may do in a file that is not trusted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum UntrustedRule {
    /// Nothing: it waits for trust. So do all keys beneath it.
    Trust,
    /// Lower a number. Where nobody says anything its default holds, which is infinite where that is no limit.
    Lower,
    /// Lower a limit of the system's, given in units of so many. What holds where nobody says anything is what this process
    /// was started with: tools are given the limit as it is said here, so a higher one would raise it.
    LowerLimit(Resource, f64),
    /// Lower both ends of `"MIN..MAX"`.
    LowerRange(&'static str),
    /// Leave tools out besides what others leave out. It is read by itself: see `CheckedFile::narrowing`.
    Filter,
}

const MIB: f64 = 1_048_576.0;
const DAY_SECONDS: i64 = 86_400;
/// As good as no bound; what is beyond it was a slip of the finger.
const MANY: i64 = 1 << 20;

/// One row for each key, in the order of the reference.
pub(super) const KEYS: &[SettingKey] = &[
    // Where code comes from, and what it reaches.
    other(
        "skills_dir",
        "a folder relative to the file, `\"shipped\"`, or a list of them",
        "`./skills`, else the shipped ones",
        "The skills that are served. `--skills`, `OMNI_SKILLS`.",
    ),
    other(
        "root",
        "a folder relative to the file",
        "the working folder",
        "Where tools work; `Context.root`. `--root`, `OMNI_ROOT`.",
    ),
    other(
        "python",
        "a path relative to the file, or a name",
        "`python3` on the PATH",
        "The interpreter that runs tools, 3.9 or newer. `--python`, `OMNI_PYTHON`.",
    ),
    other(
        "executor",
        "`\"pool\"`, `\"fork\"`, `\"spawn\"`, `\"embedded\"`, `\"runner\"`",
        "`\"pool\"`",
        "How tools are run that do not say it ([executors](executors.md)). `--executor`, `OMNI_EXECUTOR`.",
    ),
    other(
        "isolation",
        "`\"auto\"`, `\"none\"`",
        "`\"auto\"`",
        "Whether processes of tools get namespaces of their own ([isolation](isolation.md)). `--isolation`, \
         `OMNI_ISOLATION`.",
    ),
    other("env", "a list of names", "none", "Environment variables that are passed on to tools. `--env`."),
    SettingKey {
        name: "timeout",
        kind: ValueKind::Seconds { default: TIMEOUT_DEFAULT, values: "0 to a year; 0 is no limit" },
        untrusted: UntrustedRule::Lower,
        about: "Time limit of a call whose tool sets none. `--timeout`, `OMNI_TIMEOUT`.",
    },
    SettingKey {
        name: "idle_timeout",
        kind: ValueKind::Seconds { default: IDLE_TIMEOUT_DEFAULT, values: "0 to a year; 0 is no limit" },
        untrusted: UntrustedRule::Lower,
        about: "Time limit without output, log, progress or heartbeat. `--idle-timeout`, `OMNI_IDLE_TIMEOUT`.",
    },
    SettingKey {
        name: "grace",
        kind: ValueKind::Seconds { default: 1.0, values: "0 to a day" },
        untrusted: UntrustedRule::Lower,
        about: "How long calls that run may go on when the server is told to stop, or its client on stdio has gone. \
                `omni runner` gives 10 seconds where nobody says. `--grace` of `omni runner`.",
    },
    // What others see, and who may call.
    other(
        "transport",
        "`\"stdio\"`, `\"http\"`",
        "`\"stdio\"`",
        "How clients reach `omni mcp`. `--transport`, `OMNI_TRANSPORT`.",
    ),
    other(
        "errors",
        "`\"masked\"`, `\"message\"`, `\"full\"`",
        "`\"message\"`; `\"masked\"` where others may call",
        "What clients read of exceptions. `--errors`, `OMNI_ERRORS`.",
    ),
    other(
        "names",
        "`\"underscore\"`, `\"dotted\"`",
        "`\"underscore\"`",
        "How lists name tools. `--names`, `OMNI_NAMES`.",
    ),
    other(
        "instructions",
        "a text of at most 2,000 characters",
        "none",
        "What the model of every client is told at its beginning, before a line for each skill \
         ([skills](../guide/skill-md.md)).",
    ),
    other(
        "skill_read",
        "`true`, `false`",
        "`true`",
        "Whether the tool `skill_read` is listed, by which a model reads skills whose client shows it no resources. \
         `--skill-read`, `OMNI_SKILL_READ`.",
    ),
    SettingKey {
        name: "filter",
        kind: ValueKind::Other { values: "a list of patterns; `!` before one brings back", default: "none" },
        untrusted: UntrustedRule::Filter,
        about: "Tools and skills that are left out ([what clients see](../guide/what-clients-see.md)).",
    },
    // An alias or a text can pass for another tool, and a profile could give a client more than the user's own does.
    other(
        "overrides",
        "tables `[overrides.\"SKILL.COMMAND\"]` with `alias`, `title`, `append_doc`, `hidden`",
        "none",
        "What is shown of a tool in another way than it says itself.",
    ),
    other(
        "profiles",
        "tables `[profiles.NAME]` with `clients`, `principals`, `filter`, `overrides`, `names`",
        "none",
        "What some clients see.",
    ),
    other(
        "reload",
        "`\"watch\"`, `\"poll\"`, `\"off\"`",
        "`\"watch\"`",
        "How a server that runs sees what is edited ([reload](../guide/reload.md)): when it is done, by a look every two \
         seconds, or only when `omni reload` or `SIGHUP` asks.",
    ),
    other(
        "log_level",
        "`\"error\"` to `\"trace\"`, or by module",
        "`\"info\"`; `\"warn\"` for commands that serve nobody",
        "How much the log on stderr says. `--log-level`, `OMNI_LOG`.",
    ),
    other(
        "log_output",
        "`true`, `false`",
        "`true`",
        "Whether what tools print and log, and what their exceptions say, is in the log. `--log-output`, `OMNI_LOG_OUTPUT`.",
    ),
    other("native_tools", "`[\"doctor\"]`", "none", "Tools of omni's own that are served besides."),
    other(
        "skills",
        "tables `[skills.NAME]`",
        "none",
        "What the tools of one skill find in `Context.settings`.",
    ),
    // [http]
    other(
        "http.host",
        "an address or a name",
        "`\"127.0.0.1\"`",
        "Where `omni mcp` listens. `--host`, `OMNI_HOST`.",
    ),
    other("http.port", "0 to 65535; 0 takes a free one", "8000", "`--port`, `OMNI_PORT`."),
    other(
        "http.unix",
        "a path, relative to this one",
        "none",
        "The Unix socket that it listens on instead of a port. `--unix`.",
    ),
    other(
        "http.allow_users",
        "a list of users",
        "none",
        "Users besides yours and root whose processes may call over loopback or the Unix socket. `--allow-user`.",
    ),
    other(
        "http.allow_hosts",
        "a list of names",
        "none",
        "Further names that clients may use for this server. `--allow-host`.",
    ),
    other("http.allow_origins", "a list of origins", "none", "Whose web pages may use it. `--allow-origin`."),
    other(
        "http.token_file",
        "a private file, relative to this one",
        "none",
        "The tokens of clients, one a line, each a principal of its own. `--http-token`.",
    ),
    other(
        "http.tokens",
        "tables `[http.tokens.NAME]` with `file` or `command`, `refresh`, `profile`, `calls`",
        "none",
        "Tokens with names ([running](../guide/running.md#tokens)).",
    ),
    other(
        "http.jwt",
        "a table `[http.jwt]` with `issuer`, `audience`, `resource`, `keys`, `scopes`, `algorithms`, `skew`, \
         `keys_age_max`, `calls`, `profiles`",
        "none",
        "Whose access tokens are taken ([access tokens of an issuer](jwt.md)).",
    ),
    // [workers]
    SettingKey {
        name: "workers.count",
        kind: ValueKind::Other { values: "`\"MIN..MAX\"`, at most 1024", default: "`\"1..64\"`" },
        untrusted: UntrustedRule::LowerRange("1..64"),
        about: "Python processes of `pool` that are kept, and allowed. `workers = \"MIN..MAX\"` is the same. `--workers`, \
                `OMNI_WORKERS`.",
    },
    SettingKey {
        name: "workers.max_calls",
        kind: ValueKind::Number(limit("calls", 100_000, 1..=i64::MAX)),
        untrusted: UntrustedRule::Lower,
        about: "A worker is replaced after so many.",
    },
    SettingKey {
        name: "workers.max_memory_mib",
        kind: ValueKind::Number(limit("MiB", 2048, 1..=i64::MAX)),
        untrusted: UntrustedRule::Lower,
        about: "A worker is replaced when it holds more than this, and twice what it held after its first call.",
    },
    SettingKey {
        name: "workers.max_age",
        kind: ValueKind::Number(Number {
            // Less, and workers would do little else than being replaced.
            too_little: Some("is too short; use 10 or more seconds, or 0 for no limit"),
            ..limit("seconds", DAY_SECONDS, 10..=i64::MAX)
        }),
        untrusted: UntrustedRule::Lower,
        about: "A worker is replaced after so long.",
    },
    SettingKey {
        name: "workers.max_idle",
        kind: ValueKind::Number(number("seconds", 60, 1..=DAY_SECONDS)),
        untrusted: UntrustedRule::Lower,
        about: "A worker above the least count ends after so long without a call; so do `fork`'s parents of skills and what they \
                have forked ahead.",
    },
    SettingKey {
        name: "workers.ready_timeout",
        kind: ValueKind::Number(number("seconds", 10, 1..=3600)),
        untrusted: UntrustedRule::Lower,
        about: "How long a process of Python may take until it is ready, in `pool`, `fork`, `spawn` and `embedded`. Calls that \
                wait for it fail with `worker_start` then.",
    },
    // [queue], [fork], [spawn], [embedded]
    SettingKey {
        name: "queue.calls",
        kind: ValueKind::Number(number("calls", 4096, 1..=MANY)),
        untrusted: UntrustedRule::Lower,
        about: "Calls that wait for a process, in each of `pool`, `fork`, `spawn` and `embedded`. Further ones fail with `busy`.",
    },
    SettingKey {
        name: "queue.per_tool",
        kind: ValueKind::Number(number("calls", 1024, 1..=MANY)),
        untrusted: UntrustedRule::Lower,
        about: "Calls of one tool that wait for a worker of `pool`, so that one tool does not fill the queue. Further ones fail \
                with `busy`.",
    },
    SettingKey {
        name: "fork.ahead",
        kind: ValueKind::Number(number("processes", 0, 0..=ForkSettings::AHEAD_MAX as i64)),
        untrusted: UntrustedRule::Trust,
        about: "Processes that wait for a call of a tool, already forked. A tool's own `ahead=` wins.",
    },
    SettingKey {
        name: "fork.calls",
        kind: ValueKind::Number(number("calls", 1, 1..=ForkSettings::CALLS_MAX as i64)),
        untrusted: UntrustedRule::Trust,
        about: "Calls that one forked process serves. A tool's own `calls=` wins.",
    },
    SettingKey {
        name: "fork.processes",
        kind: ValueKind::Number(number("processes", 16, 1..=1024)),
        untrusted: UntrustedRule::Lower,
        about: "Calls that run at once in forked processes. Others wait.",
    },
    SettingKey {
        name: "spawn.processes",
        kind: ValueKind::Number(number("processes", 16, 1..=1024)),
        untrusted: UntrustedRule::Lower,
        about: "Calls that run at once in processes started from nothing, programs too: each start costs tens of milliseconds of \
                CPU. Others wait.",
    },
    SettingKey {
        name: "embedded.threads",
        kind: ValueKind::Number(number("threads", 4, 1..=64)),
        untrusted: UntrustedRule::Lower,
        about: "Plain calls that run at once inside the server. They share one lock, Python's.",
    },
    // [limits]
    SettingKey {
        name: "limits.memory_mib",
        kind: ValueKind::Number(Number {
            default: None,
            too_little: Some("is too little for Python; use 32 or more"),
            ..number("MiB", 0, 32..=i64::MAX)
        }),
        untrusted: UntrustedRule::LowerLimit(Resource::Data, MIB),
        about: "Private memory of each process of a tool. A call that wants more fails with `oom`.",
    },
    SettingKey {
        name: "limits.open_files",
        kind: ValueKind::Number(Number {
            default: None,
            too_little: Some("is too few for Python; use 64 or more"),
            ..number("files", 0, 64..=i64::MAX)
        }),
        untrusted: UntrustedRule::LowerLimit(Resource::Nofile, 1.0),
        about: "Files that each process of a tool has open. What would open more gets an `OSError`.",
    },
    SettingKey {
        name: "limits.file_mib",
        kind: ValueKind::Number(Number { default: None, ..number("MiB", 0, 0..=i64::MAX) }),
        untrusted: UntrustedRule::LowerLimit(Resource::Fsize, MIB),
        about: "The size of a file that a tool writes. What would grow further gets an `OSError`.",
    },
    SettingKey {
        name: "limits.result_mib",
        kind: ValueKind::Number(number("MiB", 8, 1..=256)),
        untrusted: UntrustedRule::Lower,
        about: "The text, and the data, that one call hands back, and what a program prints. A call with more fails with \
                `output_limit`.",
    },
    // [admission]
    SettingKey {
        name: "admission.memory_mib",
        kind: ValueKind::Number(number("MiB", 64, 1..=MANY)),
        untrusted: UntrustedRule::Trust,
        about: "For requests and large answers of all clients together; eight times `admission.body_mib` at least. A body that \
                finds no room waits, 15 seconds at most, and is then answered 503.",
    },
    SettingKey {
        name: "admission.body_mib",
        kind: ValueKind::Number(number("MiB", 4, 1..=1024)),
        untrusted: UntrustedRule::Trust,
        about: "An HTTP request's body. A larger one is answered 413.",
    },
    SettingKey {
        name: "admission.line_mib",
        kind: ValueKind::Number(number("MiB", 16, 1..=1024)),
        untrusted: UntrustedRule::Trust,
        about: "A line on stdio. A longer one is an error with the id of its request.",
    },
    SettingKey {
        name: "admission.calls",
        kind: ValueKind::Number(number("calls", 1024, 1..=1024)),
        untrusted: UntrustedRule::Trust,
        about: "Calls that are running or in an executor's queue.",
    },
    SettingKey {
        name: "admission.waiting_calls",
        kind: ValueKind::Number(number("calls", 4096, 1..=MANY)),
        untrusted: UntrustedRule::Trust,
        about: "Calls that wait for that. Further ones are refused: 503 with `Retry-After`, on stdio -31000 with \
                `retry_after_ms`.",
    },
    SettingKey {
        name: "admission.connections",
        kind: ValueKind::Number(number("connections", 10_000, 16..=MANY)),
        untrusted: UntrustedRule::Trust,
        about: "HTTP connections, as far as open files allow (`ulimit -Hn`). When there are more, the one that has been silent \
                for longest goes, of whoever has most.",
    },
    SettingKey {
        name: "admission.sessions",
        kind: ValueKind::Number(number("sessions", 10_000, 1..=MANY)),
        untrusted: UntrustedRule::Trust,
        about: "HTTP sessions that are remembered, of revisions that have them. When there are more, the one that has not been \
                used for longest is forgotten, of whoever has most: its streams end, and its id goes on with nothing subscribed.",
    },
    SettingKey {
        name: "admission.open_requests",
        kind: ValueKind::Number(number("requests", 1024, 1..=1 << 16)),
        untrusted: UntrustedRule::Trust,
        about: "Requests that one client on stdio has open. A further one is refused.",
    },
    // [streams]
    SettingKey {
        name: "streams.kept_for",
        kind: ValueKind::Number(number("seconds", 60, 0..=3600)),
        untrusted: UntrustedRule::Lower,
        about: "How long the stream of a reply over HTTP, and the call that it is of, goes on without a reader, so that its \
                client can resume it, where the client's revision has that. With 0 no stream can be resumed, and each call \
                ends with its connection.",
    },
    SettingKey {
        name: "streams.closed_after",
        kind: ValueKind::Number(Number { default: None, ..limit("seconds", 0, 1..=DAY_SECONDS) }),
        untrusted: UntrustedRule::Trust,
        about: "After so long the connection of a stream that can be resumed is closed, and its client comes back for the \
                rest: for a proxy that cuts long replies. Less than what the proxy allows.",
    },
    // [asking]
    SettingKey {
        name: "asking.per_principal",
        kind: ValueKind::Number(number("calls", 16, 1..=MANY)),
        untrusted: UntrustedRule::Lower,
        about: "Calls of one client that wait at once for its answer to what their tools have asked. Beyond it the oldest is \
                dropped, and run again when its client answers, if its tool is `read_only` or `idempotent`; of clients with a \
                session the newest may not ask.",
    },
    SettingKey {
        name: "asking.total",
        kind: ValueKind::Number(number("calls", 256, 1..=MANY)),
        untrusted: UntrustedRule::Lower,
        about: "The same of all clients together.",
    },
    SettingKey {
        name: "asking.expires_after",
        kind: ValueKind::Number(number("seconds", 600, 1..=7 * DAY_SECONDS)),
        untrusted: UntrustedRule::Lower,
        about: "A call whose client has not answered for so long is ended. In a task a question stays open as long as the task is kept.",
    },
    // [tasks]
    SettingKey {
        name: "tasks.after",
        kind: ValueKind::Number(limit("seconds", 20, 1..=7 * DAY_SECONDS)),
        untrusted: UntrustedRule::Trust,
        about: "A tool call that has not been answered for so long becomes a task, where its client takes tasks and the tool does not \
                forbid it ([long work](../guide/long-work.md)). 0: only calls whose tools say so become tasks.",
    },
    SettingKey {
        name: "tasks.keep",
        kind: ValueKind::Number(number("seconds", 86_400, 60..=30 * DAY_SECONDS)),
        untrusted: UntrustedRule::Lower,
        about: "How long a task and its result are kept, from the task's creation on. One that still runs then is ended.",
    },
    SettingKey {
        name: "tasks.poll_interval",
        kind: ValueKind::Number(number("seconds", 1, 1..=3600)),
        untrusted: UntrustedRule::Trust,
        about: "How long clients are told to wait between two looks at a task.",
    },
    SettingKey {
        name: "tasks.per_principal",
        kind: ValueKind::Number(number("tasks", 16, 1..=MANY)),
        untrusted: UntrustedRule::Lower,
        about: "Tasks of one client that run at once. Beyond it a call does not become a task, and is answered when it has ended.",
    },
    SettingKey {
        name: "tasks.total",
        kind: ValueKind::Number(number("tasks", 256, 1..=MANY)),
        untrusted: UntrustedRule::Lower,
        about: "The same of all clients together.",
    },
    // [results]
    SettingKey {
        name: "results.inline_kib",
        kind: ValueKind::Number(limit("KiB", 1000, 16..=1 << 20)),
        untrusted: UntrustedRule::Lower,
        about: "A tool's result that is larger is kept in a file, and its client gets a preview and a link to it \
                ([results](results.md#large-results)). Clients made with the Python SDK refuse events of more than 1 MiB.",
    },
    SettingKey {
        name: "results.structured_kib",
        kind: ValueKind::Number(number("KiB", 8192, 16..=1 << 20)),
        untrusted: UntrustedRule::Lower,
        about: "Structured content that a tool declares a schema of stays up to this size, since clients may refuse a result without \
                it. A larger one is kept, and the result is an error that says so.",
    },
    SettingKey {
        name: "results.kept_mib",
        kind: ValueKind::Number(number("MiB", 256, 1..=1 << 20)),
        untrusted: UntrustedRule::Lower,
        about: "What all results may take that are kept so. The oldest go first.",
    },
    SettingKey {
        name: "results.kept",
        kind: ValueKind::Number(number("files", 1000, 1..=MANY)),
        untrusted: UntrustedRule::Lower,
        about: "How many may be kept.",
    },
    SettingKey {
        name: "results.kept_for",
        kind: ValueKind::Number(number("seconds", 3600, 10..=7 * DAY_SECONDS)),
        untrusted: UntrustedRule::Lower,
        about: "How long each is kept.",
    },
    // [environments]
    other(
        "environments.uv",
        "a path relative to the file, or a name",
        "`uv` on the PATH, else pip",
        "The program that installs what skills need.",
    ),
    other(
        "environments.install_args",
        "a list of words",
        "none",
        "Further arguments of it, such as `--index-url`.",
    ),
    SettingKey {
        name: "environments.timeout",
        kind: ValueKind::Seconds { default: 600.0, values: "more than 0, to a year" },
        untrusted: UntrustedRule::Lower,
        about: "How long one installation may take.",
    },
    // [runner]
    other(
        "runner.address",
        "`\"unix:/PATH\"`, `\"http://HOST:PORT\"`",
        "none",
        "A runner that runs the tools. `runner = \"ADDRESS\"` is the same. `--runner`, `OMNI_RUNNER`.",
    ),
    other(
        "runner.tools",
        "`\"manifest\"`, `\"runner\"`, `\"both\"`",
        "`\"manifest\"` where there is a folder of skills",
        "Whose list of tools is served. `--tools`, `OMNI_TOOLS`.",
    ),
    other(
        "runner.resources",
        "`\"forward\"`, `\"empty\"`, `\"off\"`",
        "`\"forward\"`",
        "What becomes of its resources. `--runner-resources`, `OMNI_RUNNER_RESOURCES`.",
    ),
    other(
        "runner.prompts",
        "`\"forward\"`, `\"empty\"`, `\"off\"`",
        "`\"forward\"`",
        "What becomes of its prompts. `--runner-prompts`, `OMNI_RUNNER_PROMPTS`.",
    ),
    SettingKey {
        name: "runner.refresh",
        kind: ValueKind::Seconds { default: 10.0, values: "0.1 to a day" },
        untrusted: UntrustedRule::Trust,
        about: "The pause between two looks at its lists. `--runner-refresh`, `OMNI_RUNNER_REFRESH`.",
    },
];

/// A key that is no number, and waits for trust.
const fn other(
    name: &'static str,
    values: &'static str,
    default: &'static str,
    about: &'static str,
) -> SettingKey {
    SettingKey { name, kind: ValueKind::Other { values, default }, untrusted: UntrustedRule::Trust, about }
}

const fn number(unit: &'static str, default: i64, range: std::ops::RangeInclusive<i64>) -> Number {
    let (least, most) = (*range.start(), *range.end());
    Number { unit, default: Some(default), least, most, zero_is_none: false, too_little: None }
}

/// A number of which 0 is no limit.
const fn limit(unit: &'static str, default: i64, range: std::ops::RangeInclusive<i64>) -> Number {
    Number { zero_is_none: true, ..number(unit, default, range) }
}

impl SettingKey {
    /// The row of a key.
    ///
    /// # Panics
    ///
    /// When there is none: names are written in the code, and each is read in a test.
    fn named(name: &str) -> &'static SettingKey {
        KEYS.iter().find(|key| key.name == name).unwrap_or_else(|| panic!("a bug: no key `{name}`"))
    }
}

impl Number {
    /// Whether a value is within the bounds.
    fn allows(&self, value: i64) -> bool {
        (self.least..=self.most).contains(&value) || (self.zero_is_none && value == 0)
    }

    /// What is said of a value that is not.
    pub(super) fn refusal(&self, name: &str, value: i64) -> String {
        let why = match self.too_little {
            Some(why) => why.to_owned(),
            None => format!("is not {}", self.values()),
        };
        format!("`{name} = {value}` in omni.toml {why}")
    }

    /// The bounds, in words.
    pub(super) fn values(&self) -> String {
        let range = match self.most {
            i64::MAX => format!("{} or more", self.least),
            most => format!("from {} to {most}", self.least),
        };
        if self.zero_is_none { format!("{range}, or 0 for no limit") } else { range }
    }

    /// One that is out of bounds, for the reference.
    pub(super) fn wrong(&self) -> i64 {
        // 0 may be no limit.
        if self.zero_is_none && self.least == 1 { -1 } else { self.least - 1 }
    }

    /// What it is a number of.
    pub(super) fn unit(&self) -> &'static str {
        self.unit
    }
}

/// The seconds that a key has where nobody says anything.
pub(crate) fn default_seconds(name: &str) -> f64 {
    let ValueKind::Seconds { default, .. } = SettingKey::named(name).kind else {
        panic!("a bug: `{name}` is no time")
    };
    default
}

/// The number that a key has, of the file or its default; `None` is no limit.
///
/// # Errors
///
/// One that is out of bounds; the sentence names the key, the number and the bounds.
pub(super) fn limit_of(name: &str, written: Option<i64>) -> Result<Option<u64>> {
    let ValueKind::Number(number) = &SettingKey::named(name).kind else {
        panic!("a bug: `{name}` is no number")
    };
    if let Some(value) = written.filter(|value| !number.allows(*value)) {
        bail!("{}", number.refusal(name, value));
    }
    let value = written.or(number.default).filter(|value| *value > 0 || !number.zero_is_none);
    Ok(value.and_then(|value| u64::try_from(value).ok()))
}

/// The number of a key that always has one.
///
/// # Errors
///
/// As for [`limit_of`].
pub(super) fn number_of(name: &str, written: Option<i64>) -> Result<usize> {
    let value = limit_of(name, written)?.unwrap_or(0);
    Ok(usize::try_from(value).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::checked::check;
    use crate::settings::settings_file::SettingsFile;

    /// The keys that the reader of a file knows, from the error that it makes of one that it does not know.
    fn known(prefix: &str) -> Vec<String> {
        let text = if prefix.is_empty() { "zzz = 1".to_owned() } else { format!("[{prefix}]\nzzz = 1") };
        let error = toml::from_str::<SettingsFile>(&text).unwrap_err().to_string();
        let list = error.split("expected").nth(1).unwrap_or_else(|| panic!("{error}"));
        list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn every_key_has_a_row_and_every_row_is_a_key() {
        let mut all = Vec::new();
        let top = known("");
        assert!(top.len() > 10, "{top:?}");
        for key in top {
            let is_table = KEYS.iter().any(|row| row.name.starts_with(&format!("{key}.")));
            match is_table {
                true => all.extend(known(&key).into_iter().map(|member| format!("{key}.{member}"))),
                false => all.push(key),
            }
        }
        all.sort_unstable();
        let mut rows: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
        rows.sort_unstable();
        assert_eq!(
            rows, all,
            "`KEYS` says for each what it is, and what an omni.toml that nobody trusts may do with it"
        );
    }

    #[test]
    fn a_number_is_refused_beyond_its_bounds_and_taken_at_them() {
        for key in KEYS {
            let ValueKind::Number(number) = key.kind else { continue };
            let read = |value: i64| {
                toml::from_str::<SettingsFile>(&format!("{} = {value}", key.name)).map(|file| check(&file))
            };
            let taken = [Some(number.least), (number.most < i64::MAX).then_some(number.most), number.default];
            for value in taken.into_iter().flatten() {
                // Two bounds may be wrong together; the one that is named is another then.
                if let Err(why) = read(value).unwrap() {
                    assert!(!why.to_string().starts_with(&number.refusal(key.name, value)), "{why}");
                }
            }
            let refused = [Some(number.least - 1), (number.most < i64::MAX).then(|| number.most + 1)];
            for value in refused.into_iter().flatten().filter(|value| !number.allows(*value)) {
                let why = read(value).unwrap().unwrap_err().to_string();
                assert_eq!(why, number.refusal(key.name, value));
                assert!(why.contains(&number.least.to_string()), "{why}");
            }
        }
    }

    #[test]
    fn a_setting_that_an_option_of_a_tool_names_exists() {
        let options = include_str!("../../../../conformance/options.json");
        let options: serde_json::Value = serde_json::from_str(options).unwrap();
        let named: Vec<&str> = options["options"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|option| option["setting"].as_str())
            .collect();
        assert!(!named.is_empty());
        for name in named {
            assert!(KEYS.iter().any(|key| key.name == name), "`{name}` is no key of omni.toml");
        }
    }

    #[test]
    fn a_flag_or_a_variable_that_a_row_names_exists() {
        use clap::CommandFactory;
        let command = crate::args::Arguments::command();
        let mut known = vec!["OMNI_LOG".to_owned()];
        for argument in
            command.get_subcommands().flat_map(clap::Command::get_arguments).chain(command.get_arguments())
        {
            known.extend(argument.get_long().map(|long| format!("--{long}")));
            known.extend(argument.get_env().map(|name| name.to_string_lossy().into_owned()));
        }
        let mut named = 0;
        for key in KEYS {
            let words = key.about.split('`').skip(1).step_by(2);
            for word in words.filter(|word| word.starts_with("OMNI_") || word.starts_with("--")) {
                assert!(
                    word == "--index-url" || known.iter().any(|known| known == word),
                    "{}: {word}",
                    key.name
                );
                named += 1;
            }
        }
        assert!(named > 30, "{named}");
    }
}
