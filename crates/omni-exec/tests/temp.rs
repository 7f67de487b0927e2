//! The folder for temporary files that each process of a tool has to itself, and what becomes of what calls leave there.

mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use omni_call::{Affinity, CallResult, OutcomeKind, Policy};
use omni_exec::ExecConfig;
use omni_process::TempFolders;
use serde_json::{Value, json};
use support::{Lab, ProcessKind, Request, text, wait_until};
use tempfile::TempDir;

/// A lab whose processes have their temporary folders beneath the folder beside it.
fn lab(process: ProcessKind) -> (Lab, TempDir) {
    lab_with(process, |_| {})
}

fn lab_with(process: ProcessKind, change: impl FnOnce(&mut ExecConfig)) -> (Lab, TempDir) {
    let base = tempfile::tempdir().expect("a temporary folder");
    let path = base.path().to_owned();
    let change = move |config: &mut ExecConfig| {
        config.process.temp = TempFolders::below(path);
        change(config);
    };
    (Lab::of(process, change), base)
}

fn tool(lab: &Lab, function: &str) -> Request {
    lab.call_in("temp.py", function)
}

fn program(lab: &Lab, script: &str) -> Request {
    lab.call("program").program(&["sh", "-c", script])
}

fn keeping(mut request: Request) -> Request {
    request.spec.keep_temp = true;
    request
}

/// The first text, and all the others.
fn texts(kind: &OutcomeKind) -> (String, String) {
    let OutcomeKind::Finished(CallResult::Tool(result)) = kind else { panic!("not finished: {kind:?}") };
    let content: Vec<Value> = serde_json::from_slice(&result.content).expect("content");
    let mut texts = content.iter().map(|block| block["text"].as_str().unwrap_or_default().to_owned());
    (texts.next().unwrap_or_default(), texts.collect::<Vec<_>>().join("\n"))
}

fn meta(kind: &OutcomeKind) -> Value {
    let OutcomeKind::Finished(CallResult::Tool(result)) = kind else { panic!("not finished: {kind:?}") };
    result.meta.as_ref().map_or(Value::Null, |meta| serde_json::from_slice(meta).expect("meta"))
}

/// The files anywhere beneath a folder, but for locks.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| {
            let path = entry.path();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder { files(&path) } else { vec![path] }
        })
        .filter(|path| !path.ends_with("lock"))
        .collect()
}

async fn nothing_left(lab: Lab, base: TempDir) {
    lab.finish().await;
    wait_until("the server's temporary folder to go", || files(base.path()).is_empty()).await;
}

#[tokio::test]
async fn each_process_has_one_of_its_own_and_so_has_what_it_starts() {
    for process in ProcessKind::ALL {
        let (lab, base) = lab(process);
        let seen = tool(&lab, "look").value().await;
        let folder = Path::new(seen["folder"].as_str().expect("a path")).to_owned();
        assert_eq!(folder.parent().and_then(Path::parent), Some(base.path()), "{process:?}: {seen}");
        assert_eq!((&seen["child"], &seen["variable"]), (&seen["folder"], &seen["folder"]), "{process:?}");
        assert_eq!((&seen["mode"], &seen["left"]), (&json!(0o700), &json!([])), "{process:?}");
        nothing_left(lab, base).await;
    }
}

#[tokio::test]
async fn a_file_that_a_call_leaves_is_gone_with_its_answer_and_the_answer_says_so() {
    for process in ProcessKind::ALL {
        let (lab, base) = lab(process);
        for _ in 0..3 {
            let outcome = tool(&lab, "leave").run().await;
            let (path, note) = texts(&outcome.kind);
            assert!(!Path::new(&path).exists(), "{process:?}: {path}");
            assert!(
                note.starts_with(&format!("`{path}` was in the call's temporary folder")),
                "{process:?}: {note}"
            );
            assert_eq!(
                meta(&outcome.kind)["omni/temp"],
                json!({"files": [path], "gone": true}),
                "{process:?}"
            );
            let seen = tool(&lab, "look").value().await;
            assert_eq!(seen["left"], json!([]), "{process:?}");
        }
        let outcome = tool(&lab, "leave_quietly").run().await;
        assert_eq!(
            (texts(&outcome.kind), meta(&outcome.kind)),
            (("done".into(), String::new()), Value::Null)
        );
        let taken = tool(&lab, "leave_and_take_back").run().await;
        assert_eq!(texts(&taken.kind), ("done".into(), String::new()), "{process:?}");
        let OutcomeKind::ToolError { message, .. } = tool(&lab, "leave_in_error").run().await.kind else {
            panic!("{process:?}: it raises");
        };
        assert!(message.starts_with("see ") && message.contains("which is gone"), "{process:?}: {message}");
        nothing_left(lab, base).await;
    }
}

#[tokio::test]
async fn calls_that_follow_each_other_at_once_find_nothing_of_each_other() {
    let (lab, base) = lab_with(ProcessKind::Pool, |config| config.workers_max = 1);
    for _ in 0..100 {
        // Sent ahead of each other, so that the second follows the first within a tick of the kernel's clock.
        let (left, seen) = tokio::join!(tool(&lab, "leave_quietly").run(), tool(&lab, "look").value());
        assert_eq!((text(&left), &seen["left"]), ("done".into(), &json!([])));
    }
    nothing_left(lab, base).await;
}

