//! What makes a function a resource, at which address, and what does not fit.

use omni_scan::{CacheScope, Resource, Scan, Source, scan};
use serde_json::json;

use super::{findings, scan_text};

/// The only resource of a file that is free of findings.
fn resource(text: &str) -> Resource {
    let found = scan_text(text);
    assert_eq!(Vec::<String>::new(), findings(&found), "{text}");
    assert_eq!(1, found.resources.len(), "{text}");
    found.resources.into_iter().next().unwrap()
}

fn with_help(found: &Scan) -> Vec<String> {
    found
        .diagnostics
        .iter()
        .map(|finding| {
            format!("{} {}; {}", finding.code, finding.message, finding.help.clone().unwrap_or_default())
        })
        .collect()
}

#[test]
fn every_way_to_write_the_decorator_is_followed() {
    for (import, decorator) in [
        ("from omni import resource", "resource(\"notes://x\")"),
        ("from omni import resource", "resource(uri=\"notes://x\")"),
        ("from omni import resource", "resource(resource_uri=\"notes://x\")"),
        ("from omni import skill_resource", "skill_resource(\"notes://x\")"),
        ("from omni import resource as r", "r(\"notes://x\")"),
        ("import omni", "omni.resource(\"notes://x\")"),
        ("import omni as o", "o.skill_resource(\"notes://x\")"),
        ("from omni.resource_decorator import resource", "resource(\"notes://x\")"),
        ("from omni import *", "resource(\"notes://x\")"),
        ("from omni import resource\nx = resource(\"notes://x\")", "x"),
        ("from omni import resource\nAT = \"notes://\"", "resource(AT + \"x\")"),
        ("from omni import resource\nCOMMON = {\"uri\": \"notes://x\"}", "resource(**COMMON)"),
        (
            "from functools import partial\nfrom omni import resource\nr = partial(resource, uri=\"notes://x\")",
            "r()",
        ),
    ] {
        let found = resource(&format!("{import}\n@{decorator}\nasync def go(): ...\n"));
        assert_eq!(found.uri.as_deref(), Some("notes://x"), "{import} @{decorator}");
        assert!(found.is_async && found.uri_template.is_none());
        assert_eq!((&*found.name, &*found.title.unwrap()), ("go", "Go"));
    }
}

#[test]
fn a_resource_without_a_uri_has_the_address_of_its_name() {
    for decorator in ["resource", "resource()", "resource(name=\"go\")"] {
        let found = resource(&format!(
            "from omni import resource\n@{decorator}\ndef go():\n    \"\"\"Go there.\"\"\"\n"
        ));
        assert_eq!((found.uri, found.uri_template), (None, None));
        assert_eq!(found.description.as_deref(), Some("Go there."));
    }
}

#[test]
fn what_the_frameworks_decorator_takes_is_taken() {
    let found = resource(
        "from omni import resource\nfrom mcp.types import Annotations, Icon\n\
         @resource(\"data://status\", name=\"status\", title=\"Status\", description=\"How it is.\", \
         mime_type=\"application/json\", tags={\"ops\"}, meta={\"a\": 1}, version=2, \
         icons=[Icon(src=\"https://x/i.png\", mimeType=\"image/png\")], \
         annotations=Annotations(audience=[\"user\"], priority=0.5))\n\
         def go(): ...\n",
    );
    assert_eq!(found.name, "status");
    assert_eq!(found.mime_type.as_deref(), Some("application/json"));
    assert_eq!(found.icons, Some(json!([{"src": "https://x/i.png", "mimeType": "image/png"}])));
    assert_eq!(json!(found.annotations), json!({"audience": ["user"], "priority": 0.5}));
    assert_eq!((found.tags, found.version.as_deref()), (vec!["ops".to_owned()], Some("2")));
}

#[test]
fn a_client_is_told_how_long_it_may_keep_what_it_has_read() {
    let found = resource(
        "from omni import resource\n@resource(\"a://b\", ttl=1.5, scope=\"private\", size=12)\ndef go(): ...\n",
    );
    assert_eq!(
        (found.cache.ttl_ms, found.cache.scope, found.size),
        (Some(1500), Some(CacheScope::Private), Some(12))
    );
    let found = resource("from omni import resource\n@resource(\"a://b\", ttl=0)\ndef go(): ...\n");
    assert_eq!((found.cache.ttl_ms, found.cache.scope), (Some(0), None));
}

