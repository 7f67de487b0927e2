"""What the SDK asks about resources, prompts and completions, and how what it is told is made."""

from __future__ import annotations

import asyncio
from threading import Thread

from omni.inprocess_items import InProcessItems, RefusedItemError
from omni.mcp.outcomes import failed_result, log_failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

#: Of the revisions up to 2025-11-25; later ones say that a parameter is invalid.
_RESOURCE_NOT_FOUND = -32002
_LEGACY_ENDS = "2026"


class ItemHandlers:
    """Answers the SDK's questions about what a folder has besides tools."""

    def __init__(self, items: InProcessItems, types: Any, error: Any, detail: str) -> None:
        self._items = items
        self._types = types
        self._error = error
        self._detail = detail

    def offered(self) -> dict[str, Any]:
        """Return the handlers for what there is: the SDK offers to clients what it has a handler for."""
        lists, prompts = self._items.resources(), self._items.prompts()
        types, handlers = self._types, {}
        if lists["resources"] or lists["resourceTemplates"]:
            own = {"resources": lists["resources"]}
            templates = {"resourceTemplates": lists["resourceTemplates"]}
            handlers["on_list_resources"] = self._list(types.ListResourcesResult, own)
            handlers["on_list_resource_templates"] = self._list(types.ListResourceTemplatesResult, templates)
            handlers["on_read_resource"] = self._read
        if prompts["prompts"]:
            handlers["on_list_prompts"] = self._list(types.ListPromptsResult, prompts)
            handlers["on_get_prompt"] = self._get
        if self._items.completes:
            handlers["on_completion"] = self._complete
        return handlers

    def _list(self, kind: Any, listing: dict[str, Any]) -> Any:
        async def answer(_context: Any, _params: Any) -> Any:
            return kind.model_validate(listing, by_name=False)

        return answer

    async def _read(self, context: Any, params: Any) -> Any:
        revision = str(getattr(context, "protocol_version", "") or "")
        missing = self._types.INVALID_PARAMS if revision >= _LEGACY_ENDS else _RESOURCE_NOT_FOUND
        uri = str(params.uri)
        read = await self._answer(lambda: self._items.read(uri), uri, missing)
        return self._types.ReadResourceResult.model_validate(read, by_name=False)

    async def _get(self, _context: Any, params: Any) -> Any:
        name, arguments = params.name, dict(params.arguments or {})
        filled = await self._answer(lambda: self._items.get(name, arguments), name)
        return self._types.GetPromptResult.model_validate(filled, by_name=False)

    async def _complete(self, _context: Any, params: Any) -> Any:
        of, argument = params.ref, params.argument
        kind = "prompt" if of.type == "ref/prompt" else "resource"
        name = of.name if kind == "prompt" else str(of.uri)
        known = dict((params.context and params.context.arguments) or {})
        values = await self._answer(
            lambda: self._items.complete(kind, name, argument.name, argument.value, known), name
        )
        return self._types.CompleteResult.model_validate({"completion": values}, by_name=False)

    async def _answer(
        self, ask: Callable[[], dict[str, Any]], name: str, missing: int | None = None
    ) -> dict[str, Any]:
        """Run a function in a thread of its own. Raises the SDK's error where it gives nothing."""
        loop = asyncio.get_running_loop()
        given: asyncio.Future[dict[str, Any]] = loop.create_future()

        def settle(answer: Any, error: Exception | None) -> None:
            if given.done():  # the client has left
                return
            if error is None:
                given.set_result(answer)
            else:
                given.set_exception(error)

        def work() -> None:
            answer = failed = None
            try:
                answer = ask()
            except Exception as error:
                failed = error
            try:
                loop.call_soon_threadsafe(settle, answer, failed)
            except RuntimeError:  # the loop is closed
                return

        Thread(target=work, name=f"omni-{name}", daemon=True).start()
        try:
            return await given
        except RefusedItemError as refused:
            raise self._refusal(refused, name, missing) from None

    def _refusal(self, refused: RefusedItemError, name: str, missing: int | None) -> Exception:
        types = self._types
        if refused.kind in ("not_found", "invalid_arguments"):
            absent = missing is not None and refused.kind == "not_found"
            return self._error(missing if absent else types.INVALID_PARAMS, str(refused))
        if refused.kind == "mcp_error" and refused.failure is not None:
            return self._error(refused.failure["code"], str(refused), refused.failure.get("data"))
        failure = refused.failure or {"kind": refused.kind, "message": str(refused)}
        log_failure(name, failure)
        shown = failed_result(name, failure, started=True, elapsed_ms=0, detail=self._detail)
        return self._error(types.INTERNAL_ERROR, shown["content"][0]["text"])
