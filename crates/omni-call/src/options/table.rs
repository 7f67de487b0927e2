//! The options, and what carries them. Generated from `conformance/options.json` by `cargo xtask docs`; do not edit.

use serde::{Deserialize, Serialize};

use super::option::{OptionKind, OptionPlace, OptionValue, ToolOption};
use crate::{Affinity, TaskSupport};

/// Every option, in the order in which a reader is shown them.
pub const OPTIONS: [ToolOption; 36] = [
    ToolOption {
        name: "name",
        also: &[],
        kind: OptionKind::Text,
        places: &[OptionPlace::Decorator, OptionPlace::Program, OptionPlace::Resource, OptionPlace::Prompt],
        without: "",
    },
    ToolOption {
        name: "description",
        also: &[],
        kind: OptionKind::Text,
        places: &[OptionPlace::Decorator, OptionPlace::Program, OptionPlace::Resource, OptionPlace::Prompt],
        without: "",
    },
    ToolOption {
        name: "category",
        also: &[],
        kind: OptionKind::Text,
        places: &[OptionPlace::Decorator],
        without: "",
    },
    ToolOption {
        name: "title",
        also: &[],
        kind: OptionKind::Text,
        places: &[OptionPlace::Decorator, OptionPlace::Program, OptionPlace::Resource, OptionPlace::Prompt],
        without: "",
    },
    ToolOption {
        name: "read_only",
        also: &[],
        kind: OptionKind::Hint("readOnlyHint"),
        places: &[OptionPlace::Decorator, OptionPlace::Program],
        without: "",
    },
    ToolOption {
        name: "destructive",
        also: &[],
        kind: OptionKind::Hint("destructiveHint"),
        places: &[OptionPlace::Decorator, OptionPlace::Program],
        without: "",
    },
    ToolOption {
        name: "idempotent",
        also: &[],
        kind: OptionKind::Hint("idempotentHint"),
        places: &[OptionPlace::Decorator, OptionPlace::Program],
        without: "",
    },
    ToolOption {
        name: "open_world",
        also: &[],
        kind: OptionKind::Hint("openWorldHint"),
        places: &[OptionPlace::Decorator, OptionPlace::Program],
        without: "",
    },
    ToolOption {
        name: "timeout",
        also: &[],
        kind: OptionKind::Seconds,
        places: &[
            OptionPlace::Decorator,
            OptionPlace::FrontMatter,
            OptionPlace::Program,
            OptionPlace::Resource,
            OptionPlace::Prompt,
            OptionPlace::Completion,
        ],
        without: "the server's limit holds",
    },
    ToolOption {
        name: "idle_timeout",
        also: &[],
        kind: OptionKind::Seconds,
        places: &[
            OptionPlace::Decorator,
            OptionPlace::FrontMatter,
            OptionPlace::Program,
            OptionPlace::Resource,
            OptionPlace::Prompt,
            OptionPlace::Completion,
        ],
        without: "the server's limit holds",
    },
    ToolOption {
        name: "executor",
        also: &[],
        kind: OptionKind::Executor,
        places: &[
            OptionPlace::Decorator,
            OptionPlace::FrontMatter,
            OptionPlace::Resource,
            OptionPlace::Prompt,
            OptionPlace::Completion,
        ],
        without: "its tools run with the server's default executor",
    },
    ToolOption {
        name: "ahead",
        also: &[],
        kind: OptionKind::Count { min: 0, max: 64, of: "processes" },
        places: &[
            OptionPlace::Decorator,
            OptionPlace::FrontMatter,
            OptionPlace::Resource,
            OptionPlace::Prompt,
            OptionPlace::Completion,
        ],
        without: "the server's default holds",
    },
    ToolOption {
        name: "calls",
        also: &[],
        kind: OptionKind::Count { min: 1, max: 100000, of: "calls" },
        places: &[
            OptionPlace::Decorator,
            OptionPlace::FrontMatter,
            OptionPlace::Resource,
            OptionPlace::Prompt,
            OptionPlace::Completion,
        ],
        without: "the server's default holds",
    },
    ToolOption {
        name: "affinity",
        also: &[],
        kind: OptionKind::Choice(&["none", "session", "single"]),
        places: &[
            OptionPlace::Decorator,
            OptionPlace::FrontMatter,
            OptionPlace::Resource,
            OptionPlace::Prompt,
            OptionPlace::Completion,
        ],
        without: "any worker serves any call",
    },
    ToolOption {
        name: "concurrency",
        also: &[],
        kind: OptionKind::Count { min: 1, max: 4096, of: "calls" },
        places: &[
            OptionPlace::Decorator,
            OptionPlace::FrontMatter,
            OptionPlace::Program,
            OptionPlace::Resource,
            OptionPlace::Prompt,
            OptionPlace::Completion,
        ],
        without: "there is no such limit",
    },
    ToolOption {
        name: "retry_on",
        also: &[],
        kind: OptionKind::Exceptions,
        places: &[
            OptionPlace::Decorator,
            OptionPlace::FrontMatter,
            OptionPlace::Resource,
            OptionPlace::Prompt,
            OptionPlace::Completion,
        ],
        without: "no exception is followed by another attempt",
    },
    ToolOption {
        name: "max_attempts",
        also: &[],
        kind: OptionKind::Count { min: 1, max: 10, of: "" },
        places: &[
            OptionPlace::Decorator,
            OptionPlace::FrontMatter,
            OptionPlace::Resource,
            OptionPlace::Prompt,
            OptionPlace::Completion,
        ],
        without: "there is no such limit",
    },
    ToolOption {
        name: "enabled",
        also: &[],
        kind: OptionKind::Flag,
        places: &[
            OptionPlace::Decorator,
            OptionPlace::FrontMatter,
            OptionPlace::Program,
            OptionPlace::Resource,
            OptionPlace::Prompt,
        ],
        without: "what it offers is there from the start",
    },
    ToolOption {
        name: "task",
        also: &[],
        kind: OptionKind::Choice(&["forbidden", "optional", "required"]),
        places: &[OptionPlace::Decorator, OptionPlace::FrontMatter, OptionPlace::Program],
        without: "a call becomes a task when it takes long",
    },
    ToolOption {
        name: "cache_ttl",
        also: &[],
        kind: OptionKind::Seconds,
        places: &[OptionPlace::Decorator],
        without: "",
    },
    ToolOption {
        name: "input_schema",
        also: &[],
        kind: OptionKind::Schema,
        places: &[OptionPlace::Decorator, OptionPlace::Program],
        without: "",
    },
    ToolOption {
        name: "output_schema",
        also: &[],
        kind: OptionKind::Schema,
        places: &[OptionPlace::Decorator, OptionPlace::Program],
        without: "",
    },
    ToolOption {
        name: "meta",
        also: &[],
        kind: OptionKind::Object,
        places: &[OptionPlace::Decorator, OptionPlace::Resource, OptionPlace::Prompt],
        without: "",
    },
    ToolOption {
        name: "icons",
        also: &[],
        kind: OptionKind::Icons,
        places: &[OptionPlace::Decorator, OptionPlace::Resource, OptionPlace::Prompt],
        without: "",
    },
    ToolOption {
        name: "app",
        also: &[],
        kind: OptionKind::App,
        places: &[OptionPlace::Decorator, OptionPlace::Resource],
        without: "",
    },
    ToolOption {
        name: "tags",
        also: &[],
        kind: OptionKind::Texts,
        places: &[
            OptionPlace::Decorator,
            OptionPlace::FrontMatter,
            OptionPlace::Program,
            OptionPlace::Resource,
            OptionPlace::Prompt,
        ],
        without: "its tools have no tags but their own",
    },
    ToolOption {
        name: "version",
        also: &[],
        kind: OptionKind::Version,
        places: &[OptionPlace::Decorator, OptionPlace::Resource, OptionPlace::Prompt],
        without: "",
    },
    ToolOption {
        name: "uri",
        also: &["resource_uri"],
        kind: OptionKind::Uri,
        places: &[OptionPlace::Resource],
        without: "",
    },
    ToolOption {
        name: "mime_type",
        also: &[],
        kind: OptionKind::MimeType,
        places: &[OptionPlace::Resource],
        without: "",
    },
    ToolOption {
        name: "size",
        also: &[],
        kind: OptionKind::Size,
        places: &[OptionPlace::Resource],
        without: "",
    },
    ToolOption {
        name: "annotations",
        also: &[],
        kind: OptionKind::Annotations,
        places: &[OptionPlace::Resource],
        without: "",
    },
    ToolOption {
        name: "ttl",
        also: &[],
        kind: OptionKind::Seconds,
        places: &[OptionPlace::Resource],
        without: "",
    },
    ToolOption {
        name: "scope",
        also: &[],
        kind: OptionKind::Choice(&["public", "private"]),
        places: &[OptionPlace::Resource],
        without: "",
    },
    ToolOption {
        name: "prompt",
        also: &[],
        kind: OptionKind::Function,
        places: &[OptionPlace::Completion],
        without: "",
    },
    ToolOption {
        name: "resource",
        also: &[],
        kind: OptionKind::Function,
        places: &[OptionPlace::Completion],
        without: "",
    },
    ToolOption {
        name: "argument",
        also: &[],
        kind: OptionKind::Text,
        places: &[OptionPlace::Completion],
        without: "",
    },
];

