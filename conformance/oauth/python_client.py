"""Log in to a server by the OAuth of the official Python SDK 2.x, and use it.

Takes one JSON argument, `{"url": …, "name": …}`, and prints one JSON object: the tools' names and what a call said.
"""

from __future__ import annotations

import asyncio
import json
import sys
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

JOB = json.loads(sys.argv[1])
# Nobody listens there: the browser that this is stops where it would be sent to.
CALLBACK = "http://127.0.0.1:1/callback"


class Memory:
    """Keeps what a client keeps between two runs."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Browser:
    """Goes where it is sent, with its cookies, until it is sent to the client."""

    answer: dict[str, list[str]]

    async def open(self, address: str) -> None:
        async with httpx2.AsyncClient() as web:
            while not address.startswith(CALLBACK):
                reply = await web.get(address)
                if not reply.is_redirect:
                    message = f"{address} answered {reply.status_code}: {reply.text[:300]}"
                    raise RuntimeError(message)
                address = str(reply.url.join(reply.headers["location"]))
        self.answer = parse_qs(urlsplit(address).query)

    async def code(self) -> AuthorizationCodeResult:
        def said(name: str) -> str | None:
            return self.answer.get(name, [None])[0]

        code = said("code")
        if code is None:
            message = f"no code came: {self.answer}"
            raise RuntimeError(message)
        return AuthorizationCodeResult(code=code, state=said("state"), iss=said("iss"))


async def main() -> None:
    browser = Browser()
    about = OAuthClientMetadata(
        client_name=JOB["name"],
        redirect_uris=[CALLBACK],
        grant_types=["authorization_code"],
        response_types=["code"],
        token_endpoint_auth_method="none",  # noqa: S106 - not a password
    )
    login = OAuthClientProvider(JOB["url"], about, Memory(), browser.open, browser.code)
    async with (
        httpx2.AsyncClient(auth=login, timeout=60) as web,
        Client(streamable_http_client(JOB["url"], http_client=web)) as client,
    ):
        tools = await client.list_tools()
        result = await client.call_tool("text_count", {"text": "one two three"})
        text = "".join(block.text for block in result.content if block.type == "text")
        print(json.dumps({"tools": [tool.name for tool in tools.tools], "said": text}))


asyncio.run(main())
