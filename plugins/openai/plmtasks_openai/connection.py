"""The way to a server: address, key, pace and retries. Nothing here can change an answer but the address."""

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from plmtasks.errors import InputError, ModelError

if TYPE_CHECKING:
    import openai

NO_KEY = "none"
"""What a server without keys is sent: the client wants one."""
OWN = "https://api.openai.com/v1"
PREFIX = "PLMTASKS_OPENAI_"
PREFIX_TOKEN = "prefix_token"
"""The one of `model_args` that is no field of a request: the text of the token before a text that nothing else precedes."""
KEPT = "what was answered is kept: the same command goes on from there"
SENT = ("host", "connection", "accept-encoding", "content-type", "content-length", "transfer-encoding")
"""The headers that a request to an address in a name keeps: all else may come from the environment, and be a secret."""
FACTS = ("id", "root", "owned_by", "max_model_len")
"""What of a server's word on a model stays the same from one asking to the next; vLLM's `created` is the time of asking."""
HINTS = {
    400: "a prompt may be over the server's limit, or it may not know a field of the request (--model-args)",
    401: "the key is read from OPENAI_API_KEY, and goes only to OPENAI_BASE_URL or OpenAI's own server",
    403: "the key in OPENAI_API_KEY may not use this model",
    404: "--chat asks for chat completions, without it completions are asked for; a server may have one of them alone",
    429: f"{PREFIX}REQUESTS_PER_MINUTE and {PREFIX}CONCURRENCY make the run slower",
}
"""Status → what may help."""
LIKELIHOODS = (
    "servers that tell it by /completions with echo and logprobs: vLLM, and llama-cpp-python's with --logits_all true; "
    "of a chat vLLM alone, by prompt_logprobs",
    "--ask Generate lets the answer be written instead, where the task can be asked so",
)
"""What helps where a server does not tell how likely a text is."""


@dataclass(frozen=True, kw_only=True)
class Connection:
    """Where a server is, and how it is treated."""

    address: str
    key: str = field(repr=False)
    named: bool
    """Whether the address stands in a model's name: names come with others' suites, so it is sent nothing of the environment."""
    concurrency: int
    """Requests of a process under way at once."""
    per_minute: float
    """Requests of all processes, tries again among them; 0: as fast as they come."""
    timeout: float
    """Seconds."""
    retries: int

    def client(self, **more: Any) -> "openai.AsyncOpenAI":
        """It tries again by itself after 408, 409, 429, 5xx, timeouts and cut connections, and waits as Retry-After says."""
        import openai

        return openai.AsyncOpenAI(
            base_url=self.address, api_key=self.key or NO_KEY, timeout=self.timeout, max_retries=self.retries, **more
        )

    def said_of(self, model: str) -> dict[str, Any]:
        """What stays the same of what the server says of a model; empty if it says nothing.

        raises: ModelError
        """
        import openai

        try:
            http = openai.DefaultHttpxClient(event_hooks={"request": [self.bare]})
            with openai.OpenAI(
                base_url=self.address, api_key=self.key or NO_KEY, timeout=60, max_retries=2, http_client=http
            ) as client:
                listed = {found.id: found.model_dump() for found in client.models.list()}
        except (ValueError, TypeError, AttributeError):
            return {}  # no list: some servers have none
        except openai.OpenAIError as e:
            if getattr(e, "status_code", None) in (404, 405):
                return {}
            self.refuse(e)
        return {name: listed[model][name] for name in FACTS if name in listed.get(model, {})}

    def bare(self, request: Any) -> None:
        """Takes from a request, as it is about to be sent, what only the user's own server may see."""
        if self.named:
            for name in set(request.headers) - {*SENT}:
                del request.headers[name]
            request.headers.update({"accept": "application/json", "authorization": f"Bearer {NO_KEY}", "user-agent": "plmtasks"})

    def refuse(self, error: "openai.OpenAIError", likelihoods: bool = False) -> NoReturn:
        """raises: ModelError that says what the server said, without the key

        likelihoods: whether it was asked for those, which not every server tells
        """
        import openai

        hint, more = "", LIKELIHOODS if likelihoods and isinstance(error, openai.APIStatusError) else ()
        if isinstance(error, openai.APITimeoutError):
            what, hint = f"did not answer within {self.timeout:g} s", f"{PREFIX}TIMEOUT gives it more seconds"
        elif isinstance(error, openai.APIConnectionError):
            what, hint = "cannot be reached", "OPENAI_BASE_URL or openai:MODEL@http://HOST:PORT/v1 say where it is"
        elif isinstance(error, openai.APIStatusError):
            what, hint = f"refuses: {self.hidden(error.message)}", HINTS.get(error.status_code, "")
        else:
            what = f"cannot be asked: {self.hidden(str(error))}"
        raise ModelError(f"the server at {self.address} {what}", *filter(None, [hint, *more, KEPT])) from None

    def hidden(self, text: str) -> str:
        """The beginning of what a server says, which may repeat the key."""
        return (text.replace(self.key, "…") if self.key else text)[:500]


def connection(address: str | None) -> Connection:
    """By the environment, which is no part of a run's identity.

    Key, organization, project and further headers go only where the environment says, never to an address in a name.

    raises: InputError
    """
    at = address or os.environ.get("OPENAI_BASE_URL") or OWN
    parts = urlsplit(at)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InputError(
            f"an address with more than a path: {parts.hostname}", "it stands in the results; a key is read from OPENAI_API_KEY"
        )
    key = os.environ.get("OPENAI_API_KEY") if address is None else None
    if not key and at == OWN:
        raise ModelError(
            "OPENAI_API_KEY is not set, and neither is OPENAI_BASE_URL",
            "for a server of your own: openai:MODEL@http://HOST:PORT/v1",
        )
    return Connection(
        address=at.rstrip("/"), key=key or "", named=address is not None, concurrency=int(_number("CONCURRENCY", 16, least=1)),
        per_minute=_number("REQUESTS_PER_MINUTE", 0), timeout=_number("TIMEOUT", 600), retries=int(_number("RETRIES", 8)),
    )  # fmt: skip


def _number(name: str, default: float, least: float = 0) -> float:
    found = os.environ.get(PREFIX + name) or str(default)
    try:
        number = float(found)
    except ValueError:
        number = -1
    if not number >= least:
        raise InputError(f"{PREFIX}{name} is a number of at least {least:g}, not {found!r}")
    return number
