//! Which folder caches go to: the one that is meant, or one below the temporary folder where that cannot be written.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Error, Result};
use omni_call::shown_path;

use crate::assets;
use crate::private::{self, PlaceOrigin};
use crate::terminal::{plain, say};
use crate::user_dirs::UserDirs;
use crate::variables;

/// A cache folder that holds what this binary lays out.
#[derive(Debug)]
pub(crate) struct Cache {
    /// Absolute, since an interpreter inside this process changes to the folder that tools work in.
    pub(crate) folder: PathBuf,
    /// The skills that come with omni, where they are wanted.
    pub(crate) shipped: Option<PathBuf>,
}

const REMEDY: &str = "name a folder of yours with `--cache-dir`";

/// Opens the folder that the user named, else the usual one; made for the user alone when it is missing.
///
/// That a folder can be written is found out by writing what is needed there anyway, the Python package, so a disk that
/// is full or read-only counts, too; one that this binary has used before is not tried again. Where it cannot be
/// written, a folder of the user's below the temporary one takes its place, and stderr says so in one line.
///
/// # Errors
///
/// Somebody else may have written in the folder that the user named, or the shipped skills are wanted and can be written
/// nowhere. Without them nobody may need the cache: then a line says that no tool can run, and the first call why.
pub(crate) fn open(home: &UserDirs, named: Option<&Path>, shipped: bool) -> Result<Cache> {
    let (folder, place) = match named {
        Some(named) => (std::path::absolute(named).unwrap_or_else(|_| named.to_owned()), PlaceOrigin::Named),
        None if home.cache == home.temporary => (home.cache.clone(), PlaceOrigin::Temporary),
        None => (home.cache.clone(), PlaceOrigin::Own),
    };
    // Before it is tried: a folder of others is not to be written, and is no reason to take another one silently.
    let written = || variables::written("cache-dir", shown_path(named.unwrap_or(&folder)));
    let safe = private::check(&folder, place, REMEDY);
    let cannot_be_seen = safe.as_ref().is_err_and(|error| error.root_cause().is::<std::io::Error>());
    let safe =
        if place == PlaceOrigin::Named && !cannot_be_seen { Ok(safe.with_context(written)?) } else { safe };
    let error = match safe.and_then(|()| prepare(&folder, place, shipped)) {
        Ok(shipped) => {
            say_homeless(home);
            return Ok(Cache { folder, shipped });
        }
        Err(error) => error,
    };
    let shown = shown_path(&folder);
    let other = &home.temporary;
    if *other == folder {
        return without(folder, shipped, error.context(homeless(home).unwrap_or_default()));
    }
    match prepare(other, PlaceOrigin::Temporary, shipped) {
        Ok(shipped) => {
            say(&format!(
                "warning: the cache `{shown}` cannot be used ({}), so it is `{}` this time; {REMEDY}, or set `HOME` to one",
                why(&error),
                shown_path(other)
            ));
            Ok(Cache { folder: other.clone(), shipped })
        }
        Err(second) => {
            let both = format!(
                "neither `{shown}` ({}) nor `{}` can hold omni's cache; {REMEDY}, or set `TMPDIR` to one",
                why(&error),
                shown_path(other)
            );
            without(folder, shipped, second.context(both))
        }
    }
}

/// Continues with a cache that could not be written, where that is possible.
fn without(folder: PathBuf, shipped: bool, error: Error) -> Result<Cache> {
    // What others may have written is not believed, and the shipped skills have to be somewhere.
    if shipped || private::check(&folder, PlaceOrigin::Named, REMEDY).is_err() {
        return Err(error);
    }
    say(&format!("warning: {error:#}: tools are listed, and none can run"));
    Ok(Cache { folder, shipped: None })
}

/// Makes the folder, and lays out in it what is not there yet.
fn prepare(folder: &Path, place: PlaceOrigin, shipped: bool) -> Result<Option<PathBuf>> {
    let made = private::make(folder);
    private::check(folder, place, REMEDY)?;
    if !assets::has_package(folder) {
        made.with_context(|| format!("`{}` cannot be made", shown_path(folder)))?;
        assets::python_package(folder)?;
    }
    shipped.then(|| assets::shipped_skills(folder)).transpose()
}

fn why(error: &Error) -> String {
    match error.root_cause().downcast_ref() {
        Some(error) => plain(error),
        None => error.to_string(),
    }
}

/// What is wrong with the home folder, if anything is.
fn homeless(home: &UserDirs) -> Option<String> {
    let (folder, error) = home.closed.as_ref()?;
    let (shown, instead) = (shown_path(folder), shown_path(&home.temporary));
    Some(format!(
        "the home folder `{shown}` cannot be entered ({}), so settings, state and caches are in `{instead}`; set `HOME` \
         to a folder of yours",
        plain(error)
    ))
}

fn say_homeless(home: &UserDirs) {
    if let Some(text) = homeless(home) {
        say(&format!("warning: {text}"));
    }
}