/// Options that `omni.foundation`'s decorator took and nothing here acts on.
pub const OPTIONS_WITHOUT_EFFECT: [&str; 12] = [
    "variants",
    "default_variant",
    "inject_root",
    "inject_settings",
    "autowire",
    "error_strategy",
    "log_level",
    "trace_args",
    "trace_result",
    "trace_timing",
    "filter_empty",
    "max_result_depth",
];

/// Time limits that a tool or its skill declares, in milliseconds. `None` takes the server's default, 0 switches the clock off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TimeLimits {
    /// Seconds the whole call may take, from the moment it is accepted; 0 for no limit. The skill's or the server's limit by default (`omni describe` shows which). Here in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Seconds the tool may be silent, 0 for no limit. By default as for `timeout`. Here in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_ms: Option<u64>,
}

impl TimeLimits {
    /// These, and where they say nothing, `others`.
    #[must_use]
    pub fn or(self, others: &Self) -> Self {
        TimeLimits {
            timeout_ms: self.timeout_ms.or(others.timeout_ms),
            idle_timeout_ms: self.idle_timeout_ms.or(others.idle_timeout_ms),
        }
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a tool's author declares about its calls, besides the time they may take. The default does nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    /// Which calls of the skill share memory: `none`, those of one `session`, or all (`single`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// Calls of this tool that run at once at most; more wait. No limit by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// `concurrency` where it stands in `SKILL.md`: of all tools of the skill together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skill_concurrency: Option<u32>,
    /// Exception classes after which the call is run again, subclasses included. A class or its name, or several in a tuple; none by default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retry_on: Vec<String>,
    /// Runs of one call at most; 3 with `retry_on`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// False for a tool that clients neither list nor call until a call of theirs has shown it with `ctx.show`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether a call becomes a task for clients that take tasks: never (`forbidden`, also `False`), at once (`optional`, also `True`), or at once with all other clients refused (`required`). When it takes long by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskSupport>,
    /// Seconds for which a result answers the same arguments again, whoever asks. Here in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_ttl_ms: Option<u64>,
    /// The author declared the tool idempotent or read-only: a call that was lost on the way may be run again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repeatable: bool,
}

impl Policy {
    /// The largest `concurrency` there is.
    pub const CONCURRENCY_MAX: u32 = 4_096;

