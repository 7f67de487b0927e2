"""What both languages must know. Generated from `conformance/shared.json` by `cargo xtask docs`."""

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here

#: Levels of log messages, least severe first.
LEVELS = (
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
)

#: How lists name tools, the usual way first.
NAME_STYLES = (
    "underscore",
    "dotted",
)

#: Clients put a prefix before a name, and all must fit into 64.
WIRE_CHARS_MAX = 48

#: Digits of a hash that a name ends with, more each time it is contested.
HASH_DIGITS = (
    10,
    20,
    40,
)

#: A larger source file is not read: no person wrote it.
FILE_BYTES_MAX = 4194304

#: The protocol between server and worker.
PROTO = 2

#: A frame at most, where nobody says otherwise.
FRAME_BYTES_MAX = 16842752

#: A part of a result at most.
RESULT_BYTES_MAX = 8388608

#: The parameters of a question to the client at most.
ASK_BYTES_MAX = 1048576

#: The key of a question at most.
ASK_KEY_BYTES_MAX = 128

#: What goes with an error of the protocol at most.
ERROR_DATA_BYTES_MAX = 65536

#: Questions of one call at most that wait for an answer at the same time.
ASKS_OPEN_MAX = 16

#: A worker ends with this code that gives itself up.
GAVE_UP = 70

#: How the line begins in which it says why.
LAST_WORDS = "omni worker: "

#: The version of the runner contract.
CONTRACT = 2

#: A request to a runner at most.
BODY_BYTES_MAX = 16842752

#: The largest integer that every reader of JSON holds exactly.
CALL_ID_MAX = 9007199254740991

#: The error with which a call of no tool is answered.
UNKNOWN_TOOL = -32602

#: The official SDK that `omni.mcp` is an adapter on.
MCP_PACKAGE = "mcp==2.3.0"

#: What a model reads about a call that failed, by how it ended.
OUTCOME_SENTENCES = {
    "tool_error": (
        "`{tool}` raised `{class}`{at}; its message is in the server's log (start omni with "
        "`--errors message` to see it here)"
    ),
    "tool_error message": "`{tool}` raised `{class}`{at}: {message}",
    "tool_error message empty": "`{tool}` raised `{class}`{at} without a message",
    "tool_error intended": "{message}",
    "not_found": "{message}",
    "mcp_error": "{message}",
    "bad_result": "`{tool}` returned an unusable result: {message}",
    "invalid_arguments": "{message}",
    "load_error": (
        "`{tool}` could not be loaded: `{class}`{at}; its message is in the server's log (start "
        "omni with `--errors message` to see it here)"
    ),
    "load_error message": "`{tool}` could not be loaded: {message}",
    "load_error intended": "`{tool}` could not be loaded: {message}",
    "exited": "`{tool}` ended its process with exit code {code}",
    "exited message": "`{tool}` ended its process with exit code {code}: {message}",
    "signalled": "`{tool}` was ended by signal {signal}{name}",
    "timeout_total": "`{tool}` was stopped at its time limit of {limit}; `timeout=` allows more",
    "timeout_idle": (
        "`{tool}` was stopped after {limit} without a sign of life: to print, to log, "
        "`progress()` or `heartbeat()` is one; `idle_timeout=` allows more"
    ),
    "oom": "`{tool}` wanted more memory{at} than this machine has left",
    "oom limited": "`{tool}` wanted more memory{at} than the {mib} MiB that a tool's process may have",
    "oom message": "`{tool}` wanted more memory{at} than this machine has left: {message}",
    "oom limited message": (
        "`{tool}` wanted more memory{at} than the {mib} MiB that a tool's process may have: {message}"
    ),
    "output_limit": "`{tool}` returned more than {bytes} bytes; ask for less at a time",
    "lost": "the worker running `{tool}` was lost: {message}",
    "cancelled": "`{tool}` was cancelled",
    "shutdown": "`{tool}` was stopped because the server is shutting down",
    "busy": "no worker is free for `{tool}`; try again in {limit}",
    "quarantined": (
        "`{tool}` crashed its process three times within a minute and is refused for now; try "
        "again in {limit}, and look at its code or its arguments first"
    ),
    "worker_start": "no process could be started for `{tool}`: {message} ({hint})",
    "stale": (
        "`{tool}` was not run: the files of its skill changed each time it was about to begin; "
        "call it again once they are at rest"
    ),
}

#: Where to read what a client is not shown.
OUTCOME_WITHHELD = "is in the server's log (start omni with `--errors message` to see it here)"

#: How a message ends that is longer than a client is shown.
OUTCOME_CUT = "… (cut: it has {count} characters)"

#: What a client is shown of an exception's message, and of standard error, at most.
MESSAGE_BYTES_MAX = 2048

#: How much of an exception clients may be shown.
ERROR_DETAILS = (
    "masked",
    "message",
    "full",
)

#: What is added where time ran out before a worker was free.
OUTCOME_STARVED = "; it still waited for a worker, and no line of it has run"

#: Kinds of ending after which the same call may succeed.
OUTCOME_RETRYABLE = (
    "busy",
    "lost",
    "quarantined",
    "shutdown",
    "stale",
    "worker_start",
)

#: What is said of signals that end Python processes.
OUTCOME_SIGNALS = {
    4: " (SIGILL)",
    6: " (SIGABRT)",
    7: " (SIGBUS)",
    8: " (SIGFPE)",
    9: " (SIGKILL: perhaps out of memory)",
    11: " (SIGSEGV, a crash in native code)",
    15: " (SIGTERM)",
}
