//! May a file or folder of that name, in a folder of skills, make a difference?
//!
//! What programs leave beside what people write must cost nothing: byte code, editors' copies, what tools keep.

/// Endings of names that are read, or whose presence is a finding.
const ENDINGS: [&[u8]; 14] = [
    b"py",
    b"pyw",
    b"py3",
    b"md",
    b"markdown",
    b"mdx",
    b"toml",
    b"lock",
    b"txt",
    b"ipynb",
    b"cfg",
    b"yml",
    b"yaml",
    b"skill",
];

/// Endings of files that programs leave.
const LEFT_BY_PROGRAMS: [&[u8]; 8] =
    [b".pyc", b".pyo", b".db", b".sqlite", b".sqlite3", b"-wal", b"-shm", b"-journal"];

/// Whether nobody looks at such a file or folder: a hidden one, byte code, an editor's copy.
pub(crate) fn is_left_out(name: &[u8]) -> bool {
    name.starts_with(b".")
        || name.ends_with(b"~")
        || (name.starts_with(b"#") && name.ends_with(b"#"))
        || LEFT_BY_PROGRAMS.iter().any(|ending| name.ends_with(ending))
        || matches!(name, b"__pycache__" | b"node_modules" | b"site-packages")
}

/// Whether a file may be read for the catalogue. `documents` says that it lies where any file is one.
pub(crate) fn file_matters(name: &[u8], documents: bool) -> bool {
    if is_left_out(name) {
        return false;
    }
    let ending = name.rsplit(|byte| *byte == b'.').next().filter(|ending| ending.len() < name.len());
    // Without an ending it may be a `Pipfile`, or a `SKILL`. Vim tries whether it may write a folder by a file `4913`.
    let plain = || name.iter().any(|byte| !byte.is_ascii_digit());
    documents && plain()
        || ending.map_or_else(plain, |ending| ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_matters_and_what_programs_leave_behind_does_not() {
        for name in ["a.py", "_helper.py", "SKILL.md", "Skill.MD", "uv.lock", "pyproject.toml", "Pipfile"] {
            assert!(file_matters(name.as_bytes(), false), "{name}");
        }
        let left = [
            ".a.py.swp",
            ".a.py.swx",
            "a.py~",
            "4913",
            ".#a.py",
            "#a.py#",
            "a.pyc",
            ".git",
            "x.db",
            "a.json",
        ];
        for name in left {
            assert!(!file_matters(name.as_bytes(), false), "{name}");
        }
        assert!(file_matters(b"picture.png", true));
        assert!(!file_matters(b".picture.png.swp", true));
    }

    #[test]
    fn byte_code_and_hidden_folders_are_left_out() {
        for name in ["__pycache__", ".venv", ".git", "node_modules"] {
            assert!(is_left_out(name.as_bytes()), "{name}");
        }
        assert!(!is_left_out(b"scripts"));
    }
}
