//! The table of executors, for people and for the Python package, made from the type that has it.

use omni_call::{ExecutorKind, ForkSettings};

/// The page.
pub(super) fn page() -> String {
    let mut page = String::from(
        "# Executors\n\nGenerated from `omni-call` by `cargo xtask docs`; do not edit.\n\n\
         A tool names its executor with `@tool(executor=…)`, a skill for all its tools with `executor:` in `SKILL.md`; for \
         all others it is `executor` in `omni.toml`, or `--executor`.\n\n| name | where a tool runs |\n|---|---|\n",
    );
    for kind in ExecutorKind::choices() {
        page += &format!("| `{}` | {} |\n", kind.name(), kind.about());
    }
    page += &format!(
        "\n## Settings of `fork`\n\nEach may stand in the decorator (`ahead=2`), in the front matter (`ahead: 2`), and under \
         `[fork]` in `omni.toml`; the first that says something counts.\n\n| setting | values | default | |\n|---|---|---|---|\n\
         | `ahead` | 0 to {} | 0 | processes that wait for a call, already forked, once the tool has been called; with 0 each is \
         forked when its call comes |\n| `calls` | 1 to {} | 1 | calls that one process serves before another takes its place |\n",
        ForkSettings::AHEAD_MAX,
        ForkSettings::CALLS_MAX,
    );
    page += "\n## Former names\n\nThese are refused, with the words on the right.\n\n| name | |\n|---|---|\n";
    for (former, instead) in ExecutorKind::FORMER {
        page += &format!("| `{former}` | {instead} |\n");
    }
    page
}

/// The module of the Python package.
pub(super) fn module() -> String {
    let mut module = String::from(
        "\"\"\"Which executors there are. Generated from `omni-call` by `cargo xtask docs`; do not edit.\"\"\"\n\n\
         from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here\n\n",
    );
    let names: Vec<String> = ExecutorKind::choices().map(|kind| format!("{:?}", kind.name())).collect();
    module += &format!("NAMES = ({})\n\n", names.join(", "));
    module += "#: Names that executors once had, each with what to write instead.\nFORMER = {\n";
    for (former, instead) in ExecutorKind::FORMER {
        module += &format!("    {former:?}: {instead:?},\n");
    }
    module += "}\n\n\ndef check(name: str) -> None:\n    \
               \"\"\"Raise `ValueError` unless there is an executor of this name.\"\"\"\n    \
               if name in NAMES:\n        return\n    \
               message = FORMER.get(str(name))\n    \
               if message is None:\n        \
               names = \", \".join(f\"`{known}`\" for known in NAMES)\n        \
               message = f\"`{name}` is no executor; use one of {names}\"\n    \
               raise ValueError(message)\n";
    module
}
