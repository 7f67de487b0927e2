//! One line on a terminal that shows how far something is: drawn over while it changes, gone when it is done.

use std::time::{Duration, Instant};

use omni_call::shown_line;

use crate::terminal;

/// A line on stderr. Shows nothing where stderr is no terminal.
pub(crate) struct ProgressLine {
    shown: bool,
    stderr_is_terminal: bool,
    drawn_at: Option<Instant>,
}

const BAR_CELLS: usize = 20;
/// Wide enough for a name and its version, and narrow enough for most terminals.
const TEXT_CHARS_MAX: usize = 50;
/// More often than this no eye can follow.
const REDRAW_AFTER: Duration = Duration::from_millis(50);

impl ProgressLine {
    pub(crate) fn new() -> Self {
        ProgressLine { shown: false, stderr_is_terminal: terminal::stderr_is_terminal(), drawn_at: None }
    }

    /// Shows that `done` of `total` are done, and what is being done.
    pub(crate) fn show(&mut self, done: usize, total: Option<usize>, text: &str) {
        let fresh = self.drawn_at.is_none_or(|at| at.elapsed() >= REDRAW_AFTER);
        if !self.stderr_is_terminal || !fresh {
            return;
        }
        terminal::redraw(&line(done, total, text));
        self.shown = true;
        self.drawn_at = Some(Instant::now());
    }

    /// Takes the line away, before something else is printed.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            terminal::redraw("");
        }
        self.drawn_at = None;
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.clear();
    }
}

fn line(done: usize, total: Option<usize>, text: &str) -> String {
    // What cannot be seen is shown by its number before it is cut, or half an escape would be left.
    let text: String = shown_line(text).chars().take(TEXT_CHARS_MAX).collect();
    let Some(total) = total.filter(|total| *total > 0) else {
        return format!("[{}] {text}", " ".repeat(BAR_CELLS));
    };
    let full = done.min(total) * BAR_CELLS / total;
    format!("[{}{}] {done}/{total} {text}", "=".repeat(full), " ".repeat(BAR_CELLS - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills_up_and_the_text_cannot_move_the_cursor() {
        assert_eq!(line(0, None, "looking"), format!("[{}] looking", " ".repeat(20)));
        assert_eq!(
            line(3, Some(6), "a\x1b[2Kb"),
            format!("[{}{}] 3/6 a\\x1b[2Kb", "=".repeat(10), " ".repeat(10))
        );
        assert_eq!(line(9, Some(6), ""), format!("[{}] 9/6 ", "=".repeat(20)));
        assert!(line(1, Some(2), &"x".repeat(500)).len() < 100);
    }
}
