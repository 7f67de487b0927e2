//! Which modules does an interpreter have? Found by listing its folders: nothing is imported.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The top-level modules of some folders of packages.
#[derive(Debug, Default)]
pub(super) struct Installed {
    names: HashSet<String>,
}

/// Packages whose modules have other names: the module, and the package to declare.
const PACKAGES: [(&str, &str); 46] = [
    ("Crypto", "pycryptodome"),
    ("MySQLdb", "mysqlclient"),
    ("OpenSSL", "pyOpenSSL"),
    ("PIL", "Pillow"),
    ("attr", "attrs"),
    ("bs4", "beautifulsoup4"),
    ("cv2", "opencv-python"),
    ("dateutil", "python-dateutil"),
    ("dns", "dnspython"),
    ("docx", "python-docx"),
    ("dotenv", "python-dotenv"),
    ("faiss", "faiss-cpu"),
    ("fitz", "PyMuPDF"),
    ("gi", "PyGObject"),
    ("git", "GitPython"),
    ("github", "PyGithub"),
    ("grpc", "grpcio"),
    ("jose", "python-jose"),
    ("jwt", "PyJWT"),
    ("kafka", "kafka-python"),
    ("ldap", "python-ldap"),
    ("magic", "python-magic"),
    ("multipart", "python-multipart"),
    ("mysql", "mysql-connector-python"),
    ("nacl", "PyNaCl"),
    ("pkg_resources", "setuptools"),
    ("pptx", "python-pptx"),
    ("psycopg2", "psycopg2-binary"),
    ("pymupdf", "PyMuPDF"),
    ("pythoncom", "pywin32"),
    ("serial", "pyserial"),
    ("skimage", "scikit-image"),
    ("sklearn", "scikit-learn"),
    ("slack", "slackclient"),
    ("slugify", "python-slugify"),
    ("snowflake", "snowflake-connector-python"),
    ("socks", "PySocks"),
    ("telegram", "python-telegram-bot"),
    ("umap", "umap-learn"),
    ("usb", "pyusb"),
    ("websocket", "websocket-client"),
    ("win32com", "pywin32"),
    ("wx", "wxPython"),
    ("yaml", "PyYAML"),
    ("zmq", "pyzmq"),
    ("zoneinfo_data", "tzdata"),
];

/// The package to declare for a module.
pub(super) fn package_of(module: &str) -> String {
    let known = PACKAGES.iter().find(|(name, _)| *name == module);
    known.map_or_else(|| module.replace('_', "-"), |(_, package)| (*package).to_owned())
}

/// Whether dependencies name a package that has, or may have, this module: parts of names count, since a package and its
/// module are seldom called quite alike (`google-cloud-storage` has `google`).
pub(super) fn declares(dependencies: &[String], module: &str) -> bool {
    let module = plain(module);
    dependencies.iter().any(|dependency| {
        let end = dependency.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)));
        let name = plain(&dependency[..end.unwrap_or(dependency.len())]);
        let modules = PACKAGES.iter().filter(|(_, package)| plain(package) == name);
        let known: Vec<String> = modules.map(|(module, _)| plain(module)).collect();
        name == module
            || known.contains(&module)
            || known.is_empty()
                && (name.split('-').any(|part| part == module)
                    || name.replace('-', "").contains(&module.replace('-', "")))
    })
}

/// A name as package indexes compare it.
fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace(['_', '.'], "-")
}

impl Installed {
    /// Lists folders: those of the library, and of installed packages. What cannot be listed has nothing.
    pub(super) fn of(folders: &[PathBuf]) -> Installed {
        let mut installed = Installed::default();
        for folder in folders.iter().filter(|folder| folder.is_dir()) {
            installed.folder(folder, 3);
            installed.folder(&folder.join("lib-dynload"), 0);
        }
        installed
    }

    pub(super) fn has(&self, module: &str) -> bool {
        self.names.contains(module)
    }

    /// `steps`: how many more folders may lead to others.
    fn folder(&mut self, folder: &Path, steps: u32) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = entry.path();
            if let Some(stem) = name.strip_suffix(".pth") {
                if steps > 0 && !stem.is_empty() {
                    self.path_file(&path, steps - 1);
                }
            } else if name.ends_with(".dist-info") || name.ends_with(".egg-info") {
                let top = fs::read_to_string(path.join("top_level.txt")).unwrap_or_default();
                self.names.extend(top.lines().map(|line| line.trim().to_owned()));
            } else if name.ends_with(".egg") && steps > 0 {
                self.folder(&path, steps - 1);
            } else if name.starts_with("__editable__") && name.ends_with("_finder.py") {
                // Its table of modules: `MAPPING = {'demo': '/src/demo'}`.
                let text = fs::read_to_string(&path).unwrap_or_default();
                let parts = text.split('\'').collect::<Vec<_>>();
                let keys = parts.windows(2).filter(|pair| pair[1].starts_with(": "));
                self.names.extend(keys.map(|pair| pair[0].split('.').next().unwrap_or_default().to_owned()));
            } else if let Some(stem) = name.split('.').next() {
                let is_module = name.ends_with(".py") || name.ends_with(".so") || name.ends_with(".pyc");
                if is_module || !name.contains('.') {
                    self.names.insert(stem.to_owned());
                }
            }
        }
    }

    /// Folders that a `.pth` file adds.
    fn path_file(&mut self, file: &Path, steps: u32) {
        let text = fs::read_to_string(file).unwrap_or_default();
        for line in text.lines().map(str::trim).filter(|line| line.starts_with('/')) {
            self.folder(Path::new(line), steps);
        }
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn modules_are_found_in_every_form_that_installers_leave() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("site/package/__init__.py", "");
        write("site/single.py", "");
        write("site/fast.cpython-311-x86_64-linux-gnu.so", "");
        write("site/thing-1.0.dist-info/top_level.txt", "thing\n_thing\n");
        write("site/dev.pth", &format!("{}\nimport site\n", dir.path().join("src").display()));
        write("src/edited/__init__.py", "");
        write("site/__editable___demo_1_finder.py", "MAPPING: dict[str, str] = {'demo': '/src/demo'}\n");
        write("site/lib-dynload/_zstd.so", "");
        let installed = Installed::of(&[dir.path().join("site"), dir.path().join("missing")]);
        for name in ["package", "single", "fast", "thing", "_thing", "edited", "demo", "_zstd"] {
            assert!(installed.has(name), "{name}: {installed:?}");
        }
        assert!(!installed.has("other"));
    }

    #[test]
    fn a_dependency_is_known_by_its_module_whatever_it_is_called() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for (dependency, module) in [
            ("PyYAML>=6", "yaml"),
            ("pillow", "PIL"),
            ("beautifulsoup4", "bs4"),
            ("requests[socks]==2.31", "requests"),
            ("google-cloud-storage", "google"),
            ("ruamel.yaml", "ruamel"),
            ("python-frobnicate", "frobnicate"),
            ("typing_extensions", "typing_extensions"),
        ] {
            assert!(declares(&names(&[dependency]), module), "{dependency} {module}");
        }
        assert!(!declares(&names(&["requests", "PyYAML"]), "pandas"));
        assert_eq!((package_of("yaml"), package_of("my_pkg")), ("PyYAML".to_owned(), "my-pkg".to_owned()));
    }
}
