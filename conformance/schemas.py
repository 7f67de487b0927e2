"""What is the specification's schema of each revision, as the tests hold messages against it?

Writes `conformance/schemas/<revision>.json` from the public suite's npm package, which carries schema.json of all revisions
but the first. Descriptions are left out, and each definition is a line. Run it when the suite's version moves:

    python3 conformance/schemas.py

The schema of 2024-11-05 is that of 2025-03-26 without what the latter's list of changes adds.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import harness

PACKAGE = "@modelcontextprotocol/conformance"
LICENCE = "MIT"

# The package is one bundled file: its schemas are object literals in it, in the order of their revisions.
EXTRACT = r"""
const text = require("fs").readFileSync(process.argv[1], "utf8");
const found = [];
for (const start of text.matchAll(/\w+=(\{\$schema:`[^`]*`,(?:definitions|\$defs):\{Annotations:)/g)) {
  const from = start.index + start[0].length - start[1].length;
  let depth = 0, quote = null, at = from;
  for (; ; at++) {
    const character = text[at];
    if (quote) {
      if (character === "\\") at++;
      else if (character === quote) quote = null;
    } else if ("`'\"".includes(character)) quote = character;
    else if (character === "{") depth++;
    else if (character === "}" && --depth === 0) break;
  }
  found.push((0, eval)("(" + text.slice(from, at + 1) + ")"));
}
console.log(JSON.stringify(found));
"""

CARRIED = ("2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")


def main() -> int:
    """Write the files."""
    node, package = harness.node_with(PACKAGE)
    version = json.loads((package / "package.json").read_text())["version"]
    run = [node, "-e", EXTRACT, str(package / "dist/index.js")]
    schemas = json.loads(subprocess.run(run, capture_output=True, check=True, text=True).stdout)
    if len(schemas) != len(CARRIED):
        print(f"{PACKAGE} {version} carries {len(schemas)} schemas, not {len(CARRIED)}", file=sys.stderr)
        return 1
    source = f"schema.json of this revision, without descriptions, from the npm package {PACKAGE} {version} ({LICENCE})"
    for revision, schema in zip(CARRIED, schemas):
        write(revision, source, mended(undescribed(schema)))
    before = f"{source}: the next revision's without what that one added"
    write("2024-11-05", before, first(undescribed(schemas[0])))
    return 0


def mended(schema: dict[str, Any]) -> dict[str, Any]:
    """Say of the bounds and the default of numbers in forms what schema.ts says: the generator wrote integers."""
    numbers = (schema.get("$defs") or schema["definitions"]).get("NumberSchema", {"properties": {}})
    for name in {"minimum", "maximum", "default"} & numbers["properties"].keys():
        numbers["properties"][name]["type"] = "number"
    return schema


def first(schema: dict[str, Any]) -> dict[str, Any]:
    """Make the first revision of the second: no audio, annotations of tools, completions, batches, words of progress."""
    names = schema["definitions"]
    audio = {"$ref": "#/definitions/AudioContent"}
    for content in (
        names["CallToolResult"]["properties"]["content"]["items"],
        names["CreateMessageResult"]["properties"]["content"],
        names["PromptMessage"]["properties"]["content"],
        names["SamplingMessage"]["properties"]["content"],
    ):
        content["anyOf"].remove(audio)
    del names["AudioContent"]
    del names["Tool"]["properties"]["annotations"]
    del names["ToolAnnotations"]
    del names["ServerCapabilities"]["properties"]["completions"]
    del names["ProgressNotification"]["properties"]["params"]["properties"]["message"]
    message = names["JSONRPCMessage"]["anyOf"]
    message[:] = [one for one in message if one.get("type") != "array"]
    del names["JSONRPCBatchRequest"]
    del names["JSONRPCBatchResponse"]
    return schema


def undescribed(value: Any) -> Any:
    """Leave out the descriptions; a property of that name stays."""
    if isinstance(value, dict):
        return {
            name: undescribed(member)
            for name, member in value.items()
            if not (name == "description" and isinstance(member, str))
        }
    return [undescribed(item) for item in value] if isinstance(value, list) else value


def write(revision: str, source: str, schema: dict[str, Any]) -> None:
    """Write one schema, a definition a line."""
    group = "$defs" if "$defs" in schema else "definitions"
    lines = [f" {json.dumps(name)}: {json.dumps(body)}" for name, body in sorted(schema[group].items())]
    head = f'{{"$schema": {json.dumps(schema["$schema"])},\n"$comment": {json.dumps(source)},\n{json.dumps(group)}: {{\n'
    path = harness.CONFORMANCE / "schemas" / f"{revision}.json"
    path.write_text(head + ",\n".join(lines) + "\n}}\n")
    print(f"{path.relative_to(harness.WORKSPACE)}: {len(lines)} definitions")


if __name__ == "__main__":
    sys.exit(main())
