"""Role B: one call in a process of its own.

    python -m omni.skills.run SKILL COMMAND [--args JSON | --args -] [--json] [--skills DIR]
    python -m omni.skills.run SKILL --resource NAME_OR_URI …
    python -m omni.skills.run SKILL --prompt NAME …

By hand it prints the result and exits with 0, 1 (the tool failed), 2 (the call is wrong: no such
command, bad arguments) or 124 (the tool's time limit struck). Started by the server, it has a control
channel: the call and its arguments come down it and the answer goes up it, as in a worker, with the same
exit codes.
"""

import os
import sys

from omni.skills import FAILED, OK, USAGE

_USAGE = (
    "usage: python -m omni.skills.run SKILL COMMAND | --resource NAME_OR_URI | --prompt NAME "
    "[--args JSON | --args -] [--json] [--skills DIR]"
)
_HELP = f"""{_USAGE}

Run one tool of a skill and print its result, read one of its resources, or fill in one of its prompts.

  --resource R   a resource's name, or its URI; a template's variables come from the URI, or from `--args`
  --prompt P     a prompt's name; `--args` has its arguments
  --args JSON    the arguments, a JSON object; `-` reads it from standard input
  --json         print the whole result as one JSON object
  --skills DIR   the folder that holds the skills (default: $OMNI_SKILLS or ./skills)

Exit codes: 0 the tool returned, 1 it failed, 2 wrong usage or arguments, 124 its time limit struck.
"""


class UsageError(Exception):
    """The command line or the arguments are wrong: exit code 2."""


class Options:
    """The command line."""

    def __init__(self) -> None:
        self.skill = ""
        self.command = ""
        #: What the command is: `tool`, `resource` or `prompt`.
        self.kind = "tool"
        self.arguments = "{}"
        self.skills = os.environ.get("OMNI_SKILLS") or "skills"
        self.json = False
        self.help = False


def parse(words: "list[str]") -> Options:
    """Read the command line. By hand, because `argparse` would be most of the time this process takes."""
    options = Options()
    names = []
    words = list(words)
    while words:
        word = words.pop(0)
        option, given, value = word.partition("=")
        if option in ("--args", "--skills", "--resource", "--prompt"):
            if not given:
                if not words:
                    raise UsageError(f"`{option}` needs a value")
                value = words.pop(0)
            if option in ("--resource", "--prompt"):
                if options.kind != "tool":
                    raise UsageError(f"`{option}` is one too many: there is `--{options.kind}` already")
                options.kind, options.command = option[2:], value
            else:
                setattr(options, "arguments" if option == "--args" else "skills", value)
        elif word == "--json":
            options.json = True
        elif word in ("-h", "--help"):
            options.help = True
        elif word.startswith("-"):
            raise UsageError(f"there is no option `{word}`")
        else:
            names.append(word)
    if options.help:
        return options
    wanted = 2 if options.kind == "tool" else 1
    if len(names) < wanted:
        raise UsageError("give a skill and a command" if wanted == 2 else "give a skill")
    if len(names) > wanted:
        raise UsageError(f"`{names[wanted]}` is one word too many")
    options.skill = names[0]
    if wanted == 2:
        options.command = names[1]
    return options


def main() -> None:
    """Run the call that the command line and the environment describe, and exit with its code."""
    from omni.worker import forget_current_folder

    forget_current_folder()
    try:
        options = parse(sys.argv[1:])
    except UsageError as error:
        _complain(f"{error}\n{_USAGE}")
        sys.exit(USAGE)
    if options.help:
        sys.stdout.write(_HELP)
        sys.exit(OK)
    sys.exit(_run_for_server() if "OMNI_CONTROL_FD" in os.environ else _run_by_hand(options))


def _complain(message: str) -> None:
    os.write(2, f"omni: {message}\n".encode("utf-8", "replace"))


# -- for the server -----------------------------------------------------------------------------------


def _run_for_server() -> int:
    from omni.channel import ChannelError, open_channel
    from omni.worker import ready, take_signals

    try:
        channel = open_channel()
    except ChannelError as error:
        _complain(str(error))
        return USAGE
    err = take_signals()
    channel.send(ready())

    from omni.call_frame import CallReader
    from omni.worker_loop import greet, next_frame

    _, tool_runner = greet(channel, err)
    reader = CallReader()
    kind, call = next_frame(channel, reader)
    while kind != "call":
        if kind == "drain":
            return OK
        kind, call = next_frame(channel, reader)
    answer = tool_runner.run(call)
    tool_runner.tidy()
    channel.send(answer)
    return exit_code(answer)


def read_arguments(text: str) -> dict:
    """Parse the arguments. Raises `UsageError` unless they are a JSON object."""
    from omni import wire

    try:
        value = wire.scan_json(text)
    except (ValueError, RecursionError) as error:
        message = f"the arguments are no JSON: {error}"
        raise UsageError(message) from None
    if type(value) is not dict:
        message = 'the arguments are no JSON object; write them like `{"name": "value"}`'
        raise UsageError(message)
    return value


def exit_code(answer: bytes) -> int:
    """Return the exit code for a call that was answered with this frame."""
    from omni import wire

    kind, body = wire.decode(answer[4:])
    if kind == "result":
        return FAILED if body.get("is_error") else OK
    # A frame of another type says that nothing has run.
    return USAGE if body.get("kind") == "invalid_arguments" else FAILED


# -- by hand ---------------------------------------------------------------------------------------------


def _run_by_hand(options: Options) -> int:
    from omni.skills.find import NotFoundError, find_command, find_resource, find_skill
    from omni.skills.manual_run import Console, run

    console = Console(as_json=options.json)
    try:
        folder = find_skill(options.skills, options.skill)
        uri, variables = "", {}
        if options.kind == "resource":
            command, uri, variables = find_resource(folder, options.skill, options.command)
        else:
            command = find_command(folder, options.command, options.kind)
        text = options.arguments
        if text == "-":
            with open(0, "rb", closefd=False) as source:
                text = source.read().decode("utf-8", "replace")
        arguments = {**read_arguments(text), **variables}
    except (UsageError, NotFoundError) as error:
        console.show_error(str(error))
        return USAGE
    except SyntaxError as error:
        place = os.path.relpath(error.filename or options.skills, folder)
        console.show_error(f"`{place}:{error.lineno}`: SyntaxError: {error.msg}")
        return FAILED
    return exit_code(run(console, options.skill, folder, command, arguments, uri=uri))


if __name__ == "__main__":
    main()
