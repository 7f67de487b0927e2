"""The package of all skills, for processes that a tool starts by itself.

A worker makes this package in memory. A child of it that is started from nothing, as `multiprocessing` does
with `spawn` and `forkserver`, finds this file instead when it unpickles a function of a skill, and the
folders of the skills in the environment variable that the worker has set.
"""

from __future__ import annotations

import sys

from omni.load import SkillFinder

sys.meta_path.insert(0, SkillFinder())
