//! Where the block of metadata is in a Python file (PEP 723).

/// The TOML of a `# /// script` block, without the comment signs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) text: String,
    /// The line of `# /// script`, from 1.
    pub(super) line: u32,
}

/// Why there is no block where one was meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BlockProblem {
    pub(super) line: u32,
    pub(super) message: String,
    pub(super) help: &'static str,
}

const OPENING: &str = "# /// script";
const CLOSING: &str = "# ///";

/// Finds the block. `None` in a file without one.
pub(super) fn block(text: &str) -> Result<Option<Block>, BlockProblem> {
    // A quick search first: nearly every file has no block.
    if !text.contains(OPENING) {
        return Ok(None);
    }
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let mut found: Option<Block> = None;
    let mut at = 0;
    while at < lines.len() {
        if lines[at] != OPENING {
            at += 1;
            continue;
        }
        let line = u32::try_from(at + 1).unwrap_or(u32::MAX);
        if let Some(first) = &found {
            let message = format!("there is a second `script` block; the first is at line {}", first.line);
            return Err(BlockProblem { line, message, help: "make one of the two" });
        }
        let comments = lines[at + 1..].iter().take_while(|line| **line == "#" || line.starts_with("# "));
        let body = &lines[at + 1..at + 1 + comments.count()];
        // The last closing line of the comment closes it: within TOML there may be one as well.
        let Some(length) = body.iter().rposition(|line| *line == CLOSING) else {
            let message = "the `script` block is not closed, so it is not read".to_owned();
            return Err(BlockProblem { line, message, help: "end it with the line `# ///`" });
        };
        let toml: Vec<&str> =
            body[..length].iter().map(|line| line.strip_prefix("# ").unwrap_or_default()).collect();
        found = Some(Block { text: toml.join("\n"), line });
        at += length + 2;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_found_with_its_line() {
        let text = "#!/usr/bin/env python\n# /// script\n# dependencies = [\n#   \"idna\",\n# ]\n#\n# ///\nimport idna\n";
        let expected = Block { text: "dependencies = [\n  \"idna\",\n]\n".into(), line: 2 };
        assert_eq!(block(text), Ok(Some(expected)));
        assert_eq!(block("import os\n# /// other\n# ///\n"), Ok(None));
        assert_eq!(block("x = '# /// script'\n"), Ok(None));
        assert_eq!(block("# /// script\r\n# a = 1\r\n# ///\r\n").unwrap().unwrap().text, "a = 1");
    }

    #[test]
    fn a_block_that_is_open_or_twice_there_is_named() {
        let open = block("import os\n# /// script\n# a = 1\nx = 1\n").unwrap_err();
        assert!(open.line == 2 && open.message.contains("not closed"), "{open:?}");
        let twice = block("# /// script\n# ///\n\n# /// script\n# ///\n").unwrap_err();
        assert!(twice.line == 4 && twice.message.contains("line 1"), "{twice:?}");
    }
}
