//! One skill as it should be: its files, what its tools answer, and what a list shows of them.

use std::collections::BTreeMap;

use crate::history::Answers;

/// What runs the tools of a skill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runs {
    /// Functions in a Python process, by that executor.
    Python(&'static str),
    /// Scripts of the shell.
    Programs,
}

/// A file of a skill that is edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum File {
    /// The file of the first tool. No list shows its constant.
    Tell,
    /// The file of the second one. Its tool's description has the constant.
    Also,
    /// What both of them take their second constant from.
    Helper,
}

pub(crate) const FILES: [File; 3] = [File::Tell, File::Also, File::Helper];

/// A file and the tool in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ToolFile {
    /// The file's name without its ending.
    pub(crate) stem: &'static str,
    /// The tool's name, but for the skill's.
    pub(crate) tool: &'static str,
    pub(crate) constant: u32,
    pub(crate) there: bool,
}

/// A skill without a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skill {
    pub(crate) number: u32,
    pub(crate) runs: Runs,
    pub(crate) folder: String,
    pub(crate) there: bool,
    pub(crate) tell: ToolFile,
    pub(crate) also: ToolFile,
    pub(crate) helper_stem: &'static str,
    pub(crate) helper: u32,
    /// The constant in SKILL.md. Programs are given it as an argument.
    pub(crate) described: u32,
}

impl Skill {
    pub(crate) fn new(number: u32, runs: Runs) -> Self {
        let file = |stem, tool| ToolFile { stem, tool, constant: 0, there: true };
        Skill {
            number,
            runs,
            folder: format!("s{number}"),
            there: true,
            tell: file("tell", "tell"),
            also: file("also", "also"),
            helper_stem: "helper",
            helper: 0,
            described: 0,
        }
    }

    pub(crate) fn programs(&self) -> bool {
        self.runs == Runs::Programs
    }

    /// What the tools answer, by name.
    pub(crate) fn answers(&self) -> Answers {
        let mut answers = Answers::new();
        for file in self.tools() {
            let mut constants = vec![self.number, file.constant, self.helper];
            if self.programs() {
                constants.push(self.described);
            }
            answers.insert(format!("{}.{}", self.folder, file.tool), constants);
        }
        answers
    }

    /// What a list shows: the name on the wire and the description of each tool.
    pub(crate) fn listed(&self) -> BTreeMap<String, String> {
        let tools = self.tools().map(|file| {
            let name = format!("{}_{}", self.folder, file.tool);
            (name, self.description(file))
        });
        tools.collect()
    }

    fn tools(&self) -> impl Iterator<Item = &ToolFile> {
        [&self.tell, &self.also].into_iter().filter(|file| self.there && file.there)
    }

    fn description(&self, file: &ToolFile) -> String {
        match self.runs {
            Runs::Programs => format!("Tell, version {}.", self.described),
            Runs::Python(_) if file.stem == self.also.stem => format!("Tell, version {}.", file.constant),
            Runs::Python(_) => "Tell.".to_owned(),
        }
    }

    pub(crate) fn tool_mut(&mut self, file: File) -> &mut ToolFile {
        match file {
            File::Also => &mut self.also,
            File::Tell | File::Helper => &mut self.tell,
        }
    }

    pub(crate) fn constant_mut(&mut self, file: File) -> &mut u32 {
        match file {
            File::Tell => &mut self.tell.constant,
            File::Also => &mut self.also.constant,
            File::Helper => &mut self.helper,
        }
    }

    /// Whether the file is there to be edited.
    pub(crate) fn has(&self, file: File) -> bool {
        match file {
            File::Tell => self.tell.there,
            File::Also => self.also.there,
            File::Helper => true,
        }
    }

    /// Beneath the folder of skills.
    pub(crate) fn path(&self, file: File) -> String {
        let folder = &self.folder;
        match (file, self.runs) {
            (File::Tell, Runs::Python(_)) => format!("{folder}/scripts/{}.py", self.tell.stem),
            (File::Also, Runs::Python(_)) => format!("{folder}/scripts/{}.py", self.also.stem),
            (File::Helper, Runs::Python(_)) => format!("{folder}/scripts/inner/{}.py", self.helper_stem),
            (File::Tell, Runs::Programs) => format!("{folder}/scripts/{}.sh", self.tell.stem),
            (File::Also, Runs::Programs) => format!("{folder}/scripts/{}.sh", self.also.stem),
            (File::Helper, Runs::Programs) => format!("{folder}/scripts/{}.inc", self.helper_stem),
        }
    }

    pub(crate) fn skill_md_path(&self) -> String {
        format!("{}/SKILL.md", self.folder)
    }

    pub(crate) fn text(&self, file: File) -> String {
        let number = self.number;
        let tool = match file {
            File::Tell => &self.tell,
            File::Also => &self.also,
            File::Helper => {
                return match self.runs {
                    Runs::Python(_) => format!("HELPER = {}\n", self.helper),
                    Runs::Programs => format!("HELPER={}\n", self.helper),
                };
            }
        };
        let (constant, helper, name) = (tool.constant, self.helper_stem, tool.tool);
        match self.runs {
            Runs::Python(executor) => format!(
                "from omni import tool\nfrom .inner.{helper} import HELPER\n\nOWN = {constant}\n\n\n\
                 @tool(executor=\"{executor}\")\ndef {name}() -> str:\n    \"\"\"{}\"\"\"\n    \
                 return f\"{number} {{OWN}} {{HELPER}}\"\n",
                self.description(tool)
            ),
            Runs::Programs => {
                format!("#!/bin/sh\n. \"${{0%/*}}/{helper}.inc\"\necho \"{number} {constant} $HELPER $1\"\n")
            }
        }
    }

    pub(crate) fn skill_md(&self) -> String {
        let mut text = format!(
            "---\nname: {}\ndescription: Tells constants, version {}.\n",
            self.folder, self.described
        );
        if self.programs() {
            text.push_str("tools:\n");
            for file in [&self.tell, &self.also].into_iter().filter(|file| file.there) {
                text.push_str(&format!(
                    "  - name: {}\n    description: {}\n    command: [scripts/{}.sh, \"{}\"]\n",
                    file.tool,
                    self.description(file),
                    file.stem,
                    self.described
                ));
            }
        }
        text.push_str("---\nCall either.\n");
        text
    }
}
