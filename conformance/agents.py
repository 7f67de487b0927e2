"""What do coding agents show their model of a folder of skills?

Claude Code, Codex and Gemini CLI are installed into `target/conformance`, started without a terminal, and given a model that
is none: an endpoint on this machine (`scripted_model.py`) that keeps what it is sent, and answers with a call of each tool by
which a model reaches a skill. So it takes no account and no key. One line for each thing that the model got, or did not.

This is no part of the tests: it installs 900 MB, and each version of an agent may show something else. Run it before a
release, and keep the table in `docs/guide/skill-md.md` as it says.

    python3 conformance/agents.py --binary target/release/omni [--skills FOLDER] [--agent codex]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from harness import TARGET, WORKSPACE, SetupError, node_with
from scripted_model import Call, ScriptedModel, Step, scripted_model, strings

# They are installed without their scripts: none of them needs one here.
PACKAGES = {
    "@anthropic-ai/claude-code": "2.1.332",
    "@google/gemini-cli": "0.61.0",
    "@openai/codex": "0.171.0",
}
AGENT_SECONDS_MAX = 180
# Read whole by every agent.
FILE_BYTES_MAX = 20_000
SERVER = "omni"


@dataclass
class World:
    """Where an agent runs, and what it is given."""

    home: Path
    node: str
    packages: Path
    server: list[str]
    url: str

    def write(self, path: str, text: str) -> Path:
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file


def claude_code(world: World) -> tuple[list[str], dict[str, str]]:
    program, *arguments = world.server
    servers = {"mcpServers": {SERVER: {"command": program, "args": arguments}}}
    config = world.write("mcp.json", json.dumps(servers))
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
    # A model that it knows: of one that it does not know it assumes less.
    config = f"""model = "gpt-5.5"
model_provider = "scripted"
[model_providers.scripted]
name = "scripted"
base_url = "{world.url}/v1"
wire_api = "responses"
[mcp_servers.{SERVER}]
command = {json.dumps(program)}
args = {json.dumps(arguments)}
"""
    world.write(".codex/config.toml", config)
    script = world.packages / "@openai" / "codex" / "bin" / "codex.js"
    options = ("--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox")
    return [world.node, str(script), "exec", *options, "Go."], {}


def gemini_cli(world: World) -> tuple[list[str], dict[str, str]]:
    program, *arguments = world.server
    settings = {
        "mcpServers": {SERVER: {"command": program, "args": arguments, "trust": True}},
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
    wanted = f"select:mcp__{SERVER}__skill_read,ListMcpResourcesTool,ReadMcpResourceTool"
    return [
        by_name("ToolSearch", {"query": wanted}),
        by_name("tool_search", {"query": "read a skill"}),
        by_name("skill_read", {}),
        by_name("skill_read", {"skill": name}),
        by_name("skill_read", {"skill": name, "path": skill.path}),
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
        kind = kinds.get(name, "skill_read")
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
    parser.add_argument("--keep", type=Path, help="a folder for what each model was sent, as JSON")
    asked = parser.parse_args()

    failed = passed = 0
    try:
        skill = skill_of(asked.skills.resolve())
        node, packages = installed()
        server = [str(asked.binary.resolve()), "mcp", "--skills", str(asked.skills.resolve())]
        told = instructions(server)
        for agent in asked.agent or AGENTS:
            with (
                tempfile.TemporaryDirectory(prefix="omni-agent-") as home,
                scripted_model(steps(skill)) as model,
            ):
                world = World(Path(home), node, packages, server, model.url)
                lines = [("its turn", shown(agent, world, model)), *judged(model, skill, told)]
            if asked.keep:
                asked.keep.mkdir(parents=True, exist_ok=True)
                (asked.keep / f"{agent}.json").write_text(json.dumps(model.requests, indent=1))
            for line, wrong in lines:
                passed, failed = passed + (not wrong), failed + bool(wrong)
                print(f"{'failed' if wrong else 'passed'}  {agent:11}  {line}  {wrong}".rstrip(), flush=True)
    except SetupError as error:
        print(f"agents: {error}", file=sys.stderr)
        return 2
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
