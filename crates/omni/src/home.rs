//! The user's folders, by the XDG base directory specification.

use std::path::PathBuf;

pub(crate) struct Home {
    pub(crate) config: PathBuf,
    pub(crate) cache: PathBuf,
    pub(crate) state: PathBuf,
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
        let fallback = || std::env::temp_dir().join(format!("omni-{}", rustix::process::getuid().as_raw()));
        let base = |xdg: &str, below_home: &str| {
            absolute(xdg)
                .or_else(|| absolute("HOME").map(|home| home.join(below_home)))
                .map_or_else(fallback, |base| base.join("omni"))
        };
        Home {
            config: base("XDG_CONFIG_HOME", ".config"),
            cache: base("XDG_CACHE_HOME", ".cache"),
            state: base("XDG_STATE_HOME", ".local/state"),
        }
    }
}
