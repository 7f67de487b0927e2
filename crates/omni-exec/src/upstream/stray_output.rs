//! What a program prints that is no message of MCP: how much of it, and how it began.

/// Of a line that is no message so much is shown.
const SHOWN_CHARS_MAX: usize = 100;

/// Lines of standard output that could not be read.
#[derive(Debug, Default)]
pub(super) struct StrayOutput {
    /// The beginning of the first line.
    first: Vec<u8>,
    lines: usize,
}

impl StrayOutput {
    pub(super) fn note(&mut self, line: &[u8]) {
        if self.lines == 0 {
            self.first = line.iter().copied().take(4 * SHOWN_CHARS_MAX).collect();
        }
        self.lines += 1;
    }

    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    /// The beginning of the first line; empty while there is none.
    pub(super) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.first).trim().chars().take(SHOWN_CHARS_MAX).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_shown_and_all_are_counted() {
        let mut stray_output = StrayOutput::default();
        assert_eq!((stray_output.lines(), stray_output.shown().as_str()), (0, ""));
        stray_output.note(format!("  \u{e9}{}", "x".repeat(1000)).as_bytes());
        stray_output.note(b"second");
        assert_eq!(stray_output.lines(), 2);
        assert_eq!(stray_output.shown(), format!("\u{e9}{}", "x".repeat(99)));
    }
}
