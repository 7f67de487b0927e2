//! The user's folders, by the XDG base directory specification.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::private::{self, Place};

pub(crate) struct Home {
    pub(crate) config: PathBuf,
    pub(crate) cache: PathBuf,
    pub(crate) state: PathBuf,
    /// Below the temporary folder: what stands for those that have no place of their own.
    temporary: PathBuf,
}

impl Home {
    /// The user's home folder, if there is one.
    pub(crate) fn folder() -> Option<PathBuf> {
        std::env::var_os("HOME").map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// Without a home folder (a bare container) everything goes below the temporary folder, one per user.
    pub(crate) fn find() -> Self {
        let absolute =
            |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let temporary = std::env::temp_dir().join(format!("omni-{}", rustix::process::getuid().as_raw()));
        let base = |xdg: &str, below_home: &str| {
            absolute(xdg)
                .or_else(|| absolute("HOME").map(|home| home.join(below_home)))
                .map_or_else(|| temporary.clone(), |base| base.join("omni"))
        };
        Home {
            config: base("XDG_CONFIG_HOME", ".config"),
            cache: base("XDG_CACHE_HOME", ".cache"),
            state: base("XDG_STATE_HOME", ".local/state"),
            temporary,
        }
    }

    /// Where the programs that install packages keep what they obey, install from and make environments of.
    pub(crate) fn of_installers(&self) -> Vec<PathBuf> {
        let variables =
            ["UV_CONFIG_FILE", "UV_CACHE_DIR", "UV_PYTHON_INSTALL_DIR", "PIP_CONFIG_FILE", "PIP_CACHE_DIR"];
        let mut found: Vec<PathBuf> =
            variables.iter().filter_map(std::env::var_os).map(PathBuf::from).collect();
        for ours in [&self.config, &self.cache].into_iter().filter(|ours| **ours != self.temporary) {
            found.extend(["uv", "pip"].map(|name| ours.with_file_name(name)));
        }
        let home = Home::folder();
        found.extend(home.iter().map(|home| home.join(".pip")));
        let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        found.extend(data.or_else(|| home.map(|home| home.join(".local/share"))).map(|data| data.join("uv")));
        found
    }

    /// Looks at configuration and state before anything in them is believed. The cache is looked at by
    /// [`open_cache`](Self::open_cache).
    ///
    /// # Errors
    ///
    /// Somebody else may have written there.
    pub(crate) fn check(&self) -> Result<()> {
        self.check_one(&self.config, Place::Configuration, "set `XDG_CONFIG_HOME` to a folder of yours")?;
        self.check_one(&self.state, Place::Own, "set `XDG_STATE_HOME` to a folder of yours")?;
        let own = self.config.join("omni.toml");
        if own.exists() {
            private::check_file(&own, "name another settings file with `--config`")?;
        }
        Ok(())
    }

    /// The cache folder: the one that the user named, else the usual one. Made for the user alone when it is missing.
    /// Absolute, since an interpreter inside this process changes to the folder that tools work in.
    ///
    /// # Errors
    ///
    /// Somebody else may have written there.
    pub(crate) fn open_cache(&self, named: Option<&Path>) -> Result<PathBuf> {
        let remedy = "name a folder of yours with `--cache-dir`";
        let (cache, place) = match named {
            Some(named) => (std::path::absolute(named)?, Place::Named),
            None => (self.cache.clone(), Place::Own),
        };
        // Where it cannot be made nothing is remembered, which costs time only; who needs it says so.
        let _ = private::make(&cache);
        self.check_one(&cache, place, remedy)?;
        Ok(cache)
    }

    fn check_one(&self, folder: &Path, place: Place, remedy: &str) -> Result<()> {
        if *folder == self.temporary {
            return private::check(folder, Place::Temporary, "set `HOME` to a folder of yours");
        }
        private::check(folder, place, remedy)
    }
}
