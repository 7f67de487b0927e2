"""The way back: an MCP server in Python alone, over standard input and output.

`python -m omni.mcp --skills DIR` serves the folder that `omni mcp --skills DIR` serves, with the same
tools, schemas, results and endings. It is for the day on which the binary cannot be used: slower, one
client, standard library only. Skills are described by importing them (`omni.describe`), and calls run on
supervised workers (`omni.supervise`), so that a tool that hangs or crashes costs its own call here too.
"""
