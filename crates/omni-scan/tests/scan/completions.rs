//! Whose argument does a function complete?

use omni_scan::{CompletionOf, Source, scan};

use super::{findings, scan_text};

const START: &str = "from omni import completion, prompt, resource, Context\n\
                     @prompt\ndef review(code, language): ...\n\
                     @resource(\"notes://{year}/{day}\")\ndef note(year, day): ...\n\
                     @resource(\"notes://one/{only}\", name=\"one\")\ndef lone(only): ...\n";

#[test]
fn a_completion_names_its_prompt_or_resource_and_the_argument() {
    for (decorator, of, argument) in [
        ("completion(prompt=review, argument=\"code\")", CompletionOf::Prompt("review".into()), "code"),
        ("completion(\"language\", prompt=\"review\")", CompletionOf::Prompt("review".into()), "language"),
        ("completion(\"day\", resource=note)", CompletionOf::Resource("note".into()), "day"),
        (
            "completion(\"year\", resource=\"notes://{year}/{day}\")",
            CompletionOf::Resource("note".into()),
            "year",
        ),
        ("completion(resource=lone)", CompletionOf::Resource("one".into()), "only"),
        // A file of the skill may be the prompt.
        (
            "completion(\"topic\", prompt=\"weekly-report\")",
            CompletionOf::Prompt("weekly-report".into()),
            "topic",
        ),
    ] {
        let found = scan_text(&format!(
            "{START}@{decorator}\nasync def go(value: str, context: dict, ctx: Context): ...\n"
        ));
        assert_eq!(findings(&found), [""; 0], "{decorator}");
        let completion = &found.completions[0];
        assert_eq!((&completion.of, &*completion.argument), (&of, argument), "{decorator}");
        assert!(completion.is_async);
        assert_eq!(completion.inject[0].parameter, "ctx");
    }
}

#[test]
fn a_completion_of_nothing_is_told() {
    for (decorated, said, help) in [
        (
            "@completion\ndef go(value): ...",
            "error scripts/a.py:9:5 completion-target: `go` completes the argument of nothing",
            "say whose",
        ),
        (
            "@completion(prompt=review)\ndef go(value): ...",
            "error scripts/a.py:9:5 completion-target: `go` does not say which argument of the prompt `review` it completes",
            "there is `code`, `language`",
        ),
        (
            "@completion(\"langauge\", prompt=review)\ndef go(value): ...",
            "error scripts/a.py:8:13 completion-target: the prompt `review` has no argument `langauge`",
            "did you mean `language`?",
        ),
        (
            "@completion(\"x\", prompt=\"reveiw\")\ndef go(value): ...",
            "error scripts/a.py:8:18 completion-target: there is no prompt `reveiw`, so `go` completes nothing",
            "did you mean `review`?",
        ),
        (
            "@completion(\"x\", resource=\"other\")\ndef go(value): ...",
            "error scripts/a.py:8:18 completion-target: there is no resource `other`, so `go` completes nothing",
            "there is `note`, `one`",
        ),
        (
            "@completion(\"x\", prompt=note)\ndef go(value): ...",
            "error scripts/a.py:8:18 completion-target: `note` is no prompt, so `go` completes nothing",
            "put `@prompt` above it",
        ),
        (
            "@completion(\"day\", prompt=review, resource=note)\ndef go(value): ...",
            "error scripts/a.py:8:35 completion-target: `go` is for a prompt and for a resource",
            "a function for each",
        ),
        (
            "@completion(\"code\", prompt=review)\ndef go(text, more, language): ...",
            "error scripts/a.py:9:5 completion-parameter: nobody gives `language` to `go`: a completion takes `value`, and \
             `context` when it wants, so it completes nothing",
            "what the user has typed",
        ),
        (
            "@completion(\"code\", prompt=review)\ndef one(value): ...\n@completion(\"code\", prompt=review)\ndef two(value): ...",
            "error scripts/a.py:11:5 duplicate-completion: `code` of the prompt `review` is completed by `one` at \
             scripts/a.py:9 already",
            "remove one",
        ),
    ] {
        let found = scan_text(&format!("{START}{decorated}\n"));
        assert_eq!(findings(&found), [said], "{decorated}");
        let given = found.diagnostics[0].help.clone().unwrap_or_default();
        assert!(given.contains(help), "{given}");
    }
}

#[test]
fn a_completion_may_call_its_parameters_otherwise() {
    for parameters in
        ["typed", "typed, others", "typed, context", "value, others=None", "value, context, more=3"]
    {
        let found =
            scan_text(&format!("{START}@completion(\"code\", prompt=review)\ndef go({parameters}): ...\n"));
        assert_eq!(findings(&found), [""; 0], "{parameters}");
    }
}

#[test]
fn a_completion_may_stand_in_another_file_than_its_prompt() {
    let found = scan(&[
        Source {
            path: "scripts/a.py",
            text: "from omni import completion\nfrom .b import review\n@completion(prompt=review)\ndef go(value): ...\n",
        },
        Source { path: "scripts/b.py", text: "from omni import prompt\n@prompt\ndef review(code): ...\n" },
    ]);
    assert_eq!(findings(&found), [""; 0]);
    assert_eq!(found.completions[0].of, CompletionOf::Prompt("review".into()));
}
