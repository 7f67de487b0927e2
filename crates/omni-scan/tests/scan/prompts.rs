//! What makes a function a prompt, and what are its arguments?

use omni_scan::{Prompt, PromptArgument};
use serde_json::json;

use super::{findings, scan_text};

/// The only prompt of a file that is free of findings.
fn prompt(text: &str) -> Prompt {
    let found = scan_text(text);
    assert_eq!(Vec::<String>::new(), findings(&found), "{text}");
    assert_eq!(1, found.prompts.len(), "{text}");
    found.prompts.into_iter().next().unwrap()
}

#[test]
fn every_way_to_write_the_decorator_is_followed() {
    for (import, decorator, name) in [
        ("from omni import prompt", "prompt", "go"),
        ("from omni import prompt", "prompt()", "go"),
        ("from omni import prompt", "prompt(\"review\")", "review"),
        ("from omni import prompt as p", "p(name=\"review\")", "review"),
        ("import omni", "omni.prompt", "go"),
        ("from omni.prompt_decorator import prompt", "prompt", "go"),
        ("from omni import prompt\nNAME = \"review\"", "prompt(NAME, title=\"T\")", "review"),
    ] {
        let found = prompt(&format!("{import}\n@{decorator}\nasync def go(): ...\n"));
        assert_eq!((&*found.name, found.is_async), (name, true), "{import} @{decorator}");
    }
}

#[test]
fn the_arguments_are_the_parameters_with_what_is_said_of_them() {
    let found = prompt(
        "from enum import Enum\nfrom typing import Annotated, Literal, Optional\nfrom pydantic import Field\n\
         from omni import prompt, Context\n\
         class Depth(str, Enum):\n    LOW = \"low\"\n    HIGH = \"high\"\n\
         @prompt(title=\"Review\", tags=[\"code\"])\n\
         def review(code, ctx: Context, language: Literal[\"rust\", \"python\"],\n           \
         depth: Depth = Depth.LOW, count: Annotated[int, Field(description=\"How many.\", title=\"Number\")] = 3,\n           \
         short: bool = False, note: Annotated[str, \"A remark.\"] = \"\", since: Optional[Literal[1, 2]] = None):\n    \
         \"\"\"Review code.\n\n    Args:\n        code: What to look at.\n        language: In which it is written.\n    \"\"\"\n",
    );
    let argument = |name: &str, title: Option<&str>, description: Option<&str>, default, choices: &[&str]| {
        PromptArgument {
            name: name.to_owned(),
            title: title.map(str::to_owned),
            description: description.map(str::to_owned),
            required: default == json!("required"),
            default: (default != json!("required")).then_some(default),
            choices: choices.iter().map(|choice| (*choice).to_owned()).collect(),
        }
    };
    assert_eq!(found.description.as_deref(), Some("Review code."));
    assert_eq!(
        found.arguments,
        [
            argument("code", None, Some("What to look at."), json!("required"), &[]),
            argument(
                "language",
                None,
                Some("In which it is written."),
                json!("required"),
                &["rust", "python"]
            ),
            argument("depth", None, None, json!("low"), &["low", "high"]),
            argument("count", Some("Number"), Some("How many."), json!(3), &[]),
            argument("short", None, None, json!(false), &["true", "false"]),
            argument("note", None, Some("A remark."), json!(""), &[]),
            argument("since", None, None, json!(null), &["1", "2"]),
        ]
    );
    assert_eq!(found.inject[0].parameter, "ctx");
}

#[test]
fn an_argument_that_is_written_as_json_says_so() {
    let found = prompt(
        "from dataclasses import dataclass\nfrom typing import Annotated, Optional, Union\nfrom omni import prompt\n\
         @dataclass\nclass Point:\n    x: int\n\
         @prompt\ndef go(words: Annotated[list[str], \"Some words.\"], at: Point, either: Union[list[int], str], \
         maybe: Optional[list[int]] = None): ...\n",
    );
    let described: Vec<_> = found.arguments.iter().map(|argument| argument.description.as_deref()).collect();
    assert_eq!(
        described,
        [
            Some(
                "Some words.\n\nProvide a value matching the following JSON schema: \
                 {\"items\":{\"type\":\"string\"},\"type\":\"array\"}. Encode non-string values as JSON."
            ),
            Some(
                "Provide a value matching the following JSON schema: {\"$ref\":\"#/$defs/Point\",\"$defs\":{\"Point\":\
                 {\"properties\":{\"x\":{\"type\":\"integer\"}},\"required\":[\"x\"],\"type\":\"object\"}}}. Encode non-string values as JSON."
            ),
            None,
            Some(
                "Provide a value matching the following JSON schema: \
                 {\"anyOf\":[{\"items\":{\"type\":\"integer\"},\"type\":\"array\"},{\"type\":\"null\"}]}. Encode non-string values as JSON."
            ),
        ]
    );
}

#[test]
fn a_prompt_that_cannot_be_asked_for_is_told() {
    let found = scan_text(
        "from omni import prompt\n@prompt(\"two words\")\ndef one(): ...\n@prompt\ndef two(): ...\n\
         @prompt(\"two\")\ndef three(): ...\n@prompt\ndef four(**more): ...\n@prompt(arguments=[])\ndef five(): ...\n",
    );
    assert_eq!(
        findings(&found),
        [
            "error scripts/a.py:3:5 invalid-name: `two words` can't be a prompt's name, so it is not listed",
            "error scripts/a.py:7:5 duplicate-prompt: `two` is already the name of the prompt at scripts/a.py:5",
            "error scripts/a.py:9:12 variadic-parameter: `**more` of `four` can't be described, so the prompt is not listed",
            "error scripts/a.py:10:9 unknown-option: `prompt` has no option `arguments`, so it is not applied",
        ]
    );
    assert_eq!(
        found.diagnostics[3].help.as_deref(),
        Some("the parameters of the function are the arguments")
    );
    let names: Vec<&str> = found.prompts.iter().map(|prompt| &*prompt.name).collect();
    assert_eq!(names, ["two", "five"]);
}

#[test]
fn a_tool_and_a_prompt_may_share_a_name() {
    let found = scan_text(
        "from omni import prompt, tool\n@tool\ndef go():\n    \"\"\"Go.\"\"\"\n@prompt(\"go\")\ndef ask(): ...\n",
    );
    assert_eq!((findings(&found), found.tools.len(), found.prompts.len()), (Vec::new(), 1, 1));
}
