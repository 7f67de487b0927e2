//! What one version of Python makes of a source.

use omni_scan::{Source, check_compatibility};

/// Findings about one file with a tool, as `line: message`, and the modules that it needs.
fn checked(lines: &str, minor: u32) -> (Vec<String>, Vec<(String, bool)>) {
    let text = format!("{lines}\nfrom omni import tool\n@tool\ndef go(): ...\n");
    let checks = check_compatibility(&[Source { path: "scripts/a.py", text: &text }], minor);
    assert_eq!(1, checks.len(), "{lines}");
    let findings =
        checks[0].findings.iter().map(|found| format!("{}: {}", found.line, found.message)).collect();
    let needs = checks[0].needs.iter().map(|need| (need.module.clone(), need.at_load)).collect();
    (findings, needs)
}

#[test]
fn syntax_and_names_that_came_later_are_told_with_their_version() {
    for (lines, since) in [
        ("match 1:\n    case _: ...", 10),
        ("with (open('a') as a, open('b') as b): ...", 9),
        ("try: ...\nexcept* ValueError: ...", 11),
        ("type X = int", 12),
        ("def f[T](x: T) -> T: ...", 12),
        ("class A[T]: ...", 12),
        ("x = f'{'a'}'", 12),
        ("def f(x: int | None): ...", 10),
        ("class A:\n    x: int | None", 10),
        ("from typing import Self", 11),
        ("from typing import TypeAlias", 10),
        ("from typing import override", 12),
        ("from enum import StrEnum", 11),
        ("import enum\nclass A(enum.StrEnum): ...", 11),
        ("from datetime import UTC", 11),
        ("from itertools import batched", 12),
        ("import tomllib", 11),
        ("from asyncio import TaskGroup", 11),
    ] {
        for minor in 9..=14 {
            let found = checked(lines, minor).0;
            assert_eq!(minor < since, !found.is_empty(), "{lines} on 3.{minor}: {found:?}");
            assert!(
                found.len() <= 1 && found.iter().all(|found| found.contains(&format!("3.{minor}"))),
                "{found:?}"
            );
        }
    }
}

#[test]
fn modules_that_are_gone_are_told_with_the_last_version_that_had_them() {
    for (module, last) in [("distutils", 11), ("imp", 11), ("cgi", 12), ("telnetlib", 12)] {
        assert!(checked(&format!("import {module}"), last).0.is_empty());
        let found = checked(&format!("import {module}"), last + 1).0;
        assert!(found.len() == 1 && found[0].contains(&format!("3.{last} was the last")), "{found:?}");
    }
}

#[test]
fn what_is_guarded_lazy_or_a_text_runs_everywhere() {
    for lines in [
        "from __future__ import annotations\ndef f(x: int | None): ...",
        "def f(x: 'int | None'): ...",
        "try:\n    import tomllib\nexcept ImportError:\n    import tomli as tomllib",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from typing import Self",
        "FLAGS = 1 | 2",
    ] {
        assert_eq!((Vec::new(), Vec::new()), checked(lines, 9), "{lines}");
    }
}

#[test]
fn modules_from_elsewhere_are_needed_once_and_as_early_as_the_first_import() {
    let lines = "import yaml\nimport yaml.nodes\ndef later():\n    import PIL.Image\nif yaml:\n    import numpy as np\nimport os, json\nfrom . import b";
    let needs = checked(lines, 11).1;
    assert_eq!(vec![("yaml".into(), true), ("PIL.Image".into(), false), ("numpy".into(), false)], needs);
}

#[test]
fn programs_and_tests_that_omni_never_loads_need_nothing() {
    let checks = check_compatibility(
        &[Source { path: "scripts/run.py", text: "import pandas\nif __name__ == '__main__':\n    pandas\n" }],
        11,
    );
    assert!(checks.is_empty());
}
