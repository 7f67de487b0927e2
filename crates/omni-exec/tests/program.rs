//! Tools that are programs of any kind: what they are given, what their output means, how they end.

mod support;

use std::time::Duration;

use omni_call::{
    CallResult, OutcomeKind, Phase, ProgramInput, ProgramOutput, ProgramTarget, Target, ToolResult,
};
use serde_json::{Value, json};
use support::{Lab, Request, said, text, wait_gone, wait_until};

fn program(lab: &Lab, argv: &[&str]) -> Request {
    with(lab.call("program").program(argv), |program| {
        program.env = [("COLOUR".to_owned(), "blue".to_owned())].into()
    })
}

fn bash(lab: &Lab, script: &str) -> Request {
    program(lab, &["bash", "-c", script])
}

fn with(mut request: Request, change: impl FnOnce(&mut ProgramTarget)) -> Request {
    let Target::Program(program) = &mut request.spec.target else { panic!("no program") };
    change(program);
    request
}

fn result(kind: &OutcomeKind) -> &ToolResult {
    let OutcomeKind::Finished(CallResult::Tool(result)) = kind else { panic!("not finished: {kind:?}") };
    result
}

#[tokio::test]
async fn arguments_come_on_standard_input_and_output_is_the_text() {
    let lab = Lab::spawn();
    let arguments = json!({"words": "grüezi $(id) `id`"});
    assert_eq!(bash(&lab, "cat").args(&arguments).value().await, arguments);
    assert_eq!(text(&bash(&lab, "echo one; echo two").run().await), "one\ntwo");
    lab.finish().await;
}

#[tokio::test]
async fn arguments_come_in_a_file_or_as_flags_when_the_tool_says_so() {
    let lab = Lab::spawn();
    let arguments = json!({"text": "a  b; $HOME", "max_count": 3, "all": true, "tag": ["x", "y"]});
    let in_file = with(bash(&lab, "cat \"$0\""), |program| program.input = ProgramInput::File);
    assert_eq!(in_file.args(&arguments).value().await, arguments);
    let flags = with(bash(&lab, "printf '%s|' \"$0\" \"$@\""), |program| program.input = ProgramInput::Flags);
    assert_eq!(
        text(&flags.args(&arguments).run().await),
        "--text=a  b; $HOME|--max-count=3|--all|--tag=x|--tag=y|"
    );
    lab.finish().await;
}

#[tokio::test]
async fn a_script_of_the_skill_is_found_and_its_variables_are_set() {
    let lab = Lab::spawn();
    let scripts = lab.root().join("skills/lab/scripts");
    std::fs::write(scripts.join("say.sh"), "echo \"$COLOUR $PWD ${SECRET:-none} $OMNI_SKILL_DIR\"\n")
        .unwrap_or_default();
    let root = lab.root().canonicalize().unwrap_or_default();
    let outcome = program(&lab, &["bash", "scripts/say.sh"]).run().await;
    let skill = lab.root().join("skills/lab");
    assert_eq!(text(&outcome), format!("blue {} none {}", root.display(), skill.display()));
    let within =
        with(program(&lab, &["bash", "scripts/say.sh"]), |program| program.cwd = Some("scripts".into()));
    assert!(text(&within.run().await).contains("/skills/lab/scripts none"));
    lab.finish().await;
}

