//! Which MIME type a file has by its name, and whether it is text: the one table of them.

/// What the end of a file's name says about its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MimeType {
    /// `type/subtype`, without parameters.
    pub name: &'static str,
    /// Whether such a file is text. What is not is never shown as text, whatever its bytes are.
    pub is_text: bool,
}

/// The type of a page that a host shows beside a chat (the extension `io.modelcontextprotocol/ui`): the only one that hosts
/// take for such a page.
pub const APP_PAGE: &str = "text/html;profile=mcp-app";

impl MimeType {
    /// Of a file with no known ending whose bytes are text.
    pub const TEXT: MimeType = MimeType { name: "text/plain", is_text: true };
    /// Of a file with no known ending whose bytes are no text.
    pub const BINARY: MimeType = MimeType { name: "application/octet-stream", is_text: false };

    /// By the ending of the last segment of a path, in letters of any case; `None` where that says nothing, so that only
    /// the contents can tell.
    pub fn of_path(path: &str) -> Option<MimeType> {
        let name = path.rsplit('/').next().unwrap_or(path);
        if let Some((_, mime)) = NAMES.iter().find(|(whole, _)| *whole == name) {
            return Some(*mime);
        }
        let (stem, ending) = name.rsplit_once('.')?;
        // `.png` alone is a hidden file without an ending.
        if stem.is_empty() {
            return None;
        }
        let known = |(endings, _): &&(&[&str], MimeType)| {
            endings.iter().any(|known| known.eq_ignore_ascii_case(ending))
        };
        ENDINGS.iter().find(known).map(|(_, mime)| *mime)
    }

    /// Whether what has a type of this name is text; `None` where the name does not say, so that only the contents can
    /// tell.
    pub fn says_text(name: &str) -> Option<bool> {
        let bare = name.split(';').next().unwrap_or(name).trim().to_ascii_lowercase();
        if let Some((_, mime)) = ENDINGS.iter().find(|(_, mime)| mime.name == bare) {
            // What is only known to be bytes may be text all the same.
            return (*mime != MimeType::BINARY).then_some(mime.is_text);
        }
        let (kind, subtype) = bare.split_once('/')?;
        match kind {
            "text" => Some(true),
            _ if subtype.ends_with("+json") || subtype.ends_with("+xml") => Some(true),
            "image" | "audio" | "video" | "font" => Some(false),
            _ => None,
        }
    }
}

const fn text(name: &'static str) -> MimeType {
    MimeType { name, is_text: true }
}

const fn binary(name: &'static str) -> MimeType {
    MimeType { name, is_text: false }
}

/// Files that are known by their whole names.
const NAMES: [(&str, MimeType); 6] = [
    ("LICENSE", MimeType::TEXT),
    ("README", MimeType::TEXT),
    ("NOTICE", MimeType::TEXT),
    ("CHANGELOG", MimeType::TEXT),
    ("Makefile", text("text/x-makefile")),
    ("Dockerfile", text("text/x-dockerfile")),
];

