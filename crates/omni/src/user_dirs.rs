//! The user's folders, by the XDG base directory specification.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Result;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;

use crate::private::{self, PlaceOrigin};
use crate::variables;

#[derive(Debug)]
pub(crate) struct UserDirs {
    pub(crate) config: PathBuf,
    /// Where caches go by convention. [`cache::open`](crate::cache::open) finds out whether they can.
    pub(crate) cache: PathBuf,
    pub(crate) state: PathBuf,
    /// Below the temporary folder, one per user: what stands for those that have no place of their own.
    pub(crate) temporary: PathBuf,
    /// The folder that `HOME` names and nobody lets us enter, and why.
    pub(crate) closed: Option<(PathBuf, io::Error)>,
}

impl UserDirs {
    /// The user's home folder, if there is one.
    pub(crate) fn folder() -> Option<PathBuf> {
        variables::absolute("HOME")
    }

    /// Without a home folder (a bare container), or with one that cannot be entered (another user's), everything goes
    /// below the temporary folder. So does the state alone where its folder cannot be made.
    pub(crate) fn find() -> Self {
        let temporary =
            variables::temporary_folder().join(format!("omni-{}", rustix::process::getuid().as_raw()));
        let home = UserDirs::folder();
        let closed = home.clone().and_then(|home| Some((home.clone(), shut(&home)?)));
        let home = home.filter(|_| closed.is_none());
        let base = |xdg: &str, below_home: &str| {
            variables::absolute(xdg)
                .or_else(|| home.as_ref().map(|home| home.join(below_home)))
                .map_or_else(|| temporary.clone(), |base| base.join("omni"))
        };
        let state = Some(base("XDG_STATE_HOME", ".local/state")).filter(|state| can_be_made(state));
        UserDirs {
            config: base("XDG_CONFIG_HOME", ".config"),
            cache: base("XDG_CACHE_HOME", ".cache"),
            state: state.unwrap_or_else(|| temporary.clone()),
            closed,
            temporary,
        }
    }

    /// Where the programs that install packages keep what they obey, install from and make environments of.
    pub(crate) fn of_installers(&self) -> Vec<PathBuf> {
        let named =
            ["UV_CONFIG_FILE", "UV_CACHE_DIR", "UV_PYTHON_INSTALL_DIR", "PIP_CONFIG_FILE", "PIP_CACHE_DIR"];
        let mut found: Vec<PathBuf> =
            named.iter().filter_map(|name| variables::get(name)).map(PathBuf::from).collect();
        for ours in [&self.config, &self.cache].into_iter().filter(|ours| **ours != self.temporary) {
            found.extend(["uv", "pip"].map(|name| ours.with_file_name(name)));
        }
        let home = UserDirs::folder();
        found.extend(home.iter().map(|home| home.join(".pip")));
        let data = variables::absolute("XDG_DATA_HOME");
        found.extend(data.or_else(|| home.map(|home| home.join(".local/share"))).map(|data| data.join("uv")));
        found
    }

    /// Looks at configuration and state before anything in them is believed. The cache is looked at when it is opened.
    ///
    /// # Errors
    ///
    /// Somebody else may have written there.
    pub(crate) fn check(&self) -> Result<()> {
        self.check_one(
            &self.config,
            PlaceOrigin::Configuration,
            "set `XDG_CONFIG_HOME` to a folder of yours",
        )?;
        self.check_one(&self.state, PlaceOrigin::Own, "set `XDG_STATE_HOME` to a folder of yours")?;
        let own = self.config.join("omni.toml");
        if own.exists() {
            private::check_file(&own, "name another settings file with `--config`")?;
        }
        Ok(())
    }

    fn check_one(&self, folder: &Path, place: PlaceOrigin, remedy: &str) -> Result<()> {
        if *folder == self.temporary {
            return private::check(folder, PlaceOrigin::Temporary, "set `HOME` to a folder of yours");
        }
        private::check(folder, place, remedy)
    }
}

/// Why a folder that is there cannot be entered, if so.
fn shut(folder: &Path) -> Option<io::Error> {
    match accessat(CWD, folder, Access::EXEC_OK, AtFlags::EACCESS) {
        Ok(()) | Err(Errno::NOENT) if folder.is_dir() || !folder.exists() => None,
        Ok(()) => Some(io::ErrorKind::NotADirectory.into()),
        Err(error) => Some(error.into()),
    }
}

/// Whether a folder is there, or could be made where it is missing.
fn can_be_made(folder: &Path) -> bool {
    let nearest = folder.ancestors().find(|above| above.symlink_metadata().is_ok());
    let rights = Access::WRITE_OK | Access::EXEC_OK;
    nearest.is_some_and(|nearest| {
        let writable = || accessat(CWD, nearest, rights, AtFlags::EACCESS).is_ok();
        nearest.is_dir() && (nearest == folder || writable())
    })
}
