"""The options of decorators. Generated from `conformance/options.json` by `cargo xtask docs`; do not edit."""

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

#: Each option: how it is read and checked (`kind`), where it may stand (`at`), and what carries it.
OPTIONS = {
    "name": {
        "kind": "text",
        "at": ("decorator", "program", "resource", "prompt"),
    },
    "description": {
        "kind": "text",
        "at": ("decorator", "program", "resource", "prompt"),
    },
    "category": {
        "kind": "text",
        "at": ("decorator",),
    },
    "title": {
        "kind": "text",
        "at": ("decorator", "program", "resource", "prompt"),
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
        "at": ("decorator", "front_matter", "program", "resource", "prompt", "completion"),
        "carried": "limits",
        "member": "timeout_ms",
        "without": "the server's limit holds",
    },
    "idle_timeout": {
        "kind": "seconds",
        "at": ("decorator", "front_matter", "program", "resource", "prompt", "completion"),
        "carried": "limits",
        "member": "idle_timeout_ms",
        "without": "the server's limit holds",
    },
    "executor": {
        "kind": "executor",
        "at": ("decorator", "front_matter", "resource", "prompt", "completion"),
        "without": "its tools run with the server's default executor",
    },
    "ahead": {
        "kind": "count",
        "at": ("decorator", "front_matter", "resource", "prompt", "completion"),
        "min": 0,
        "max": 64,
        "of": "processes",
        "carried": "fork",
        "member": "ahead",
        "without": "the server's default holds",
    },
    "calls": {
        "kind": "count",
        "at": ("decorator", "front_matter", "resource", "prompt", "completion"),
        "min": 1,
        "max": 100000,
        "of": "calls",
        "carried": "fork",
        "member": "calls",
        "without": "the server's default holds",
    },
    "affinity": {
        "kind": "choice",
        "at": ("decorator", "front_matter", "resource", "prompt", "completion"),
        "choices": ("none", "session", "single"),
        "carried": "policy",
        "member": "affinity",
        "without": "any worker serves any call",
    },
    "concurrency": {
        "kind": "count",
        "at": ("decorator", "front_matter", "program", "resource", "prompt", "completion"),
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
        "at": ("decorator", "front_matter", "resource", "prompt", "completion"),
        "carried": "policy",
        "member": "retry_on",
        "without": "no exception is followed by another attempt",
    },
    "max_attempts": {
        "kind": "count",
        "at": ("decorator", "front_matter", "resource", "prompt", "completion"),
        "min": 1,
        "max": 10,
        "of": "",
        "carried": "policy",
        "member": "max_attempts",
        "without": "there is no such limit",
    },
    "enabled": {
        "kind": "flag",
        "at": ("decorator", "front_matter", "program", "resource", "prompt"),
        "carried": "policy",
        "member": "enabled",
        "without": "what it offers is there from the start",
    },
    "task": {
        "kind": "choice",
        "at": ("decorator", "front_matter", "program"),
        "choices": ("forbidden", "optional", "required"),
        "flags": ("forbidden", "optional"),
        "carried": "policy",
        "member": "task",
        "without": "a call becomes a task when it takes long",
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
        "at": ("decorator", "resource", "prompt"),
    },
    "icons": {
        "kind": "icons",
        "at": ("decorator", "resource", "prompt"),
    },
    "app": {
        "kind": "app",
        "at": ("decorator", "resource"),
    },
    "tags": {
        "kind": "texts",
        "at": ("decorator", "front_matter", "program", "resource", "prompt"),
        "without": "its tools have no tags but their own",
    },
    "version": {
        "kind": "version",
        "at": ("decorator", "resource", "prompt"),
    },
    "uri": {
        "kind": "uri",
        "at": ("resource",),
        "also": ("resource_uri",),
    },
    "mime_type": {
        "kind": "mime_type",
        "at": ("resource",),
    },
    "size": {
        "kind": "size",
        "at": ("resource",),
    },
    "annotations": {
        "kind": "annotations",
        "at": ("resource",),
    },
    "ttl": {
        "kind": "seconds",
        "at": ("resource",),
    },
    "scope": {
        "kind": "choice",
        "at": ("resource",),
        "choices": ("public", "private"),
    },
    "prompt": {
        "kind": "function",
        "at": ("completion",),
    },
    "resource": {
        "kind": "function",
        "at": ("completion",),
    },
    "argument": {
        "kind": "text",
        "at": ("completion",),
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
    "resource": 604800,
    "prompt": 604800,
    "completion": 604800,
}

#: Members of a tool's `policy`, in the order in which it is written.
POLICY_MEMBERS = (
    "affinity",
    "concurrency",
    "skill_concurrency",
    "retry_on",
    "max_attempts",
    "enabled",
    "task",
    "cache_ttl_ms",
    "repeatable",
)
