"""A task's own data on the hub; questions that are learned in English and tried in other languages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from plmtasks.data import Dataset, HubData, hub_dataset, in_parts
from plmtasks.examples import Example

from .extractive import extractive
from .rows import Form, Rows


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """What is learned in English, and tried on questions in other languages.

    source: Hu et al. (2020), arXiv 2003.11080, XTREME: its languages of each task, what is learned, and on what it is chosen
    """

    learned: HubData
    """Its train and validation splits."""
    tried: Mapping[str, HubData]
    """Language → its split "test"; several are parts of one, English first."""
    parallel: bool = False
    """Whether questions of one id are translations of one another."""
    begins: Mapping[str, str] = field(default_factory=dict)
    """Language → how the ids of its questions begin, where a file has those of several, and those that are learned."""

    def only(self, *languages: str) -> "Transfer":
        return replace(self, tried={language: self.tried[language] for language in languages})


def own_dataset(
    hub: HubData | Transfer | None, row_reader: Callable[[Rows, Form, str], list[Example]], form: Form
) -> Dataset | None:
    """A task's data set on the hub, if it has one: published, so that its flaws are counted and its columns known."""
    if hub is None:
        return None
    if isinstance(hub, Transfer):
        return _transfer(hub, form)
    published = replace(form, flawed=True, columns={})
    return hub_dataset(hub, lambda rows: row_reader(rows, published, hub.repo))


def _transfer(of: Transfer, form: Form) -> Dataset:
    """Train and validation splits in English, and a test split in the languages that are tried, which is what is evaluated."""

    def read(hub: HubData, language: str) -> Dataset:
        def begins(rows: Rows) -> list[Example]:
            start, spoken = of.begins.get(language, ""), replace(form, language=language, flawed=True, columns={})
            return extractive(((where, row) for where, row in rows if str(row.get("id", "")).startswith(start)), spoken, hub.repo)

        return hub_dataset(hub, begins)

    learned, tried = read(of.learned, "en"), {language: read(hub, language) for language, hub in of.tried.items()}
    parts = {language: data.readers["test"] for language, data in tried.items()}
    first, *others = tried.values()
    test = partial(in_parts, parts, "language", parallel=of.parallel) if others else first.readers["test"]
    return replace(first, readers={**learned.readers, "test": test}, evaluated="test")
