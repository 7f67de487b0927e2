//! The tools of omni's own as `tools/list` of MCP describes them. Their names are the canonical ones.

use serde_json::{Value, json};

pub(super) fn doctor() -> Value {
    json!({
        "name": "omni.doctor",
        "title": "Doctor",
        "description": "Everything that is wrong with the skills of this server or with its machine, and what to do about \
                        it: reads the skills as they are on disk now, looks for Python and for what they need installed, \
                        and runs nothing of them. Takes a few seconds.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "skill": {
                    "type": "string",
                    "description": "The folder of one skill, to see its findings only."
                }
            },
            "additionalProperties": false
        },
        "outputSchema": {
            "type": "object",
            "properties": {
                "diagnostics": {
                    "type": "array",
                    "description": "What is wrong with the skills, by file and line.",
                    "items": {
                        "type": "object",
                        "properties": {
                            "severity": {"type": "string", "enum": ["error", "warning", "note"]},
                            "skill": {"type": "string"},
                            "file": {"type": "string"},
                            "line": {"type": "integer", "description": "From 1; 0 for the whole file."},
                            "column": {"type": "integer"},
                            "code": {"type": "string"},
                            "message": {"type": "string"},
                            "help": {"type": ["string", "null"]}
                        },
                        "required": ["severity", "skill", "file", "line", "code", "message"]
                    }
                },
                "findings": {
                    "type": "array",
                    "description": "What there is to say of the machine: facts, and what is wrong.",
                    "items": {
                        "type": "object",
                        "properties": {
                            "what": {"type": "string"},
                            "level": {"type": "string", "enum": ["error", "warning", "note", "fact"]},
                            "text": {"type": "string"},
                            "notes": {"type": "array", "items": {"type": "string"}},
                            "hint": {"type": "string"}
                        },
                        "required": ["what", "level", "text"]
                    }
                },
                "counts": {
                    "type": "object",
                    "description": "Of all findings, those about the machine too.",
                    "properties": {
                        "errors": {"type": "integer"},
                        "warnings": {"type": "integer"},
                        "notes": {"type": "integer"}
                    },
                    "required": ["errors", "warnings", "notes"]
                },
                "python": {"type": ["object", "null"], "description": "The interpreter that runs the tools."},
                "python_error": {"type": ["string", "null"]},
                "environments": {"description": "What has been installed for skills, and what is missing."}
            },
            "required": ["diagnostics", "findings", "counts"]
        },
        "annotations": {
            "readOnlyHint": true,
            "openWorldHint": false
        }
    })
}
