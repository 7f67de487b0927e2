//! Since and until which version does Python come with a module, and since which has a module a name?

/// Whether a module of this name came with any Python from 3.9 on: an import of it is meant for the library.
pub(crate) fn is_library(name: &str) -> bool {
    name.starts_with('_')
        || ALWAYS.binary_search(&name).is_ok()
        || CHANGED.iter().any(|(known, ..)| *known == name)
}

/// Whether Python 3.`minor` has a module, or how it came to have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    There,
    /// It comes with 3.`minor` or newer.
    Since(u32),
    /// 3.`minor` was the last version to have it.
    Until(u32),
    /// It is no module of the library.
    Foreign,
}

/// What Python 3.`minor` has of a module.
pub(crate) fn presence(name: &str, minor: u32) -> Presence {
    match CHANGED.iter().find(|(known, ..)| *known == name) {
        Some((_, since, _)) if minor < *since => Presence::Since(*since),
        Some((_, _, until)) if minor > *until => Presence::Until(*until),
        None if !is_library(name) => Presence::Foreign,
        _ => Presence::There,
    }
}

/// Modules that came or went: the first and the last version that has each.
const CHANGED: [(&str, u32, u32); 32] = [
    ("aifc", 9, 12),
    ("annotationlib", 14, u32::MAX),
    ("asynchat", 9, 11),
    ("asyncore", 9, 11),
    ("audioop", 9, 12),
    ("binhex", 9, 10),
    ("cgi", 9, 12),
    ("cgitb", 9, 12),
    ("chunk", 9, 12),
    ("compression", 14, u32::MAX),
    ("crypt", 9, 12),
    ("distutils", 9, 11),
    ("formatter", 9, 9),
    ("imghdr", 9, 12),
    ("imp", 9, 11),
    ("lib2to3", 9, 12),
    ("mailcap", 9, 12),
    ("msilib", 9, 12),
    ("nis", 9, 12),
    ("nntplib", 9, 12),
    ("ossaudiodev", 9, 12),
    ("parser", 9, 9),
    ("pipes", 9, 12),
    ("smtpd", 9, 11),
    ("sndhdr", 9, 12),
    ("spwd", 9, 12),
    ("sunau", 9, 12),
    ("symbol", 9, 9),
    ("telnetlib", 9, 12),
    ("tomllib", 11, u32::MAX),
    ("uu", 9, 12),
    ("xdrlib", 9, 12),
];

/// Modules that every version from 3.9 on has, sorted.
#[rustfmt::skip]
const ALWAYS: [&str; 191] = [
    "abc", "antigravity", "argparse", "array", "ast", "asyncio", "atexit", "base64", "bdb", "binascii",
    "bisect", "builtins", "bz2", "cProfile", "calendar", "cmath", "cmd", "code", "codecs", "codeop",
    "collections", "colorsys", "compileall", "concurrent", "configparser", "contextlib", "contextvars", "copy",
    "copyreg", "csv", "ctypes", "curses", "dataclasses", "datetime", "dbm", "decimal", "difflib", "dis",
    "doctest", "email", "encodings", "ensurepip", "enum", "errno", "faulthandler", "fcntl", "filecmp",
    "fileinput", "fnmatch", "fractions", "ftplib", "functools", "gc", "genericpath", "getopt", "getpass",
    "gettext", "glob", "graphlib", "grp", "gzip", "hashlib", "heapq", "hmac", "html", "http", "idlelib",
    "imaplib", "importlib", "inspect", "io", "ipaddress", "itertools", "json", "keyword", "linecache", "locale",
    "logging", "lzma", "mailbox", "marshal", "math", "mimetypes", "mmap", "modulefinder", "msvcrt",
    "multiprocessing", "netrc", "nt", "ntpath", "nturl2path", "numbers", "opcode", "operator", "optparse", "os",
    "pathlib", "pdb", "pickle", "pickletools", "pkgutil", "platform", "plistlib", "poplib", "posix",
    "posixpath", "pprint", "profile", "pstats", "pty", "pwd", "py_compile", "pyclbr", "pydoc", "pydoc_data",
    "pyexpat", "queue", "quopri", "random", "re", "readline", "reprlib", "resource", "rlcompleter", "runpy",
    "sched", "secrets", "select", "selectors", "shelve", "shlex", "shutil", "signal", "site", "smtplib",
    "socket", "socketserver", "sqlite3", "sre_compile", "sre_constants", "sre_parse", "ssl", "stat",
    "statistics", "string", "stringprep", "struct", "subprocess", "symtable", "sys", "sysconfig", "syslog",
    "tabnanny", "tarfile", "tempfile", "termios", "textwrap", "this", "threading", "time", "timeit", "tkinter",
    "token", "tokenize", "trace", "traceback", "tracemalloc", "tty", "turtle", "turtledemo", "types", "typing",
    "unicodedata", "unittest", "urllib", "uuid", "venv", "warnings", "wave", "weakref", "webbrowser", "winreg",
    "winsound", "wsgiref", "xml", "xmlrpc", "zipapp", "zipfile", "zipimport", "zlib", "zoneinfo",
];

