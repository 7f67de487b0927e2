//! Spellings by which a path is asked for that leads out of the folder that it should be in.

/// More than a hundred ways to say `../../secret.txt` in a URI's path, or something that a careless reader would take for
/// it: percent-encodings once, twice and three times, backslashes, NUL, overlong UTF-8, absolute paths, `.` and empty segments, drives of
/// Windows, letters that only look like the signs. `secret` is the absolute path of the file that must not be reached.
pub fn path_escapes(secret: &str) -> Vec<String> {
    let dots = [
        "..",
        "%2e%2e",
        "%2E.",
        ".%2e",
        "%252e%252e",
        "%25252e%25252e",
        "%c0%ae%c0%ae",
        "%e0%80%ae%e0%80%ae",
        "%f0%80%80%ae%f0%80%80%ae",
        "%u002e%u002e",
        "\u{FF0E}\u{FF0E}",
        "%EF%BC%8E%EF%BC%8E",
        "\u{2024}\u{2024}",
        "\u{2025}",
        "..;",
        "..%00",
        "..%20",
        ".. ",
        "...",
        "....",
        "..%0d",
    ];
    let slashes = [
        "/",
        "%2f",
        "%2F",
        "%252f",
        "%25252f",
        "\\",
        "%5c",
        "%255c",
        "%c0%af",
        "%e0%80%af",
        "%c1%9c",
        "%u2215",
        "\u{2215}",
        "\u{FF0F}",
        "\u{29F8}",
        "//",
        "/./",
        "%2f%2f",
    ];
    let mut all = Vec::new();
    for dot in dots {
        for slash in slashes {
            all.push(format!("{dot}{slash}{dot}{slash}secret.txt"));
            all.push(format!("references{slash}{dot}{slash}{dot}{slash}{dot}{slash}secret.txt"));
        }
    }
    let bare = secret.trim_start_matches('/');
    let coded = secret.replace('/', "%2F");
    let back = secret.replace('/', "\\");
    for more in [
        secret.to_owned(),
        format!("/{secret}"),
        format!("//{bare}"),
        coded.clone(),
        coded.replace('%', "%25"),
        back.clone(),
        back.replace('\\', "%5C"),
        format!("file://{secret}"),
        format!("file:{secret}"),
        format!("C:{secret}"),
        format!("C:{back}"),
        format!("c%3a{coded}"),
        format!("\\\\?\\C:{back}"),
        format!("\\\\localhost\\C${back}"),
        format!("//localhost{secret}"),
        format!("/proc/self/root{secret}"),
        "../../../../../../../../proc/self/root/etc/passwd".to_owned(),
        "/dev/fd/0".to_owned(),
        "/proc/self/environ".to_owned(),
        "~/secret.txt".to_owned(),
        "~root/secret.txt".to_owned(),
        "$HOME/secret.txt".to_owned(),
        "${HOME}/secret.txt".to_owned(),
        "%00".to_owned(),
        "references/a.md%00.txt".to_owned(),
        "references/a.md\0".to_owned(),
        "references/a.md/".to_owned(),
        "references/a.md//".to_owned(),
        "references/a.md/.".to_owned(),
        "references/a.md/..".to_owned(),
        "references//a.md".to_owned(),
        "/references/a.md".to_owned(),
        "./references/a.md".to_owned(),
        "references/./a.md".to_owned(),
        "references/x/../a.md".to_owned(),
        "references%2F..%2F..%2F..%2Fsecret.txt".to_owned(),
        "references\\a.md".to_owned(),
        "references%5Ca.md".to_owned(),
        "references/A.MD".to_owned(),
        "REFERENCES/a.md".to_owned(),
        "references/a.md ".to_owned(),
        "references/a.md.".to_owned(),
        "references/a.md::$DATA".to_owned(),
        "references/a\u{200B}.md".to_owned(),
        "references/\u{202E}dm.a".to_owned(),
        "CON".to_owned(),
        "nul.txt".to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        "/".to_owned(),
        String::new(),
        "references".to_owned(),
        "references/".to_owned(),
        "link.txt".to_owned(),
        "link-folder/secret.txt".to_owned(),
        "link-up/../secret.txt".to_owned(),
        "a/".repeat(4_000),
        "x".repeat(10_000),
    ] {
        all.push(more);
    }
    all
}
