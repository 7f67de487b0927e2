//! What a prompt file is: where it lies, how long it may be, and where its front matter ends and its body begins.

/// The folder of a skill in which prompts are files, and everything that they may include.
pub const FOLDER: &str = "prompts";

/// A prompt file, or one that it includes, at most. People write prompts.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

/// A prompt file, cut in two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromptText<'a> {
    /// Both fences and what is between them; empty for a file without front matter.
    pub front: &'a str,
    /// What is below.
    pub body: &'a str,
}

/// Cuts a file behind its front matter, which begins in the first line with `---` and ends with a line `---` or `...`. A
/// front matter that never ends is none.
pub fn split(text: &str) -> PromptText<'_> {
    let marked = text.strip_prefix('\u{feff}').unwrap_or(text);
    let bom = text.len() - marked.len();
    let mut lines = marked.split_inclusive('\n');
    let none = PromptText { front: "", body: marked };
    let Some(first) = lines.next().filter(|line| line.trim_end() == "---") else { return none };
    let mut end = bom + first.len();
    for line in lines {
        end += line.len();
        if matches!(line.trim_end(), "---" | "...") {
            return PromptText { front: &text[bom..end], body: &text[end..] };
        }
    }
    none
}

impl PromptText<'_> {
    /// Lines above the body.
    pub fn lines_above(&self) -> usize {
        self.front.matches('\n').count()
    }

    /// Whether there is front matter.
    pub fn has_front_matter(&self) -> bool {
        !self.front.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_cut_behind_its_front_matter() {
        let cut = |text| {
            let cut = split(text);
            (cut.lines_above(), cut.body)
        };
        assert_eq!(cut("---\nname: a\n---\nHello\n"), (3, "Hello\n"));
        assert_eq!(cut("\u{feff}---\r\nname: a\r\n---\r\nHello"), (3, "Hello"));
        assert_eq!(cut("---\n...\nHello"), (2, "Hello"));
        assert_eq!(cut("---\nname: a\n---"), (2, ""));
        assert_eq!(cut("---\n---\n---\n"), (2, "---\n"));
        for none in ["Hello\n---\n", "---\nname: a\nHello\n", "", " ---\n---\n", "----\n---\n"] {
            assert!(!split(none).has_front_matter(), "{none:?}");
            assert_eq!(split(none).body, none);
        }
    }
}
