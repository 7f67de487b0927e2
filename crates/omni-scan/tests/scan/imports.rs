//! Several files: helpers, broken neighbours, names that travel.

use omni_scan::{Source, scan};

use super::{commands, findings};

#[test]
fn a_file_that_is_not_python_loses_its_own_tools_only() {
    let found = scan(&[
        Source { path: "scripts/a.py", text: "from omni import tool\n@tool\ndef broken(:\n" },
        Source { path: "scripts/b.py", text: "from omni import tool\n@tool\ndef fine(): ...\n" },
    ]);
    assert_eq!(vec!["fine"], commands(&found));
    let said = findings(&found);
    assert_eq!(1, said.len(), "{said:?}");
    assert!(said[0].starts_with("error scripts/a.py:3:12 syntax-error: "), "{said:?}");
}

#[test]
fn constants_types_and_decorators_are_followed_through_relative_imports() {
    let found = scan(&[
        Source {
            path: "scripts/_base.py",
            text: "from enum import Enum\nfrom omni import tool as command\nLIMIT = 5\nclass Mode(Enum):\n    FAST = 'fast'\n",
        },
        Source { path: "scripts/deep/__init__.py", text: "from .._base import Mode, LIMIT\n" },
        Source {
            path: "scripts/deep/a.py",
            text: "from .. import _base\nfrom . import LIMIT\nfrom .._base import command, Mode\n@command(timeout=LIMIT)\ndef go(mode: Mode = Mode.FAST, limit: int = _base.LIMIT): ...\n",
        },
    ]);
    assert_eq!(Vec::<String>::new(), findings(&found));
    let tool = &found.tools[0];
    assert_eq!(Some(5000), tool.limits.timeout_ms);
    assert_eq!("fast", tool.input_schema["properties"]["mode"]["default"]);
    assert_eq!(5, tool.input_schema["properties"]["limit"]["default"]);
    assert_eq!("scripts/deep/a.py", tool.file);
}

#[test]
fn a_package_beats_a_module_of_the_same_name() {
    let text = "from omni import tool\nfrom .x import N\n@tool\ndef go(n: int = N): ...\n";
    let found = scan(&[
        Source { path: "scripts/x.py", text: "N = 1\n" },
        Source { path: "scripts/x/__init__.py", text: "N = 2\n" },
        Source { path: "scripts/a.py", text },
    ]);
    assert_eq!(2, found.tools[0].input_schema["properties"]["n"]["default"]);
}

#[test]
fn classes_of_one_name_are_told_apart_by_their_modules() {
    let class = "from dataclasses import dataclass\n@dataclass\nclass Item:\n    x: int\n";
    let text = "from omni import tool\nfrom . import _b, _c\n@tool\ndef go(b: _b.Item, c: _c.Item): ...\n";
    let found = scan(&[
        Source { path: "scripts/a.py", text },
        Source { path: "scripts/_b.py", text: class },
        Source { path: "scripts/_c.py", text: class },
    ]);
    let names: Vec<&String> = found.tools[0].input_schema["$defs"].as_object().unwrap().keys().collect();
    assert_eq!(vec!["_b__Item", "_c__Item"], names);
}

#[test]
fn a_tool_in_a_helper_file_is_pointed_out() {
    let found =
        scan(&[Source { path: "scripts/_a.py", text: "from omni import tool\n@tool\ndef go(): ...\n" }]);
    assert!(found.tools.is_empty());
    assert_eq!(
        vec!["warning scripts/_a.py:3:5 tool-in-helper: `go` is in a helper file, so it is not listed"],
        findings(&found)
    );
}

#[test]
fn a_finding_about_a_helper_s_type_is_placed_in_the_helper() {
    let found = scan(&[
        Source {
            path: "scripts/a.py",
            text: "from omni import tool\nfrom ._b import Item\n@tool\ndef go(item: Item): ...\n",
        },
        Source {
            path: "scripts/_b.py",
            text: "from dataclasses import dataclass\nimport numpy as np\n@dataclass\nclass Item:\n    data: np.ndarray\n",
        },
    ]);
    assert_eq!(
        vec![
            "warning scripts/_b.py:5:11 unknown-type: `numpy.ndarray` is not a type that can be read from source, so \
             `item` of `go` is not fully checked"
        ],
        findings(&found)
    );
    assert_eq!(1, found.tools.len());
}

const WORDS: Source<'_> = Source { path: "scripts/words.py", text: "def shout(t): ...\n" };

/// The findings about one file beside `words.py`, each with its help.
fn beside_words(path: &str, text: &str) -> Vec<(String, String)> {
    let found = scan(&[Source { path, text }, WORDS, Source { path: "scripts/deep/b.py", text: "" }]);
    let helps = found.diagnostics.iter().map(|finding| finding.help.clone().unwrap_or_default());
    findings(&found).into_iter().zip(helps).filter(|(said, _)| said.contains(path)).collect()
}

