"""The way back, as far as it goes without the SDK: with it, the tests of the binary drive it."""

import subprocess
import sys

import pytest
from harness import environment

from omni.constants import MCP_PACKAGE


def test_without_the_sdk_the_first_line_says_what_to_run(tmp_path):
    # An interpreter without packages, whatever is installed here.
    command = [sys.executable, "-S", "-m", "omni.mcp", "--skills", str(tmp_path)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    first = done.stderr.splitlines()[0]
    assert MCP_PACKAGE in first
    assert "omni python-path --with-mcp" in first
    assert sys.executable in first


@pytest.mark.parametrize("module", ["omni.supervise", "omni.runner.server", "omni.mcp.server"])
def test_what_went_is_gone(module):
    done = subprocess.run(
        [sys.executable, "-c", f"import {module}"], env=environment(), capture_output=True, check=False
    )
    assert b"ModuleNotFoundError" in done.stderr
