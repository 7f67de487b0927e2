//! Since which version does a module of Python's library have a name that skills use?

/// The minor version of Python 3 that brought `name` to `module`; `None` for what 3.9 had, or what is not known here.
pub(crate) fn since(module: &str, name: &str) -> Option<u32> {
    NAMES
        .iter()
        .find(|(known, _, names)| *known == module && names.contains(&name))
        .map(|(_, since, _)| *since)
}

const NAMES: &[(&str, u32, &[&str])] = &[
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
    use super::since;

    #[test]
    fn names_have_the_version_that_brought_them() {
        assert_eq!(since("typing", "Self"), Some(11));
        assert_eq!(since("typing", "Optional"), None);
        assert_eq!(since("itertools", "batched"), Some(12));
        assert_eq!(since("other", "Self"), None);
    }
}
