//! Words as a shell reads them back.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

use omni_call::shown_path;

/// Words as one command.
pub(crate) fn command<'a>(words: impl IntoIterator<Item = &'a OsStr>) -> String {
    words.into_iter().map(|word| quoted(Path::new(word))).collect::<Vec<_>>().join(" ")
}

/// The same of words that are text.
pub(crate) fn quoted_words(words: &[String]) -> String {
    command(words.iter().map(OsStr::new))
}

/// A path, or another word, as a shell reads it back.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else if matches!(shown_path(path), shown if shown == text) {
        format!("'{}'", text.replace('\'', r"'\''"))
    } else {
        // The line is shown with what is hidden written as an escape, and must still mean this path.
        // `printf` and octal numbers are what every shell has.
        let bytes = path.as_os_str().as_encoded_bytes();
        bytes.iter().fold(String::from("\"$(printf '"), |mut out, byte| {
            let _ = match byte {
                b'%' => write!(out, "%%"),
                b'\'' | b'\\' => write!(out, "\\{byte:03o}"),
                b' '..=b'~' => write!(out, "{}", char::from(*byte)),
                byte => write!(out, "\\{byte:03o}"),
            };
            out
        }) + "')\""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_blanks_or_quotes_survives_the_shell() {
        assert_eq!(quoted(Path::new("/usr/bin/omni")), "/usr/bin/omni");
        assert_eq!(command(["a b", "", "c"].map(OsStr::new)), "'a b' '' c");
        assert_eq!(quoted(Path::new("/my skills/it's")), r"'/my skills/it'\''s'");
        assert_eq!(quoted(Path::new("/déjà vu")), "'/déjà vu'");
        assert_eq!(quoted(Path::new("/a\u{202e}'b\nc")), r#""$(printf '/a\342\200\256\047b\012c')""#);
    }
}
