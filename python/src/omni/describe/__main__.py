"""Print the tools of a folder of skills as JSON: `python -m omni.describe SKILLS_DIR`.

The output is one object, `{"tools": […], "problems": [{"file", "line", "severity", "message"}]}`; problems go
to standard error as well. Exit codes: 0, 1 when a problem keeps something from being listed, 2 wrong usage.
"""

from __future__ import annotations

import json
import sys


def main(words: list[str]) -> int:
    """Print what is in the folder that the command line names."""
    from omni.worker import forget_current_folder

    forget_current_folder()
    if len(words) != 1 or words[0].startswith("-"):
        asked = words in (["-h"], ["--help"])
        (sys.stdout if asked else sys.stderr).write(__doc__ or "")
        return 0 if asked else 2
    from omni.describe import Problem, describe_skills

    problems: list[Problem] = []
    try:
        tools = describe_skills(words[0], problems)
    except OSError as error:
        sys.stderr.write(f"omni: `{words[0]}` is no folder of skills: {error.strerror}\n")
        return 2
    for problem in problems:
        sys.stderr.write(f"omni: {problem}\n")
    names = ("file", "line", "severity", "message")
    said = [{name: getattr(problem, name) for name in names} for problem in problems]
    sys.stdout.write(json.dumps({"tools": tools, "problems": said}, ensure_ascii=True, indent=1) + "\n")
    return 1 if any(problem.severity == "error" for problem in problems) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
