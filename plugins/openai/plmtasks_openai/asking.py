"""Requests sent to a server, many at once, and what comes back."""

import asyncio
import os
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from plmtasks.errors import ModelError
from plmtasks.model import Cost, LoadedModel
from plmtasks.requests import Answer, Generate, GenerateAnswer, Request, before_stop, plain_prompt, raw_prompt, turns

from .connection import KEPT, Connection

if TYPE_CHECKING:
    from plmtasks.config import ModelSettings

STOPS = 4
"""Stop texts that the protocol takes; an answer is cut at the others here."""
HELD = 8
"""Tokens of requests for one of the token budget: what waits for a server takes no memory here."""
TRIES = 3
"""For an answer that is none."""


class NoCompletion(ValueError):
    """What came back is no completion."""


class LoadedServed(LoadedModel):
    """A batch is asked all at once, as far as the concurrency allows, and is journalled whole."""

    parameters = None

    def __init__(self, model: str, connection: Connection, settings: "ModelSettings") -> None:
        """model: what the server calls it"""
        import openai

        self.model, self.settings, self.connection = model, settings, connection
        processes = int(os.environ.get("WORLD_SIZE", "1"))
        self.interval = 60 * processes / self.connection.per_minute if self.connection.per_minute else 0.0
        """Seconds between two requests of this process."""
        self._next = 0.0
        # every try goes through the hook, those that the client makes again too
        paced = openai.DefaultAsyncHttpxClient(event_hooks={"request": [self._prepare]})
        self.client = self.connection.client(http_client=paced)
        self.slots = asyncio.Semaphore(self.connection.concurrency)
        # a loop of its own: the caller may be within one, as in a notebook
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        weakref.finalize(self, self.loop.call_soon_threadsafe, self.loop.stop)

    def costs(self, requests: Sequence[Request]) -> list[Cost]:
        """By the tokens read and made, at four bytes a token: the server's tokenizer is not known here."""
        asked = cast(Sequence[Generate], requests)
        counts = [len(shown(r, self.settings).encode()) // 4 + new_tokens(r, self.settings) for r in asked]
        return [Cost(width=cost, bare=cost) for cost in (-(-count // HELD) for count in counts)]

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """raises: ModelError as soon as one request is refused for good; the others are given up"""
        import openai

        asked = asyncio.run_coroutine_threadsafe(self._together(cast(Sequence[Generate], requests)), self.loop)
        try:
            return asked.result()
        except ExceptionGroup as group:
            error = group.exceptions[0]
            if isinstance(error, openai.OpenAIError):
                self.connection.refuse(error)
            if isinstance(error, NoCompletion):
                raise ModelError(
                    f"the server at {self.connection.address} gave no completion: {self.connection.hidden(str(error))}", KEPT
                ) from None
            raise error from None
        finally:
            asked.cancel()  # whoever interrupts the run pays for no more answers

    async def _together(self, requests: Sequence[Generate]) -> list[Answer]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._ask(request)) for request in requests]
        return [task.result() for task in tasks]

    async def _ask(self, request: Generate) -> Answer:
        import tenacity

        again = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(NoCompletion), stop=tenacity.stop_after_attempt(TRIES),
            wait=tenacity.wait_random_exponential(multiplier=0.5), reraise=True,
        )  # fmt: skip
        async with self.slots:
            text: str = await again(self._completed, request)
        return GenerateAnswer(text=before_stop(text, request.stop).strip())

    async def _completed(self, request: Generate) -> str:
        chat = self.settings.prompt == "chat"
        create: Any = self.client.chat.completions.create if chat else self.client.completions.create
        try:
            completion = await create(model=self.model, **body(request, self.settings))
            choice = completion.choices[0]
            text = choice.message.content if chat else choice.text
        except (ValueError, TypeError, AttributeError, IndexError) as e:  # no JSON, or of another form
            raise NoCompletion(f"{type(e).__name__}: {e}") from e
        if text is None and choice.finish_reason in ("length", "content_filter"):
            return ""  # it says why there is none
        if not isinstance(text, str):
            raise NoCompletion(f"{text!r} for a text")
        return text

    async def _prepare(self, request: Any) -> None:
        self.connection.bare(request)
        now = time.monotonic()
        at = max(self._next, now)
        self._next = at + self.interval
        await asyncio.sleep(at - now)


def body(request: Generate, settings: "ModelSettings") -> dict[str, Any]:
    """The fields of a request besides the model. `model_args` come last, and win."""
    wanted = settings.generation
    made: dict[str, Any] = {"max_tokens": new_tokens(request, settings), "temperature": wanted.temperature}
    if settings.prompt == "chat":
        made["messages"] = turns(request, request.shots, request.text)
    else:
        made["prompt"] = shown(request, settings)
    if request.stop:
        made["stop"] = list(request.stop[:STOPS])
    if wanted.temperature > 0:
        made |= {"seed": settings.seed, **({} if wanted.top_p is None else {"top_p": wanted.top_p})}
    extra: Mapping[str, Any] = settings.model_args
    return {**made, "extra_body": dict(extra)} if extra else made


def new_tokens(request: Generate, settings: "ModelSettings") -> int:
    return settings.generation.max_new_tokens or request.max_new_tokens


def shown(request: Any, settings: "ModelSettings") -> str:
    """The prompt; of a chat each turn under its role."""
    if settings.prompt == "chat":
        said = turns(request, request.shots, request.text)
        return "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in said)
    if settings.prompt == "raw":
        return raw_prompt(request.shots, request.text)
    return plain_prompt(request, request.shots, request.text)
