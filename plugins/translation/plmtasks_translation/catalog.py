"""The tasks by name, with their data."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import permutations

from plmtasks.data import LANGUAGES, Dataset, HubData, language_name
from plmtasks.errors import UnknownNameError
from plmtasks.model import Provider

from .data import Form, from_hub, sample
from .flores import CODES as FLORES
from .flores import flores
from .metrics import tokenizer
from .sets import SETS, sacrebleu_set
from .task import Translation

MULTI30K = HubData(
    repo="bentrevett/multi30k", revision="37e118600232bb5298ca011a8a7e7a44e863c36a",
    files={"train": "train.jsonl", "validation": "val.jsonl", "test": "test.jsonl"},
)  # fmt: skip

OPUS100 = ("Helsinki-NLP/opus-100", "805090dc28bf78897da9641cdf08b61287580df9")
OPUS100_LANGUAGES = frozenset(LANGUAGES) - {
    "bo", "en", "ht", "iu", "jv", "liv", "lo", "qu", "sah", "sw", "tl", "wo",
}  # fmt: skip
"""Those that OPUS-100 pairs with English."""
OPUS100_TRAIN_ALONE = frozenset({"an", "dz", "hy", "mn", "yo"})
"""Those with too few sentences for a split to evaluate on."""
OPUS100_CROSS = ("ar", "de", "fr", "nl", "ru", "zh")
"""Those that are paired with one another, for evaluation alone."""

IWSLT2017 = "IWSLT/iwslt2017"
"""Its main branch is a script: the hub's conversion to Parquet, of which no pin is known, has a folder for each configuration of
the script. Cettolo et al. (2017), 2017.iwslt-1.1"""

PAIRS: Mapping[str, list[str]] = {
    "multi30k": ["en-de", "de-en"],
    "sample": ["en-zh", "zh-en"],
    "opus100": [
        *(pair for code in sorted(OPUS100_LANGUAGES) for pair in (f"{code}-en", f"en-{code}")),
        *(f"{a}-{b}" for a in OPUS100_CROSS for b in OPUS100_CROSS if a != b),
    ],
    "iwslt2017": [
        *(f"{a}-{b}" for a, b in permutations(("en", "it", "nl", "ro"), 2)),
        *(pair for code in ("ar", "de", "fr", "ja", "ko", "zh") for pair in (f"{code}-en", f"en-{code}")),
    ],
    **{name: pairs.split() for name, pairs in SETS.items()},
}
"""set → pairs; `text` takes any, `flores` any two of its languages."""

METRICS = ("bleu", "chrf", "chrf++")
"""The first where the target language has a tokenizer. TER takes a minute for a thousand long sentences, and is asked for."""

CODE = "[a-z]{2,3}(?:_[A-Za-z0-9]+)?"


def opus100(form: Form) -> Dataset:
    """The splits that OPUS-100 has of a pair; its folders name the languages in the order of the alphabet."""
    languages = sorted((form.source, form.target))
    splits = ["train", "validation", "test"]
    if "en" not in languages:
        splits = ["test"]
    elif not OPUS100_TRAIN_ALONE.isdisjoint(languages):
        splits = ["train"]
    files = {split: f"{'-'.join(languages)}/{split}-00000-of-00001.parquet" for split in splits}
    return from_hub(HubData(repo=OPUS100[0], revision=OPUS100[1], files=files), form)


def iwslt2017(form: Form) -> Dataset:
    """What was taught and tested in 2017: talks, with their training data."""
    files = {split: f"iwslt2017-{form.pair}/{split}/0000.parquet" for split in ("train", "validation", "test")}
    return from_hub(HubData(repo=IWSLT2017, revision="refs/convert/parquet", files=files), form)


BUILT: Mapping[str, tuple[str, Callable[[Form], Dataset] | None]] = {
    "multi30k": ("captions of pictures (Multi30k)", partial(from_hub, MULTI30K)),
    "sample": ("built-in sentences", sample),
    "opus100": ("the hub's OPUS-100", opus100),
    "iwslt2017": ("the hub's IWSLT 2017, with its training data", iwslt2017),
    "flores": ("FLORES+", flores),
    "text": ("your own text, through --data", None),
}
"""set → what it is, and its data; all others are sacrebleu's"""


def _is_known(name: str, source: str, target: str) -> bool:
    if name == "flores":
        return source in FLORES and target in FLORES and FLORES[source] != FLORES[target]  # nb is no
    return name == "text" or f"{source}-{target}" in PAIRS.get(name, ())


class Pairs(Provider):
    """`translation/wmt22-zh-en`: a set and two languages."""

    scheme, inert = "translation/", True
    description = (
        "SET-FROM-TO, as in wmt22-zh-en: text (your own, any languages), flores, opus100, iwslt2017, multi30k, or a test set of "
        "sacrebleu's: wmt08 to wmt24, iwslt17, mtedx/test, mtnt2019, …"
    )

    def make(self, name: str) -> Translation:
        match = re.fullmatch(f"(.+)-({CODE})-({CODE})", name)
        if match is None or not _is_known(*match.groups()):
            pairs = PAIRS.get(match[1] if match else name, [])
            raise UnknownNameError(
                "task", f"translation/{name}", [f"translation/{s}-{p}" for s, ps in PAIRS.items() for p in ps],
                *([f"its pairs: {', '.join(pairs)}"] if pairs else []),
                *([f"its languages: {', '.join(FLORES)}"] if name.startswith("flores") else []),
                "your own files, in any languages: translation/text-FROM-TO with --data PATH",
            )  # fmt: skip
        what, own = BUILT.get(match[1]) or (f"sacrebleu's {match[1]}", None)
        if match[1] in SETS:
            own = partial(sacrebleu_set, match[1])
        source, target = match[2], match[3]
        return Translation(
            name=f"translation/{name}", description=f"{language_name(source)} to {language_name(target)}: {what}",
            source=source, target=target, own=own, metrics=METRICS if tokenizer(target) else METRICS[1:],
        )  # fmt: skip


TASKS = (
    replace(
        Pairs().make("multi30k-en-de"), name="translation/multi30k", aliases=("translate", "machine translation", "mt", "nmt")
    ),
    replace(Pairs().make("sample-en-zh"), name="translation/sample"),
    Pairs().make("sample-zh-en"),
    Pairs(),
)
"""Plain `translation` is the first."""