#[tokio::test]
async fn json_is_structured_content_and_anything_else_is_refused() {
    let lab = Lab::spawn();
    let json_of = |script| with(bash(&lab, script), |program| program.output = ProgramOutput::Json);
    let outcome = json_of("echo '{\"n\": 1}'").run().await;
    assert_eq!(result(&outcome.kind).structured.as_deref(), Some(br#"{"n": 1}"#.as_slice()));
    assert_eq!(text(&outcome), r#"{"n": 1}"#);
    let outcome = json_of("echo no json").run().await;
    assert!(
        matches!(&outcome.kind, OutcomeKind::BadResult { message } if message.contains("JSON")),
        "{outcome:?}"
    );
    let outcome = bash(&lab, "printf '\\xff'").run().await;
    assert!(
        matches!(&outcome.kind, OutcomeKind::BadResult { message } if message.contains("UTF-8")),
        "{outcome:?}"
    );
    lab.finish().await;
}

#[tokio::test]
async fn an_exit_code_is_a_failure_and_what_was_printed_with_it_is_for_the_client() {
    let lab = Lab::spawn();
    let outcome = bash(&lab, "echo why >&2; exit 3").run().await;
    assert!(matches!(outcome.kind, OutcomeKind::Exited { code: 3, .. }), "{outcome:?}");
    assert_eq!(outcome.stderr.as_deref(), Some("why\n"));
    let outcome = bash(&lab, "echo 'no such note'; exit 1").run().await;
    assert!(result(&outcome.kind).is_error);
    assert_eq!(text(&outcome), "no such note");
    let content = String::from_utf8_lossy(&result(&outcome.kind).content).into_owned();
    assert!(content.contains("`lab.program` ended with exit code 1"), "{content}");
    // What it says on standard error is not lost for what it says on the other.
    let outcome = bash(&lab, "echo out; echo why >&2; exit 4").run().await;
    assert!(result(&outcome.kind).is_error);
    assert_eq!(outcome.stderr.as_deref(), Some("why\n"));
    let outcome = bash(&lab, "echo out; echo 'all is well' >&2").run().await;
    assert_eq!(outcome.stderr, None);
    let outcome = bash(&lab, "kill -SEGV $$").run().await;
    assert!(matches!(outcome.kind, OutcomeKind::Signalled { signal: 11 }), "{outcome:?}");
    lab.finish().await;
}

#[tokio::test]
async fn standard_error_becomes_log_messages() {
    let lab = Lab::spawn();
    let (outcome, events) = bash(&lab, "echo careful >&2; echo done").start().end().await;
    assert_eq!(text(&outcome), "done");
    assert_eq!(said(&events), ["warning stderr: \"careful\""]);
    lab.finish().await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_stale_and_says_what_to_check_where_it_stays_away() {
    let lab = Lab::spawn();
    for argv in [["no-such-program"], ["scripts/missing.sh"]] {
        let outcome = program(&lab, &argv).run().await;
        let OutcomeKind::Stale { otherwise: Some(otherwise) } = outcome.kind else { panic!("{outcome:?}") };
        let OutcomeKind::WorkerStart { message, hint } = *otherwise else { panic!("{otherwise:?}") };
        assert!(message.contains(argv[0]) && hint.contains("command"), "{message} {hint}");
    }
    // One that has run is not started again, whatever it ends with.
    let outcome = bash(&lab, "exit 127").run().await;
    assert!(matches!(outcome.kind, OutcomeKind::WorkerStart { .. }), "{outcome:?}");
    lab.finish().await;
}

#[tokio::test]
async fn time_limits_hold_and_output_is_a_sign_of_life() {
    let lab = Lab::spawn();
    let outcome =
        bash(&lab, "trap '' TERM; sleep 60 & wait; sleep 60").timeout(Duration::from_millis(300)).run().await;
    assert!(matches!(outcome.kind, OutcomeKind::TimedOut { .. }), "{outcome:?}");
    assert_eq!(outcome.phase, Phase::Started);
    let quiet = bash(&lab, "sleep 60").idle_timeout(Duration::from_millis(300)).run().await;
    assert!(matches!(quiet.kind, OutcomeKind::Idle { .. }), "{quiet:?}");
    let alive = bash(&lab, "for i in 1 2 3 4 5 6 7 8; do sleep 0.1; echo $i; done");
    assert!(text(&alive.idle_timeout(Duration::from_millis(600)).run().await).ends_with('8'));
    wait_until("everything to end", || lab.processes().is_empty()).await;
    lab.finish().await;
}

#[tokio::test]
async fn a_cancelled_program_takes_its_children_with_it() {
    let lab = Lab::spawn();
    let mut running =
        bash(&lab, "sleep 1000 & setsid sleep 1000 & echo \"{\\\"pid\\\": $$}\" >&2; wait").start();
    let said: Value = running.first_log().await;
    let said: Value = serde_json::from_str(said.as_str().unwrap_or_default()).unwrap_or_default();
    let pid = i32::try_from(said["pid"].as_i64().unwrap_or_default()).unwrap_or_default();
    running.cancel().await;
    wait_gone(pid).await;
    wait_until("its children to end", || lab.processes().is_empty()).await;
    lab.finish().await;
}

#[tokio::test]
async fn more_output_than_a_result_may_have_ends_the_program() {
    let lab = Lab::spawn_with(|config| config.result_bytes_max = 100_000);
    let outcome = bash(&lab, "yes").run().await;
    assert!(matches!(outcome.kind, OutcomeKind::OutputLimit { limit_bytes: 100_000 }), "{outcome:?}");
    wait_until("it to end", || lab.processes().is_empty()).await;
    lab.finish().await;
}

/// Texts that a shell, or a careless program, would make something else of.
fn awkward() -> Vec<String> {
    let mut texts: Vec<String> = [
        "a & b",
        "; touch pwned",
        "$(id) `id` ${HOME}",
        "  two  blanks  ",
        "line one\nline two\n",
        "--help",
        "-n",
        "",
        "*",
        "~",
        "\"quoted\" 'twice'",
        "back\\slash",
        "tab\there",
        "grüezi 🐌",
        "\u{1b}[31m",
        "%s%n",
        "a|b>c<d",
    ]
    .map(str::to_owned)
    .into();
    texts.push("x".repeat(100 << 10));
    texts
}

#[tokio::test]
async fn every_argument_arrives_as_it_was_sent_in_every_way_to_hand_it_over() {
    let lab = Lab::spawn();
    let texts = awkward();
    let echo = "import json, sys; print(json.dumps(json.load(open(sys.argv[1])) if sys.argv[1:] else json.load(sys.stdin)))";
    let python = ["python3", "-c", echo];
    for input in [ProgramInput::Stdin, ProgramInput::File] {
        let request = with(program(&lab, &python), |program| program.input = input);
        let said = request.args(&json!({"texts": texts})).value().await;
        assert!(said == json!({"texts": texts}), "{input:?}");
    }
    let argv = ["python3", "-c", "import json, sys; print(json.dumps(sys.argv[1:]))"];
    for text in &texts {
        let request = with(program(&lab, &argv), |program| program.input = ProgramInput::Flags);
        let said = request.args(&json!({"text": text, "all": [text, text]})).value().await;
        let expected = json!([format!("--text={text}"), format!("--all={text}"), format!("--all={text}")]);
        assert!(said == expected, "{:.80}", said.to_string());
    }
    assert!(!lab.root().join("pwned").exists());
    lab.finish().await;
}

#[tokio::test]
async fn a_binary_of_the_skill_is_a_program_like_any_other() {
    let lab = Lab::spawn();
    let binary = lab.root().join("skills/lab/scripts/copies");
    std::fs::copy("/bin/cat", &binary).unwrap_or_default();
    let arguments = json!({"text": "through a compiled program"});
    assert_eq!(program(&lab, &["scripts/copies"]).args(&arguments).value().await, arguments);
    let in_file = with(program(&lab, &["scripts/copies"]), |program| program.input = ProgramInput::File);
    assert_eq!(in_file.args(&arguments).value().await, arguments);
    lab.finish().await;
}
