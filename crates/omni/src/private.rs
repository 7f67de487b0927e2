//! Are the folders that omni obeys the user's own, and closed to others?
//!
//! Code that omni runs, lists that it believes, keys and trust lie in its cache, state and configuration. Whoever can
//! write there decides what runs under the user's name. So a folder is made for the user alone whatever the umask, and
//! one that is there already is looked at before anything in it is believed.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, bail};
use omni_call::shown_path;
use rustix::process::{getegid, geteuid};

/// For others to write: the group, and everybody.
const WRITABLE: u32 = 0o022;
const OTHERS: u32 = 0o077;
const STICKY: u32 = 0o1000;

/// Why this folder is used: what may be changed about it depends on that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlaceOrigin {
    /// Ours by convention, below the user's home: closed to others if it is not.
    Own,
    /// The user has named it, for omni or for more: looked at and left as it is.
    Named,
    /// Below the temporary folder, for want of a home.
    Temporary,
    /// Written by the user by hand, perhaps with a umask that suits a group of one.
    Configuration,
}

/// Makes a folder for the user alone, and those above it that are missing.
pub(crate) fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Puts `bytes` in a file that only the user can read, in one step. Its folder is made when it is missing.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let folder = path.parent().unwrap_or(Path::new("/"));
    make(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let count = WRITES.fetch_add(1, Ordering::Relaxed);
    let temporary = folder.join(format!(".{name}.{}.{count}", std::process::id()));
    let written = create(&temporary)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// A new file, or an emptied one, that only the user can read.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Sees to it that what lies in `folder` can only have come from the user, or from root. `remedy` says what to do where
/// that is not so. A folder that is not there is no fault; [`make`] makes it.
///
/// What cannot be ruled out is that somebody who may rename a folder above it exchanges it later: then it belongs to
/// somebody else at the next start, and until then a warning in the log says which folder that is.
///
/// # Errors
///
/// It belongs to somebody else, others can write in it, or (below the temporary folder) it is a link.
pub(crate) fn check(folder: &Path, place: PlaceOrigin, remedy: &str) -> Result<()> {
    let shown = shown_path(folder);
    let me = geteuid().as_raw();
    let link = match fs::symlink_metadata(folder) {
        Ok(found) => found,
        // Nothing is there: a file stands where a folder above it would.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(());
        }
        Err(error) => return Err(error).with_context(|| format!("`{shown}` cannot be looked at; {remedy}")),
    };
    if link.is_symlink() {
        if place == PlaceOrigin::Temporary {
            bail!("`{shown}` is a link, and anybody can make one there; remove it, or {remedy}");
        }
        trusted_owner(&link, me, &format!("the link `{shown}`"), remedy)?;
    }
    // From here on by descriptor: what is looked at is what is changed.
    let opened = File::open(folder).with_context(|| format!("`{shown}` cannot be opened; {remedy}"))?;
    let found = opened.metadata().with_context(|| format!("`{shown}` cannot be looked at; {remedy}"))?;
    if !found.is_dir() {
        bail!("`{shown}` is not a folder; {remedy}");
    }
    if place == PlaceOrigin::Temporary && (found.uid() != me || found.ino() != link.ino()) {
        bail!("`{shown}` belongs to {}, and omni runs as {}; {remedy}", user(found.uid()), user(me));
    }
    trusted_owner(&found, me, &format!("`{shown}`"), remedy)?;
    let open = found.mode() & WRITABLE;
    let is_private_group = open == 0o020 && found.gid() == getegid().as_raw();
    let is_own = matches!(place, PlaceOrigin::Own | PlaceOrigin::Temporary) && found.uid() == me;
    match place {
        _ if open == 0 => {}
        PlaceOrigin::Configuration if is_private_group => {}
        // A sticky folder is shared on purpose, so its permissions are left alone.
        _ if !is_own || found.mode() & STICKY != 0 => {
            bail!(
                "others can write in `{shown}`; run `chmod go-w {shown}` if that is a mistake, or {remedy}"
            );
        }
        _ => {
            if let Some(why) = foreign(folder, me)? {
                bail!(
                    "others could write in `{shown}`, and {why}; remove the folder, which omni makes anew, or {remedy}"
                );
            }
        }
    }
    if is_own && found.mode() & OTHERS != 0 {
        let closed = opened.set_permissions(Permissions::from_mode(found.mode() & 0o700));
        match closed {
            Ok(()) if open != 0 => {
                tracing::warn!(folder = shown, "others could write here; it is closed to them now");
            }
            Ok(()) => {}
            Err(error) => bail!("`{shown}` cannot be closed to others: {error}; {remedy}"),
        }
    }
    warn_of_ancestors(folder, me);
    Ok(())
}

