//! What does an enumeration of the skill look like as a type?

use serde_json::{Map, Value as Json};

use crate::docstring::cleaned;
use crate::enum_members::enum_members;
use crate::package::FileId;
use crate::syntax::Class;
use crate::type_ir::{Shape, TypeIr, TypeKind};
use crate::types::{DefinitionKey, Named, Types};

impl Types<'_> {
    pub(crate) fn enumeration(
        &mut self,
        file: FileId,
        index: usize,
        class: &Class,
        at: (FileId, u32),
    ) -> TypeIr {
        let Some(members) = enum_members(self.package, file, index) else {
            let message = format!("the members of `{}` are worked out when the file runs", class.name);
            self.problem(at.0, at.1, message);
            return TypeKind::Unknown.into();
        };
        let description = class.docstring.as_deref().map(cleaned);
        if members.is_empty() {
            let mut schema = Map::new();
            if let Some(description) = description {
                schema.insert("description".to_owned(), Json::String(description));
            }
            schema.insert("enum".to_owned(), Json::Array(Vec::new()));
            schema.insert("title".to_owned(), Json::String(class.name.clone()));
            return TypeKind::EmptyEnum(schema).into();
        }
        let key = DefinitionKey { file, what: Named::Class(index), arguments: String::new() };
        let (id, new) = self.define(key, &class.name);
        if new {
            let values = members.into_iter().map(|(_, value)| value).collect();
            self.definitions[id].shape = Shape::Enum { description, values };
        }
        TypeKind::Definition(id).into()
    }
}
