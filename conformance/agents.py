"""What do coding agents do with a folder of skills, and what do they show their model of it?

Claude Code, Codex and Gemini CLI are installed into `target/conformance`, started without a terminal, and given a model that
is none: an endpoint on this machine (`scripted_model.py`) that keeps what it is sent, and answers with a call of each tool by
which a model reaches a skill, of a tool, and of one that fails. So it takes no account and no key. Each is connected over
each transport that it has. One line for each thing that the model got, or did not.

This is no part of the tests: it installs 900 MB, and each version of an agent may show something else. `clients.sh` runs it
in a folder that is gone afterwards. Run it before a release, and keep the table in `docs/guide/skill-md.md` as it says.

    python3 conformance/agents.py --binary target/release/omni [--skills FOLDER] [--agent codex] [--transport http]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from harness import TARGET, WORKSPACE, Server, SetupError, node_with
from scripted_model import Call, ScriptedModel, Step, scripted_model, strings

# They are installed without their scripts: none of them needs one here.
PACKAGES = {
    "@anthropic-ai/claude-code": "2.1.332",
    "@google/gemini-cli": "0.61.0",
    "@openai/codex": "0.171.0",
    "mcp-remote": "0.15.1",
    "supergateway": "4.0.0",
}
AGENT_SECONDS_MAX = 180
# Read whole by every agent.
FILE_BYTES_MAX = 20_000
SERVER = "omni"
# What a call of a tool is given, and says; and what one is given that fails, and says.
TEXT, COUNTED = "one two\nthree", '"words":3'
MISSING = "missing.txt"


@dataclass
class World:
    """Where an agent runs, and what it is given."""

    home: Path
    node: str
    packages: Path
    server: list[str]
    # Where that serves, unless the agent is to start it: the URL of its transport.
    served: tuple[str, str] | None
    url: str

    def write(self, path: str, text: str) -> Path:
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file


def claude_code(world: World) -> tuple[list[str], dict[str, str]]:
    program, *arguments = world.server
    server: dict = {"command": program, "args": arguments}
    if world.served:
        transport, url = world.served
        server = {"type": transport, "url": url}
    config = world.write("mcp.json", json.dumps({"mcpServers": {SERVER: server}}))
    allowed = [f"mcp__{SERVER}", "ListMcpResourcesTool", "ReadMcpResourceTool"]
    command = [
        str(world.packages / "@anthropic-ai" / "claude-code-linux-x64" / "claude"),
        *("-p", "Go.", "--mcp-config", str(config), "--strict-mcp-config", "--allowedTools", *allowed),
    ]
    settings = {
        "ANTHROPIC_BASE_URL": world.url,
        "ANTHROPIC_API_KEY": "none",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }
    return command, settings


def codex(world: World) -> tuple[list[str], dict[str, str]]:
    program, *arguments = world.server
    server = f"command = {json.dumps(program)}\nargs = {json.dumps(arguments)}"
    if world.served:
        server = f"url = {json.dumps(world.served[1])}"
    # A model that it knows: of one that it does not know it assumes less.
    config = f"""model = "gpt-5.5"
