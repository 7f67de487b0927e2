"""Prints the reference of the Python package from its signatures and docstrings, without importing it.

Run by `cargo xtask docs` with the folder of the package. Complains of a public name without a docstring.
"""

import ast
import re
import sys
import textwrap
from pathlib import Path

#: Heading, what to say under it, and the names of the section: `module.name`.
SECTIONS = [
    ("Tools", "", ["decorator.tool"]),
    (
        "Resources and prompts",
        "What clients read and choose, beside the tools that they call.",
        ["resource_decorator.resource", "prompt_decorator.prompt", "completion_decorator.completion"],
    ),
    (
        "Icons and pages for apps",
        "What `icons=` has in it, and what `app=` takes: see [A page for an app](../guide/offering-resources-and-prompts.md#a-page-for-an-app).",
        [
            "app_config.Icon",
            "app_config.AppConfig",
            "app_config.ResourceCSP",
            "app_config.ResourcePermissions",
        ],
    ),
    (
        "The call",
        "A parameter annotated with `Context` receives the call; the functions below do the same without one.",
        ["skill.Context", "skill.progress", "skill.heartbeat", "skill.resource_updated", "skill.remaining"],
    ),
    (
        "Asking the client",
        "More of `Context`: see [Ask the user](../guide/ask-the-user.md).",
        [
            "asking.Asking",
            *("elicit.AcceptedElicitation", "elicit.DeclinedElicitation", "elicit.CancelledElicitation"),
            *("sample.SamplingResult", "sample.Root"),
        ],
    ),
    (
        "What other tools and clients say",
        "What `ctx.call_tool` and `ctx.client` return: see [Other tools, resources and values](../guide/writing-a-skill.md#other-tools-resources-and-values).",
        ["server_requests.ToolCallResult", "server_requests.Client"],
    ),
    (
        "Errors",
        "",
        [
            *("call_errors.ToolError", "call_errors.AskRefused", "call_errors.McpError"),
            *("call_errors.CallCancelled", "resource_contents.NotFoundError"),
            *("server_requests.ToolCallError", "server_requests.RequestError"),
        ],
    ),
    (
        "Results",
        "A tool may return any value in [Types](types.md). Blocks may stand in a list or tuple, beside text too.",
        [
            *("content.ToolResult", "content.Text", "content.Image", "content.Audio"),
            *("content.ResourceLink", "content.EmbeddedResource"),
        ],
    ),
    (
        "What resources, prompts and completions return",
        "Plain values are enough for most of them: see [Writing a skill](../guide/writing-a-skill.md#what-to-return).",
        [
            *("resource_contents.ResourceContent", "resource_contents.ResourceResult"),
            *("prompt_messages.Message", "prompt_messages.UserMessage", "prompt_messages.AssistantMessage"),
            *("prompt_messages.PromptResult", "completion_values.CompletionResult"),
        ],
    ),
    (
        "omni.safe_paths",
        None,
        [
            "safe_paths.open_file",
            "safe_paths.place",
            "safe_paths.folder",
            "safe_paths.open_at",
            "safe_paths.relative",
        ],
    ),
    (
        "omni.report",
        None,
        ["report.progress", "report.heartbeat", "report.resource_updated", "report.remaining"],
    ),
]
INTRODUCTION = """\
What a skill imports: `from omni import tool, Context, ToolError`. [Writing a skill](../guide/writing-a-skill.md) shows
how it goes together, [Types](types.md) what parameters and results may be."""
#: Classes that are a part of another one, which is what authors know.
PARTS = {"asking.Asking": "Context"}
#: Names of `omni` that are another one's second name.
ALIASES = {"skill_command": "tool", "skill_resource": "resource"}
#: Arguments of one line are kept on one; longer signatures get a line each.
WIDTH = 100


def main():
    package = Path(sys.argv[1])
    public_modules = (
        *("decorator", "resource_decorator", "prompt_decorator", "completion_decorator", "app_config"),
        *("skill", "asking", "elicit", "sample", "call_errors"),
        *("content", "resource_contents", "prompt_messages", "completion_values"),
        "server_requests",
    )
    names = (*public_modules, "safe_paths", "report")
    modules = {name: Module(package / f"{name}.py") for name in names}
    exported = set(ast.literal_eval(Module(package / "__init__.py").value_of("__all__")))
    page = [
        "# Python API",
        "Generated from the docstrings of `python/src/omni` by `cargo xtask docs`; do not edit.",
        INTRODUCTION,
    ]
    shown = set()
    for title, words, names in SECTIONS:
        page.append(f"## {title}")
        about = rendered(modules[title.partition(".")[2]].docstring) if words is None else words
        if about:
            page.append(about)
        for path in names:
            module, _, name = path.partition(".")
            public = module in public_modules
            shown.add(name if public else path)
            called = PARTS.get(path, name)
            page += modules[module].described(name, f"omni.{called if public else path}", called)
    missing = exported - shown - set(ALIASES)
    if missing:
        sys.exit(f"not on the page of the Python API: {', '.join(sorted(missing))}")
    page.append("## Second names")
    page += [f"`omni.{alias}` is `omni.{name}`." for alias, name in ALIASES.items()]
    print("\n\n".join(page))


