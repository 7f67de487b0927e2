"""How is git run so that only what was asked for happens?

Git is told where everything is, and is shown a configuration of ours in place of the repository's: the folder
that it takes for the shared one (`GIT_COMMON_DIR`) is made for the call and holds `_settings.py`'s file and
links to the objects and refs. So no setting of the repository counts but those that are copied, there are no
hooks, and what git might start besides itself is not on its path. `_confine.py` has the kernel see to the same.

No shell; an environment of our own; no pager, no editor, no prompt. Only a commit under `allow_programs` is run
the plain way, with everything that the user and the repository have set up.
"""

from __future__ import annotations

import difflib
import errno
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Optional

from omni import Context, ToolError, protected

from . import _confine, _locate, _settings, _start

# What is read from one git command; the rest is not waited for.
OUTPUT_BYTES_MAX = 8 * 1024 * 1024
# The names of all files in the index. A repository with more is too large for these tools.
INDEX_BYTES_MAX = 512 * 1024 * 1024

# What of a file in the working tree is handed to git.
WORKING_FILE_BYTES_MAX = 64 * 1024 * 1024

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
_OWN_SETTINGS = ("core.pager=cat", "core.fsmonitor=false", "core.quotePath=false", "color.ui=false", "gc.auto=0",
                 "maintenance.auto=false", "log.showSignature=false", "submodule.recurse=false",
                 "safe.bareRepository=explicit")  # fmt: skip
# What programs that a commit may start under `allow_programs` (a signing agent, hooks) need of the environment.
_PASSED_TO_PROGRAMS = ("PATH", "HOME", "XDG_CONFIG_HOME", "USER", "LOGNAME", "TMPDIR", "TZ", "GNUPGHOME",
                       "SSH_AUTH_SOCK")  # fmt: skip

# What a commit in a repository would start.
_HOOKS_OF_COMMITS = ("pre-commit", "pre-merge-commit", "prepare-commit-msg", "commit-msg", "post-commit",
                     "post-index-change", "reference-transaction", "pre-auto-gc")  # fmt: skip