/// Sees to it that a file which is obeyed can only have come from the user, or from root.
///
/// # Errors
///
/// It belongs to somebody else, or others can write it.
pub(crate) fn check_file(path: &Path, remedy: &str) -> Result<()> {
    let shown = shown_path(path);
    let found = fs::metadata(path).with_context(|| format!("`{shown}` cannot be looked at"))?;
    trusted_owner(&found, geteuid().as_raw(), &format!("`{shown}`"), remedy)?;
    let open = found.mode() & WRITABLE;
    if open != 0 && !(open == 0o020 && found.gid() == getegid().as_raw()) {
        bail!("others can write `{shown}`; run `chmod go-w {shown}` if what it says is yours, or {remedy}");
    }
    Ok(())
}

/// Sees to it that nobody but the user, or root, can put another socket in the place of one in `folder`, and answer in
/// omni's name. In a sticky folder, such as `/tmp`, nobody else can.
///
/// # Errors
///
/// It is not there or no folder, it belongs to somebody else, or others can write in it.
pub(crate) fn check_folder_of_socket(folder: &Path) -> Result<()> {
    const ELSEWHERE: &str =
        "and could put a socket of theirs in the place of omni's; name a path in a folder of your own";
    let shown = shown_path(folder);
    let found = match fs::metadata(folder) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("the folder `{shown}` is not there; make it first")
        }
        Err(error) => return Err(error).with_context(|| format!("`{shown}` cannot be looked at")),
    };
    if !found.is_dir() {
        bail!("`{shown}` is not a folder");
    }
    let me = geteuid().as_raw();
    if found.uid() != me && found.uid() != 0 && !is_unmapped(found.uid()) {
        bail!("`{shown}` belongs to {}, {ELSEWHERE}", user(found.uid()));
    }
    let open = found.mode() & WRITABLE;
    let is_private_group = open == 0o020 && found.gid() == getegid().as_raw();
    if open != 0 && !is_private_group && found.mode() & STICKY == 0 {
        bail!("others can write in `{shown}`, {ELSEWHERE}");
    }
    warn_of_ancestors(folder, me);
    Ok(())
}

fn trusted_owner(found: &Metadata, me: u32, what: &str, remedy: &str) -> Result<()> {
    if found.uid() == me || found.uid() == 0 {
        return Ok(());
    }
    let owner = user(found.uid());
    bail!("{what} belongs to {owner}, who could have omni run anything as {}; {remedy}", user(me))
}

fn user(uid: u32) -> String {
    if uid == 0 { "root".to_owned() } else { format!("user {uid}") }
}

/// What in a folder, however deep, somebody else has made or can change. Links are not followed.
fn foreign(folder: &Path, me: u32) -> Result<Option<String>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("`{}` cannot be listed", shown_path(folder)))?;
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let found = entry.metadata()?;
        if found.uid() != me && found.uid() != 0 {
            return Ok(Some(format!("`{}` in it belongs to {}", shown_path(&path), user(found.uid()))));
        }
        if !found.is_symlink() && found.mode() & WRITABLE != 0 {
            return Ok(Some(format!("`{}` in it can be written by others", shown_path(&path))));
        }
        if found.is_dir()
            && let Some(why) = foreign(&path, me)?
        {
            return Ok(Some(why));
        }
    }
    Ok(None)
}

/// Warns of a folder above in which somebody else may exchange what lies there.
fn warn_of_ancestors(folder: &Path, me: u32) {
    let Ok(real) = folder.canonicalize() else { return };
    for above in real.ancestors().skip(1) {
        let Ok(found) = fs::metadata(above) else { return };
        let exchanged = found.mode() & 0o002 != 0 && found.mode() & STICKY == 0;
        let foreign = found.uid() != me && found.uid() != 0 && !is_unmapped(found.uid());
        if exchanged || foreign {
            let (folder, above) = (shown_path(folder), shown_path(above));
            tracing::warn!(folder, above, "somebody else can exchange this folder of omni's for another");
            return;
        }
    }
}

