"""The way back: the tools of a folder over MCP without the binary, on the official Python SDK.

`python -m omni.mcp --skills DIR` lists what `omni mcp` lists, with the same schemas and results. The SDK (the
package `mcp`, Python 3.10 or newer) speaks the protocol; this is an adapter between it and the functions. No
policy here (retries, caching, concurrency, affinity), and nothing is ended: see `omni.inprocess`.
"""