#[test]
fn an_own_file_imported_absolutely_comes_with_the_line_to_write() {
    for (path, line, help) in [
        ("scripts/a.py", "import words", "write `from . import words`"),
        ("scripts/a.py", "import words as w", "write `from . import words as w`"),
        ("scripts/a.py", "from words import shout", "write `from .words import shout`"),
        ("scripts/a.py", "from words import shout as s, x", "write `from .words import shout as s, x`"),
        ("scripts/a.py", "from scripts.words import shout", "write `from .words import shout`"),
        ("scripts/a.py", "from scripts import words", "write `from . import words`"),
        ("scripts/a.py", "import scripts.words", "write `from . import words`"),
        ("scripts/a.py", "from loop.scripts.words import shout", "write `from .words import shout`"),
        ("scripts/a.py", "from skills.loop.scripts import words", "write `from . import words`"),
        ("scripts/a.py", "from deep.b import x", "write `from .deep.b import x`"),
        ("scripts/a.py", "import deep.b", "write `from .deep import b`"),
        ("scripts/deep/a.py", "from b import x", "write `from .b import x`"),
        ("scripts/deep/a.py", "from words import shout", "write `from ..words import shout`"),
        ("scripts/deep/a.py", "from scripts.words import shout", "write `from ..words import shout`"),
    ] {
        let tool = "\nfrom omni import tool\n@tool\ndef go(): ...\n";
        let said = beside_words(path, &format!("{line}{tool}"));
        assert_eq!(1, said.len(), "{line}: {said:?}");
        assert!(said[0].0.starts_with(&format!("warning {path}:1:")), "{said:?}");
        assert!(said[0].0.contains(" absolute-import: "), "{said:?}");
        assert_eq!(help, said[0].1, "{line}");
        let inside = format!("from omni import tool\n@tool\ndef go():\n    {line}\n");
        assert_eq!(help, beside_words(path, &inside)[0].1, "{line} in a function");
    }
}

#[test]
fn imports_that_work_or_that_the_author_guards_are_left_alone() {
    for text in [
        "from .words import shout\n",
        "import json, os.path\nfrom . import words\n",
        "try:\n    from .words import shout\nexcept ImportError:\n    from words import shout\n",
        "import sys\nsys.path.insert(0, '.')\nimport words\n",
        "if __name__ == '__main__':\n    import words\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from words import X\n",
        "import wordsmith\n",
    ] {
        let text = format!("{text}from omni import tool\n@tool\ndef go(): ...\n");
        assert_eq!(Vec::<(String, String)>::new(), beside_words("scripts/a.py", &text), "{text}");
    }
    // A file that is named like what it wraps.
    let found = scan(&[Source { path: "scripts/requests.py", text: "import requests\n" }]);
    assert_eq!(Vec::<String>::new(), findings(&found));
}

#[test]
fn a_name_that_omni_does_not_have_keeps_the_file_off_the_list() {
    for (name, near) in [
        ("Tool", "`tool`"),
        ("skill_comand", "`skill_command`"),
        ("Contxt", "`Context`"),
        ("FastMCP", "its names are `AcceptedElicitation`"),
    ] {
        let found = scan(&[Source {
            path: "scripts/a.py",
            text: &format!("from omni import tool, {name}\n@tool\ndef go(): ...\n"),
        }]);
        assert!(found.tools.is_empty(), "{name}");
        assert_eq!(
            vec![format!("error scripts/a.py:1:24 unknown-name: `omni` has no `{name}`")],
            findings(&found)
        );
        assert!(found.diagnostics[0].help.as_deref().unwrap().contains(near), "{:?}", found.diagnostics);
    }
    let guarded = "from omni import tool\ntry:\n    from omni import later\nexcept ImportError:\n    later = None\n@tool\ndef go(): ...\n";
    let found = scan(&[Source { path: "scripts/a.py", text: guarded }]);
    assert_eq!((vec!["go"], Vec::new()), (commands(&found), findings(&found)));
}

#[test]
fn a_module_that_omni_does_not_have_keeps_the_file_off_the_list() {
    let text = "from omni.foundation.api.decorators import skill_command\n@skill_command\ndef go(): ...\n";
    let found = scan(&[Source { path: "scripts/a.py", text }]);
    assert!(found.tools.is_empty());
    assert_eq!(
        "error scripts/a.py:1:6 unknown-name: `omni` has no module `foundation.api.decorators`",
        findings(&found)[0]
    );
}

#[test]
fn an_own_file_that_is_not_there_is_named() {
    let tool = "from omni import tool\n@tool\ndef go(): ...\n";
    for (line, file) in [
        ("from .wrods import shout", Some("scripts/wrods.py")),
        ("from . import wrods", Some("scripts/wrods.py")),
        ("from .deep.c import x", Some("scripts/deep/c.py")),
        ("from .words import shout", None),
        ("from .deep import b", None),
        ("from . import words, deep", None),
        ("try:\n    from .wrods import x\nexcept ImportError:\n    x = None", None),
        ("from .. import above", None),
    ] {
        let said = beside_words("scripts/a.py", &format!("{line}\n{tool}"));
        match file {
            None => assert_eq!(Vec::<(String, String)>::new(), said, "{line}"),
            Some(file) => {
                assert_eq!(1, said.len(), "{line}: {said:?}");
                assert!(
                    said[0].0.ends_with(&format!("missing-file: the skill has no file `{file}`")),
                    "{said:?}"
                );
            }
        }
    }
}

#[test]
fn a_program_that_is_started_finds_its_neighbours() {
    let program = "import argparse\nimport words\ndef run(): ...\nif __name__ == '__main__':\n    run()\n";
    let tool = "from omni import tool\n@tool\ndef go(): ...\n";
    for sources in [
        vec![Source { path: "scripts/run.py", text: program }, WORDS],
        vec![
            Source { path: "scripts/run.py", text: program },
            WORDS,
            Source { path: "scripts/t.py", text: tool },
        ],
    ] {
        let said = findings(&scan(&sources));
        assert!(said.iter().all(|said| !said.contains("run.py")), "{said:?}");
    }
}
