"""Requests sent to a server, many at once, and what comes back."""

import asyncio
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from plmtasks.errors import InputError, ModelError
from plmtasks.model import Cost, LoadedModel
from plmtasks.requests import Answer, Choose, ChooseAnswer, Generate, Likelihood, LogLikelihood, LogLikelihoodAnswer, Request

from .bodies import body, going_on, is_chat, messages, new_tokens, shown, text, with_extra
from .connection import KEPT, LIKELIHOODS, PREFIX_TOKEN, Connection
from .likelihoods import BEFORE, ECHO, LISTED, LISTED_MORE, NoLikelihood, Told, boundary, echoed, listed, parted, tally
from .reading import read

if TYPE_CHECKING:
    from plmtasks.config import ModelSettings

HELD = 8
"""Tokens of requests for one of the token budget: what waits for a server takes no memory here."""
TRIES = 3
"""For an answer that is none."""


Read = TypeVar("Read")


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
        return [Cost(width=cost, bare=cost) for cost in (-(-self._tokens(request) // HELD) for request in requests)]

    def _tokens(self, request: Request) -> int:
        prompt = len(shown(request, self.settings).encode())
        if isinstance(request, Choose):
            return sum(prompt + len(choice.encode()) for choice in request.choices) // 4 + len(request.choices)
        return prompt // 4 + (new_tokens(request, self.settings) if isinstance(request, Generate) else 1)

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """raises: ModelError as soon as one request is refused for good; the others are given up"""
        asked = asyncio.run_coroutine_threadsafe(self._together(requests), self.loop)
        try:
            return asked.result()
        except ExceptionGroup as group:
            error: Exception = group
            while isinstance(error, ExceptionGroup):  # of a request's choices within that of the requests
                error = error.exceptions[0]
            self._refuse(error, likelihoods=not all(isinstance(r, Generate) for r in requests))
            raise error from None
        finally:
            asked.cancel()  # whoever interrupts the run pays for no more answers

    def _refuse(self, error: Exception, likelihoods: bool) -> None:
        """raises: ModelError, where the error is the server's"""
        import openai

        at = f"the server at {self.connection.address}"
        if isinstance(error, openai.OpenAIError):
            self.connection.refuse(error, likelihoods)
        if isinstance(error, NoCompletion):
            raise ModelError(f"{at} gave no completion: {self.connection.hidden(str(error))}", KEPT) from None
        if isinstance(error, NoLikelihood):
            said = f"{at} does not tell how likely a text is: it gave {self.connection.hidden(str(error))}"
            raise ModelError(said, *(error.hints or LIKELIHOODS), KEPT) from None

    async def _together(self, requests: Sequence[Request]) -> list[Answer]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._ask(request)) for request in requests]
        return [task.result() for task in tasks]

    async def _ask(self, request: Request) -> Answer:
        if isinstance(request, Choose):
            return ChooseAnswer(choices=tuple(await self._chosen(request)))
        if isinstance(request, LogLikelihood):
            return await self._scored(request)
        assert isinstance(request, Generate)
        sent, chat = body(request, self.settings), is_chat(request, self.settings)
        return await self._sent(sent, lambda completion: read(completion, chat, request, self.settings))

    async def _sent(self, sent: dict[str, Any], reading: Callable[[Any], Read]) -> Read:
        """What is read of the completion that comes back."""
        import tenacity

        create: Any = self.client.chat.completions.create if "messages" in sent else self.client.completions.create

        async def once() -> Read:
            try:
                return reading(await create(model=self.model, **sent))
            except NoLikelihood:
                raise
            except (ValueError, TypeError, AttributeError, IndexError, KeyError) as e:  # no JSON, or of another form
                raise NoCompletion(f"{type(e).__name__}: {e}") from e

        again = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(NoCompletion), stop=tenacity.stop_after_attempt(TRIES),
            wait=tenacity.wait_random_exponential(multiplier=0.5), reraise=True,
        )  # fmt: skip
        async with self.slots:
            return await again(once)

    async def _chosen(self, request: Choose) -> list[Likelihood]:
        """Each choice behind the prompt, at the same time as the others."""
        for choice in request.choices:
            if not choice:  # it would be likelier than all others
                raise InputError("an empty choice has no token, and so no likelihood", "give it words, or leave it out")
        likely = self._said_next if is_chat(request, self.settings) else self._next_to
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(likely(request, choice)) for choice in request.choices]
        return [task.result() for task in tasks]

    async def _next_to(self, request: Choose, choice: str) -> Likelihood:
        behind = choice if request.exact else f" {choice}"
        told, known = await self._behind(text(request, self.settings), behind)
        return tally(told, known, choice).likelihood(choice)

    async def _said_next(self, request: Choose, choice: str) -> Likelihood:
        """As what the assistant says, by the server's chat template."""
        said = messages(request, self.settings)
        begun = said[-1]["content"] if going_on(said) else ""
        whole = [*(said[:-1] if going_on(said) else said), {"role": "assistant", "content": begun + choice}]
        known, told = len(await self._told_of(said)), await self._told_of(whole)
        return tally(told, known, choice).likelihood(choice)

    async def _told_of(self, said: list[dict[str, str]]) -> list[Told]:
        sent = with_extra({**LISTED, "messages": said}, self.settings, {**LISTED_MORE, **going_on(said)})
        return await self._sent(sent, listed)

    async def _scored(self, request: LogLikelihood) -> LogLikelihoodAnswer:
        if not request.text:
            return LogLikelihoodAnswer(log_likelihood=0.0, tokens=0, words=0, bytes=0)
        told, known = await self._behind(request.context, request.text)
        return tally(told, known, request.text).answer(request)

    async def _behind(self, context: str, behind: str) -> tuple[list[Told], int]:
        """The tokens of context and text together, and how many of them are the context's.

        A token that stands across the boundary is the text's, if the context alone has no more tokens than stand before it: the
        two are parted where the context alone would end, as lm-evaluation-harness does.
        """
        head, tail = parted(context, behind)
        head = head or str(self.settings.model_args.get(PREFIX_TOKEN, ""))
        told = await self._echoed(head + tail)
        known = boundary(told, head, head + tail)
        if known is not None:
            return told, known
        if not head:
            raise NoLikelihood(f"tokens of which nobody can tell where {tail[:80]!r} begins, a text without a context", BEFORE)
        return told, len(await self._echoed(head))

    async def _echoed(self, prompt: str) -> list[Told]:
        return await self._sent(with_extra({**ECHO, "prompt": prompt}, self.settings, {}), lambda came: echoed(came, prompt))

    async def _prepare(self, request: Any) -> None:
        self.connection.bare(request)
        now = time.monotonic()
        at = max(self._next, now)
        self._next = at + self.interval
        await asyncio.sleep(at - now)
