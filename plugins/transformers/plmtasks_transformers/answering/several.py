"""Several kinds of request answered by one set of weights, each by its own answerer; a batch holds one kind."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from plmtasks.model import Cost, LoadedModel
from plmtasks.requests import Answer, Request

from .loaded import Answers, Loaded


class Mixed(LoadedModel):
    """One view of the same weights for each kind."""

    def __init__(self, views: Mapping[str, Loaded]) -> None:
        """views: by kind"""
        self.views = views
        first = next(iter(views.values()))
        self.newly_initialized, self.parameters, self.ahead = first.newly_initialized, first.parameters, first.ahead

    @property
    def limited(self) -> str:  # type: ignore[override]  # of its views
        return "; ".join(dict.fromkeys(view.limited for view in self.views.values()))

    def costs(self, requests: Sequence[Request]) -> list[Cost]:
        made: dict[int, Cost] = {}
        for kind, view in self.views.items():
            places = [i for i, r in enumerate(requests) if r.kind() == kind]
            if places:
                found = view.costs([requests[i] for i in places])
                made.update((i, replace(c, group=f"{kind} {c.group}")) for i, c in zip(places, found, strict=True))
        return [made[i] for i in range(len(requests))]

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        return self.begin(requests)()

    def begin(self, requests: Sequence[Request]) -> Answers:
        """requests: all of one kind, as their costs group them"""
        return self.views[requests[0].kind()].begin(requests)
