//! Whether content is text and nothing else, which all revisions have: found without reading it as JSON.

/// Whether this JSON array has only blocks of `type` and `text`, and `type` is `text`. That is what nearly all results
/// are. `false` may also mean that it is written in another way: whoever asks then reads it.
pub(super) fn is_text_only(content: &[u8]) -> bool {
    Cursor(content).is_text_only() == Some(true)
}

/// What is left of the content.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn is_text_only(&mut self) -> Option<bool> {
        self.skip(b'[')?;
        if self.skip(b']').is_some() {
            return Some(true);
        }
        loop {
            self.skip(b'{')?;
            loop {
                match self.string()? {
                    b"type" => {
                        self.skip(b':')?;
                        if self.string()? != b"text" {
                            return Some(false);
                        }
                    }
                    b"text" => {
                        self.skip(b':')?;
                        self.string()?;
                    }
                    _ => return Some(false),
                }
                if self.skip(b',').is_none() {
                    break;
                }
            }
            self.skip(b'}')?;
            if self.skip(b',').is_none() {
                return self.skip(b']').map(|()| true);
            }
        }
    }

    fn skip(&mut self, token: u8) -> Option<()> {
        self.0 = self.0.trim_ascii_start();
        self.0 = self.0.strip_prefix(&[token])?;
        Some(())
    }

    /// What stands between the quotes of a string, as it is written.
    fn string(&mut self) -> Option<&[u8]> {
        self.skip(b'"')?;
        let whole = self.0;
        let mut end = 0;
        loop {
            end += memchr::memchr2(b'"', b'\\', whole.get(end..)?)?;
            if whole[end] == b'"' {
                break;
            }
            // Whatever is escaped ends no string.
            end += 2;
        }
        self.0 = &whole[end + 1..];
        Some(&whole[..end])
    }
}

#[cfg(test)]
mod tests {
    use super::is_text_only;

    #[test]
    fn only_text_is_told_from_anything_else() {
        for text in [
            "[]",
            " [ ] ",
            r#"[{"type":"text","text":""}]"#,
            r#"[{"text":"a","type":"text"}, { "type" : "text" , "text" : "b" }]"#,
            r#"[{"type":"text","text":"\"}],{\"type\":\"audio\"\\"}]"#,
        ] {
            assert!(is_text_only(text.as_bytes()), "{text}");
        }
        for other in [
            "",
            "[",
            "{}",
            "[1]",
            "[{}]",
            r#"[{"type":"audio","data":"","mimeType":"a/b"}]"#,
            r#"[{"type":"text","text":"a","_meta":{}}]"#,
            r#"[{"type":"text","text":"a"},{"type":"image"}]"#,
            r#"[{"type":"text","text":"a"#,
            r#"[{"type":"text","text":"a\"#,
            r#"[{"type":"text","text":["a"]}]"#,
            r#"[{"type":"text","text":"a"}"#,
        ] {
            assert!(!is_text_only(other.as_bytes()), "{other}");
        }
    }
}
