//! Which line and column a byte offset is at.

use std::cell::OnceCell;

/// The line starts of a text, found on first use: most files have nothing to report.
pub(crate) struct Lines<'a> {
    text: &'a str,
    starts: OnceCell<Vec<u32>>,
}

/// Lines longer than this have their columns in bytes.
const COUNTED_MAX: usize = 20_000;

impl<'a> Lines<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Lines { text, starts: OnceCell::new() }
    }

    /// Line and column, both counted from 1, the column in characters. An offset past the end gives the
    /// end.
    pub(crate) fn position(&self, at: u32) -> (u32, u32) {
        let starts = self.starts.get_or_init(|| line_starts(self.text));
        let line = starts.partition_point(|start| *start <= at).max(1);
        let start = starts[line - 1] as usize;
        let before = self.text.get(start..at as usize).unwrap_or("");
        // Nobody counts the characters of such a line; a generated file may have a finding at each of them.
        let column = match before.len() {
            long if long > COUNTED_MAX => long + 1,
            _ => before.chars().filter(|c| *c != '\u{feff}').count() + 1,
        };
        (number(line), number(column))
    }
}

fn line_starts(text: &str) -> Vec<u32> {
    let bytes = text.as_bytes();
    let mut starts = vec![0];
    for (index, byte) in bytes.iter().enumerate() {
        // A lone carriage return ends a line for Python too.
        let ends = *byte == b'\n' || (*byte == b'\r' && bytes.get(index + 1) != Some(&b'\n'));
        if ends {
            starts.push(number(index + 1));
        }
    }
    starts
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn columns_count_characters_and_lines_end_as_python_ends_them() {
        let lines = Lines::new("é = 1\r\nb\rc\n");
        assert_eq!(lines.position(0), (1, 1));
        assert_eq!(lines.position(3), (1, 3));
        assert_eq!(lines.position(8), (2, 1));
        assert_eq!(lines.position(10), (3, 1));
        assert_eq!(lines.position(999), (4, 1));
    }
}
