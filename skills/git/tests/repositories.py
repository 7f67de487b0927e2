"""How does a person make the repositories that the tests look at?"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def git(folder, *arguments, check=True, **environment):
    """Run git as a person would, but with nobody's configuration."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(Path(folder).parent),
            "GIT_CONFIG_NOSYSTEM": "1",
            **environment,
        },
        check=check,
        capture_output=True,
        text=True,
    )
    return done.stdout


def start(folder):
    """Make a repository with two commits in an empty folder."""
    folder.mkdir(exist_ok=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "config", "user.name", "Ann Author")
    git(folder, "config", "user.email", "ann@example.org")
    (folder / "a.txt").write_text("one\ntwo\nthree\n")
    (folder / "dir").mkdir()
    (folder / "dir" / "b.txt").write_text("b\n")
    git(folder, "add", ".")
    git(
        folder,
        "commit",
        "--quiet",
        "-m",
        "first: start\n\nBecause.",
        GIT_AUTHOR_DATE="2024-01-02T03:04:05+00:00",
    )
    (folder / "a.txt").write_text("one\n2\nthree\n")
    git(folder, "commit", "--quiet", "-am", "second: change")