_IN_PROGRESS = (
    ("MERGE_HEAD", "merge"),
    ("rebase-merge", "rebase"),
    ("rebase-apply", "rebase"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
    ("BISECT_LOG", "bisect"),
)
_REF_MAX_CHARS = 500
_OUTSIDE = re.compile(rb"(?:^|/)(?:\.\.|\.git)(?:/|$)|^/", re.IGNORECASE)


class Output(NamedTuple):
    """What git printed, and whether that was cut."""

    data: bytes
    cut: bool

    @property
    def text(self) -> str:
        """The output as text; bytes that are not UTF-8 become U+FFFD."""
        return self.data.decode("utf-8", "replace")


class Repository:
    """The repository of a call. Close it, or use it in a `with` block.

    Args:
        ctx: The call.
        folder: A folder of the project, in the repository or at its top.

    Raises:
        ToolError: There is no such folder, it is no part of a repository, or the repository reaches
            beyond the project root.
    """

    def __init__(self, ctx: Context, folder: str) -> None:
        self.allow_programs = _start.switch(ctx.settings, "allow_programs")
        root = Path(os.path.realpath(ctx.root))
        self._bases = _locate.Bases(root, _start.folders(ctx.settings, "allow_git_dirs"))
        self._folder = str(_start.folder_beneath(root, folder))
        self._git = _start.program(root)
        found = _locate.find(self._bases, self._folder)
        if found is None:
            raise ToolError(_start.no_repository(root, Path(self._folder), folder))
        self.git_dir, self.common_dir = found.git_dir, found.common_dir
        self._borrowed = _locate.check_inside(self._bases, found)
        self._place = found
        self._scratch = _start.scratch_folder(root)
        try:
            self._lay_out()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Repository:  # noqa: PYI034 - `Self` is younger than Python 3.9
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove what was made for the call."""
        shutil.rmtree(self._scratch, ignore_errors=True)

    def read(self, *arguments: str, text: str = "", data: bytes = b"", bytes_max: int = OUTPUT_BYTES_MAX) -> Output:
        """Run a git command that changes nothing, with `text` or `data` as its input.

        Raises:
            ToolError: Git refused; the text is git's own.
        """
        done = self._run(arguments, text=text, data=data, bytes_max=bytes_max)
        if done.code != 0 and not done.output.cut:
            raise ToolError(_complaint(done.errors))
        return done.output

    def asks(self, *arguments: str, index: Optional[str] = None) -> Optional[str]:
        """Return the first line of a git command's output, or `None` when the command fails."""
        done = self._run(arguments, index=index)
        return None if done.code != 0 else done.output.text.split("\n")[0]

    def change(
        self,
        *arguments: str,
        text: str = "",
        data: bytes = b"",
        index: Optional[str] = None,
        patterns: bool = False,
        plain: bool = False,
    ) -> Output:
        """Run a git command that changes something.

        Args:
            arguments: The command.
            text: Its input.
            data: Its input, when that is no text.
            index: The index to work on, when that is not the repository's.
            patterns: Take paths as patterns unless they begin with `:(literal)`.
            plain: Run it as the user would, with every program that they and the repository have set up.

        Raises:
            ToolError: Git or a hook refused; the text is theirs.
        """
        done = self._run(arguments, text=text, data=data, writes=True, index=index, patterns=patterns, plain=plain)
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
        raise ToolError(f"`{ref}` names no commit here{hint or '; see `git_branches` and `git_log`'}")

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

    def working_file(self, path: str) -> bytes:
        """Return a file of the working tree as git would store it: of a link, where it leads.

        No link is followed, whatever is put in the place of a folder meanwhile.

        Raises:
            ToolError: There is no such file, or it lies behind a link.
        """
        held = os.open(self.top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            *folders, name = path.split("/")
            for folder in folders:
                inner = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=held)
                os.close(held)
                held = inner
            try:
                return os.fsencode(os.readlink(name, dir_fd=held))
            except OSError:
                pass  # no link, or not there: opening it says which
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=held)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise ToolError(f"`{path}` is no file in the working tree; give `ref` to see it as of a commit")
                _refuse_secret(descriptor, path)
                data = file.read(WORKING_FILE_BYTES_MAX + 1)
        except OSError as error:
            why = "lies behind a symbolic link" if error.errno in (errno.ELOOP, errno.ENOTDIR) else error.strerror
            raise ToolError(f"`{path}` in the working tree: {why}; give `ref` to see it as of a commit") from None
        finally:
            os.close(held)
        if len(data) > WORKING_FILE_BYTES_MAX:
            raise ToolError(
                f"`{path}` is larger than {WORKING_FILE_BYTES_MAX >> 20} MB; that is too large for this tool"
            )
        return data

    def check_no_secret(self, path: str) -> None:
        """Check that a file of the working tree is none that omni keeps to itself.

        Raises:
            ToolError: It is one.
        """
        try:
            descriptor = os.open(
                os.path.join(self.top, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            )
        except OSError:
            # Gone, a link, or for git to complain about.
            return
        try:
            _refuse_secret(descriptor, path)
        finally:
            os.close(descriptor)

    def check_index(self) -> list[str]:
        """Check that every file of the index is in the working tree, and every submodule beneath the root.

        Git writes no other index; a made one leads `git diff` to any file. Call it before a command that looks at
        the working tree.

        Returns:
            The submodules, as paths.

        Raises:
            ToolError: A name leads out of the working tree, or a submodule's repository out of the root.
        """
        listed = self.read("ls-files", "--stage", "-z", bytes_max=INDEX_BYTES_MAX)
        if listed.cut:
            raise ToolError("the repository has more files than these tools can work with")
        submodules: list[str] = []
        secrets = {
            os.path.relpath(path, self.top).casefold(): what for path, what, is_secret in protected.entries if is_secret
        }
        for record in listed.data.split(b"\0"):
            name = record[record.find(b"\t") + 1 :]
            if _OUTSIDE.search(name):
                raise ToolError(
                    f"the index names `{os.fsdecode(name)}`, which is no file of the working tree; git did not write it"
                )
            secret = secrets.get(os.fsdecode(name).casefold()) if secrets else None
            if secret is not None:
                # A difference would show what is in it.
                raise ToolError(
                    f"the index names `{os.fsdecode(name)}`, {secret}, which omni keeps to itself; ask the user to "
                    "take it out with `git rm --cached`"
                )
            if record.startswith(b"160000"):
                submodules.append(os.fsdecode(name))
        for submodule in dict.fromkeys(submodules):
            self.check_nested(submodule)
        return list(dict.fromkeys(submodules))

    def check_nested(self, path: str) -> None:
        """Check that the repository in a folder of the working tree, if there is one, lies beneath the root.

        Git looks up which commit it is at.

        Raises:
            ToolError: It leads out of the root.
        """
        folder = os.path.normpath(os.path.join(self.top, path))
        if folder == self.top or os.path.realpath(folder) != folder:
            # Behind a link, or one itself: to git that is a link, and it looks no further.
            return
        nested = _locate.at(self._bases, folder, nested=True)
        if nested is None:
            return
        _locate.check_inside(self._bases, nested)
        for name in (os.path.join(nested.common_dir, "config"), os.path.join(nested.git_dir, "config.worktree")):
            included = [entry for entry in self._listed(name) if entry.key.startswith(("include.", "includeif."))]
            if included:
                raise ToolError(
                    f"`{included[0].key}` in `{name}`, the configuration of the repository in `{path}`, names another "
                    "file, which git would read; nothing is read by it here. Take it out, or work in a clone without it"
                )

    def check_written(self) -> None:
        """Check that what a commit writes is written into the repository.

        Raises:
            ToolError: A link in it leads elsewhere.
        """
        _locate.check_written(self._place)

    def check_plain(self) -> None:
        """Check that git, when it looks by itself, finds the repository that was checked.

        It also minds who owns the repository then, which it does not where it is told.

        Raises:
            ToolError: It finds another, or refuses.
        """
        asked = ["rev-parse", "--absolute-git-dir", "--path-format=absolute", "--git-common-dir", "--show-toplevel"]
        done = self._run(asked, plain=True)
        if done.code != 0:
            raise ToolError(_complaint(done.errors))
        found = [os.path.realpath(os.fsdecode(line)) for line in done.output.data.split(b"\n") if line]
        if found != [self.git_dir, self.common_dir, self.top]:
            raise ToolError(f"`{self.top}` changed while it was looked at; try again")

    def programs_left_out(self) -> list[str]:
        """Say which programs a commit would start that are not started here, one sentence for each kind."""
        said: list[str] = []
        every = [*self._users, *self._repositorys]
        chosen = _settings.last(every, "core.hookspath")
        folder = os.path.join(self.common_dir, "hooks")
        if chosen is not None and chosen.value:
            said.append(f"the hooks in `{chosen.value}` (`core.hooksPath`) did not run")
        else:
            names = [name for name in _HOOKS_OF_COMMITS if os.access(os.path.join(folder, name), os.X_OK)]
            if names:
                several = len(names) > 1
                named = ", ".join(f"`{name}`" for name in names)
                said.append(f"the hook{'s' if several else ''} {named} did not run")
        signing = _settings.last(every, "commit.gpgsign")
        if signing is not None and signing.truth:
            said.append("the commit is not signed (`commit.gpgSign`)")
        return said

    def in_progress(self) -> Optional[str]:
        """Return which merge, rebase or the like was begun and not ended."""
        for name, what in _IN_PROGRESS:
            if os.path.lexists(os.path.join(self.git_dir, name)):
                return what
        return None

    @contextmanager
    def locked_index(self) -> Iterator[None]:
        """Keep every other git from committing, as git itself does it, while a commit is made from another index.

        A commit in between would be undone by ours, which is made of the files before it.

        Raises:
            ToolError: Another git is at work.
        """
        path = os.path.join(self.git_dir, "index.lock")
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        except FileExistsError:
            raise ToolError(
                f"another git is at work in this repository (`{path}`); wait for it, then try again"
            ) from None
        except OSError as error:
            raise ToolError(f"cannot lock the index `{path}`: {error.strerror}") from None
        try:
            yield
        finally:
            os.unlink(path)

    def own_index(self) -> str:
        """Return the path of an index for this call alone. It need not exist yet."""
        return os.path.join(self._scratch, "own", "index")

    def _lay_out(self) -> None:
        """Make the folder that git takes for the one that working trees share, and the configuration in it."""
        for name in ("common", "common/info", "own", "home", "none"):
            os.mkdir(os.path.join(self._scratch, name), 0o700)
        shared = os.path.join(self._scratch, "common")
        for name in ("objects", "refs"):
            os.symlink(os.path.join(self.common_dir, name), os.path.join(shared, name))
        for name in ("logs", "packed-refs", "shallow", "reftable", "info/attributes", "info/exclude", "info/grafts"):
            if os.path.lexists(os.path.join(self.common_dir, name)):
                os.symlink(os.path.join(self.common_dir, name), os.path.join(shared, name))
        self._users: list[_settings.Entry] = []
        self._repositorys: list[_settings.Entry] = []
        self._excludes: Optional[str] = None
        self.top = self._place.holder
        self._configure()
        self._repositorys = self._listed(os.path.join(self.common_dir, "config"))
        of_tree = self._repositorys if self.git_dir == self.common_dir else []
        separate = _settings.last(self._repositorys, "extensions.worktreeconfig")
        if separate is not None and separate.truth:
            own = self._listed(os.path.join(self.git_dir, "config.worktree"))
            self._repositorys = [*self._repositorys, *own]
            of_tree = [*of_tree, *own]
        self.top = self._top(of_tree)
        self._configure()
        # Asked for last: with `includeIf`, who commits depends on where the repository is, and on its remotes.
        listed = self._run(["config", "--list", "--null", "--show-scope", "--includes"], users=True)
        if listed.code != 0:
            raise ToolError(f"the user's configuration of git cannot be read: {_complaint(listed.errors)}")
        self._users = _settings.of_user(listed.output.data)
        self._excludes = _settings.excludes_file(self._users, os.environ.get("HOME"), os.environ.get("XDG_CONFIG_HOME"))
        self._configure()

    def _configure(self) -> None:
        text = _settings.configuration(self._users, self._repositorys, self._excludes)
        with open(os.path.join(self._scratch, "common", "config"), "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))

    def _listed(self, path: str) -> list[_settings.Entry]:
        """Return what a configuration of the repository says, without what it includes."""
        data = _locate.small_file(self._bases.check(path, f"the symbolic link `{path}`"))
        if data is None:
            return []
        done = self._run(["config", "--file", "-", "--no-includes", "--list", "--null"], data=data)
        if done.code != 0:
            raise ToolError(f"`{path}` is no configuration of git's: {_complaint(done.errors)}")
        return _settings.parsed(done.output.data)

    def _top(self, entries: Sequence[_settings.Entry]) -> str:
        chosen = _settings.last(entries, "core.worktree")
        if chosen is not None and chosen.value:
            top = self._bases.check(
                os.path.join(self.git_dir, chosen.value), f"`core.worktree` in `{os.path.join(self.git_dir, 'config')}`"
            )
            if not os.path.isdir(top):
                raise ToolError(f"`core.worktree` in `{self.git_dir}` names `{top}`, which is no folder")
            return top
        bare = _settings.last(entries, "core.bare")
        if bare is not None and bare.truth:
            raise ToolError(f"`{self.git_dir}` is a bare repository: it has no working tree. Work in a clone of it")
        return self._place.holder

    def _run(
        self,
        arguments: Sequence[str],
        *,
        text: str = "",
        data: bytes = b"",
        writes: bool = False,
        index: Optional[str] = None,
        patterns: bool = False,
        plain: bool = False,
        users: bool = False,
        bytes_max: int = OUTPUT_BYTES_MAX,
    ) -> Done:
        command = [self._git, "--no-pager"]
        for setting in _OWN_SETTINGS:
            command += ["-c", setting]
        environment = self._plain_environment() if plain else self._environment(users=users)
        if writes:
            del environment["GIT_OPTIONAL_LOCKS"]
        if patterns:
            del environment["GIT_LITERAL_PATHSPECS"]
        if index is not None:
            environment["GIT_INDEX_FILE"] = index
        reach = _confine.Reach(
            self._git,
            [*self._bases.folders, self._scratch, *([self._excludes] if self._excludes else [])],
            self._written() if writes else [],
        )
        with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as given:
            given.write(data or text.encode("utf-8", "surrogateescape"))
            given.seek(0)

            def popen() -> subprocess.Popen[bytes]:
                return subprocess.Popen(  # noqa: S603 - arguments of our own making, no shell
                    [*command, *arguments],
                    cwd=self.top,
                    env=environment,
                    stdin=given,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                )

            try:
                # What the user has set up may be anywhere: it is theirs, and only listed.
                process = popen() if plain or users else _confine.start(reach, popen)
            except FileNotFoundError:
                raise ToolError("`git` is not installed, or not on the PATH of the server") from None
            with process:
                try:
                    # A pipe, as asked for above; the type cannot say so.
                    printed = process.stdout.read(bytes_max + 1) if process.stdout else b""
                    cut = len(printed) > bytes_max
                    if cut:
                        process.kill()
                    code = process.wait()
                except BaseException:
                    # Also when the call is cancelled: git must not work on.
                    process.kill()
                    raise
            errors.seek(0)
            return Done(code, Output(printed[:bytes_max], cut), errors.read(64 * 1024).decode("utf-8", "replace"))

    def _written(self) -> list[str]:
        linked = [os.path.realpath(os.path.join(self.common_dir, name)) for name in ("objects", "refs", "logs")]
        return [self.git_dir, self.common_dir, *linked, os.path.join(self._scratch, "own")]

    def _environment(self, *, users: bool) -> dict[str, str]:
        nothing = os.path.join(self._scratch, "none")
        environment = {
            **_OWN_ENVIRONMENT,
            "GIT_DIR": self.git_dir,
            "GIT_COMMON_DIR": os.path.join(self._scratch, "common"),
            "GIT_WORK_TREE": self.top,
            "GIT_ATTR_NOSYSTEM": "1",
            # Git starts what it needs of itself from these; what runs here needs no second program.
            "PATH": nothing,
            "GIT_EXEC_PATH": nothing,
            "HOME": os.path.join(self._scratch, "home"),
        }
        if "TZ" in os.environ:
            environment["TZ"] = os.environ["TZ"]
        if users:
            environment.update({name: os.environ[name] for name in ("HOME", "XDG_CONFIG_HOME") if name in os.environ})
        else:
            environment["GIT_CONFIG_NOSYSTEM"] = "1"
        return environment

    def _plain_environment(self) -> dict[str, str]:
        environment = {name: os.environ[name] for name in _PASSED_TO_PROGRAMS if name in os.environ}
        environment.update(_OWN_ENVIRONMENT)
        # Git looks for the repository from the top upwards, but not above the project root.
        environment["GIT_CEILING_DIRECTORIES"] = os.path.dirname(self._bases.folders[0])
        return environment


class Done(NamedTuple):
    """How a git command ended."""

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


def _refuse_secret(descriptor: int, path: str) -> None:
    secret = protected.is_secret(descriptor)
    if secret is not None:
        raise ToolError(f"`{path}` is {secret}, which omni keeps to itself")


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