#[test]
fn the_variables_of_a_template_are_the_parameters_that_a_uri_gives() {
    let found = resource(
        "from typing import Literal\nfrom omni import resource, Context\n\
         @resource(\"notes://{year}/{path*}{?kind}\")\n\
         def note(year: int, path, ctx: Context, kind: Literal[\"a\", \"b\"] = \"a\", own: str = \"\"):\n    \
         \"\"\"A note.\n\n    Args:\n        year: Of its writing.\n    \"\"\"\n",
    );
    assert_eq!(found.uri_template.as_deref(), Some("notes://{year}/{path*}{?kind}"));
    assert_eq!(
        found.input_schema,
        json!({
            "type": "object",
            "properties": {
                "year": {"type": "integer", "description": "Of its writing."},
                "path": {},
                "kind": {"type": "string", "enum": ["a", "b"], "default": "a"}
            },
            "additionalProperties": false,
            "required": ["year", "path"]
        })
    );
    assert_eq!(omni_scan::choices(&found.input_schema, "kind"), ["a", "b"]);
    assert_eq!(found.inject[0].parameter, "ctx");
}

#[test]
fn a_uri_and_a_function_that_do_not_fit_are_told_with_what_to_do() {
    for (decorated, said) in [
        (
            "@resource(\"notes://{nmae}\")\ndef go(name): ...",
            "uri-variable `go` has no parameter for the variable `nmae`, so the resource is not listed; did you mean `{name}`?",
        ),
        (
            "@resource(\"notes://{day}\")\ndef go(): ...",
            "uri-variable `go` has no parameter for the variable `day`, so the resource is not listed; add a parameter \
             `day: str`, or take the variable out of the URI",
        ),
        (
            "@resource(\"notes://all\")\ndef go(day): ...",
            "uri-variable `day` of `go` has no default and is no variable of the URI, so the resource is not listed; write \
             it into the URI, as in `notes://all/{day}`, or give it a default",
        ),
        (
            "@resource\ndef go(day): ...",
            "uri-variable `day` of `go` has no default and is no variable of the URI, so the resource is not listed; give \
             the resource a template, as in `@resource(\"go://{day}\")`, or the parameter a default",
        ),
        (
            "@resource(\"notes://all{?day}\")\ndef go(day): ...",
            "uri-variable a URI may leave out `day`, as part of its query, and `day` of `go` has no default, so the resource \
             is not listed; give it one, as in `day: str = \"\"`",
        ),
        (
            "@resource(\"notes://{ctx}\")\ndef go(ctx: omni.Context): ...",
            "uri-variable `ctx` of `go` is filled in by the server, and is a variable of the URI, so the resource is not \
             listed; give the variable another name",
        ),
        (
            "@resource(\"notes\")\ndef go(): ...",
            "invalid-uri `notes` has no scheme, so the resource `go` is not listed; a scheme stands first, as in \
             `notes://notes`",
        ),
        (
            "@resource(\"notes://{+path}\")\ndef go(path): ...",
            "invalid-uri `notes://{+path}` has `{+path}`, which is not read here, so the resource `go` is not listed; write \
             `{path}`, `{path*}` for a part that may hold slashes, or `{?path}` for a query",
        ),
        (
            "@resource(\"notes://a\", mime=\"text/plain\", mime_typ=\"text/plain\")\ndef go(): ...",
            "unknown-option `resource` has no option `mime`, so it is not applied; did you mean `mime_type`?",
        ),
        (
            "@resource(\"notes://a\", mime_type=\"aplication/json\")\ndef go(): ...",
            "invalid-option `mime_type=` must be a media type: did you mean `application/json`?; the option is not applied",
        ),
        (
            "@resource(\"notes://a\", annotations={\"priority\": 5})\ndef go(): ...",
            "invalid-option `priority` of `annotations=` must be a number from 0 to 1; it is not applied",
        ),
        (
            "@resource(\"notes://a\", annotations={\"last_modified\": \"2026-01-31\"})\ndef go(): ...",
            "invalid-option `annotations=` has no `last_modified`; did you mean `lastModified`?",
        ),
        (
            "@resource(\"notes://{a}\", size=3)\ndef go(a): ...",
            "option-without-effect `size=` says how long one resource is, and a template stands for many; remove it",
        ),
        (
            "@resource(\"https://example.org/a\")\ndef go(): ...",
            "doubtful-uri clients may fetch `https` URIs from the web themselves, without asking this server; choose",
        ),
        (
            "@resource(\"notes://a\", name=\"My notes\")\ndef go(): ...",
            "invalid-name `My notes` is no name for programs, so the resource is called `go` and this is its title; write",
        ),
        (
            "@resource(3)\ndef go(): ...",
            "positional-option a resource's options are given by name; only the URI may stand alone",
        ),
        (
            "@resource(make())\ndef go(): ...",
            "computed-option `uri=` is worked out when the file runs; options are read without running the file",
        ),
    ] {
        let found = scan_text(&format!("import omni\nfrom omni import resource\n{decorated}\n"));
        let told = with_help(&found);
        assert!(told.iter().any(|line| line.starts_with(said)), "{decorated}\n{told:#?}\n{said}");
    }
    let found =
        scan_text("from omni import resource\n@resource(\"notes://a\", name=\"My notes\")\ndef go(): ...\n");
    assert_eq!((&*found.resources[0].name, found.resources[0].title.as_deref()), ("go", Some("My notes")));
}

