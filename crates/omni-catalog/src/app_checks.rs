//! Can hosts use what tools and pages say to them in `_meta.ui`?
//!
//! It is asked when the records of all skills are there, since a tool may name the page of another skill.

use std::borrow::Cow;
use std::collections::HashSet;

use omni_call::APP_PAGE;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::own_words::APP;
use crate::record::Record;
use crate::similar::closest;
use crate::skill_uri::is_app_page;
use crate::uri_template::UriTemplate;
use crate::{CatalogKind, Diagnostic, Origin, Severity};

/// What the extension has for tools, and whom it calls a tool visible to.
const OF_TOOL: [&str; 2] = ["resourceUri", "visibility"];
const AUDIENCES: [&str; 2] = ["model", "app"];

/// What it has for pages.
const OF_PAGE: [&str; 4] = ["csp", "permissions", "domain", "prefersBorder"];
const CSP: [&str; 4] = ["connectDomains", "resourceDomains", "frameDomains", "baseUriDomains"];
const PERMISSIONS: [&str; 4] = ["camera", "microphone", "geolocation", "clipboardWrite"];

/// What is looked at of a tool, resource or template as a list shows it.
#[derive(Deserialize)]
struct Shown<'a> {
    #[serde(rename = "mimeType", borrow, default)]
    mime_type: Option<Cow<'a, str>>,
    #[serde(rename = "_meta", default)]
    meta: Map<String, Value>,
}

/// What is looked at of what a call needs.
#[derive(Default, Deserialize)]
struct Place {
    origin: Origin,
}

/// What is wrong with one, and what to do.
struct Fault {
    severity: Severity,
    message: String,
    help: String,
}

/// The pages that there are.
struct Pages<'a> {
    uris: HashSet<&'a str>,
    templates: Vec<UriTemplate>,
}

/// What is wrong with the tools and pages of all skills.
pub(crate) fn findings(records: &[Record<'_>]) -> Vec<Diagnostic> {
    let pages = Pages::of(records);
    let mut findings = Vec::new();
    for record in records {
        for tool in record.tools.iter().filter(|tool| tool.listing.get().contains("\"ui\"")) {
            let Some(app) = shown(tool.listing).and_then(|mut shown| shown.meta.remove(APP)) else {
                continue;
            };
            let faults = of_tool(&tool.name, &app, &pages);
            findings.extend(faults.into_iter().map(|fault| fault.found(&record.folder, tool.detail)));
        }
        for item in &record.items {
            let is_page = is_app_page(&item.key) && item.kind != CatalogKind::Prompts;
            if !is_page && !item.listing.get().contains("\"ui\"") {
                continue;
            }
            let Some(mut shown) = shown(item.listing) else { continue };
            let app = shown.meta.remove(APP);
            let mut faults = app.map(|app| of_page(&item.key, is_page, &app)).unwrap_or_default();
            faults.extend(mistyped(&item.key, shown.mime_type.as_deref()).filter(|_| is_page));
            findings.extend(faults.into_iter().map(|fault| fault.found(&record.folder, item.detail)));
        }
    }
    findings
}

fn shown(listing: &RawValue) -> Option<Shown<'_>> {
    serde_json::from_str(listing.get()).ok()
}

impl<'a> Pages<'a> {
    fn of(records: &'a [Record<'a>]) -> Pages<'a> {
        let items = || records.iter().flat_map(|record| &record.items).filter(|item| is_app_page(&item.key));
        let of = |kind| items().filter(move |item| item.kind == kind).map(|item| &*item.key);
        Pages {
            uris: of(CatalogKind::Resources).collect(),
            templates: of(CatalogKind::Templates).map(UriTemplate::parse).collect(),
        }
    }

    fn has(&self, uri: &str) -> bool {
        self.uris.contains(uri) || self.templates.iter().any(|template| template.matches(uri).is_some())
    }
}

impl Fault {
    fn new(severity: Severity, message: String, help: impl Into<String>) -> Fault {
        Fault { severity, message, help: help.into() }
    }

    fn found(self, folder: &str, detail: &RawValue) -> Diagnostic {
        let Place { origin } = serde_json::from_str(detail.get()).unwrap_or_default();
        Diagnostic {
            severity: self.severity,
            skill: folder.to_owned(),
            file: origin.file,
            line: origin.line,
            column: origin.line.min(1),
            code: "app-config".to_owned(),
            message: self.message,
            help: Some(self.help),
        }
    }
}

