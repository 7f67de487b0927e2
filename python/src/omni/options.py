"""The options of tools. Generated from `conformance/options.json` by `cargo xtask docs`; do not edit."""

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

#: Each option: how it is read and checked (`kind`), where it may stand (`at`), and what carries it.
OPTIONS = {
    "name": {
        "kind": "text",
        "at": ("decorator", "program"),
    },
    "description": {
        "kind": "text",
        "at": ("decorator", "program"),
    },
    "category": {
        "kind": "text",
        "at": ("decorator",),
    },
    "title": {
        "kind": "text",
        "at": ("decorator", "program"),
    },
    "read_only": {
        "kind": "flag",
        "at": ("decorator", "program"),
        "hint": "readOnlyHint",
    },
    "destructive": {
        "kind": "flag",
        "at": ("decorator", "program"),
        "hint": "destructiveHint",
    },
    "idempotent": {
        "kind": "flag",
        "at": ("decorator", "program"),
        "hint": "idempotentHint",
    },
    "open_world": {
        "kind": "flag",
        "at": ("decorator", "program"),
        "hint": "openWorldHint",
    },
    "timeout": {
        "kind": "seconds",
        "at": ("decorator", "front_matter", "program"),
        "carried": "limits",
        "member": "timeout_ms",
        "without": "the server's limit holds",
    },
    "idle_timeout": {
        "kind": "seconds",
        "at": ("decorator", "front_matter", "program"),
        "carried": "limits",
        "member": "idle_timeout_ms",
        "without": "the server's limit holds",
    },
    "executor": {
        "kind": "executor",
        "at": ("decorator", "front_matter"),
        "without": "its tools run with the server's default executor",
    },
    "ahead": {
        "kind": "count",
        "at": ("decorator", "front_matter"),
        "min": 0,
        "max": 64,
        "of": "processes",
        "carried": "fork",
        "member": "ahead",
        "without": "the server's default holds",
    },
    "calls": {
        "kind": "count",
        "at": ("decorator", "front_matter"),
        "min": 1,
        "max": 100000,
        "of": "calls",
        "carried": "fork",
        "member": "calls",
        "without": "the server's default holds",
    },
    "affinity": {
        "kind": "choice",
        "at": ("decorator", "front_matter"),
        "choices": ("none", "session", "single"),
        "carried": "policy",
        "member": "affinity",
        "without": "any worker serves any call",
    },
    "concurrency": {
        "kind": "count",
        "at": ("decorator", "front_matter", "program"),
        "min": 1,
        "max": 4096,
        "of": "calls",
        "carried": "policy",
        "member": "concurrency",
        "front_matter_member": "skill_concurrency",
        "without": "there is no such limit",
    },
    "retry_on": {
        "kind": "exceptions",
        "at": ("decorator", "front_matter"),
        "carried": "policy",
        "member": "retry_on",
        "without": "no exception is followed by another attempt",
    },
    "max_attempts": {
        "kind": "count",
        "at": ("decorator", "front_matter"),
        "min": 1,
        "max": 10,
        "of": "",
        "carried": "policy",
        "member": "max_attempts",
        "without": "there is no such limit",
    },
    "cache_ttl": {
        "kind": "seconds",
        "at": ("decorator",),
        "carried": "policy",
        "member": "cache_ttl_ms",
    },
    "input_schema": {
        "kind": "schema",
        "at": ("decorator", "program"),
    },
    "output_schema": {
        "kind": "schema",
        "at": ("decorator", "program"),
    },
    "meta": {
        "kind": "object",
        "at": ("decorator",),
    },
    "icons": {
        "kind": "icons",
        "at": ("decorator",),
    },
    "tags": {
        "kind": "texts",
        "at": ("decorator", "front_matter", "program"),
        "without": "its tools have no tags but their own",
    },
    "version": {
        "kind": "version",
        "at": ("decorator",),
    },
}

#: What `omni.foundation`'s decorator took; nothing acts on it any more.
WITHOUT_EFFECT = (
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
)

#: The longest time in each place: more is a mistake in the unit.
SECONDS_MAX = {
    "decorator": 604800,
    "front_matter": 31536000,
    "program": 604800,
}

#: Members of a tool's `policy`, in the order in which it is written.
POLICY_MEMBERS = (
    "affinity",
    "concurrency",
    "skill_concurrency",
    "retry_on",
    "max_attempts",
    "cache_ttl_ms",
    "repeatable",
)
