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


@pytest.mark.skipif(sys.version_info < (3, 11), reason="no older Python reads a settings file")
def test_what_is_set_of_what_clients_see_is_named_since_it_does_not_hold(tmp_path, capsys):
    from omni.mcp.__main__ import _settings

    path = tmp_path / "omni.toml"
    path.write_text('filter = ["web"]\nnames = "dotted"\n[overrides."a.b"]\nalias = "x"\n[profiles]\n')
    assert _settings(str(path))["names"] == "dotted"
    said = capsys.readouterr().err.splitlines()
    assert [line.split("`")[1] for line in said] == ["filter", "overrides"]
    assert all("has no effect here" in line for line in said)
