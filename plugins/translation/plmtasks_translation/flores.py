"""FLORES+: the same sentences of Wikipedia and its sisters in many languages."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from plmtasks.data import LANGUAGES, Dataset, hub_file
from plmtasks.errors import DataError
from plmtasks.examples import Example
from plmtasks.files import read_records

from .data import Form

REPO, REVISION = "openlanguagedata/flores_plus", "5fec6c13f9e5a4db2f745d4ec0d7c9721ddc4f06"
"""Gated: its page wants its terms accepted, and HF_TOKEN the token of who did. Paths, columns and revision as other projects have
them; Goyal et al. (2022), 2022.tacl-1.30, and NLLB Team (2022), arXiv 2207.04672."""

SPLITS = {"validation": "dev", "test": "devtest"}

CODES: Mapping[str, str] = {
    **{
        code: name for code, (_, name) in LANGUAGES.items()
        if code not in ("an", "br", "fy", "iu", "liv", "sah", "se", "sh", "wa")  # none of FLORES-200's
    },
    "et": "ekk_Latn", "zh": "cmn_Hans",
}  # fmt: skip
"""Code of a language → its file, which FLORES-200 calls otherwise for two."""

SLICES = ("domain", "topic")


def flores(form: Form) -> Dataset:
    """Its two splits, for one pair of languages; the sentences of one page are a cluster."""
    readers = {split: partial(_read, name, form) for split, name in SPLITS.items()}
    return Dataset(name=f"hf://{REPO}@{REVISION} {form.pair}", readers=readers, published=True)


def _read(split: str, form: Form) -> Iterator[Example]:
    """raises: InputError where the hub does not give a file; DataError where the two tell of different sentences"""
    sources, references = (_rows(split, language) for language in (form.source, form.target))
    if sources.keys() != references.keys():
        raise DataError(f"{REPO}, {split}", f"the same sentences in {form.source} and {form.target}", "others")
    items = ((where, id_, row["text"], references[id_][1]["text"]) for id_, (where, row) in sources.items())
    examples = form.examples(items, [row.get("url") for _, row in sources.values()])
    for example in examples:
        row = sources[example.id][1]
        yield replace(example, slices=(*example.slices, *(f"{name}={row[name]}" for name in SLICES if row.get(name))))


def _rows(split: str, language: str) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """id → where it stands, and the row."""
    rows = read_records(hub_file(REPO, f"{split}/{CODES[language]}.jsonl", REVISION))
    return {str(row["id"]): (where, row) for where, row in rows}