    /// The largest `max_attempts` there is.
    pub const ATTEMPTS_MAX: u32 = 10;

    /// These, and where they say nothing, `others`.
    #[must_use]
    pub fn or(self, others: &Self) -> Self {
        Policy {
            affinity: self.affinity.or(others.affinity),
            concurrency: self.concurrency.or(others.concurrency),
            skill_concurrency: self.skill_concurrency.or(others.skill_concurrency),
            retry_on: if self.retry_on.is_empty() { others.retry_on.clone() } else { self.retry_on },
            max_attempts: self.max_attempts.or(others.max_attempts),
            enabled: self.enabled.or(others.enabled),
            task: self.task.or(others.task),
            cache_ttl_ms: self.cache_ttl_ms.or(others.cache_ttl_ms),
            repeatable: self.repeatable || others.repeatable,
        }
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The first number that is out of its bounds, in words: for what others have written.
    pub fn out_of_bounds(&self) -> Option<&'static str> {
        if self.concurrency.is_some_and(|n| !(1..=4_096).contains(&n)) {
            return Some("`concurrency` is not 1 to 4096");
        }
        if self.skill_concurrency.is_some_and(|n| !(1..=4_096).contains(&n)) {
            return Some("`concurrency` is not 1 to 4096");
        }
        if self.max_attempts.is_some_and(|n| !(1..=10).contains(&n)) {
            return Some("`max_attempts` is not 1 to 10");
        }
        None
    }
}

/// How the executor `fork` has processes ready. `None` leaves it to the skill, then to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ForkSettings {
    /// With `fork`: processes that wait for a call, already forked, 0 to 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ahead: Option<u32>,
    /// With `fork`: calls that one process serves, 1 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<u32>,
}