#[test]
fn one_address_has_one_resource_whatever_its_variables_are_called() {
    let text = "from omni import resource\n@resource(\"a://{x}/z\")\ndef one(x): ...\n\
                @resource(\"a://{y}/z\")\ndef two(y): ...\n@resource(\"a://{y*}/z\", name=\"one\")\ndef three(y): ...\n";
    let found = scan_text(text);
    assert_eq!(found.resources.len(), 1);
    assert_eq!(
        findings(&found),
        [
            "error scripts/a.py:4:11 duplicate-resource: the resource at scripts/a.py:3 is read at this URI already",
            "error scripts/a.py:7:5 duplicate-resource: `one` is already the name of the resource at scripts/a.py:3",
        ]
    );
}

#[test]
fn a_function_may_be_a_tool_and_a_resource() {
    let found = scan_text(
        "from omni import resource, tool\n@tool\n@resource(\"a://b\")\ndef go():\n    \"\"\"Go.\"\"\"\n",
    );
    assert_eq!((found.tools.len(), found.resources.len(), findings(&found)), (1, 1, Vec::new()));
    let found =
        scan_text("from omni import resource\n@resource(\"a://b\")\n@resource(\"a://c\")\ndef go(): ...\n");
    assert_eq!(findings(&found), ["error scripts/a.py:3:2 marked-twice: `go` is marked as a resource twice"]);
}

#[test]
fn a_resource_that_nobody_can_read_is_told() {
    let found = scan_text(
        "from omni import resource\nclass A:\n    @resource(\"a://b\")\n    def method(self): ...\n\
         @resource(\"a://c\")\nclass B: ...\ndef plain(): ...\nresource(\"a://d\")(plain)\n\
         @resource(\"a://e\")\ndef many(*rest): ...\n",
    );
    assert_eq!(found.resources, []);
    assert_eq!(
        findings(&found),
        [
            "error scripts/a.py:4:9 nested-tool: `method` is a method, so it is not listed",
            "error scripts/a.py:6:7 decorated-class: `B` is a class, so it is not listed",
            "error scripts/a.py:8:1 called-decorator: `resource(plain)` is a call, not a decorator, so `plain` is not listed",
            "error scripts/a.py:10:11 variadic-parameter: `*rest` of `many` can't be described, so the resource is not listed",
        ]
    );
    let found = scan(&[Source {
        path: "scripts/_a.py",
        text: "from omni import resource\n@resource\ndef go(): ...\n",
    }]);
    assert_eq!(
        findings(&found),
        ["warning scripts/_a.py:3:5 tool-in-helper: `go` is in a helper file, so it is not listed"]
    );
}

#[test]
fn what_was_meant_as_a_resource_or_prompt_is_pointed_out() {
    let found = scan_text(
        "from fastmcp import FastMCP\nfrom fastmcp.prompts import prompt\nmcp = FastMCP(\"x\")\n\
         @mcp.resource(\"a://b\")\ndef one(): ...\n@mcp.prompt\ndef two(): ...\n@prompt\ndef three(): ...\n\
         def four(): ...\nmcp.add_resource(four)\n",
    );
    assert_eq!(
        findings(&found),
        [
            "warning scripts/a.py:4:2 foreign-decorator: `@mcp.resource` is not omni's `resource`, so `one` is not listed",
            "warning scripts/a.py:6:2 foreign-decorator: `@mcp.prompt` is not omni's `prompt`, so `two` is not listed",
            "warning scripts/a.py:8:2 foreign-decorator: `@prompt` is not omni's `prompt`, so `three` is not listed",
            "warning scripts/a.py:11:1 foreign-decorator: `mcp.add_resource(four)` registers nothing with omni, so `four` is \
             not listed",
        ]
    );
    let help = found.diagnostics[0].help.as_deref().unwrap();
    assert!(help.contains("from omni import resource") && help.contains("same URI and options"), "{help}");
    let found = scan_text("@resources\ndef one(): ...\n@promt\ndef two(): ...\n");
    assert_eq!(
        findings(&found),
        [
            "error scripts/a.py:1:2 misspelt-decorator: there is no `resources` in this file, so `one` is not listed",
            "error scripts/a.py:3:2 misspelt-decorator: there is no `promt` in this file, so `two` is not listed",
        ]
    );
    // Other libraries mean something else by these words.
    let found = scan_text(
        "from omni import tool\nimport click\nfrom flask import resource\n@resource\ndef one(): ...\n\
         @click.prompt\ndef two(): ...\ndef prompt(f): return f\n@prompt\ndef three(): ...\n@tool\ndef go(): \"\"\"Go.\"\"\"\n",
    );
    assert_eq!(findings(&found), [""; 0]);
}

