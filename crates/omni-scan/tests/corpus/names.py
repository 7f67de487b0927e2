"""Names, and ways to mark a tool."""

import omni
import omni as o
from omni import skill_command, tool
from omni import tool as t

alias = tool
reader = tool(read_only=True, title="Read")


@tool
def plain(): ...


@tool()
def called(): ...


@t
def renamed_import(): ...


@omni.tool
def by_module(): ...


@o.tool(name="by-alias")
def by_module_alias(): ...


@skill_command
def old_name(): ...


@skill_command(name="old.name_2")
def old_name_called(): ...


@alias
def by_alias(): ...


@reader
def configured(): ...


@tool
def getTheThing2x(): ...


@tool
def _hidden(): ...


@tool
def snake_case_name_3d(): ...


@tool(name="with-dash_and_underscore")
def named(): ...


@tool(name="UPPER.lower-Mixed")
def cased(): ...


@tool(title="")
def empty_title(): ...


@tool(description="Said.", version="2")
def versioned(): ...