model_provider = "scripted"
[model_providers.scripted]
name = "scripted"
base_url = "{world.url}/v1"
wire_api = "responses"
[mcp_servers.{SERVER}]
{server}
"""
    world.write(".codex/config.toml", config)
    script = world.packages / "@openai" / "codex" / "bin" / "codex.js"
    options = ("--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox")
    return [world.node, str(script), "exec", *options, "Go."], {}


def gemini_cli(world: World) -> tuple[list[str], dict[str, str]]:
    program, *arguments = world.server
    server: dict = {"command": program, "args": arguments}
    if world.served:
        transport, url = world.served
        server = {"type": transport, "url": url}
    settings = {
        "mcpServers": {SERVER: {**server, "trust": True}},
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"disableAutoUpdate": True},
    }
    world.write(".gemini/settings.json", json.dumps(settings))
    script = world.packages / "@google" / "gemini-cli" / "bundle" / "gemini.js"
    # A model that is named: otherwise it asks another one first which to take.
    command = [world.node, str(script), "-m", "gemini-2.5-pro", "-p", "Go.", "--yolo"]
    variables = {
        "GOOGLE_GEMINI_BASE_URL": world.url,
        "GEMINI_API_KEY": "none",
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
    }
    return command, variables


AGENTS: dict[str, Callable[[World], tuple[list[str], dict[str, str]]]] = {
    "claude-code": claude_code,
    "codex": codex,
    "gemini-cli": gemini_cli,
}


# Over what each connects.
TRANSPORTS = {
    "claude-code": ("stdio", "http", "sse"),
    "codex": ("stdio", "http"),
    "gemini-cli": ("stdio", "http", "sse"),
}


@dataclass
class Skill:
    """A skill to look at: its page, and a file in a folder of it."""

    folder: Path
    path: str

    @property
    def uri(self) -> str:
        return f"omni://skill/{self.folder.name}/SKILL.md"

    def text(self, path: str = "SKILL.md") -> str:
        return (self.folder / path).read_text()


def skill_of(skills: Path) -> Skill:
    """Return the first skill of a folder that has what is looked at."""
    for page in sorted(skills.glob("*/SKILL.md")):
        files = sorted(file for file in page.parent.glob("*/*") if file.suffix in (".md", ".py", ".txt"))
        small = [file for file in files if file.stat().st_size <= FILE_BYTES_MAX]
        if small and page.stat().st_size <= FILE_BYTES_MAX:
            return Skill(page.parent, str(small[0].relative_to(page.parent)))
    message = f"no skill of `{skills}` has a text file in a folder beside its page, both of at most {FILE_BYTES_MAX} bytes"
    raise SetupError(message)


def by_name(ending: str, arguments: dict) -> Step:
    """Return a step that calls the tool whose name ends so, where there is one."""

    def step(offered: list[str]) -> Call | None:
        return next(((name, arguments) for name in offered if name.endswith(ending)), None)

    return step


def steps(skill: Skill) -> list[Step]:
    """Return the script: the tools are looked for where an agent has them looked for, and then called."""
    name = skill.folder.name
    tools = ("skill_read", "text_count", "files_read")
    names = ",".join(f"mcp__{SERVER}__{tool}" for tool in tools)
    wanted = f"select:{names},ListMcpResourcesTool,ReadMcpResourceTool"
    return [
        by_name("ToolSearch", {"query": wanted}),
        by_name("tool_search", {"query": "read a skill, count words, read a file"}),
        by_name("skill_read", {}),
        by_name("skill_read", {"skill": name}),
        by_name("skill_read", {"skill": name, "path": skill.path}),
        by_name("text_count", {"text": TEXT}),
        by_name("files_read", {"path": MISSING}),
        by_name("ListMcpResourcesTool", {"server": SERVER}),
        by_name("ReadMcpResourceTool", {"server": SERVER, "uri": skill.uri}),
        by_name("list_mcp_resources", {}),
        by_name("read_mcp_resource", {"server": SERVER, "uri": skill.uri}),
    ]


def instructions(server: list[str]) -> str:
    """Return what the server says at the beginning."""
    params = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    }
    opening = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
    text = json.dumps(opening) + "\n"
    done = subprocess.run(
        server, input=text, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[0])["result"].get("instructions", "")


def seen_of(text: str, body: dict) -> int:
    """Return how much of a text's beginning a request carries."""
    within = [*strings(body)]
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if any(text[:middle] in one for one in within) else (low, middle - 1)
    return low


def has(result: str, text: str) -> bool:
    """Whether a text stands in a result, as it is or as a JSON string, in ASCII or not."""
    text = text.strip()
    spelt = (text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1])
    return any(one in result for one in spelt)


def judged(model: ScriptedModel, skill: Skill, told: str) -> Iterator[tuple[str, str]]:
    """Hold what a model got against what it should; yields a line, and what was wrong."""
    if not model.requests:
        yield "asked its model", "nothing"
        return
    seen = seen_of(told, model.requests[0])
    line = f"at the beginning: {seen} of {len(told)} characters of the instructions"
    yield line, "" if seen >= len(told.partition("\n")[0]) else "not their first line"
    wanted = {
        "skill_read": [skill.folder.name, skill.text(), skill.text(skill.path)],
        "list_resources": [skill.uri],
        "read_resource": [skill.text()],
        "text_count": [COUNTED],
        "files_read": [MISSING],
    }
    kinds = {
        "ListMcpResourcesTool": "list_resources",
        "ReadMcpResourceTool": "read_resource",
        "list_mcp_resources": "list_resources",
        "read_mcp_resource": "read_resource",
    }
    for (name, arguments), result in zip(model.calls, model.results):
        if name in ("ToolSearch", "tool_search"):
            yield f"{name} {json.dumps(arguments)}", ""
            continue
        kind = kinds.get(name) or next(kind for kind in wanted if name.endswith(kind))
        text = wanted[kind].pop(0) if wanted[kind] else ""
        wrong = "" if text and has(result, text) else f"gave {result[:300]!r}"
        yield f"{name} {json.dumps(arguments)}: {len(result)} characters", wrong
    left = [kind for kind, texts in wanted.items() if texts]
    if left:
        yield f"called {len(model.calls)} tools", f"none for {', '.join(left)}"