class Module:
    """One source file."""

    def __init__(self, path):
        self.path = path
        self.text = path.read_text()
        self.tree = ast.parse(self.text)
        self.docstring = ast.get_docstring(self.tree) or ""

    def value_of(self, name):
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == name:
                return node.value
        return self.fail(name, "is not there")

    def fail(self, name, what):
        sys.exit(f"{self.path}: `{name}` {what}")

    def source(self, node):
        return re.sub(r"\s+", " ", ast.get_source_segment(self.text, node))

    def definition(self, name):
        for node in self.tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
                return node
        return self.fail(name, "is not there")

    def described(self, name, shown, called):
        """Return the parts of the page about a function or class, which authors know as `called`."""
        node = self.definition(name)
        text = ast.get_docstring(node) or self.fail(name, "has no docstring")
        if isinstance(node, ast.FunctionDef):
            return [f"### {shown}", code(self.signature(node, name)), rendered(text)]
        bases = [getattr(base, "id", "") for base in node.bases]
        if any(base.endswith("Exception") for base in bases):
            return [f"### {shown}", code(f"class {name}({bases[0]})"), rendered(text)]
        maker = self.maker(node)
        parts = [
            f"### {shown}",
            code(self.signature(maker, name, method=True) if maker else f"class {called}"),
        ]
        parts.append(rendered(text))
        own = ast.get_docstring(maker) if maker else None
        if own:
            parts.append(rendered(own))
        elif maker and "Args:" not in text:
            self.fail(f"{name}.__init__", "says nothing about its arguments")
        for member in node.body:
            if (
                isinstance(member, (ast.FunctionDef, ast.AsyncFunctionDef))
                and not member.name.startswith("_")
                and member.name != "block"
            ):
                parts += self.member(member, called)
        return parts

    def maker(self, node):
        """Return a class's `__init__`, or that of its base in the same file."""
        for member in node.body:
            if isinstance(member, ast.FunctionDef) and member.name == "__init__":
                return member
        inherited = [getattr(base, "id", None) for base in node.bases]
        for other in self.tree.body:
            if isinstance(other, ast.ClassDef) and other.name in inherited:
                return self.maker(other)
        return None

    def member(self, member, owner):
        text = ast.get_docstring(member) or self.fail(f"{owner}.{member.name}", "has no docstring")
        if any(getattr(decorator, "id", "") == "property" for decorator in member.decorator_list):
            kind = self.source(member.returns) if member.returns else ""
            return [f"#### {owner}.{member.name}", code(f"{member.name}: {kind}"), rendered(text)]
        return [
            f"#### {owner}.{member.name}",
            code(self.signature(member, member.name, method=True)),
            rendered(text),
        ]

    def signature(self, node, name, method=False):
        arguments = node.args
        words = []
        plain = [*arguments.posonlyargs, *arguments.args]
        defaults = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
        for index, (argument, default) in enumerate(zip(plain, defaults)):
            if not (method and index == 0):
                words.append(self.argument(argument, default))
            if arguments.posonlyargs and index == len(arguments.posonlyargs) - 1:
                words.append("/")
        if arguments.kwonlyargs:
            words.append("*")
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
            words.append(self.argument(argument, default))
        back = f" -> {self.source(node.returns)}" if node.returns and node.name != "__init__" else ""
        back = back.replace(" -> _Done", " -> Awaitable[None]")
        name = f"async {name}" if isinstance(node, ast.AsyncFunctionDef) else name
        line = f"{name}({', '.join(words)}){back}"
        if len(line) <= WIDTH:
            return line
        return "\n".join([f"{name}(", *(f"    {word}," for word in words), f"){back}"])

    def argument(self, argument, default):
        kind = f": {self.source(argument.annotation)}" if argument.annotation else ""
        if default is None:
            return argument.arg + kind
        space = " = " if kind else "="
        return f"{argument.arg}{kind}{space}{self.source(default)}"


def code(text):
    return f"```python\n{text}\n```"


SECTION = re.compile(r"^(Args|Raises|Returns|Yields):$")


def rendered(docstring):
    """Return a docstring as Markdown: its sections become lists, what is indented stays code."""
    parts = []
    for paragraph in re.split(r"\n\s*\n", docstring.strip()):
        lines = paragraph.split("\n")
        if SECTION.match(lines[0]):
            parts.append(f"**{lines[0].rstrip(':')}**")
            parts.append(listed(lines[1:]))
        elif all(line.startswith("    ") for line in lines):
            parts.append("```text\n" + textwrap.dedent(paragraph) + "\n```")
        else:
            parts.append(" ".join(line.strip() for line in lines))
    return "\n\n".join(parts)


def listed(lines):
    """Return the entries of an `Args:` section, one line each."""
    entries = []
    for line in textwrap.dedent("\n".join(lines)).split("\n"):
        if line.startswith(" ") and entries:
            entries[-1] += " " + line.strip()
        else:
            entries.append(line.strip())
    items = []
    for entry in entries:
        name, colon, text = entry.partition(": ")
        items.append(f"- `{name}`: {text}" if colon and re.fullmatch(r"\w+", name) else f"- {entry}")
    return "\n".join(items)


if __name__ == "__main__":
    main()
