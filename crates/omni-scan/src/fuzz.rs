//! What must hold of any text that is said to be Python: run over its corpus by the tests, and by a fuzzer by hand.

use crate::{Source, check_compatibility, scan};

/// A skill of one file, or of two where the text is cut by a form feed: the second is a helper of the first.
pub fn python_source(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let (tools, helper) = text.split_once('\x0c').unwrap_or((&text, ""));
    let sources = [
        Source { path: "scripts/tools.py", text: tools },
        Source { path: "scripts/_helper.py", text: helper },
    ];
    let found = scan(&sources);
    for tool in &found.tools {
        assert_eq!(tool.input_schema["type"], "object", "`{}` takes an object", tool.command);
        assert!(tool.output_schema.as_ref().is_none_or(|schema| schema["type"] == "object"));
    }
    for finding in &found.diagnostics {
        let source = sources.iter().find(|source| source.path == finding.file).expect("a file that there is");
        // A finding about the whole file has line 0; one about its end may stand behind the last line.
        let lines = 1 + source.text.split(['\n', '\r']).count();
        assert!(finding.line as usize <= lines, "line {} of {lines}: {}", finding.line, finding.message);
    }
    let _ = check_compatibility(&sources, 12);
}

#[cfg(test)]
mod tests {
    use omni_mutate::Target;

    #[test]
    fn any_source_is_scanned() {
        let words = &[
            "from omni import skill_command, Context\n",
            "from ._helper import *\n",
            "@skill_command\n",
            "@skill_command(name=\"x\", timeout=1, tags=[\"a\"])\n",
            "from omni import resource, prompt, completion\n",
            "@resource(\"a://{x}/{y*}{?q,r}\", ttl=1, annotations={\"priority\": 1})\n",
            "@prompt\ndef ask(code: Literal[\"a\"], more: list[int] = []): ...\n",
            "@completion(\"code\", prompt=ask)\n",
            "async def f(",
            "def f(self, /, *, a: int = 1, **kw) -> dict[str, int]:\n    ...\n",
            "class A(BaseModel):\n    a: int\n",
            "class E(Enum):\n    A = 1\n",
            "@dataclass\n",
            "Annotated[int, Field(ge=1)]",
            "Literal[\"a\", 1, None]",
            "Optional[",
            "list[",
            " | None",
            "\"\"\"",
            "f\"{",
            "lambda a: ",
            "    ",
            "\t",
            "\\\n",
            "# -*- coding: latin-1 -*-\n",
            "\x0c",
            "match x:\n case ",
            "type X = ",
            ":=",
        ];
        let seeds = &["fixtures/skills/*/scripts/*", "skills/*/scripts/*"];
        Target { name: "python_source", words, seeds, run: super::python_source }.check();
    }
}
