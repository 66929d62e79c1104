"""Defaults of settings that the user's environment holds: PLMTASKS_OUTPUT=runs."""

import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..config import GROUPS, LAUNCHED, PARTS, known, run_config, setting_types, types
from ..errors import InputError, did_you_mean
from ..files import values
from ..hooks import DISABLED_VARIABLE, MODULES_VARIABLE
from .watch import SILENCE

PREFIX = "PLMTASKS_"

NEVER = (*types(PARTS["source"]), "model_args", "trust_remote_code")
"""Settings that belong to one command: which data it reads, and what may run code."""

OTHERS = (LAUNCHED, DISABLED_VARIABLE, MODULES_VARIABLE, SILENCE)
"""Variables of ours that are no settings."""

YES, NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


class Variable(NamedTuple):
    """One of the environment that begins like ours."""

    name: str
    text: str
    setting: str | None
    """None: it is no setting."""
    hints: tuple[str, ...] = ()
    """What may have been meant by one that is nothing here. A plugin may know it."""

    @property
    def value(self) -> Any:
        """Of the setting; None if it is none.

        raises: InputError, which names the variable, for a text that its setting does not take
        """
        if self.setting is None:
            return None
        found = _typed(self.setting, self.text, self.name)
        try:
            run_config("task", "model", **{self.setting: found})
        except InputError as e:
            raise InputError(f"{self.name}: {e.message}", *e.hints) from e
        return found


def variables(environ: Mapping[str, str] = os.environ) -> Iterator[Variable]:
    """Those that are set, by name; what is empty is not set."""
    names = {f"{PREFIX}{name.upper()}": name for name in _types()}
    apart = {f"{PREFIX}{name.upper()}": f"say --{name.replace('_', '-')} with the command" for name in NEVER}
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX) or not text:
            continue
        hints = [apart[name]] if name in apart else [] if name in (*names, *OTHERS) else did_you_mean(name, [*names, *OTHERS])
        yield Variable(name, text, names.get(name), tuple(hints))


def from_environment(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The settings that the environment has defaults for, as `run_config` takes them.

    raises: InputError, which names the variable, for a value that its setting does not take
    """
    return {one.setting: one.value for one in variables(environ) if one.setting is not None}


def _types() -> dict[str, Any]:
    """Setting → type; those of a group by themselves, and the group."""
    own = {name: hint for form in GROUPS.values() for name, hint in types(form).items()}
    return {name: hint for name, hint in (own | dict(setting_types())).items() if name not in NEVER}


def _typed(setting: str, text: str, variable: str) -> Any:
    """raises: InputError"""
    if setting in GROUPS:
        form = types(GROUPS[setting])
        pairs = known(dict(values.split(text)), form, f"setting of {variable}")
        return {name: values.typed(form[name], said, f"{variable} {name}") for name, said in pairs.items()}
    if _types()[setting] is not bool:
        return values.typed(_types()[setting], text, variable)
    if text.lower() not in (*YES, *NO):
        raise InputError(f"{variable} is {text!r}", "1 says yes, 0 says no")
    return text.lower() in YES