def installed() -> tuple[str, Path]:
    """Install the agents; return Node.js and the folder of their packages."""
    node, _ = node_with("@modelcontextprotocol/inspector")
    folder = TARGET / "agents"
    manifest = json.dumps({"private": True, "dependencies": PACKAGES}, indent=2)
    stamp = folder / "installed.json"
    if not stamp.is_file() or stamp.read_text() != manifest:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(manifest)
        command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        if subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, check=False).returncode != 0:
            message = f"`{' '.join(command)}` in `{folder}` failed; its messages stand above"
            raise SetupError(message)
        stamp.write_text(manifest)
    return node, folder / "node_modules"


@contextlib.contextmanager
def served(transport: str, binary: Path, skills: Path, home: Path) -> Iterator[tuple[str, str] | None]:
    """Serve skills over a transport while the block runs, where an agent does not start its server itself."""
    if transport == "stdio":
        yield None
        return
    with Server(binary, skills, TARGET / "agents-server.log", home).running() as server:
        yield transport, f"{server.origin}/{'sse' if transport == 'sse' else 'mcp'}"


def shown(agent: str, world: World, model: ScriptedModel) -> str:
    """Let an agent do its turn; return what was wrong with that."""
    command, variables = AGENTS[agent](world)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "SSL_CERT_FILE") if name in os.environ}
    work = world.home / "work"
    work.mkdir()
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            check=False,
            cwd=work,
            env={**kept, "HOME": str(world.home), "TERM": "dumb", **variables},
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=AGENT_SECONDS_MAX,
        )
    except subprocess.TimeoutExpired:
        return f"did not end within {AGENT_SECONDS_MAX} s, after {len(model.requests)} requests to its model"
    said = " ".join((done.stderr or done.stdout).split())[-600:]
    return "" if done.returncode == 0 else f"ended with status {done.returncode}: {said}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--binary", type=Path, required=True, help="the `omni` to test")
    parser.add_argument(
        "--skills",
        type=Path,
        default=WORKSPACE / "skills",
        help="a folder of skills; those shipped by default",
    )
    parser.add_argument("--agent", action="append", choices=AGENTS, help="only this one; all by default")
    parser.add_argument(
        "--transport", action="append", choices=("stdio", "http", "sse"), help="only this one; all by default"
    )
    parser.add_argument("--keep", type=Path, help="a folder for what each model was sent, as JSON")
    asked = parser.parse_args()

    failed = passed = 0
    try:
        skill = skill_of(asked.skills.resolve())
        node, packages = installed()
        server = [str(asked.binary.resolve()), "mcp", "--skills", str(asked.skills.resolve())]
        told = instructions(server)
        for agent in asked.agent or AGENTS:
            for transport in TRANSPORTS[agent]:
                if transport not in (asked.transport or TRANSPORTS[agent]):
                    continue
                with (
                    tempfile.TemporaryDirectory(prefix="omni-agent-") as home,
                    served(transport, asked.binary.resolve(), asked.skills.resolve(), Path(home)) as address,
                    scripted_model(steps(skill)) as model,
                ):
                    world = World(Path(home), node, packages, server, address, model.url)
                    lines = [("its turn", shown(agent, world, model)), *judged(model, skill, told)]
                if asked.keep:
                    asked.keep.mkdir(parents=True, exist_ok=True)
                    kept = asked.keep / f"{agent}-{transport}.json"
                    kept.write_text(json.dumps(model.requests, indent=1))
                for line, wrong in lines:
                    passed, failed = passed + (not wrong), failed + bool(wrong)
                    word = "failed" if wrong else "passed"
                    print(f"{word}  {agent:11}  {transport:5}  {line}  {wrong}".rstrip(), flush=True)
    except SetupError as error:
        print(f"agents: {error}", file=sys.stderr)
        return 2
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
