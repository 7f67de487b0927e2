"""Our own copy of Python's built-in names, made before any skill is imported.

A module that says `from omni.own_builtins import __builtins__` first thing looks its built-in names up
here: Python asks a function's module for them. So a tool that replaces `isinstance` or `open` for the whole
process does not replace them for the code that has to answer its call.
"""

import builtins

__builtins__ = dict(vars(builtins))