/// What lies in folders of skills. Registered types where IANA has one; for source code, which has none, the names that
/// editors and web servers use.
const ENDINGS: &[(&[&str], MimeType)] = &[
    (&["md", "markdown", "mdx"], text("text/markdown")),
    (&["txt", "text", "log", "cfg", "conf", "ini", "env", "properties", "gitignore", "lock"], MimeType::TEXT),
    (&["rst"], text("text/x-rst")),
    (&["adoc", "asciidoc"], text("text/asciidoc")),
    (&["tex"], text("text/x-tex")),
    (&["diff", "patch"], text("text/x-diff")),
    (&["csv"], text("text/csv")),
    (&["tsv"], text("text/tab-separated-values")),
    (&["html", "htm"], text("text/html")),
    (&["xhtml"], text("application/xhtml+xml")),
    (&["css"], text("text/css")),
    (&["ics"], text("text/calendar")),
    (&["vtt"], text("text/vtt")),
    (&["json", "map"], text("application/json")),
    (&["jsonl", "ndjson"], text("application/jsonl")),
    (&["jsonld"], text("application/ld+json")),
    (&["geojson"], text("application/geo+json")),
    (&["ipynb"], text("application/x-ipynb+json")),
    (&["yaml", "yml"], text("application/yaml")),
    (&["toml"], text("application/toml")),
    (&["xml", "xsd", "xsl", "xslt"], text("application/xml")),
    (&["sql"], text("application/sql")),
    (&["graphql", "gql"], text("application/graphql")),
    (&["proto"], text("text/x-protobuf")),
    (&["j2", "jinja", "jinja2", "tmpl", "template"], text("text/x-jinja2")),
    (&["js", "mjs", "cjs"], text("text/javascript")),
    (&["jsx"], text("text/jsx")),
    (&["ts", "mts", "cts"], text("text/x-typescript")),
    (&["tsx"], text("text/tsx")),
    (&["py", "pyi"], text("text/x-python")),
    (&["rb"], text("text/x-ruby")),
    (&["rs"], text("text/x-rust")),
    (&["go"], text("text/x-go")),
    (&["java"], text("text/x-java")),
    (&["kt", "kts"], text("text/x-kotlin")),
    (&["scala"], text("text/x-scala")),
    (&["swift"], text("text/x-swift")),
    (&["c", "h"], text("text/x-c")),
    (&["cc", "cpp", "cxx", "hh", "hpp"], text("text/x-c++")),
    (&["cs"], text("text/x-csharp")),
    (&["php"], text("application/x-httpd-php")),
    (&["pl", "pm"], text("text/x-perl")),
    (&["r"], text("text/x-r")),
    (&["lua"], text("text/x-lua")),
    (&["sh", "bash", "zsh"], text("application/x-sh")),
    (&["ps1"], text("text/x-powershell")),
    (&["bat", "cmd"], text("application/x-bat")),
    (&["tf", "hcl"], text("text/x-hcl")),
    (&["svg"], text("image/svg+xml")),
    (&["png"], binary("image/png")),
    (&["jpg", "jpeg"], binary("image/jpeg")),
    (&["gif"], binary("image/gif")),
    (&["webp"], binary("image/webp")),
    (&["avif"], binary("image/avif")),
    (&["bmp"], binary("image/bmp")),
    (&["ico"], binary("image/vnd.microsoft.icon")),
    (&["tif", "tiff"], binary("image/tiff")),
    (&["heic"], binary("image/heic")),
    (&["mp3"], binary("audio/mpeg")),
    (&["wav"], binary("audio/wav")),
    (&["ogg", "oga", "opus"], binary("audio/ogg")),
    (&["flac"], binary("audio/flac")),
    (&["m4a"], binary("audio/mp4")),
    (&["mp4", "m4v"], binary("video/mp4")),
    (&["webm"], binary("video/webm")),
    (&["mov"], binary("video/quicktime")),
    (&["woff"], binary("font/woff")),
    (&["woff2"], binary("font/woff2")),
    (&["ttf"], binary("font/ttf")),
    (&["otf"], binary("font/otf")),
    (&["pdf"], binary("application/pdf")),
    (&["rtf"], binary("application/rtf")),
    (&["epub"], binary("application/epub+zip")),
    (&["doc"], binary("application/msword")),
    (&["docx"], binary("application/vnd.openxmlformats-officedocument.wordprocessingml.document")),
    (&["xls"], binary("application/vnd.ms-excel")),
    (&["xlsx"], binary("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")),
    (&["ppt"], binary("application/vnd.ms-powerpoint")),
    (&["pptx"], binary("application/vnd.openxmlformats-officedocument.presentationml.presentation")),
    (&["odt"], binary("application/vnd.oasis.opendocument.text")),
    (&["ods"], binary("application/vnd.oasis.opendocument.spreadsheet")),
    (&["zip"], binary("application/zip")),
    (&["gz", "tgz"], binary("application/gzip")),
    (&["bz2"], binary("application/x-bzip2")),
    (&["xz"], binary("application/x-xz")),
    (&["zst"], binary("application/zstd")),
    (&["tar"], binary("application/x-tar")),
    (&["7z"], binary("application/x-7z-compressed")),
    (&["wasm"], binary("application/wasm")),
    (&["sqlite", "sqlite3", "db"], binary("application/vnd.sqlite3")),
    (&["parquet"], binary("application/vnd.apache.parquet")),
    (&["pyc", "pyo"], binary("application/x-python-code")),
    (&["bin", "exe", "so", "dll", "dylib", "dat", "npy", "pkl"], MimeType::BINARY),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_ending_decides_in_any_case_and_a_hidden_file_has_none() {
        let name = |path| MimeType::of_path(path).map(|mime| mime.name);
        for (path, mime) in [
            ("SKILL.md", Some("text/markdown")),
            ("assets/logo.PNG", Some("image/png")),
            ("a/b.tar.gz", Some("application/gzip")),
            ("LICENSE", Some("text/plain")),
            ("folder.md/LICENCE", None),
            (".png", None),
            ("a/.env", None),
            ("notes.", None),
            ("notes.unheard-of", None),
            ("", None),
        ] {
            assert_eq!(name(path), mime, "{path}");
        }
    }

    #[test]
    fn a_type_s_name_says_whether_it_is_text() {
        for (name, is_text) in [
            ("text/x-anything; charset=utf-8", Some(true)),
            ("Application/JSON", Some(true)),
            ("application/vnd.api+json", Some(true)),
            ("image/svg+xml", Some(true)),
            ("image/x-new", Some(false)),
            ("application/pdf", Some(false)),
            ("application/octet-stream", None),
            ("application/x-unheard-of", None),
            ("nonsense", None),
        ] {
            assert_eq!(MimeType::says_text(name), is_text, "{name}");
        }
    }

    #[test]
    fn no_ending_stands_twice() {
        let mut seen = HashSet::new();
        for ending in ENDINGS.iter().flat_map(|(endings, _)| endings.iter()) {
            assert!(seen.insert(*ending), "`{ending}` has two rows");
            assert_eq!(ending.to_ascii_lowercase(), **ending);
        }
    }
}