#[test]
fn a_file_that_python_refuses_offers_nothing() {
    let found = scan_text(
        "from omni import resource, prompt\n@prompt\ndef ask(): ...\n@resource(\"a://b\")\ndef one(): ...\n@resource(3)\ndef two(): ...\n",
    );
    assert_eq!((found.resources.len(), found.prompts.len()), (0, 0));
}

#[test]
fn what_is_said_of_an_app_s_page_is_read_in_every_spelling() {
    let ui = json!({"csp": {"connectDomains": ["https://a.b"]}, "permissions": {"clipboardWrite": {}}, "prefersBorder": true});
    for (import, app) in [
        (
            "from omni import AppConfig, ResourceCSP, ResourcePermissions",
            "AppConfig(csp=ResourceCSP(connect_domains=[\"https://a.b\"]), \
             permissions=ResourcePermissions(clipboard_write={}, camera=None), prefers_border=True)",
        ),
        (
            "from fastmcp.apps import AppConfig, ResourceCSP",
            "AppConfig(csp=ResourceCSP(connectDomains=[\"https://a.b\"]), permissions={\"clipboardWrite\": {}}, \
             prefersBorder=True)",
        ),
        (
            "import fastmcp.server.apps as apps",
            "{\"csp\": {\"connect_domains\": [\"https://a.b\"]}, \"permissions\": {\"clipboard_write\": {}}, \
             \"prefers_border\": True, \"domain\": None}",
        ),
    ] {
        let found = resource(&format!(
            "from omni import resource\n{import}\n@resource(\"ui://a/b\", app={app}, meta={{\"k\": 1}})\ndef go(): ...\n"
        ));
        assert_eq!(json!(found.meta), json!({"k": 1, "ui": ui}), "{app}");
        assert_eq!(found.mime_type.as_deref(), Some("text/html;profile=mcp-app"), "the scheme says the type");
    }
    for (uri, mime_type, read) in [
        ("UI://a/{b}", "", Some("text/html;profile=mcp-app")),
        ("ui://a/b", ", mime_type=\"text/html\"", Some("text/html")),
        ("uis://a/b", "", None),
    ] {
        let found = resource(&format!(
            "from omni import resource\n@resource(\"{uri}\"{mime_type})\ndef go(b: str = \"\"): ...\n"
        ));
        assert_eq!(found.mime_type.as_deref(), read, "{uri}");
    }
}

#[test]
fn a_tool_names_its_page_alone_or_with_who_sees_it() {
    let both = json!({"resourceUri": "ui://a/b", "visibility": ["app"]});
    for (app, ui) in [
        ("\"ui://a/b\"", json!({"resourceUri": "ui://a/b"})),
        ("AppConfig(resource_uri=\"ui://a/b\", visibility=[\"app\"])", both.clone()),
        ("{\"resourceUri\": \"ui://a/b\", \"visibility\": [\"app\"]}", both),
    ] {
        let found = scan_text(&format!(
            "from omni import AppConfig, tool\n@tool(app={app})\ndef go() -> str: return \"\"\n"
        ));
        assert_eq!(Vec::<String>::new(), findings(&found), "{app}");
        assert_eq!(json!(found.tools[0].meta), json!({"ui": ui}), "{app}");
    }
    for (decorated, wanted) in [
        (
            "@tool(app=True)",
            "`app=` must be the `ui://` URI of a page, or a dictionary with `resource_uri` and `visibility`",
        ),
        (
            "@resource(\"ui://a/b\", app=\"ui://a/b\")",
            "`app=` must be a dictionary with `csp`, `permissions`, `domain` and `prefers_border`",
        ),
        ("@prompt(app={})", "`prompt` has no option `app`"),
    ] {
        let found = scan_text(&format!(
            "from omni import prompt, resource, tool\n{decorated}\ndef go() -> str: return \"\"\n"
        ));
        assert!(findings(&found)[0].contains(wanted), "{:?}", findings(&found));
    }
}