#[tokio::test]
async fn what_a_killed_process_has_left_is_gone_when_its_end_is_told() {
    for process in ProcessKind::ALL {
        let (lab, base) = lab(process);
        for number in [9, 11] {
            let outcome = tool(&lab, "leave_and_die").args(&json!({"number": number})).run().await;
            assert_eq!(outcome.kind, OutcomeKind::Signalled { signal: number }, "{process:?}");
            wait_until("the files to go", || files(base.path()).iter().all(|path| path.ends_with("counted")))
                .await;
        }
        let hangs = tool(&lab, "leave_and_hang").context().timeout(Duration::from_millis(1500));
        assert!(matches!(hangs.run().await.kind, OutcomeKind::TimedOut { .. }), "{process:?}");
        let mut cancelled = tool(&lab, "leave_and_hang").context().start();
        let folder = cancelled.first_log().await["folder"].as_str().expect("a path").to_owned();
        cancelled.cancel().await;
        wait_until(&format!("{process:?}: {folder} to go"), || !Path::new(&folder).exists()).await;
        nothing_left(lab, base).await;
    }
}

#[tokio::test]
async fn removal_follows_no_link_and_is_stopped_by_no_mode_and_no_depth() {
    for process in ProcessKind::ALL {
        let (lab, base) = lab(process);
        let outside = tempfile::tempdir().expect("a temporary folder");
        let file = outside.path().join("file");
        std::fs::write(&file, "x").expect("a file");
        {
            let trap = tool(&lab, "leave_a_trap").args(&json!({"outside": outside.path()}));
            let outcome = trap.run().await;
            assert_eq!((text(&outcome), &outcome.worker), ("done".into(), &None), "{process:?}");
            let seen = tool(&lab, "look").value().await;
            assert_eq!(seen["left"], json!([]), "{process:?}");
        }
        assert!(file.exists(), "{process:?}");
        nothing_left(lab, base).await;
    }
}

#[tokio::test]
async fn a_tool_that_exchanges_the_folder_has_nothing_removed_elsewhere() {
    for process in ProcessKind::ALL {
        let (lab, base) = lab(process);
        let outside = tempfile::tempdir().expect("a temporary folder");
        let file = outside.path().join("file");
        std::fs::write(&file, "x").expect("a file");
        for function in ["exchange_the_folder", "mislead_the_descriptor"] {
            let outcome = tool(&lab, function).args(&json!({"outside": outside.path()})).run().await;
            assert_eq!(text(&outcome), "done", "{process:?}");
            assert_eq!(text(&tool(&lab, "leave_quietly").run().await), "done", "{process:?}");
            assert!(file.exists(), "{process:?} after {function}");
        }
        assert_eq!(text(&tool(&lab, "remove_the_folder").run().await), "done");
        lab.finish().await;
        assert!(file.exists(), "{process:?} after all");
        assert_eq!(files(base.path()), Vec::<PathBuf>::new(), "{process:?}");
        let (lab, base) = self::lab(process);
        assert_eq!(text(&tool(&lab, "remove_the_folder").run().await), "done");
        let seen = tool(&lab, "look").value().await;
        assert_eq!((&seen["left"], &seen["mode"]), (&json!([]), &json!(0o700)), "{process:?}");
        nothing_left(lab, base).await;
    }
}

#[tokio::test]
async fn what_an_import_makes_and_what_multiprocessing_keeps_is_there_in_every_call() {
    let (lab, base) = lab_with(ProcessKind::Pool, |config| config.workers_max = 1);
    assert_eq!(tool(&lab, "use_multiprocessing").value().await, true);
    for count in 1..4 {
        assert_eq!(tool(&lab, "remember_at_import").value().await, count);
        assert_eq!(text(&tool(&lab, "leave_quietly").run().await), "done");
        assert_eq!(tool(&lab, "use_multiprocessing").value().await, true);
    }
    nothing_left(lab, base).await;
}

#[tokio::test]
async fn a_tool_that_names_another_folder_does_so_for_itself_only() {
    let (lab, base) = lab_with(ProcessKind::Pool, |config| config.workers_max = 1);
    let before = tool(&lab, "look").value().await;
    assert_eq!(text(&tool(&lab, "send_elsewhere").args(&json!({"folder": "/var/tmp"})).run().await), "done");
    assert_eq!(tool(&lab, "look").value().await, before);
    nothing_left(lab, base).await;
}