/// The minor version of Python 3 that brought `name` to `module`; `None` for what 3.9 had, or what is not known here.
pub(crate) fn name_since(module: &str, name: &str) -> Option<u32> {
    NEW_NAMES
        .iter()
        .find(|(known, _, names)| *known == module && names.contains(&name))
        .map(|(_, since, _)| *since)
}

const NEW_NAMES: &[(&str, u32, &[&str])] = &[
    (
        "typing",
        10,
        &[
            "Concatenate",
            "ParamSpec",
            "ParamSpecArgs",
            "ParamSpecKwargs",
            "TypeAlias",
            "TypeGuard",
            "is_typeddict",
        ],
    ),
    (
        "typing",
        11,
        &[
            "LiteralString",
            "Never",
            "NotRequired",
            "Required",
            "Self",
            "TypeVarTuple",
            "Unpack",
            "assert_never",
            "assert_type",
            "clear_overloads",
            "dataclass_transform",
            "get_overloads",
            "reveal_type",
        ],
    ),
    ("typing", 12, &["TypeAliasType", "override"]),
    ("typing", 13, &["NoDefault", "ReadOnly", "TypeIs", "get_protocol_members", "is_protocol"]),
    ("typing", 14, &["evaluate_forward_ref"]),
    (
        "enum",
        11,
        &[
            "EnumCheck",
            "EnumType",
            "FlagBoundary",
            "ReprEnum",
            "StrEnum",
            "global_enum",
            "member",
            "nonmember",
            "property",
            "verify",
        ],
    ),
    ("datetime", 11, &["UTC"]),
    ("itertools", 10, &["pairwise"]),
    ("itertools", 12, &["batched"]),
    ("asyncio", 11, &["Barrier", "BrokenBarrierError", "Runner", "TaskGroup", "timeout", "timeout_at"]),
    ("asyncio", 12, &["create_eager_task_factory", "eager_task_factory"]),
    ("asyncio", 13, &["QueueShutDown"]),
    ("contextlib", 10, &["aclosing"]),
    ("contextlib", 11, &["chdir"]),
    ("collections.abc", 12, &["Buffer"]),
    ("types", 10, &["EllipsisType", "NoneType", "NotImplementedType", "UnionType"]),
    ("types", 12, &["get_original_bases"]),
    ("types", 13, &["CapsuleType"]),
    ("warnings", 13, &["deprecated"]),
    ("copy", 13, &["replace"]),
    ("dataclasses", 10, &["KW_ONLY"]),
    ("functools", 14, &["Placeholder"]),
    ("hashlib", 11, &["file_digest"]),
    ("inspect", 10, &["get_annotations"]),
    ("inspect", 11, &["getmembers_static"]),
    ("inspect", 12, &["BufferFlags", "markcoroutinefunction"]),
    ("logging", 11, &["getLevelNamesMapping"]),
    ("logging", 12, &["getHandlerByName", "getHandlerNames"]),
    ("math", 11, &["cbrt", "exp2"]),
    ("math", 12, &["sumprod"]),
    ("math", 13, &["fma"]),
    ("operator", 11, &["call"]),
    ("os", 13, &["process_cpu_count"]),
    ("pathlib", 13, &["UnsupportedOperation"]),
    ("queue", 13, &["ShutDown"]),
    ("random", 12, &["binomialvariate"]),
    ("statistics", 10, &["correlation", "covariance", "linear_regression"]),
    ("statistics", 13, &["kde", "kde_random"]),
    ("sys", 11, &["exception"]),
    ("sqlite3", 11, &["Blob"]),
    ("concurrent.futures", 14, &["InterpreterPoolExecutor"]),
    ("sysconfig", 10, &["get_default_scheme", "get_preferred_scheme"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_that_came_or_went_are_known_with_their_version() {
        assert!(ALWAYS.is_sorted());
        assert_eq!(presence("json", 9), Presence::There);
        assert_eq!(presence("tomllib", 10), Presence::Since(11));
        assert_eq!(presence("tomllib", 11), Presence::There);
        assert_eq!(presence("distutils", 12), Presence::Until(11));
        assert_eq!(presence("requests", 12), Presence::Foreign);
        assert!(is_library("cgi") && is_library("_thread") && !is_library("words"));
    }

    #[test]
    fn names_have_the_version_that_brought_them() {
        assert_eq!(name_since("typing", "Self"), Some(11));
        assert_eq!(name_since("typing", "Optional"), None);
        assert_eq!(name_since("itertools", "batched"), Some(12));
        assert_eq!(name_since("other", "Self"), None);
    }
}