/// Whether the number stands for users that this user namespace does not know, such as the real root.
fn is_unmapped(uid: u32) -> bool {
    let number = |path| fs::read_to_string(path).unwrap_or_default();
    let everybody = number("/proc/self/uid_map").split_whitespace().eq(["0", "0", "4294967295"]);
    !everybody && number("/proc/sys/kernel/overflowuid").trim() == uid.to_string()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    const REMEDY: &str = "do something else";

    fn with_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    fn refusal(folder: &Path, place: PlaceOrigin) -> String {
        let error = check(folder, place, REMEDY).unwrap_err().to_string();
        assert!(error.contains(REMEDY) && error.contains(&shown_path(folder)), "{error}");
        error
    }

    #[test]
    fn what_is_made_is_the_users_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        write(&folder.join("file"), b"x").unwrap();
        assert_eq!(
            (mode(&dir.path().join("a")), mode(&folder), mode(&folder.join("file"))),
            (0o700, 0o700, 0o600)
        );
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "no temporary file stays behind");
        check(&folder, PlaceOrigin::Own, REMEDY).unwrap();
        check(&dir.path().join("nowhere"), PlaceOrigin::Own, REMEDY).unwrap();
    }

    #[test]
    fn a_folder_of_ours_is_closed_unless_others_may_have_written_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("omni");
        write(&folder.join("inner/file"), b"x").unwrap();
        for open in [0o755, 0o770, 0o777] {
            with_mode(&folder, open);
            check(&folder, PlaceOrigin::Own, REMEDY).unwrap();
            assert_eq!(mode(&folder), 0o700);
        }
        with_mode(&folder, 0o777);
        with_mode(&folder.join("inner/file"), 0o666);
        let error = refusal(&folder, PlaceOrigin::Own);
        assert!(error.contains("inner/file` in it can be written by others"), "{error}");
        assert_eq!(mode(&folder), 0o777, "what is refused is left as it is");
    }

    #[test]
    fn a_folder_that_is_shared_or_named_is_not_closed_behind_the_users_back() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("shared");
        make(&folder).unwrap();
        with_mode(&folder, 0o1777);
        assert!(refusal(&folder, PlaceOrigin::Own).contains("chmod go-w"));
        with_mode(&folder, 0o775);
        assert!(refusal(&folder, PlaceOrigin::Named).contains("chmod go-w"));
        with_mode(&folder, 0o755);
        check(&folder, PlaceOrigin::Named, REMEDY).unwrap();
        assert_eq!(mode(&folder), 0o755);
        with_mode(&folder, 0o775);
        check(&folder, PlaceOrigin::Configuration, REMEDY).unwrap();
        with_mode(&folder, 0o777);
        refusal(&folder, PlaceOrigin::Configuration);
    }

    #[test]
    fn below_the_temporary_folder_a_link_is_refused_and_elsewhere_followed_when_it_is_ours() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        make(&real).unwrap();
        symlink(&real, &link).unwrap();
        assert!(refusal(&link, PlaceOrigin::Temporary).contains("is a link"));
        check(&link, PlaceOrigin::Own, REMEDY).unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(refusal(&dir.path().join("file"), PlaceOrigin::Named).contains("is not a folder"));
    }

    #[test]
    fn a_settings_file_that_others_can_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("omni.toml");
        fs::write(&file, "").unwrap();
        for (open, good) in [(0o600, true), (0o644, true), (0o664, true), (0o646, false), (0o666, false)] {
            with_mode(&file, open);
            assert_eq!(check_file(&file, REMEDY).is_ok(), good, "{open:o}");
        }
    }

    #[test]
    fn what_belongs_to_somebody_else_is_refused() {
        if geteuid().as_raw() != 0 {
            // Only root can give files away.
            eprintln!("skipped: what_belongs_to_somebody_else_is_refused needs root");
            return;
        }
        const STRANGER: u32 = 65_534;
        let dir = tempfile::tempdir().unwrap();
        let (folder, link) = (dir.path().join("omni"), dir.path().join("link"));
        write(&folder.join("python.json"), b"{}").unwrap();
        symlink(&folder, &link).unwrap();
        std::os::unix::fs::lchown(&link, Some(STRANGER), None).unwrap();
        assert!(refusal(&link, PlaceOrigin::Own).contains("the link"));
        chown(folder.join("python.json"), Some(STRANGER), None).unwrap();
        with_mode(&folder, 0o777);
        assert!(refusal(&folder, PlaceOrigin::Own).contains("belongs to user 65534"));
        chown(&folder, Some(STRANGER), None).unwrap();
        with_mode(&folder, 0o700);
        for place in
            [PlaceOrigin::Own, PlaceOrigin::Named, PlaceOrigin::Temporary, PlaceOrigin::Configuration]
        {
            assert!(refusal(&folder, place).contains("belongs to user 65534"));
        }
        let file = folder.join("omni.toml");
        fs::write(&file, "").unwrap();
        chown(&file, Some(STRANGER), None).unwrap();
        check_file(&file, REMEDY).unwrap_err();
    }
}
