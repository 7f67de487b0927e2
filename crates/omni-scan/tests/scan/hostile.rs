//! Sources that are out to hurt: none may panic, overflow the stack, or take time out of proportion.

use std::fs;
use std::path::Path;

use omni_scan::{Source, scan};

use super::scan_text;

fn in_a_small_thread(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(1024 * 1024).spawn(work).unwrap().join().unwrap();
}

#[test]
fn deep_nesting_is_refused_as_a_syntax_error() {
    in_a_small_thread(|| {
        let n = 200_000;
        for text in [
            "(".repeat(n),
            format!("x = {}", "[".repeat(n)),
            format!("x = {}1", "-".repeat(n)),
            format!("x = {}y", "not ".repeat(n)),
            format!("x = a{}", ".a".repeat(n)),
            format!("x = f{}", "()".repeat(n)),
            format!("x = a{}", "[0]".repeat(n)),
            format!("x = 1{}", " + 1".repeat(n)),
            format!("x = (1{})", "\n** 1".repeat(n)),
            format!("x = {}1", "lambda: ".repeat(n)),
            format!("x = {}1", "lambda a, b: ".repeat(n)),
            format!("x = {}", "f'{a}' + (".repeat(n)),
            format!("x = {}", "'\\'(' (".repeat(n)),
            format!("x = 1{}", " if 1 else 1".repeat(n)),
            format!("x = f\"{}\"", "{-".repeat(n)),
            format!("x = {}", "f'{".repeat(n)),
            format!("x: {}", "list[".repeat(n)),
            (0..500).map(|depth| format!("{}if 1:\n", " ".repeat(depth))).collect(),
            (0..500).map(|depth| format!("{}def f():\n", " ".repeat(depth))).collect(),
            format!("match x:\n case {}", "[".repeat(n)),
        ] {
            let found = scan_text(&text);
            assert_eq!("syntax-error", found.diagnostics[0].code, "{}", &text[..20]);
        }
    });
}

#[test]
fn nesting_below_the_limit_fits_a_small_stack() {
    in_a_small_thread(|| {
        for (open, close) in [("[", "]"), ("(-", ")"), ("{1: ", "}"), ("f(", ")")] {
            let text = format!("x = {}1{}\n", open.repeat(400), close.repeat(400));
            assert!(scan_text(&text).diagnostics.is_empty(), "{open}");
        }
        let deep = format!(
            "from omni import tool\n@tool\ndef f(a: {}int{}): ...\n",
            "list[".repeat(300),
            "]".repeat(300)
        );
        assert_eq!("unknown-type", scan_text(&deep).diagnostics[0].code);
        let text = format!("\"{}\"", "list[".repeat(300) + "int" + &"]".repeat(300));
        let deep = format!("from omni import tool\n@tool\ndef f(a: {text}): ...\n");
        assert_eq!("unknown-type", scan_text(&deep).diagnostics[0].code);
    });
}

#[test]
fn names_that_lead_in_circles_end() {
    for text in [
        "a = a",
        "a = b\nb = a",
        "from . import a",
        "from .a import *\nfrom .a import x as a",
        "class a(a): x: int",
        "class b(a): ...\nclass a(b): ...",
        "type a = a",
        "type a = b\ntype b = a",
        "a = 'a'",
        "a = list['a']",
        "a = tool\ntool = a",
        "import functools\na = functools.partial(a)",
        "from enum import Enum\nclass a(Enum):\n    X = a.X",
        "from typing import Annotated\na = Annotated[b, 1]\nb = Annotated[a, 1]",
        "from typing import Literal\na = Literal[b]\nb = Literal[a]",
    ] {
        let found = scan_text(&format!(
            "from omni import tool\n{text}\n@a\n@tool(title=a, **a)\ndef f(x: a, y: int = a, z: 'a' = a.X.value) -> a: ...\n"
        ));
        assert!(found.tools.len() <= 1, "{text}");
    }
}

#[test]
fn short_texts_that_ask_for_huge_types_or_values_get_none() {
    let doubling = |first: &str, step: &dyn Fn(usize) -> String| {
        let mut text = format!("from omni import tool\n{first}\n");
        for level in 1..60 {
            text += &step(level);
        }
        text + "@tool(meta=A59)\ndef f(x: A59, y: int = A59) -> A59: ...\n"
    };
    for text in [
        doubling("A0 = int", &|n| format!("A{n} = dict[A{}, A{}]\n", n - 1, n - 1)),
        doubling("A0 = int", &|n| format!("A{n} = A{} | list[A{}]\n", n - 1, n - 1)),
        doubling("A0 = [1]", &|n| format!("A{n} = [A{}, A{}]\n", n - 1, n - 1)),
        doubling("A0 = [1]", &|n| format!("A{n} = [*A{}, *A{}]\n", n - 1, n - 1)),
        doubling("A0 = 'xxxxxxxxxxxxxxxx'", &|n| format!("A{n} = A{} + A{}\n", n - 1, n - 1)),
        doubling("A0 = 2", &|n| format!("A{n} = A{} ** A{}\n", n - 1, n - 1)),
        doubling("A0 = {'a': 1}", &|n| format!("A{n} = {{'a': A{}, **A{}}}\n", n - 1, n - 1)),
        doubling("class A0: ...", &|n| format!("class A{n}(A{}, A{}): ...\n", n - 1, n - 1)),
        doubling("from typing import *\nA0 = int", &|n| {
            format!("A{n} = Annotated[A{}, A{}]\n", n - 1, n - 1)
        }),
    ] {
        let found = scan_text(&text);
        assert_eq!(1, found.tools.len());
        assert!(serde_json::to_string(&found.tools).unwrap().len() < 2_000_000);
    }
}

