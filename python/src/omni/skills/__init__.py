"""Running a skill's tool in a process of its own: `python -m omni.skills.run`."""

# The exit codes of such a process.
OK = 0
FAILED = 1
USAGE = 2
TIMED_OUT = 124