impl ForkSettings {
    /// The largest `ahead` there is.
    pub const AHEAD_MAX: u32 = 64;

    /// The largest `calls` there is.
    pub const CALLS_MAX: u32 = 100_000;

    /// These, and where they say nothing, `others`.
    #[must_use]
    pub fn or(self, others: &Self) -> Self {
        ForkSettings { ahead: self.ahead.or(others.ahead), calls: self.calls.or(others.calls) }
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The first number that is out of its bounds, in words: for what others have written.
    pub fn out_of_bounds(&self) -> Option<&'static str> {
        if self.ahead.is_some_and(|n| n > 64) {
            return Some("`ahead` is not 0 to 64");
        }
        if self.calls.is_some_and(|n| !(1..=100_000).contains(&n)) {
            return Some("`calls` is not 1 to 100000");
        }
        None
    }
}

/// What a tool, or a skill for all of its tools, has set of the options that somebody acts on when a call is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallOptions {
    pub limits: TimeLimits,
    pub policy: Policy,
    pub fork: ForkSettings,
}

impl CallOptions {
    /// Sets what carries the option of this name where it stands at `place`. `false` when nothing carries it, or not such a value.
    pub fn set(&mut self, option: &str, place: OptionPlace, value: OptionValue) -> bool {
        match (option, place, value) {
            ("timeout", _, OptionValue::Milliseconds(value)) => self.limits.timeout_ms = Some(value),
            ("idle_timeout", _, OptionValue::Milliseconds(value)) => {
                self.limits.idle_timeout_ms = Some(value)
            }
            ("ahead", _, OptionValue::Count(value)) => self.fork.ahead = Some(value),
            ("calls", _, OptionValue::Count(value)) => self.fork.calls = Some(value),
            ("affinity", _, OptionValue::Choice(value)) => self.policy.affinity = value.parse().ok(),
            ("concurrency", OptionPlace::FrontMatter, OptionValue::Count(value)) => {
                self.policy.skill_concurrency = Some(value)
            }
            ("concurrency", _, OptionValue::Count(value)) => self.policy.concurrency = Some(value),
            ("retry_on", _, OptionValue::Texts(value)) => self.policy.retry_on = value,
            ("max_attempts", _, OptionValue::Count(value)) => self.policy.max_attempts = Some(value),
            ("enabled", _, OptionValue::Flag(value)) => self.policy.enabled = Some(value),
            ("task", _, OptionValue::Choice(value)) => self.policy.task = value.parse().ok(),
            ("cache_ttl", _, OptionValue::Milliseconds(value)) => self.policy.cache_ttl_ms = Some(value),
            _ => return false,
        }
        true
    }
}

impl OptionPlace {
    /// The longest time there, in seconds: more is a mistake in the unit, and far from where arithmetic on deadlines overflows.
    pub const fn seconds_max(self) -> f64 {
        match self {
            OptionPlace::Decorator
            | OptionPlace::Program
            | OptionPlace::Resource
            | OptionPlace::Prompt
            | OptionPlace::Completion => 604_800.0,
            OptionPlace::FrontMatter => 31_536_000.0,
        }
    }
}
