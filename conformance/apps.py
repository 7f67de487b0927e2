"""Do the official host and view of the extension for apps get along with a skill's page?

`clients/apps_host.mjs` does what a host does, with the extension's own package: it finds the page of a tool, holds what is
said of both to the extension's schemas, reads it, connects a view to it, hands a result over, and lets the view call the
tool that is there for views. In every era, over stdio and HTTP.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from harness import CONFORMANCE, TARGET, http_server, stdio_command
from real_clients import ClientFailedError, apps_host

SKILLS = CONFORMANCE / "skills"
MODES = ("legacy", "auto", "2026-07-28")
TYPE = "text/html;profile=mcp-app"
UI = {
    "csp": {"connectDomains": ["https://time.example.com"]},
    "permissions": {"clipboardWrite": {}},
    "prefersBorder": True,
}
JOB = {"tool": "test_app_clock", "app_tool": "test_app_refresh", "arguments": {"zone": "CET"}}
SEEN = {
    "declared": {},
    "uri": "ui://fixture/clock.html",
    "tool": {"resourceUri": "ui://fixture/clock.html"},
    "app_only": True,
    "listed": {"mimeType": TYPE, "ui": UI},
    "page": {"mimeType": TYPE, "is_apps": True, "ui": UI, "begins": "<!--"},
    "allow": "clipboard-write",
    "seen": {"zone": "CET", "time": "12:00"},
    "refreshed": [{"type": "text", "text": "12:01"}],
    "read_by_view": True,
}


def shown(binary: Path, root: Path, home: str) -> Iterator[tuple[str, str]]:
    """Let a host show the page of a tool; yields a line, and what was wrong."""
    look = apps_host()
    with http_server(binary, SKILLS, TARGET / "clients-apps.log", root) as url:
        for transport, server in (
            ("stdio", {"command": stdio_command(binary, SKILLS, root)}),
            ("http", {"url": url}),
        ):
            for mode in MODES:
                wrong = ""
                try:
                    seen = look({**server, **JOB, "mode": mode, "home": home})
                    if seen != SEEN:
                        wrong = f"saw {seen} instead of {SEEN}"
                except (ClientFailedError, subprocess.TimeoutExpired) as error:
                    wrong = str(error)
                yield f"{'ext-apps':10}  {transport:6}  {mode:10}  a page of an app", wrong
