//! Which modules one Rust file holds, and which paths stand in each.
//!
//! Read from tokens, not from a syntax tree: macros (`select!`, `matches!`) hold as many paths as other code,
//! and to a parser their insides are tokens anyway.

use std::collections::BTreeSet;

use crate::rust_text::{RustText, is_in_name};

/// The names of a path, first to last; the first may be `crate`, `self` or `super`.
pub(super) type Path = Vec<String>;

/// What stands in one module: the file's own, or one written in braces inside it.
#[derive(Default)]
pub(super) struct Module {
    /// From the file's own module down; empty for that one itself.
    pub(super) inside: Path,
    /// The modules whose text is in a file of their own (`mod x;`), with the `#[path]` if one is given.
    pub(super) files: Vec<(String, Option<String>)>,
    /// The names that the module itself defines.
    pub(super) items: BTreeSet<String>,
    pub(super) imports: Vec<Import>,
    /// The modules of `use x::*`.
    pub(super) globs: Vec<Path>,
    /// Every other path of two names or more.
    pub(super) mentions: Vec<Path>,
}

/// `use path as name`, also one that hands the name on (`pub use`).
pub(super) struct Import {
    pub(super) name: String,
    pub(super) path: Path,
    /// It stands inside a function: nobody else can take the name from here.
    pub(super) local: bool,
}

/// The modules in the text of one file, its own first. Comments, literals and tests are not read.
pub(super) fn modules(source: &str) -> Vec<Module> {
    let text = RustText::of(source);
    let mut reader = ImportReader { tokens: tokens(&text.code), at: 0 };
    let mut given_paths = given_paths(&text);
    let mut given_path = None;
    let mut done = vec![Module::default()];
    // The modules that are open: which, and the depth of braces at which their items stand.
    let mut open = vec![(0, 0)];
    let mut depth = 0;
    while let Some(token) = reader.next() {
        let &(current, own_depth) = open.last().expect("the file's own module never closes");
        match token {
            Token::Sign('{') => depth += 1,
            Token::Sign('}') => {
                depth = usize::saturating_sub(depth, 1);
                if open.len() > 1 && depth < own_depth {
                    open.pop();
                }
            }
            Token::Word("pub") => reader.skip_visibility(),
            Token::Word("mod") => match reader.module() {
                Some((name, true)) => {
                    depth += 1;
                    let mut inside = done[current].inside.clone();
                    inside.push(name.to_owned());
                    open.push((done.len(), depth));
                    done.push(Module { inside, ..Module::default() });
                }
                Some((name, false)) => done[current].files.push((name.to_owned(), given_path.take())),
                None => {}
            },
            // `use<'a>` in a bound captures lifetimes and names nothing.
            Token::Word("use") if reader.peek() != Some(Token::Sign('<')) => {
                reader.import(&[], depth > own_depth, &mut done[current]);
            }
            Token::Word(keyword) if DEFINES.contains(&keyword) => {
                if let Some(Token::Word(name)) = reader.peek()
                    && depth == own_depth
                {
                    done[current].items.insert(name.to_owned());
                }
            }
            Token::Word(first) => {
                let path = reader.path(first);
                if path.len() > 1 {
                    done[current].mentions.push(path);
                }
            }
            Token::Join => reader.skip_foreign(),
            Token::Sign('#') if reader.rest().starts_with(PATH) => given_path = given_paths.next(),
            Token::Sign(_) => {}
        }
    }
    done
}

/// `#[path = "…"]` behind its `#`, as far as it is code.
const PATH: &[Token<'_>] = &[Token::Sign('['), Token::Word("path"), Token::Sign('='), Token::Sign(']')];

/// The literals of all `#[path = "…"]`, in their order.
fn given_paths(text: &RustText) -> impl Iterator<Item = String> {
    let attributes = text.code.match_indices("#[path =").map(|(at, _)| at);
    attributes.filter_map(|at| Some(text.strings[at..].split('"').nth(1)?.to_owned()))
}

/// The words before the name of an item.
const DEFINES: &[&str] = &["fn", "struct", "enum", "union", "trait", "type", "const", "static"];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Token<'a> {
    Word(&'a str),
    /// `::`
    Join,
    Sign(char),
}

fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(sign) = rest.chars().next() {
        let length = if is_in_name(sign) {
            let length = rest.find(|sign| !is_in_name(sign)).unwrap_or(rest.len());
            tokens.push(Token::Word(&rest[..length]));
            length
        } else if rest.starts_with("::") {
            tokens.push(Token::Join);
            2
        } else if sign == '\'' {
            // A lifetime: the view has no characters.
            1 + rest[1..].find(|sign| !is_in_name(sign)).unwrap_or(rest.len() - 1)
        } else {
            tokens.push(Token::Sign(sign));
            sign.len_utf8()
        };
        rest = rest[length..].trim_start();
    }
    tokens
}

struct ImportReader<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
}

