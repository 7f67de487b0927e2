"""A server on the official Python SDK, over stdio."""

from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel

class Who(BaseModel):
    name: str

server = MCPServer("sdk")

@server.tool()
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b

@server.tool()
async def steps(ctx: Context) -> str:
    """Take steps."""
    await ctx.report_progress(1, 2, "half")
    return "done"

@server.tool()
async def ask(ctx: Context) -> str:
    """Ask back."""
    got = await ctx.elicit("who are you?", Who)
    return repr(got)

@server.tool()
def fail() -> str:
    raise ValueError("on purpose")

server.run()