#[test]
fn star_imports_of_star_imports_end() {
    let names: Vec<String> = (0..12).map(|n| format!("scripts/m{n}.py")).collect();
    let stars: String = (0..12).map(|n| format!("from .m{n} import *\n")).collect();
    let text = format!("{stars}from omni import tool\n@tool\ndef f(x: Nowhere, y: int = NOWHERE): ...\n");
    let sources: Vec<Source<'_>> = names.iter().map(|path| Source { path, text: &text }).collect();
    assert_eq!(1, scan(&sources).tools.len());
}

#[test]
fn large_files_take_time_in_proportion() {
    let tools: String = (0..3_000).map(|n| format!("@tool\ndef f{n}(a: int = 1): ...\n")).collect();
    assert_eq!(3_000, scan_text(&format!("from omni import tool\n{tools}")).tools.len());
    let repeated = "@tool\ndef f(a): ...\n".repeat(3_000);
    assert_eq!(1, scan_text(&format!("from omni import tool\n{repeated}")).tools.len());
    let literal: String = (0..50_000).map(|n| format!("{n}: 'x', ")).collect();
    let text = format!("from omni import tool\nD = {{{literal}}}\n@tool(meta=D)\ndef f(a: dict = D): ...\n");
    assert_eq!(1, scan_text(&text).tools.len());
    let docs: String = (0..20_000).map(|n| format!("    :param p{n}: x\n")).collect();
    assert_eq!(
        1,
        scan_text(&format!("from omni import tool\n@tool\ndef f(a):\n    '''\n{docs}'''\n")).tools.len()
    );
}

#[test]
fn many_resources_prompts_and_completions_take_time_in_proportion() {
    let import = "from omni import completion, prompt, resource\n";
    let count = 1_000;
    let resources: String =
        (0..count).map(|n| format!("@resource(\"a://{n}/{{x}}\")\ndef r{n}(x): ...\n")).collect();
    let found = scan_text(&format!("{import}{resources}"));
    assert_eq!((found.resources.len(), found.diagnostics.len()), (count, 0));
    let prompts: String = (0..count)
        .map(|n| format!("@prompt\ndef p{n}(x): ...\n@completion(prompt=\"p{n}\")\ndef c{n}(value): ...\n"))
        .collect();
    let found = scan_text(&format!("{import}{prompts}"));
    assert_eq!((found.prompts.len(), found.completions.len()), (count, count));
    // What is wrong with each costs no more than that.
    let wrong: String = (0..count)
        .map(|n| format!("@resource(\"a://x\", name=\"r{n}\")\ndef r{n}(): ...\n@completion(\"x\", resource=\"s{n}\")\ndef c{n}(value): ...\n"))
        .collect();
    assert_eq!(scan_text(&format!("{import}{wrong}")).resources.len(), 1);
    let parameters: String = (0..5_000).map(|n| format!("p{n}, ")).collect();
    let variables: String = (0..20_000).map(|n| format!("{{v{n}}}/")).collect();
    assert_eq!(scan_text(&format!("{import}@resource(\"a://x\")\ndef f({parameters}): ...\n")).resources, []);
    assert_eq!(scan_text(&format!("{import}@resource(\"a://{variables}\")\ndef f(x): ...\n")).resources, []);
}

#[test]
fn bytes_changed_at_random_never_panic() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % below.max(1)
    };
    let pieces: Vec<&str> = "( ) [ ] { } : , . = | ' \" \"\"\" f\" \\ \n \t @ # * ** / -> é \u{0} def class lambda tool None Annotated[ Literal[ Optional[ Field( list[ "
        .split(' ')
        .collect();
    for name in ["literals", "fields", "classes", "models", "docstrings", "decorated", "outputs", "defaults"]
    {
        let text = fs::read_to_string(folder.join(format!("{name}.py"))).unwrap();
        for _ in 0..60 {
            let mut changed = text.clone();
            for _ in 0..=random(4) {
                let mut at = random(changed.len());
                while !changed.is_char_boundary(at) {
                    at -= 1;
                }
                match random(3) {
                    0 => changed.insert_str(at, pieces[random(pieces.len())]),
                    1 => changed.truncate(at.max(200)),
                    _ => {
                        let mut end = (at + random(30)).min(changed.len());
                        while !changed.is_char_boundary(end) {
                            end += 1;
                        }
                        changed.replace_range(at..end, pieces[random(pieces.len())]);
                    }
                }
            }
            let _ = scan_text(&changed);
        }
    }
}

#[test]
fn odd_but_valid_files_are_read() {
    for text in [
        "",
        "\u{feff}from omni import tool\n@tool\ndef f(): ...",
        "from omni import tool\r\n@tool\r\ndef f(): ...\r\n",
        "from omni import tool\r@tool\rdef f(): ...\r",
        "from omni import tool; x = 1\n@tool\ndef f(): pass; return",
        "# -*- coding: utf-8 -*-\nfrom omni import (\n    tool,\n)\n@tool\n\n\ndef f(\n): ...",
    ] {
        let found = scan_text(text);
        assert_eq!(usize::from(!text.is_empty()), found.tools.len(), "{text:?} {:?}", found.diagnostics);
    }
    assert_eq!("syntax-error", scan_text("x = 1\0").diagnostics[0].code);
}