fn of_tool(name: &str, app: &Value, pages: &Pages<'_>) -> Vec<Fault> {
    let Some(app) = app.as_object() else { return vec![no_object(&format!("the tool `{name}`"))] };
    let mut faults = Vec::new();
    match app.get("resourceUri") {
        None => {}
        Some(Value::String(uri)) if pages.has(uri) => {}
        Some(Value::String(uri)) if is_app_page(uri) => {
            let help = match closest(uri, pages.uris.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "put an HTML file into the skill's `ui` folder, which is `ui://<skill>/<file>`, or offer it \
                         by `@resource(\"ui://…\")`"
                    .to_owned(),
            };
            let message = format!("there is no page `{uri}`, which hosts are to show for the tool `{name}`");
            faults.push(Fault::new(Severity::Error, message, help));
        }
        Some(other) => {
            let message =
                format!("the page of the tool `{name}` is {other}, and hosts take a `ui://` URI only");
            faults.push(Fault::new(Severity::Error, message, "write `app=\"ui://<skill>/<file>\"`"));
        }
    }
    if let Some(visibility) = app.get("visibility") {
        let known =
            |audience: &&Value| audience.as_str().is_some_and(|audience| AUDIENCES.contains(&audience));
        let all = visibility.as_array().filter(|audiences| !audiences.is_empty());
        if !all.is_some_and(|audiences| audiences.iter().all(|audience| known(&audience))) {
            let message = format!(
                "`visibility` of the tool `{name}` is {visibility}, and hosts know `model` and `app` only"
            );
            let help = "write a list of `\"model\"`, `\"app\"` or both; both hold where it is left out";
            faults.push(Fault::new(Severity::Error, message, help));
        }
    }
    for member in app.keys().filter(|member| OF_PAGE.contains(&member.as_str())) {
        let message = format!("hosts read `{member}` of the page, not of the tool `{name}`");
        let help =
            "write it where the page is: `@resource(\"ui://…\", app=AppConfig(…))`, or in the file's comment";
        faults.push(Fault::new(Severity::Warning, message, help));
    }
    faults.extend(misspelt(app, &OF_TOOL, &format!("the tool `{name}`")));
    faults
}

fn of_page(uri: &str, is_page: bool, app: &Value) -> Vec<Fault> {
    let Some(app) = app.as_object() else { return vec![no_object(&format!("`{uri}`"))] };
    let mut faults = Vec::new();
    let mut wrong = |member: &str, wanted: &str| {
        let message = format!("`{member}` of the page `{uri}` must be {wanted}");
        faults.push(Fault::new(Severity::Warning, message, "hosts may refuse the page, or ignore this"));
    };
    for (member, known, wanted) in [
        ("csp", &CSP, "an object of lists of origins, as `https://api.example.com`"),
        (
            "permissions",
            &PERMISSIONS,
            "an object of `camera`, `microphone`, `geolocation`, `clipboardWrite`, each `{}`",
        ),
    ] {
        let Some(value) = app.get(member) else { continue };
        let is_right = |(name, value): (&String, &Value)| match member {
            _ if !known.contains(&name.as_str()) => closest(name, *known).is_none(),
            "csp" => value.as_array().is_some_and(|origins| origins.iter().all(is_origin)),
            _ => value.is_object(),
        };
        if !value.as_object().is_some_and(|object| object.iter().all(is_right)) {
            wrong(member, wanted);
        }
    }
    if app.get("domain").is_some_and(|domain| !domain.is_string()) {
        wrong("domain", "a text");
    }
    if app.get("prefersBorder").is_some_and(|border| !border.is_boolean()) {
        wrong("prefersBorder", "true or false");
    }
    for member in app.keys().filter(|member| OF_TOOL.contains(&member.as_str())) {
        let message = format!("hosts read `{member}` of a tool, not of `{uri}`");
        faults.push(Fault::new(
            Severity::Warning,
            message,
            "write it where the tool is: `@tool(app=AppConfig(…))`",
        ));
    }
    if !is_page {
        let message = format!("`{uri}` is no page for an app, so hosts read nothing of what `app=` says");
        faults.push(Fault::new(Severity::Warning, message, "give it a URI that begins with `ui://`"));
    }
    faults.extend(misspelt(app, &OF_PAGE, &format!("`{uri}`")));
    faults
}

/// What hosts put into a security policy: a source, in which nothing could end it.
fn is_origin(value: &Value) -> bool {
    value.as_str().is_some_and(|origin| {
        let scheme = origin.split_once("://").map(|(scheme, _)| scheme);
        matches!(scheme, Some("https" | "http" | "wss" | "ws"))
            && !origin.contains([';', ',', '\'', '"'])
            && !origin.contains(char::is_whitespace)
    })
}

fn mistyped(uri: &str, mime_type: Option<&str>) -> Option<Fault> {
    let other = mime_type.filter(|mime_type| !mime_type.replace(' ', "").eq_ignore_ascii_case(APP_PAGE))?;
    let message = format!("the page `{uri}` is `{other}`, and hosts take `{APP_PAGE}` only");
    Some(Fault::new(Severity::Warning, message, "leave `mime_type=` out: a `ui://` resource has that type"))
}

fn no_object(whose: &str) -> Fault {
    let message = format!("`ui` in the `_meta` of {whose} is no object, so hosts read nothing of it");
    Fault::new(Severity::Error, message, "write `app=AppConfig(…)`, or a dictionary")
}

/// Members that are nearly what the extension has. Others pass: it may grow.
fn misspelt(app: &Map<String, Value>, known: &[&'static str], whose: &str) -> Vec<Fault> {
    let strange =
        app.keys().filter(|member| ![&OF_TOOL[..], &OF_PAGE[..]].concat().contains(&member.as_str()));
    let near = strange.filter_map(|member| Some((member, closest(member, known.iter().copied())?)));
    let fault = |(member, near): (&String, &str)| {
        let message = format!("hosts know no `{member}` in what is said to them of {whose}");
        Fault::new(Severity::Warning, message, format!("did you mean `{near}`?"))
    };
    near.map(fault).collect()
}
