"""What `from_pretrained` loads, written."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from plmtasks.errors import OutputError

State = Mapping[str, Any]
"""Name → tensor."""


def view_state(state: State, number: int) -> dict[str, Any]:
    """The weights of one view in the state of a ModuleList of all views' modules."""
    prefix = f"{number}."
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def save_checkpoint(module: Any, tokenizer: Any, folder: Path, state: State | None = None) -> None:
    """Writes model and tokenizer.

    raises: OutputError
    """
    with writing(folder):
        module.save_pretrained(folder, state_dict=None if state is None else dict(state))
        tokenizer.save_pretrained(folder)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """raises: OutputError if what is written inside cannot be"""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as e:
        raise OutputError(f"{folder}: cannot be written: {e}", "what was finished is kept; make room and run again") from e