impl<'a> ImportReader<'a> {
    fn next(&mut self) -> Option<Token<'a>> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    fn rest(&self) -> &[Token<'a>] {
        &self.tokens[self.at..]
    }

    fn take(&mut self, wanted: Token<'_>) -> bool {
        let taken = self.peek() == Some(wanted);
        self.at += usize::from(taken);
        taken
    }

    /// Passes the brackets of `pub(in crate::x)`: who may see a thing is no use of what it names.
    fn skip_visibility(&mut self) {
        let scope = ["crate", "self", "super", "in"].map(Token::Word);
        if self.peek() == Some(Token::Sign('('))
            && self.tokens.get(self.at + 1).is_some_and(|token| scope.contains(token))
        {
            while self.next().is_some_and(|token| token != Token::Sign(')')) {}
        }
    }

    /// What follows `mod`: the name, and whether its text follows here.
    fn module(&mut self) -> Option<(&'a str, bool)> {
        let Some(Token::Word(name)) = self.peek() else { return None };
        self.at += 1;
        if self.take(Token::Sign('{')) {
            return Some((name, true));
        }
        self.take(Token::Sign(';')).then_some((name, false))
    }

    /// Reads the rest of a path that began with `first`, up to what is no plain name.
    fn path(&mut self, first: &str) -> Path {
        let mut path = vec![first.to_owned()];
        while self.peek() == Some(Token::Join)
            && let Some(&Token::Word(name)) = self.tokens.get(self.at + 1)
        {
            path.push(name.to_owned());
            self.at += 2;
        }
        path
    }

    /// Passes a path that begins with `::` (another crate's), or goes on behind `<…>` (a type's own name).
    fn skip_foreign(&mut self) {
        if let Some(Token::Word(first)) = self.peek() {
            self.at += 1;
            self.path(first);
        }
    }

    /// Reads one tree of a `use`, behind `before`.
    fn import(&mut self, before: &[String], local: bool, module: &mut Module) {
        if before.is_empty() && self.take(Token::Join) {
            // Another crate's; nothing of it can be ours.
            while self.next().is_some_and(|token| token != Token::Sign(';')) {}
            return;
        }
        let mut path = before.to_vec();
        loop {
            match self.peek() {
                Some(Token::Word(name)) => {
                    self.at += 1;
                    path.push(name.to_owned());
                    if !self.take(Token::Join) {
                        return self.named_import(path, local, module);
                    }
                }
                Some(Token::Sign('*')) => {
                    self.at += 1;
                    return module.globs.push(path);
                }
                Some(Token::Sign('{')) => {
                    self.at += 1;
                    while !self.take(Token::Sign('}')) && self.peek().is_some() {
                        let before = self.at;
                        self.import(&path, local, module);
                        self.take(Token::Sign(','));
                        // Whatever this is, it is no `use` that compiles.
                        self.at += usize::from(self.at == before);
                    }
                    return;
                }
                _ => return,
            }
        }
    }

    fn named_import(&mut self, mut path: Path, local: bool, module: &mut Module) {
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let mut name = path.last().cloned().unwrap_or_default();
        if self.take(Token::Word("as"))
            && let Some(Token::Word(other)) = self.next()
        {
            other.clone_into(&mut name);
        }
        module.imports.push(Import { name, path, local });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(source: &str) -> Module {
        let mut modules = modules(source);
        assert_eq!(modules.len(), 1);
        modules.remove(0)
    }

    fn imports(module: &Module) -> Vec<String> {
        module.imports.iter().map(|import| format!("{}={}", import.path.join("."), import.name)).collect()
    }

    #[test]
    fn a_tree_of_imports_is_read_to_its_leaves() {
        let module = only("pub(crate) use crate::a::{self, b::{C, D as E}, f as _, g::*};\nuse ::x::y;");
        let read = imports(&module);
        assert_eq!(read, ["crate.a=a", "crate.a.b.C=C", "crate.a.b.D=E", "crate.a.f=_"]);
        assert_eq!(module.globs, [["crate", "a", "g"]]);
    }

    #[test]
    fn paths_are_read_in_code_and_in_macros_and_nowhere_else() {
        let source = "
            // crate::comment::x
            pub(in crate::only_seen) fn f<T: Iterator + use<'a>>() {
                g::h::<crate::i::J>(\"crate::text::x\");
                select! { _ = super::k::l() => ::outside::m() }
                <T as Iterator>::Item::n();
            }
            #[cfg(test)]
            mod tests { fn t() { crate::test::x() } }";
        let module = only(source);
        let read: Vec<String> = module.mentions.iter().map(|path| path.join(".")).collect();
        assert_eq!(read, ["g.h", "crate.i.J", "super.k.l"]);
        assert_eq!(module.items.iter().collect::<Vec<_>>(), ["f"]);
    }

    #[test]
    fn a_module_may_say_where_its_file_is() {
        let module = only("#[path = \"../b.rs\"]\nmod a;\n#[doc = \"x\"]\nmod c;");
        assert_eq!(module.files, [("a".to_owned(), Some("../b.rs".to_owned())), ("c".to_owned(), None)]);
    }

    #[test]
    fn modules_in_braces_are_modules_and_those_in_files_are_named() {
        let modules =
            modules("mod a;\nmod b { fn c() { d(); } mod e { use super::f; } use g::h; }\npub(crate) mod i;");
        assert!(modules[0].files.iter().map(|file| &file.0).eq(["a", "i"]));
        let read: Vec<String> =
            modules.iter().map(|m| format!("{}: {}", m.inside.join("."), imports(m).join(", "))).collect();
        assert_eq!(read, [": ", "b: g.h=h", "b.e: super.f=f"]);
    }

    #[test]
    fn an_import_within_a_function_is_its_own_affair() {
        let module = only("use a::B;\nfn f() { use c::D; }");
        assert_eq!(module.imports.iter().map(|import| import.local).collect::<Vec<_>>(), [false, true]);
    }
}
