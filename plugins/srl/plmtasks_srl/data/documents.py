"""Propositions of CoNLL-2012's documents, as the hub has them: a row a document."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from plmtasks.errors import DataError, counted
from plmtasks.files import row_aside
from plmtasks.reading import tags_to_spans

from .sentences import VERB, Proposition, Sentence


def read_documents(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[Sentence]:
    """Sentences of (where, document) pairs: `sentences`, each with `words`, and in `srl_frames` for each predicate the tags of
    all words, `frames`; `predicate_framenet_ids` and `predicate_lemmas` have a cell a word.

    raises: DataError for tags that are not one for each word, or have no predicate
    source: the loading script of ontonotes/conll2012_ontonotesv5
    """
    for where, row in rows:
        with row_aside():
            for number, said in enumerate(row["sentences"]):
                place, words = f"{where}, sentence {number}", tuple(said["words"])
                yield Sentence(
                    id=f"{row['document_id']}-{number}", words=words, where=partial(_everywhere, place),
                    propositions=tuple(_proposition(place, said, frame["frames"]) for frame in said["srl_frames"]),
                )  # fmt: skip


def _proposition(where: str, said: Mapping[str, Any], tags: list[str]) -> Proposition:
    if len(tags) != len(said["words"]):
        raise DataError(where, f"{counted(len(said['words']), 'tag')}, one for each word", str(len(tags)))
    roles = tuple(tags_to_spans(tags))
    at = next((span.start for span in roles if span.label == VERB), None)
    if at is None:
        raise DataError(where, f"a predicate among the tags, B-{VERB}", " ".join(tags)[:80])
    sense, lemma = (said[column][at] or "" for column in ("predicate_framenet_ids", "predicate_lemmas"))
    return Proposition(predicate=at, sense=sense, lemma=lemma, roles=roles)


def _everywhere(where: str, word: int) -> str:
    return where
