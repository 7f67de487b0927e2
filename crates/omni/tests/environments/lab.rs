//! A folder of skills that need packages, and packages made here: no network.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::{Folder, Stdio_};

/// Writes a wheel with one module: folder, name, version.
const MAKE_WHEEL: &str = r#"
import sys, zipfile, pathlib
folder, name, version = sys.argv[1:]
info = f"{name}-{version}.dist-info"
with zipfile.ZipFile(pathlib.Path(folder, f"{name}-{version}-py3-none-any.whl"), "w") as wheel:
    wheel.writestr(f"{name}.py", f"VERSION = '{version}'\n")
    wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
"#;

/// A tool that tells the version of `conflict` that it imports.
pub(crate) const TELLS: &str = "from omni import tool\nimport conflict\n\n\n@tool\ndef tell() -> str:\n    \"\"\"Tell the version.\"\"\"\n    return conflict.VERSION\n";

/// A folder of skills, wheels of `conflict` in versions 1.0 and 2.0, and a cache of its own.
pub(crate) struct Lab {
    pub(crate) folder: Folder,
    pub(crate) uv: Option<PathBuf>,
}

impl Lab {
    pub(crate) fn new(uv: Option<PathBuf>) -> Lab {
        let folder = Folder::new("");
        fs::create_dir(folder.path("wheels")).unwrap();
        let lab = Lab { folder, uv };
        lab.wheel("1.0");
        lab.wheel("2.0");
        lab.settings("");
        lab
    }

    /// One lab for each installer that this machine has. `uv` comes with the tools of `cargo xtask`.
    pub(crate) fn each() -> Vec<Lab> {
        let uv = uv();
        if uv.is_none() {
            println!("no `uv` in target/venv: only pip is tested");
        }
        [Some(Lab::new(None)), uv.map(|uv| Lab::new(Some(uv)))].into_iter().flatten().collect()
    }

    pub(crate) fn wheel(&self, version: &str) {
        self.wheel_of("conflict", version);
    }

    pub(crate) fn wheel_of(&self, name: &str, version: &str) {
        let status = Command::new("python3")
            .args(["-c", MAKE_WHEEL])
            .arg(self.folder.path("wheels"))
            .args([name, version])
            .status();
        assert!(status.unwrap().success());
    }

    /// Writes omni.toml: packages come from the folder of wheels.
    pub(crate) fn settings(&self, more: &str) {
        let wheels = self.folder.path("wheels");
        let uv = self.uv.as_ref().map(|uv| format!("uv = \"{}\"\n", uv.display())).unwrap_or_default();
        self.folder.write(
            "omni.toml",
            &format!(
                "[environments]\n{uv}install_args = [\"--no-index\", \"--find-links\", \"{}\"]\n{more}",
                wheels.display()
            ),
        );
    }

    /// A skill with one tool `tell`, and a pyproject.toml with these dependencies.
    pub(crate) fn skill(&self, name: &str, dependency: &str) {
        self.files(name, TELLS);
        let text =
            format!("[project]\nname = \"{name}\"\nversion = \"0\"\ndependencies = [\"{dependency}\"]\n");
        self.folder.write(&format!("skills/{name}/pyproject.toml"), &text);
    }

    pub(crate) fn files(&self, name: &str, source: &str) {
        let text = format!("---\nname: {name}\ndescription: Tells.\n---\n");
        self.folder.write(&format!("skills/{name}/SKILL.md"), &text);
        self.folder.write(&format!("skills/{name}/scripts/{name}.py"), source);
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.folder.omni(arguments);
        command.env("OMNI_CACHE_DIR", self.folder.path("cache")).env("PATH", path_without_uv());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// The output of a run that succeeds.
    #[track_caller]
    pub(crate) fn said(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    pub(crate) fn serve(&self) -> Stdio_ {
        // A server takes no variable but the folder's own.
        let cache = self.folder.path("cache");
        self.folder.stdio(&["--cache-dir", cache.to_str().unwrap()]).initialised()
    }

    /// Folders of whole environments.
    pub(crate) fn made(&self) -> Vec<PathBuf> {
        let all = fs::read_dir(self.folder.path("cache/environments")).into_iter().flatten().flatten();
        all.map(|entry| entry.path()).filter(|path| path.join("omni-environment.json").exists()).collect()
    }

    /// A stand-in for `uv` that makes an environment without pip, and then does what `install` says.
    pub(crate) fn fake_uv(&mut self, install: &str) {
        let script = format!(
            "#!/bin/sh\nif [ \"$1\" = venv ]; then\n  for last; do :; done\n  exec python3 -m venv --without-pip \"$last\"\nfi\n{install}\n"
        );
        self.folder.write("bin/uv", &script);
        let path = self.folder.path("bin/uv");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self.uv = Some(path);
        self.settings("");
    }
}

/// The `uv` among the tools of `cargo xtask`, else one on the path.
pub(crate) fn uv() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).map(|folder| folder.join("uv"));
    let found = std::iter::once(target.join("venv/bin/uv")).chain(folders).find(|file| file.is_file());
    let toolbox = target.join("venv/omni-tools.txt");
    assert!(found.is_some() || !toolbox.exists(), "the tools of `cargo xtask` are there, but `uv` is not");
    found
}

/// So that only a lab that names `uv` uses it.
fn path_without_uv() -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::env::split_paths(&path).filter(|folder| !folder.join("uv").exists())).unwrap()
}
