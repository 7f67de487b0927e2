//! Who may call over HTTP, from flags and `[http]` of `omni.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Result, bail};
use omni_server::{Access, PeerLookup};
use serde::Deserialize;

use crate::http_tokens::TokenTable;
use crate::listener::SocketReach;
use crate::settings::JwtTable;

/// `[http]` of `omni.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpTable {
    /// Users besides our own and root whose processes may call over loopback.
    #[serde(default)]
    allow_users: Vec<User>,
    /// The address that `omni mcp` listens on.
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    /// The Unix socket that it listens on instead, relative to this file.
    pub(crate) unix: Option<PathBuf>,
    /// Further names that clients may call it by.
    #[serde(default)]
    pub(crate) allow_hosts: Vec<String>,
    /// Origins whose web pages may use it.
    #[serde(default)]
    pub(crate) allow_origins: Vec<String>,
    /// The private file of tokens, relative to this one.
    pub(crate) token_file: Option<PathBuf>,
    /// Tokens with names: `[http.tokens.NAME]`.
    #[serde(default)]
    pub(crate) tokens: BTreeMap<String, TokenTable>,
    /// An OAuth issuer whose access tokens are taken.
    pub(crate) jwt: Option<JwtTable>,
}

impl HttpTable {
    /// Whether it names somebody who may call besides the user who runs omni.
    pub(crate) fn lets_others_in(&self) -> bool {
        !self.allow_users.is_empty()
    }

    /// The key by which others than the user who runs omni may call over loopback, if one does.
    pub(crate) fn others_let_in_by(&self) -> Option<&'static str> {
        if self.token_file.is_some() {
            Some("`http.token_file`")
        } else if !self.tokens.is_empty() {
            Some("`http.tokens`")
        } else {
            self.lets_others_in().then_some("`http.allow_users`")
        }
    }
}

/// A user as `http.allow_users` names one: by name or by number.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum User {
    Number(i64),
    Name(String),
}

/// The rule for a listener on loopback: our own user, root, and those named.
///
/// Where the kernel does not tell whose a connection is, everybody on this machine is let in, and the second value
/// says so.
///
/// # Errors
/// A user who does not exist, or whom the kernel cannot tell from others.
pub(crate) fn on_loopback(
    flags: &[String],
    table: &HttpTable,
    address: IpAddr,
) -> Result<(Access, Option<String>)> {
    let others = allowed(flags, table)?;
    let lookup = match PeerLookup::open(address) {
        Ok(lookup) => lookup,
        Err(error) => {
            let open = format!(
                "every user and every sandboxed program of this machine can call these tools as the user that runs \
                 omni: whose a connection is cannot be told here ({error}); `--http-token FILE` lets in only those \
                 who have a token"
            );
            return Ok((Access::everybody(), Some(open)));
        }
    };
    let others = told_apart(&lookup, others, "; use `--http-token FILE`")?;
    Ok((Access::users(lookup, others), None))
}

/// The rule for a Unix socket: our own user, root, and those named; and how far its file must be open for that.
///
/// # Errors
/// A user who does not exist, or whom the kernel cannot tell from others.
pub(crate) fn on_unix(flags: &[String], table: &HttpTable) -> Result<(Access, SocketReach)> {
    let lookup = PeerLookup::of_unix_sockets();
    let others = told_apart(&lookup, allowed(flags, table)?, "")?;
    let reach = if others.is_empty() { SocketReach::User } else { SocketReach::Everybody };
    Ok((Access::users(lookup, others), reach))
}

/// The numbers of the users named, each with the setting that does.
fn allowed(flags: &[String], table: &HttpTable) -> Result<Vec<(&'static str, u32)>> {
    let named = flags.iter().map(|flag| ("`--allow-user`", User::Name(flag.clone())));
    let listed = table.allow_users.iter().map(|user| ("`http.allow_users` in omni.toml", user.clone()));
    named.chain(listed).map(|(setting, user)| Ok((setting, number(setting, &user)?))).collect()
}

/// Those of `users` whom the kernel tells from all others: every one, or it is an error.
fn told_apart(lookup: &PeerLookup, users: Vec<(&str, u32)>, otherwise: &str) -> Result<Vec<u32>> {
    if let Some((setting, uid)) = users.iter().find(|(_, uid)| lookup.outsider() == Some(*uid)) {
        bail!(
            "{setting}: {uid} stands for every user outside of this user namespace, so it would let all of them \
             in{otherwise}"
        );
    }
    Ok(users.into_iter().map(|(_, uid)| uid).collect())
}

/// The number of a user. A name of digits alone is a number, as everywhere else.
fn number(setting: &str, user: &User) -> Result<u32> {
    let name = match user {
        User::Number(number) => number.to_string(),
        User::Name(name) => name.clone(),
    };
    if name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') && !name.is_empty() {
        // The largest number means "no user" to the kernel.
        return match name.parse::<u32>() {
            Ok(uid) if uid != u32::MAX => Ok(uid),
            _ => bail!("{setting}: `{name}` is not the number of a user"),
        };
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    match user_number(&users, &name) {
        Some(uid) => Ok(uid),
        None => bail!(
            "{setting}: there is no user `{name}` in /etc/passwd; users from elsewhere (LDAP, systemd) are named by \
             number: `id -u {name}`"
        ),
    }
}

/// The number of `name` in a file like `/etc/passwd` (passwd(5)).
fn user_number(users: &str, name: &str) -> Option<u32> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str =
        "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/false\nbroken\nodd:x:none:1::/:\n";

    #[test]
    fn a_user_is_found_by_the_whole_name() {
        assert_eq!(user_number(USERS, "www-data"), Some(33));
        for nobody in ["www", "x", "33", "", "broken", "odd"] {
            assert_eq!(user_number(USERS, nobody), None, "{nobody}");
        }
    }

    #[test]
    fn users_are_named_by_name_or_number_and_a_wrong_one_is_refused_with_its_setting() {
        let table: HttpTable = toml::from_str("allow_users = ['root', 33, '34']").unwrap();
        let numbers: Vec<_> = table.allow_users.iter().map(|user| number("s", user).unwrap()).collect();
        assert_eq!(numbers, [0, 33, 34]);
        for (text, named) in [
            ("allow_users = [-1]", "`-1`"),
            ("allow_users = [4294967295]", "`4294967295`"),
            ("allow_users = ['99999999999']", "`99999999999`"),
            ("allow_users = ['no such user']", "`no such user`"),
            ("allow_users = ['']", "``"),
        ] {
            let table: HttpTable = toml::from_str(text).unwrap();
            let error = number("`http.allow_users`", &table.allow_users[0]).unwrap_err().to_string();
            assert!(error.contains(named) && error.contains("http.allow_users"), "{error}");
        }
    }
}
