//! Which files does nobody write for a reader, by their names: what programs leave, what holds secrets, what some clients
//! could not write down.

use omni_call::MimeType;

/// Endings of files that programs leave.
const LEFT_BY_PROGRAMS: [&str; 8] =
    [".pyc", ".pyo", ".db", ".sqlite", ".sqlite3", "-wal", "-shm", "-journal"];

/// Endings of files that hold keys.
const KEYS: [&str; 11] =
    ["pem", "key", "p8", "p12", "pfx", "pkcs12", "ppk", "jks", "keystore", "kdbx", "tfstate"];

/// Names, without their endings, of files that hold what nobody else should read. A page about such things is one to read.
const SECRETS: [&str; 4] = ["secret", "secrets", "credential", "credentials"];

/// The same of names that code and styles have too: only what holds data is held back.
const SECRET_DATA: [&str; 20] = [
    "accesstoken",
    "apikey",
    "apikeys",
    "authtoken",
    "clientsecret",
    "htpasswd",
    "kubeconfig",
    "netrc",
    "passphrase",
    "passwd",
    "password",
    "passwords",
    "pgpass",
    "privatekey",
    "refreshtoken",
    "secretkey",
    "serviceaccount",
    "serviceaccountkey",
    "token",
    "tokens",
];
/// The endings of what holds data; none at all is one, too.
const DATA: [&str; 12] =
    ["", "cfg", "conf", "csv", "ini", "json", "properties", "toml", "txt", "xml", "yaml", "yml"];

/// How the names of private keys of SSH begin. Those of public ones end in `.pub`.
const SSH_KEYS: [&str; 4] = ["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"];

/// Endings of files that show which variables there are, and not what they are.
const EXAMPLES: [&str; 4] = ["example", "sample", "template", "dist"];

pub(super) fn is_left_by_a_program(name: &str) -> bool {
    name.ends_with('~')
        || name.starts_with('#') && name.ends_with('#')
        || LEFT_BY_PROGRAMS.iter().any(|ending| name.ends_with(ending))
}

/// Whether a file is a secret by its name.
pub(super) fn is_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let (stem, ending) = lower.rsplit_once('.').unwrap_or((&lower, ""));
    let is_page = MimeType::of_path(name).is_some_and(|mime| mime.name == "text/markdown");
    let plain: String = stem.chars().filter(|sign| !matches!(sign, '-' | '_' | '.' | ' ')).collect();
    let is_environment = ending == "env" || lower.contains(".env.") && !EXAMPLES.contains(&ending);
    KEYS.contains(&ending)
        || is_environment && !is_page
        || SECRETS.contains(&stem) && !is_page && ending != "py"
        || DATA.contains(&ending) && SECRET_DATA.contains(&&*plain)
        || ending != "pub" && SSH_KEYS.contains(&stem.strip_suffix("_sk").unwrap_or(stem))
}

/// Why a name cannot be offered; `None` for others. A client may write what it reads into files of those names.
pub(super) fn is_strange(name: &str) -> Option<&'static str> {
    if name.contains('\\') {
        return Some("a `\\` in a name makes folders of it on some machines");
    }
    name.contains(char::is_control).then_some("its name holds a control character")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_by_their_names_and_pages_and_code_about_them_are_none() {
        for name in [
            "ID_RSA",
            "api-key.txt",
            "api_keys.json",
            "config.env",
            "credentials.json",
            "id_ecdsa_sk",
            "id_ed25519",
            "id_rsa",
            "password.txt",
            "prod.env",
            "prod.env.local",
            "secrets.sh",
            "server.key",
            "server.pem",
            "service-account.json",
            "token",
            "token.txt",
            "tokens.yaml",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "api_key.py",
            "environment.md",
            "id_rsa.pub",
            "key.md",
            "keys.json",
            "password.md",
            "prod.env.example",
            "secrets.md",
            "secrets.py",
            "token.ts",
            "tokenizer.json",
            "tokens.css",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
