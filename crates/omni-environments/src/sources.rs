//! Where packages would come from that a skill asks for: the user's index, or a place that the skill names.

/// The address in a dependency specifier (PEP 508): `name[extra] @ address`.
pub(crate) fn address(dependency: &str) -> Option<&str> {
    let is_name = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '_' | '-');
    let rest = dependency.trim().trim_start_matches(is_name).trim_start();
    let rest = match rest.strip_prefix('[') {
        Some(extras) => extras.split_once(']').map_or("", |(_, rest)| rest).trim_start(),
        None => rest,
    };
    rest.strip_prefix('@').map(str::trim)
}

/// The index whose packages everybody takes by name.
const PUBLIC_INDEX: [&str; 2] = ["https://pypi.org/simple", "https://pypi.org/simple/"];

/// The first package that a `uv.lock` takes from anywhere but the public index, for people. A lock that is not valid is
/// left to whoever installs from it.
///
/// Leaving the place out and taking the package of that name from the index would be worse than refusing: there it may
/// be somebody else's.
pub(crate) fn foreign(lock: &str) -> Option<String> {
    let lock: toml::Table = lock.parse().ok()?;
    let packages = lock.get("package").and_then(toml::Value::as_array)?;
    packages.iter().find_map(|package| {
        let name = package.get("name").and_then(toml::Value::as_str).unwrap_or("a package");
        let source = package.get("source").and_then(toml::Value::as_table);
        let (kind, place) = source.and_then(|source| source.iter().next())?;
        let place = place.as_str().unwrap_or_default();
        let ordinary = match kind.as_str() {
            "registry" => PUBLIC_INDEX.contains(&place),
            // The project itself, which is not installed.
            "virtual" | "editable" | "directory" => place == ".",
            _ => false,
        };
        (!ordinary).then(|| format!("`{}` from `{}`", name.escape_debug(), place.escape_debug()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_address_is_one() {
        for (dependency, expected) in [
            ("a @ file:///x.whl", "file:///x.whl"),
            ("a@file:///x", "file:///x"),
            (
                "a [x, y] @ git+https://h/a.git@v1 ; os_name == 'posix'",
                "git+https://h/a.git@v1 ; os_name == 'posix'",
            ),
            ("a.b_c-d[x]@https://h/a.zip", "https://h/a.zip"),
        ] {
            assert_eq!(address(dependency), Some(expected), "{dependency}");
        }
        for dependency in ["a", "a==1", "a[x]>=2", "a ; python_version < '3.12'", "a (>=1)", "a[", ""] {
            assert_eq!(address(dependency), None, "{dependency}");
        }
    }

    #[test]
    fn a_lock_is_searched_for_places_of_its_own() {
        let lock = |source: &str| {
            let own = "[[package]]\nname = \"skill\"\nsource = { virtual = \".\" }\n";
            format!("version = 1\n{own}[[package]]\nname = \"p\"\nversion = \"1\"\nsource = {{ {source} }}\n")
        };
        assert_eq!(foreign(&lock("registry = \"https://pypi.org/simple\"")), None);
        for source in [
            "registry = \"https://evil.example/simple\"",
            "registry = \"../wheels\"",
            "git = \"https://h/p.git\"",
            "url = \"https://h/p.zip\"",
            "path = \"p.tar.gz\"",
            "directory = \"p\"",
            "editable = \"p\"",
        ] {
            let found = foreign(&lock(source)).unwrap_or_else(|| panic!("{source}"));
            assert!(found.starts_with("`p` from `"), "{found}");
        }
    }
}
