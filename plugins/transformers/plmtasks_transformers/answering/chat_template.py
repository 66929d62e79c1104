"""A checkpoint's chat template, rendered in a process of its own that may take so much time and memory.

A template is a program of somebody else. Jinja's sandbox keeps it from files and from Python; nothing keeps it from writing 10¹⁰
letters, or from counting that far.
"""

import json
import selectors
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from plmtasks.errors import ModelError

SECONDS = 10.0
"""For one prompt, once the process is there."""
START = 120.0
"""Seconds until the process is there: it imports a part of transformers."""
BYTES = 1 << 30
"""Beyond what the process has when it is there."""
LETTERS = 10_000_000
"""Of a prompt."""

PROGRAM = """
import json, resource, sys

from jinja2 import TemplateError
from transformers.utils.chat_template_utils import render_jinja_template

pages = int(open("/proc/self/statm").read().split()[0]) if sys.platform == "linux" else 0
if pages:
    most = pages * resource.getpagesize() + int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
print("there", flush=True)
for line in sys.stdin:
    try:
        given = json.loads(line)
        made, _ = render_jinja_template(**given)
        answer = {"text": made[0][:int(sys.argv[2]) + 1]}
    except BaseException as e:
        answer = {"error": f"{type(e).__name__}: {e}"[:300], "of_template": isinstance(e, TemplateError)}
    print(json.dumps(answer), flush=True)
"""


class TemplateError(ModelError):
    """What a template itself refuses: turns in an order, or a role, that its model was not taught."""


class Renderer:
    """Renders one tokenizer's template as often as it is asked to."""

    def __init__(self, name: str, template: str, known: Mapping[str, Any]) -> None:
        """known: what the template knows beside the turns: the special tokens"""
        self.name, self.given = name, {**known, "chat_template": template}
        # its own errors would stand between the lines of a run
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", PROGRAM, str(BYTES), str(LETTERS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._answer(START)

    def __del__(self) -> None:
        process = getattr(self, "_process", None)
        if process is not None:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()

    def render(self, turns: Sequence[Mapping[str, str]], go_on: bool = False) -> str:
        """The turns, and the beginning of the assistant's next.

        go_on: the last turn is the assistant's, and is gone on with

        raises: TemplateError if the template refuses the turns; ModelError if it fails, or takes too long or too much
        """
        assert self._process.stdin is not None
        how = {"add_generation_prompt": not go_on, "continue_final_message": go_on, "conversations": [list(turns)]}
        try:
            self._process.stdin.write(json.dumps({**self.given, **how}, default=str).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._refused("its process ended") from None
        answer = json.loads(self._answer(SECONDS))
        if "error" in answer:
            raise self._refused(answer["error"], TemplateError if answer["of_template"] else ModelError)
        if len(answer["text"]) > LETTERS:
            raise self._refused(f"a prompt of more than {LETTERS:,} letters")
        return str(answer["text"])

    def _answer(self, seconds: float) -> bytes:
        """The next line of the process."""
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            ready = selector.select(seconds)
        if not ready:
            self._process.kill()
            raise self._refused(f"no prompt after {seconds:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise self._refused("its process ended")
        return line

    def _refused(self, why: str, kind: type[ModelError] = ModelError) -> ModelError:
        hint = "leave out --chat, or --system where it takes no such turn, or mend the template"
        return kind(f"the chat template of {self.name!r} fails: {why}", hint)
