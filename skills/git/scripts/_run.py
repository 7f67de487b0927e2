"""How is git run so that only what was asked for happens?

No shell; an environment of our own, so that no `GIT_…` variable leads elsewhere; no pager, no editor, no
prompt, no external diff, no file system monitor. Hooks run for commits only, where they are the
repository's own rule, and not even there when the settings say so.
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Optional

from omni import Context, ToolError

# What is read from one git command; the rest is not waited for.
OUTPUT_BYTES_MAX = 8 * 1024 * 1024

# What git and the programs it may start for a commit (a signing agent, hooks) need of the environment.
_PASSED_ON = (
    "PATH",
    "HOME",
    "XDG_CONFIG_HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "TZ",
    "GNUPGHOME",
    "SSH_AUTH_SOCK",
)
_OWN_ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_PAGER": "cat",
    "GIT_EDITOR": "false",
    # A path is a path, never a pattern or `:(exclude)`.
    "GIT_LITERAL_PATHSPECS": "1",
    # A partial clone must not go to the network because somebody looked at it.
    "GIT_NO_LAZY_FETCH": "1",
    # Reading leaves the index alone, so that it never meets another git at work.
    "GIT_OPTIONAL_LOCKS": "0",
}
_SETTINGS = ("core.pager=cat", "core.fsmonitor=false", "core.quotePath=false", "color.ui=false", "gc.auto=0",
             "maintenance.auto=false", "log.showSignature=false", "submodule.recurse=false")  # fmt: skip

_REF_MAX_CHARS = 500


class Output(NamedTuple):
    """What git printed, and whether that was cut."""

    data: bytes
    cut: bool

    @property
    def text(self) -> str:
        """The output as text; bytes that are not UTF-8 become U+FFFD."""
        return self.data.decode("utf-8", "replace")


class Repository:
    """The repository of a call.

    Args:
        ctx: The call.
        folder: A folder of the project, in the repository or at its top.

    Raises:
        ToolError: There is no such folder, it is no part of a repository, or the repository reaches
            beyond the project root.
    """

    def __init__(self, ctx: Context, folder: str) -> None:
        self._root = Path(os.path.realpath(ctx.root))
        self._folder = _folder_beneath(self._root, folder)
        self.top = self._folder
        self.hooks = bool(ctx.settings.get("hooks", True))
        found = self._run(["rev-parse", "--show-toplevel"], ceiling=True)
        if found.code != 0:
            raise ToolError(self._no_repository(folder, found.errors))
        self.top = Path(os.fsdecode(found.output.data.rstrip(b"\n")))

    def read(self, *arguments: str, bytes_max: int = OUTPUT_BYTES_MAX) -> Output:
        """Run a git command that changes nothing.

        Raises:
            ToolError: Git refused; the text is git's own.
        """
        done = self._run(arguments, bytes_max=bytes_max)
        if done.code != 0 and not done.output.cut:
            raise ToolError(_complaint(done.errors))
        return done.output

    def asks(self, *arguments: str) -> Optional[str]:
        """Return the first line of a git command's output, or `None` when the command fails."""
        done = self._run(arguments)
        return None if done.code != 0 else done.output.text.split("\n")[0]

    def change(self, *arguments: str, text: str = "", hooks: bool = False) -> Output:
        """Run a git command that changes something, with `text` as its input.

        With `hooks`, paths in the arguments are patterns unless they begin with `:(literal)`.

        Raises:
            ToolError: Git or a hook refused; the text is theirs.
        """
        done = self._run(arguments, text=text, hooks=hooks, writes=True)
        if done.code != 0:
            raise ToolError(_complaint(done.errors, done.output.text))
        return done.output

    def commit_of(self, ref: str) -> str:
        """Return the full id of the commit that a name, tag, branch or abbreviated id means.

        Only ids are handed on to other commands, so that no name can be taken for an option.

        Raises:
            ToolError: There is no such commit. The text suggests names like it.
        """
        check_ref(ref)
        found = self.asks("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        if found:
            return found
        if ref == "HEAD":
            raise ToolError("the repository has no commits yet")
        names = self.read("for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags", "refs/remotes")
        close = difflib.get_close_matches(ref, names.text.split("\n"), n=3)
        hint = "; did you mean " + " or ".join(f"`{name}`" for name in close) + "?" if close else ""
        raise ToolError(f"`{ref}` names no commit here{hint or '; see `git.branches` and `git.log`'}")

    def range_of(self, ref: str) -> str:
        """Return `ref`, a single name or a range `a..b` or `a...b`, in terms of ids. An empty side is HEAD."""
        for dots in ("...", ".."):
            left, found, right = ref.partition(dots)
            if found:
                return self.commit_of(left or "HEAD") + dots + self.commit_of(right or "HEAD")
        return self.commit_of(ref)

    def empty_tree(self) -> str:
        """Return the id of the tree without files, which a first commit is compared with."""
        return self.read("hash-object", "-t", "tree", "/dev/null").text.strip()

    def path(self, path: str) -> str:
        """Return a path as git takes it: relative to the top of the repository.

        Raises:
            ToolError: The path leads out of the repository.
        """
        if "\0" in path or not path:
            raise ToolError("a path is empty or holds a NUL byte; give paths relative to the top of the repository")
        if os.path.isabs(path):
            # The project root may itself have been reached by a link.
            path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        inside = os.path.relpath(os.path.normpath(os.path.join(self.top, path)), self.top)
        if inside == ".." or inside.startswith("../"):
            raise ToolError(f"`{path}` leads out of the repository; give a path relative to its top, `{self.top}`")
        return inside

    def _run(
        self,
        arguments: Sequence[str],
        *,
        text: str = "",
        hooks: bool = False,
        writes: bool = False,
        ceiling: bool = True,
        bytes_max: int = OUTPUT_BYTES_MAX,
    ) -> _Done:
        command = ["git", "--no-pager"]
        for setting in _SETTINGS:
            command += ["-c", setting]
        if not hooks:
            command += ["-c", "core.hooksPath=/dev/null"]
        environment = _environment()
        if writes:
            del environment["GIT_OPTIONAL_LOCKS"]
        if hooks:
            # Hooks inherit it, and may use patterns.
            del environment["GIT_LITERAL_PATHSPECS"]
        if ceiling:
            # Git looks for the repository from the folder upwards, but not above the project root.
            environment["GIT_CEILING_DIRECTORIES"] = str(self._root.parent)
        with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as given:
            given.write(text.encode("utf-8"))
            given.seek(0)
            try:
                process = subprocess.Popen(  # noqa: S603 - arguments of our own making, no shell
                    [*command, *arguments],
                    cwd=self.top,
                    env=environment,
                    stdin=given,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                )
            except FileNotFoundError:
                raise ToolError("`git` is not installed, or not on the PATH of the server") from None
            with process:
                try:
                    # A pipe, as asked for above; the type cannot say so.
                    data = process.stdout.read(bytes_max + 1) if process.stdout else b""
                    cut = len(data) > bytes_max
                    if cut:
                        process.kill()
                    code = process.wait()
                except BaseException:
                    # Also when the call is cancelled: git must not work on.
                    process.kill()
                    raise
            errors.seek(0)
            return _Done(code, Output(data[:bytes_max], cut), errors.read(64 * 1024).decode("utf-8", "replace"))

    def _no_repository(self, folder: str, errors: str) -> str:
        if "not a git repository" not in errors:
            return _complaint(errors)
        above = self._run(["rev-parse", "--show-toplevel"], ceiling=False)
        if above.code == 0:
            return (
                f"the project root `{self._root}` lies inside the repository `{above.output.text.strip()}`; "
                "start the server with that as `--root` to work on it"
            )
        return f"`{folder}` is in no git repository; when the repository is in a folder of the project, set `repo`"


class _Done(NamedTuple):
    code: int
    output: Output
    errors: str


def check_ref(ref: str) -> None:
    """Refuse what can be no name of a commit, first of all what git would take for an option.

    Raises:
        ToolError: With the name and what is wrong with it.
    """
    if not ref or len(ref) > _REF_MAX_CHARS or ref.startswith("-") or re.search(r"[\x00-\x20\x7f]", ref):
        raise ToolError(f"`{ref[:80]}` cannot be the name of a commit; give a branch, a tag, `HEAD~2` or an id")


def _environment() -> dict[str, str]:
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment.update(_OWN_ENVIRONMENT)
    return environment


def _folder_beneath(root: Path, folder: str) -> Path:
    if "\0" in folder:
        raise ToolError("`repo` holds a NUL byte; give a folder relative to the project root")
    # Git works by path itself, so this is a check of where the folder is, not a way to open it.
    real = Path(os.path.realpath(root / folder))
    if real != root and root not in real.parents:
        raise ToolError(f"`{folder}` is outside the project root; only repositories beneath it can be used")
    if not real.is_dir():
        raise ToolError(f"there is no folder `{folder}`; `repo` is a folder relative to the project root")
    return real


def _complaint(errors: str, output: str = "") -> str:
    """Return git's own words without decoration, and what to do where git does not say it."""
    if "tell me who you are" in errors or "empty ident name" in errors or "unable to auto-detect email" in errors:
        return (
            "git does not know who commits; ask the user to set `git config user.name` and `git config user.email` "
            "for this repository"
        )
    lines: list[str] = [line for line in (errors.strip() or output.strip()).split("\n") if line]
    message = "\n".join(lines[-20:])
    message = re.sub(r"^(fatal|error): ", "", message)
    if "index.lock" in message:
        return f"{message}\nanother git is at work in this repository; wait for it, then try again"
    return message or "git failed without saying why"
