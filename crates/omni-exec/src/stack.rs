//! The frames of a skill in a dump of Python's stacks that `faulthandler` has printed.

use std::path::Path;

/// A part of the line above the frames of each stack.
const HEADING: &str = "most recent call first";

/// Whether `dump` may be complete: it has a line that contains `heading`, and its last line has ended.
pub(crate) fn looks_complete(dump: &[u8], heading: &str) -> bool {
    let mut lines = dump.split_inclusive(|byte| *byte == b'\n');
    dump.ends_with(b"\n") && lines.any(|line| contains(line, HEADING) && contains(line, heading))
}

fn contains(line: &[u8], text: &str) -> bool {
    text.is_empty() || line.windows(text.len()).any(|window| window == text.as_bytes())
}

/// How the heading begins above the frames of one async call.
pub(crate) fn call_heading(id: u64) -> String {
    format!("Call {id} ")
}

/// The frames in the files of the skill at `skill_dir`, innermost last and in Python's own notation; `None`
/// when the skill is on no stack.
///
/// An async worker also prints where each call waits; then the frames are those of the call `id`. Otherwise
/// they are those of the thread that runs calls, which is the one with the worker's own frames below.
pub(crate) fn user_frames(dump: &str, skill_dir: &Path, id: u64) -> Option<String> {
    let inside = format!("File \"{}/", skill_dir.display());
    let own = call_heading(id);
    let stacks: Vec<PythonStack> = stacks(dump, &inside).filter(|stack| !stack.frames.is_empty()).collect();
    let chosen = stacks
        .iter()
        .find(|stack| stack.heading.starts_with(&own))
        .or_else(|| stacks.iter().find(|stack| stack.runs_calls))
        .or(stacks.first())?;
    Some(chosen.frames.iter().rev().map(|frame| format!("  {frame}")).collect::<Vec<_>>().join("\n"))
}

struct PythonStack<'a> {
    heading: &'a str,
    /// `File "scripts/a.py", line 3 in f`, innermost first, the path relative to the skill.
    frames: Vec<String>,
    runs_calls: bool,
}

fn stacks<'a>(dump: &'a str, inside: &str) -> impl Iterator<Item = PythonStack<'a>> {
    let mut lines = dump.lines().peekable();
    std::iter::from_fn(move || {
        let heading = lines.find(|line| line.contains(HEADING))?;
        let mut stack = PythonStack { heading, frames: Vec::new(), runs_calls: false };
        while let Some(line) = lines.next_if(|line| line.starts_with("  ")) {
            let line = line.trim();
            if let Some(frame) = line.strip_prefix(inside) {
                stack.frames.push(format!("File \"{frame}"));
            } else if line.contains("/omni/worker.py\"") || line.contains("/omni/skills/run.py\"") {
                stack.runs_calls = true;
            }
        }
        Some(stack)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = r#"noise of the tool
Thread 0x00007f1 (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 982 in run
  File "/p/skills/a/scripts/bg.py", line 9 in watch

Current thread 0x00007f2 (most recent call first):
  File "/usr/lib/python3.11/socket.py", line 1 in recv
  File "/p/skills/a/scripts/hang.py", line 7 in inner
  File "/p/skills/a/scripts/hang.py", line 12 in tool
  File "/opt/omni/worker.py", line 100 in main
"#;

    #[test]
    fn the_frames_of_the_skill_come_innermost_last() {
        assert_eq!(
            user_frames(DUMP, Path::new("/p/skills/a"), 7).as_deref(),
            Some("  File \"scripts/hang.py\", line 12 in tool\n  File \"scripts/hang.py\", line 7 in inner")
        );
    }

    #[test]
    fn a_waiting_async_call_is_told_its_own_frames() {
        let dump = r#"Current thread 0x00007f2 (most recent call first):
  File "/usr/lib/python3.11/selectors.py", line 1 in select
  File "/opt/omni/worker.py", line 100 in main
Call 6 (`a.wait`), most recent call first:
  File "/p/skills/a/scripts/wait.py", line 1 in other
Call 7 (`a.wait`), most recent call first:
  File "/usr/lib/python3.11/asyncio/tasks.py", line 2 in sleep
  File "/p/skills/a/scripts/wait.py", line 5 in wait
"#;
        assert_eq!(
            user_frames(dump, Path::new("/p/skills/a"), 7).as_deref(),
            Some("  File \"scripts/wait.py\", line 5 in wait")
        );
    }

    #[test]
    fn a_dump_without_the_skill_gives_nothing() {
        assert_eq!(user_frames(DUMP, Path::new("/p/skills/b"), 7), None);
        assert_eq!(user_frames("", Path::new("/p/skills/a"), 7), None);
    }

    #[test]
    fn a_dump_is_complete_at_a_line_end_after_a_heading() {
        assert!(looks_complete(DUMP.as_bytes(), ""));
        assert!(!looks_complete(&DUMP.as_bytes()[..DUMP.len() - 4], ""));
        assert!(!looks_complete(b"only the tool's own words\n", ""));
        assert!(!looks_complete(DUMP.as_bytes(), &call_heading(7)));
    }
}
