//! A folder of skills, made for one test.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use omni_catalog::{Catalog, CatalogKind, FolderConfig, FolderSource, ToolRules};
use tempfile::TempDir;

/// A folder of skills that is gone when it is dropped.
pub struct SkillFolder {
    folder: TempDir,
    rules: ToolRules,
    has_skill_reader: bool,
    catalog: OnceLock<Arc<Catalog>>,
    /// Where what was read is kept for the next start.
    cache: TempDir,
}

impl SkillFolder {
    /// An empty folder.
    pub fn new() -> Self {
        SkillFolder {
            folder: TempDir::new().unwrap(),
            rules: ToolRules::default(),
            has_skill_reader: false,
            catalog: OnceLock::new(),
            cache: TempDir::new().unwrap(),
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Adds a skill whose tools take any arguments: one for each name.
    pub fn skill(self, skill: &str, tools: &[&str]) -> Self {
        let mut page = format!("---\nname: {skill}\ndescription: A skill of a test.\ntools:\n");
        for tool in tools {
            writeln!(page, "  - {{name: {tool}, description: A tool., command: [cat]}}").unwrap();
        }
        self.file(&format!("{skill}/SKILL.md"), &format!("{page}---\n"))
    }

    /// Adds a skill with one Python file, which is read and never run.
    pub fn python(self, skill: &str, source: &str) -> Self {
        self.file(&format!("{skill}/scripts/tools.py"), source)
    }

    /// What is seen of it, and by whom.
    pub fn seen_as(mut self, rules: ToolRules) -> Self {
        self.rules = rules;
        self
    }

    /// The tool that reads skills is listed with the folder's.
    pub fn with_skill_reader(mut self) -> Self {
        self.has_skill_reader = true;
        self
    }

    /// What is in the folder, as it was when this was first asked for.
    pub fn catalog(&self) -> Arc<Catalog> {
        let read = || {
            let catalog = self.open(None);
            catalog.refresh().unwrap();
            catalog
        };
        self.catalog.get_or_init(read).clone()
    }

    /// The catalogue as it is at a new start: what a cache says of the folder, and nobody has looked at it yet. The
    /// first time, what is in it is read and kept.
    pub fn catalog_at_start(&self) -> Arc<Catalog> {
        let catalog = self.open(Some(self.cache.path()));
        if !catalog.has_cached(CatalogKind::Tools) {
            catalog.refresh().unwrap();
            return self.open(Some(self.cache.path()));
        }
        catalog
    }

    fn open(&self, cache: Option<&Path>) -> Arc<Catalog> {
        let own_tools = self.has_skill_reader.then(|| omni_server::skill_reader_list().to_string().into());
        let (skills_dir, cache_dir) = (self.path().to_owned(), cache.map(Path::to_owned));
        let config = FolderConfig { skills_dir, cache_dir, own_tools, ..FolderConfig::default() };
        let folder = Arc::new(FolderSource::open(config).unwrap());
        Arc::new(Catalog::new(vec![folder], self.rules.clone()).unwrap())
    }

    /// Writes a file below the folder.
    pub fn file(self, path: &str, text: &str) -> Self {
        self.write(path, text);
        self
    }

    /// The same for a folder that is served; [`TestServer::refresh`](crate::TestServer::refresh) has it read again.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

impl Default for SkillFolder {
    fn default() -> Self {
        Self::new()
    }
}
