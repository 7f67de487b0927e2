//! What messages are in one revision, by the specification's own schema.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

/// The revisions, oldest first, each with its schema.
const TEXTS: [(&str, &str); 5] = [
    ("2024-11-05", include_str!("../../../../conformance/schemas/2024-11-05.json")),
    ("2025-03-26", include_str!("../../../../conformance/schemas/2025-03-26.json")),
    ("2025-06-18", include_str!("../../../../conformance/schemas/2025-06-18.json")),
    ("2025-11-25", include_str!("../../../../conformance/schemas/2025-11-25.json")),
    ("2026-07-28", include_str!("../../../../conformance/schemas/2026-07-28.json")),
];

/// Results and notifications of the extensions that omni speaks, which their own pages define.
const EXTENSIONS: &str = include_str!("../../../../conformance/schemas/extensions.json");

static SCHEMAS: LazyLock<Vec<Schema>> =
    LazyLock::new(|| TEXTS.iter().map(|(revision, text)| Schema::new(revision, text)).collect());

/// Hands out the schema of each revision. Objects with named members have no other in it, except where authors of tools
/// decide what stands there: a member that a revision does not name is a fault.
pub struct Schema {
    pub revision: &'static str,
    /// The whole document, closed.
    document: Value,
    /// Where its definitions are in it.
    group: &'static str,
    /// By method, the definition of that request or notification.
    messages: HashMap<String, String>,
    /// By code, the definition of the answer with that error.
    errors: HashMap<i64, String>,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

impl Schema {
    /// All revisions, oldest first.
    pub fn all() -> &'static [Schema] {
        &SCHEMAS
    }

    /// The schema of that revision, if there is such a revision.
    pub fn of(revision: &str) -> Option<&'static Schema> {
        SCHEMAS.iter().find(|schema| schema.revision == revision)
    }

    fn new(revision: &'static str, text: &str) -> Self {
        let mut document: Value = serde_json::from_str(text).expect("a schema is JSON");
        let group = if document.get("$defs").is_some() { "$defs" } else { "definitions" };
        let definitions = document[group].as_object_mut().expect("a schema has definitions");
        for (name, definition) in definitions.iter_mut() {
            // `Error` is a part of others by `allOf`, which would each refuse the members of the other part.
            if name != "Error" && !name.ends_with("Meta") && !name.ends_with("MetaObject") {
                close(definition);
            }
        }
        let own: Value = serde_json::from_str(EXTENSIONS).expect("the extensions' schema is JSON");
        for (name, definition) in own[revision].as_object().into_iter().flatten() {
            let text = definition.to_string().replace("#/$defs/", &format!("#/{group}/"));
            let mut definition: Value = serde_json::from_str(&text).expect("it is JSON");
            close(&mut definition);
            match definitions.get_mut(name) {
                Some(there) => add_members(there, definition),
                None => drop(definitions.insert(name.clone(), definition)),
            }
        }
        let messages =
            definitions.iter().filter(|(name, _)| is_a_message(name)).filter_map(|(name, body)| {
                Some((body["properties"]["method"]["const"].as_str()?.to_owned(), name.clone()))
            });
        let messages = messages.collect();
        let errors = definitions.iter().filter_map(|(name, body)| {
            let parts = body["properties"]["error"]["allOf"].as_array()?;
            let code = parts.iter().find_map(|part| part["properties"]["code"]["const"].as_i64())?;
            Some((code, name.clone()))
        });
        let errors = errors.collect();
        Schema { revision, document, group, messages, errors, validators: Mutex::default() }
    }

    /// Whether the specification has a definition of that name in this revision.
    pub fn has(&self, definition: &str) -> bool {
        self.document[self.group].get(definition).is_some()
    }

    /// The definition of a request or notification of that method, if this revision has it.
    pub fn message(&self, method: &str) -> Option<&str> {
        self.messages.get(method).map(String::as_str)
    }

    /// The definition of the result of that method; the general one for methods that the revision lacks.
    pub fn result(&self, method: &str) -> String {
        let named = self.message(method).and_then(|request| request.strip_suffix("Request"));
        let named = named.map(|stem| format!("{stem}Result")).filter(|name| self.has(name));
        named.unwrap_or_else(|| "EmptyResult".to_owned())
    }

    /// The definition of an answer that is an error of that code.
    pub fn error(&self, code: i64) -> &str {
        let general = if self.has("JSONRPCErrorResponse") { "JSONRPCErrorResponse" } else { "JSONRPCError" };
        self.errors.get(&code).map_or(general, String::as_str)
    }

    /// Whether a server may send a message of that definition.
    pub fn is_of_servers(&self, definition: &str) -> bool {
        let unions = ["ServerRequest", "ServerNotification", "ExtensionNotification"].into_iter();
        let members = unions.flat_map(|union| self.document[self.group][union]["anyOf"].as_array());
        let wanted = format!("#/{}/{definition}", self.group);
        members.flatten().any(|member| member["$ref"] == *wanted)
    }

    /// What is wrong with `value` by the definition of that name.
    pub fn faults(&self, definition: &str, value: &Value) -> Vec<String> {
        let validator = self.validator(definition);
        let errors = validator.iter_errors(value);
        errors.map(|fault| format!("{definition}{}: {fault}", fault.instance_path())).collect()
    }

    /// What is wrong with a whole request or notification of that definition.
    pub fn message_faults(&self, definition: &str, message: &Value) -> Vec<String> {
        // The older revisions define what is said apart from the envelope it comes in.
        let has_envelope = self.document[self.group][definition]["properties"].get("jsonrpc").is_some();
        if has_envelope {
            return self.faults(definition, message);
        }
        let mut bare = message.clone();
        let id = bare.as_object_mut().and_then(|members| {
            members.remove("jsonrpc");
            members.remove("id")
        });
        let envelope = if id.is_some() { "JSONRPCRequest" } else { "JSONRPCNotification" };
        let mut faults = self.faults(envelope, message);
        faults.extend(self.faults(definition, &bare));
        faults
    }

    fn validator(&self, definition: &str) -> Arc<Validator> {
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        let made = validators.entry(definition.to_owned()).or_insert_with(|| {
            let mut schema = self.document.clone();
            schema["$ref"] = json!(format!("#/{}/{definition}", self.group));
            Arc::new(jsonschema::validator_for(&schema).expect("the specification's schema is one"))
        });
        made.clone()
    }
}

/// Has a definition name these members too.
fn add_members(definition: &mut Value, mut more: Value) {
    if let (Some(members), Value::Object(more)) =
        (definition["properties"].as_object_mut(), more["properties"].take())
    {
        members.extend(more);
    }
}

/// Whether a definition is a request or a notification itself, and not a union of them.
fn is_a_message(name: &str) -> bool {
    let unions = ["ClientRequest", "ClientNotification", "ServerRequest", "ServerNotification"];
    (name.ends_with("Request") || name.ends_with("Notification")) && !unions.contains(&name)
}

/// Has objects with named members have no other.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            close_object(members);
            let inner = members.iter_mut().filter(|(name, _)| {
                // What tools take and give is JSON Schema, of which a revision names what it asks for only.
                !matches!(name.as_str(), "_meta" | "inputSchema" | "outputSchema" | "allOf")
            });
            inner.for_each(|(_, member)| close(member));
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

fn close_object(members: &mut Map<String, Value>) {
    let names_members = members.get("properties").is_some_and(Value::is_object);
    if names_members && !members.contains_key("additionalProperties") {
        members.insert("additionalProperties".to_owned(), json!(false));
    }
}
