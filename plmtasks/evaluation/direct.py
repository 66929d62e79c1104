"""Requests that are at hand, whoever made them: answered in one of the processes, by a model that stays loaded."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

from ..config import RunConfig
from ..errors import InputError, counted
from ..execution import Journal, MemoryJournal, Processes, Progress, answering, environment
from ..files import claim, local, open_folder, value_hash
from ..hooks import Registry
from ..model import LoadedModel
from ..requests import Answer, Request, Several, one_of_each_kind, to_json


@dataclass(kw_only=True)
class Direct:
    """One process's part in answering: the model is loaded when there are first requests."""

    config: RunConfig
    """Of the model and its settings, with every automatic choice made; its task is a name for messages."""
    shown: Request
    """One request of each kind that may come."""
    cache: Path | None
    """A folder of journals by which a killed call is gone on with; None: nobody would."""
    registry: Registry
    processes: Processes

    def __post_init__(self) -> None:
        self._calls = count()

    @cached_property
    def loaded(self) -> LoadedModel:
        """raises: InputError if it lacks weights to answer such requests; ModelError"""
        model, settings = self.registry.model(self.config.model), self.config.settings
        environment.set_threads(settings.threads)
        if model.from_scratch or model.newly_initialized(self.shown):
            raise InputError(f"{model.name!r} has no weights that answer {self.shown.kind()}", "name a checkpoint that has")
        return model.load(self.shown, settings, self.processes.device())

    @cached_property
    def machine(self) -> str:
        return str(self.processes.share("machine", lambda: environment.machine_class(self.processes.device())))

    def answers(self, requests: Sequence[Request]) -> list[Answer | None]:
        """In the main process an answer to each request, None where the model's limit left it out; nothing in the others.

        Called in all processes with the same requests, none of them several.

        raises: InputError for a kind that was not shown, or that the model does not answer; PlmtasksError, whatever stops it:
            what was answered before is kept where there is a cache
        """
        asked = {request.kind() for request in requests} - {request.kind() for request in self.shown.each()}
        if asked:
            raise refusal(self.config.model, asked, [request.kind() for request in self.shown.each()])
        here = self.processes.within(f"call-{next(self._calls)}")
        progress = Progress(quiet=self.config.quiet or not here.main)
        plan = answering.plan(self.loaded, requests, self.config.settings)
        folder = self._folder(plan)
        with self._held(folder, here), self._journal(folder, plan, here) as journal:
            answers = dict(answering.answer_all(self.loaded, plan, here, journal, progress))
        if not here.main:
            return []
        if plan.cut:
            of = f"{len(plan.cut):,} of {counted(len(plan.requests), 'request')}"
            progress.say(f"{of} were longer than the model takes, and were cut")
        return [answers.get(request.key()) for request in requests]

    def identity(self) -> dict[str, Any]:
        """All of the model and its settings that can change an answer."""
        settings = self.config.settings
        return {"model": self.registry.model(self.config.model).identity(self.shown, settings), "settings": to_json(settings)}

    def _folder(self, plan: answering.Plan) -> Path | None:
        """Another model, other settings or other batches have another one."""
        return None if self.cache is None else self.cache / value_hash([self.identity(), plan.hash, self.machine])[:16]

    def _held(self, folder: Path | None, processes: Processes) -> AbstractContextManager[object]:
        if folder is None or not processes.main:
            return nullcontext()
        open_folder(folder)
        return claim(folder, "list of requests")

    def _journal(self, folder: Path | None, plan: answering.Plan, processes: Processes) -> Journal:
        name = f"{plan.hash}-{self.machine}"
        return MemoryJournal(name) if folder is None else Journal(folder, name, processes.rank)


def direct(config: RunConfig, shown: Sequence[Request], cache: str | None, registry: Registry, processes: Processes) -> Direct:
    """Whoever answers in this process.

    config: with every automatic choice made
    shown: of the kinds that may come; those that the model does not answer are left out

    raises: InputError if it answers none
    """
    model = registry.model(config.model)
    fitting = tuple(request for request in shown if request.kind() in model.answers)
    if not fitting:
        raise refusal(model.name, [request.kind() for request in shown], model.answers)
    form = one_of_each_kind(Several(requests=fitting))
    config = replace(config, settings=config.settings.that_matter(form))
    return Direct(
        config=config, shown=form, cache=local(cache) if cache else None, registry=registry, processes=processes
    )  # fmt: skip


def refusal(model: str, asked: Iterable[str], answered: Iterable[str]) -> InputError:
    return InputError(f"model {model!r} cannot be asked {', '.join(sorted(asked))} here", f"it answers: {', '.join(answered)}")