#[tokio::test]
async fn async_tools_share_one_and_a_result_says_how_long_it_lasts() {
    let (lab, base) = lab(ProcessKind::Pool);
    let outcome = tool(&lab, "async_leave").args(&json!({"name": "a"})).run().await;
    let (path, note) = texts(&outcome.kind);
    assert!(Path::new(&path).exists() && note.contains("goes with it"), "{note}");
    assert_eq!(meta(&outcome.kind)["omni/temp"], json!({"files": [path], "gone": false}));
    let other = tool(&lab, "async_leave").args(&json!({"name": "b"})).run().await;
    assert!(Path::new(&path).exists(), "a neighbour's call removes nothing");
    assert!(texts(&other.kind).1.starts_with('`'));
    nothing_left(lab, base).await;
}

#[tokio::test]
async fn a_skill_with_state_in_memory_has_its_files_as_long() {
    let (lab, base) = lab(ProcessKind::Pool);
    let policy = || Policy { affinity: Some(Affinity::Single), ..Policy::default() };
    let outcome = tool(&lab, "leave").policy(policy()).run().await;
    let (path, note) = texts(&outcome.kind);
    assert!(Path::new(&path).exists() && note.contains("goes with it"), "{note}");
    let seen = tool(&lab, "look").policy(policy()).value().await;
    assert_eq!(seen["left"], json!(["left.txt"]));
    nothing_left(lab, base).await;
}

#[tokio::test]
async fn files_of_a_skill_that_keeps_them_outlive_call_worker_and_server() {
    for process in ProcessKind::ALL {
        let (lab, base) = lab(process);
        let outcome = keeping(tool(&lab, "leave")).run().await;
        let (path, note) = texts(&outcome.kind);
        assert_eq!((note.as_str(), meta(&outcome.kind)), ("", Value::Null), "{process:?}");
        let other = tool(&lab, "leave").args(&json!({"name": "other.txt"})).run().await;
        lab.finish().await;
        assert!(Path::new(&path).exists(), "{process:?}: {path}");
        assert!(
            !Path::new(&texts(&other.kind).0).exists(),
            "{process:?}: of a skill that does not keep them"
        );
        // A later server that sweeps leaves them alone.
        let (next, base) = lab_beneath(base);
        assert_eq!(text(&tool(&next, "leave_quietly").run().await), "done");
        next.finish().await;
        assert!(Path::new(&path).exists(), "{process:?}: {path}");
        drop(base);
    }
    let (lab, base) = lab(ProcessKind::Pool);
    let (path, note) = texts(&keeping(tool(&lab, "async_leave")).run().await.kind);
    assert_eq!(note, "");
    lab.finish().await;
    assert!(Path::new(&path).exists() && base.path().exists());
}

/// Another server at the same place.
fn lab_beneath(base: TempDir) -> (Lab, TempDir) {
    let path = base.path().to_owned();
    (Lab::pool_with(|config| config.process.temp = TempFolders::below(path)), base)
}

#[tokio::test]
async fn a_program_has_one_for_its_call() {
    let (lab, base) = lab(ProcessKind::Spawn);
    let outcome = program(&lab, "echo x > $TMPDIR/a; stat -c %a $TMPDIR; echo $TMPDIR/a").run().await;
    let (said, note) = texts(&outcome.kind);
    let (mode, path) = said.split_once('\n').expect("two lines");
    assert_eq!(mode, "700");
    assert!(path.starts_with(base.path().to_str().expect("a path")) && !Path::new(path).exists(), "{path}");
    assert!(note.starts_with(&format!("`{path}` was in")), "{note}");
    assert_eq!(meta(&outcome.kind)["omni/temp"]["gone"], true);
    let killed = program(&lab, "echo x > $TMPDIR/a; kill -9 $$").run().await;
    assert_eq!(killed.kind, OutcomeKind::Signalled { signal: 9 });
    assert_eq!(files(base.path()), Vec::<PathBuf>::new());
    let kept = keeping(program(&lab, "echo x > $TMPDIR/a; echo $TMPDIR/a")).run().await;
    let (path, note) = texts(&kept.kind);
    assert!(Path::new(&path).exists() && note.is_empty(), "{note}");
    lab.finish().await;
    assert!(Path::new(&path).exists());
}

#[tokio::test]
async fn a_large_one_holds_up_nobody_s_answer() {
    let (lab, base) = lab(ProcessKind::Spawn);
    let outcome = program(&lab, "cd $TMPDIR; seq 20000 | xargs touch; kill -9 $$").run().await;
    assert_eq!(outcome.kind, OutcomeKind::Signalled { signal: 9 });
    let (lab_pool, base_pool) = self::lab(ProcessKind::Pool);
    assert_eq!(text(&tool(&lab_pool, "leave_many").args(&json!({"count": 3000})).run().await), "done");
    assert_eq!(tool(&lab_pool, "look").value().await["left"], json!([]));
    nothing_left(lab, base).await;
    nothing_left(lab_pool, base_pool).await;
}

#[tokio::test]
async fn where_there_can_be_none_tools_run_with_what_the_environment_names() {
    for process in ProcessKind::ALL {
        let change =
            |config: &mut ExecConfig| config.process.temp = TempFolders::below("/proc/nowhere".into());
        let lab = Lab::of(process, change);
        assert_eq!(lab.call("echo").args(&json!({"text": "a"})).value().await, "a", "{process:?}");
        lab.finish().await;
    }
}
