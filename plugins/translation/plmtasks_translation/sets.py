"""The test sets that sacrebleu knows, by name; it downloads them when they are first read."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from plmtasks.data import Dataset
from plmtasks.errors import InputError
from plmtasks.examples import Example
from plmtasks.files import asked_of_cache, read_lines

from .data import Form

SETS = {
    "wmt24": "cs-uk en-cs en-de en-es en-hi en-is en-ja en-ru en-uk en-zh ja-zh",
    "wmt23": "cs-uk de-en en-cs en-de en-he en-ja en-ru en-uk en-zh he-en ja-en ru-en uk-en zh-en",
    "wmt22": (
        "cs-en cs-uk de-en de-fr en-cs en-de en-hr en-ja en-liv en-ru en-uk en-zh fr-de ja-en liv-en ru-en ru-sah sah-ru "
        "uk-cs uk-en zh-en"
    ),
    "wmt21/systems": (
        "bn-hi cs-en de-en de-fr en-cs en-de en-ha en-is en-ja en-ru en-zh fr-de ha-en hi-bn is-en ja-en ru-en xh-zu zh-en zu-xh"
    ),
    "wmt21": (
        "bn-hi cs-en de-en de-fr en-cs en-de en-ha en-is en-ja en-ru en-zh fr-de ha-en hi-bn is-en ja-en ru-en xh-zu zh-en zu-xh"
    ),
    "wmt21/B": "cs-en de-en en-cs en-ru en-zh ru-en",
    "wmt21/AB": "cs-en de-en en-cs en-de en-ru en-zh ru-en",
    "wmt21/C": "en-de",
    "wmt21/AC": "en-de",
    "wmt21/D": "en-de",
    "wmt21/dev": "en-ha en-is ha-en is-en",
    "wmt20/tworefs": "de-en en-de en-zh ru-en zh-en",
    "wmt20": (
        "cs-en de-en de-fr en-cs en-de en-iu en-ja en-km en-pl en-ps en-ru en-ta en-zh fr-de iu-en ja-en km-en pl-en "
        "ps-en ru-en ta-en zh-en"
    ),
    "wmt20/dev": "en-iu en-ja en-pl en-ta iu-en ja-en pl-en ta-en",
    "wmt20/robust/set1": "en-de en-ja",
    "wmt20/robust/set2": "en-ja ja-en",
    "wmt20/robust/set3": "de-en",
    "wmt19": (
        "cs-de de-cs de-en de-fr en-cs en-de en-fi en-gu en-kk en-lt en-ru en-zh fi-en fr-de gu-en kk-en lt-en ru-en zh-en"
    ),
    "wmt19/dev": "en-gu en-kk en-lt gu-en kk-en lt-en",
    "wmt19/google/ar": "en-de",
    "wmt19/google/arp": "en-de",
    "wmt19/google/wmtp": "en-de",
    "wmt19/google/hqr": "en-de",
    "wmt19/google/hqp": "en-de",
    "wmt19/google/hqall": "en-de",
    "wmt18": "cs-en de-en en-cs en-de en-et en-fi en-ru en-tr en-zh et-en fi-en ru-en tr-en zh-en",
    "wmt18/test-ts": "cs-en de-en en-cs en-de en-et en-fi en-ru en-tr en-zh et-en fi-en ru-en tr-en zh-en",
    "wmt18/dev": "en-et et-en",
    "wmt17": "cs-en de-en en-cs en-de en-fi en-lv en-ru en-tr en-zh fi-en lv-en ru-en tr-en zh-en",
    "wmt17/B": "en-fi",
    "wmt17/tworefs": "en-fi",
    "wmt17/improved": "en-zh zh-en",
    "wmt17/dev": "en-lv en-zh lv-en zh-en",
    "wmt17/ms": "zh-en",
    "wmt16": "cs-en de-en en-cs en-de en-fi en-ro en-ru en-tr fi-en ro-en ru-en tr-en",
    "wmt16/B": "en-fi",
    "wmt16/tworefs": "en-fi",
    "wmt16/dev": "en-ro en-tr ro-en tr-en",
    "wmt15": "cs-en de-en en-cs en-de en-fi en-fr en-ru fi-en fr-en ru-en",
    "wmt14": "cs-en de-en en-cs en-de en-fr en-hi en-ru fr-en hi-en ru-en",
    "wmt14/full": "cs-en de-en en-cs en-de en-fr en-hi en-ru fr-en hi-en ru-en",
    "wmt13": "cs-en de-en en-cs en-de en-es en-fr en-ru es-en fr-en ru-en",
    "wmt12": "cs-en de-en en-cs en-de en-es en-fr es-en fr-en",
    "wmt11": "cs-en de-en en-cs en-de en-es en-fr es-en fr-en",
    "wmt10": "cs-en de-en en-cs en-de en-es en-fr es-en fr-en",
    "wmt09": "cs-en de-en en-cs en-de en-es en-fr en-hu en-it es-en fr-en hu-en it-en",
    "wmt08": "cs-en de-en en-cs en-de en-es en-fr en-hu es-en fr-en hu-en",
    "wmt08/nc": "cs-en en-cs",
    "wmt08/europarl": "de-en en-de en-es en-fr es-en fr-en",
    "iwslt17": "ar-en de-en en-ar en-de en-fr en-ja en-ko en-zh fr-en ja-en ko-en zh-en",
    "iwslt17/tst2016": "de-en en-de en-fr en-zh fr-en zh-en",
    "iwslt17/tst2015": "de-en en-de en-fr en-zh fr-en zh-en",
    "iwslt17/tst2014": "de-en en-de en-fr en-zh fr-en zh-en",
    "iwslt17/tst2013": "de-en en-de en-fr en-zh fr-en zh-en",
    "iwslt17/tst2012": "de-en en-de en-fr en-zh fr-en zh-en",
    "iwslt17/tst2011": "de-en en-de en-fr en-zh fr-en zh-en",
    "iwslt17/tst2010": "de-en en-de en-fr en-zh fr-en zh-en",
    "iwslt17/dev2010": "de-en en-de en-fr en-zh fr-en zh-en",
    "mtedx/valid": "el-en es-en es-fr es-it es-pt fr-en fr-es fr-pt it-en it-es pt-en pt-es ru-en",
    "mtedx/test": "el-en es-en es-fr es-it es-pt fr-en fr-es fr-pt it-en it-es pt-en pt-es ru-en",
    "multi30k/2016": "en-cs en-de en-fr",
    "multi30k/2017": "en-de en-fr",
    "multi30k/2018": "en-cs en-de en-fr",
    "mtnt2019": "en-fr en-ja fr-en ja-en",
    "mtnt1.1/test": "en-fr en-ja fr-en ja-en",
    "mtnt1.1/valid": "en-fr en-ja fr-en ja-en",
    "mtnt1.1/train": "en-fr en-ja fr-en ja-en",
}
"""set → language pairs; a test holds the table to the installed sacrebleu, whose import would make `plmtasks list` slow"""

SLICES = ("origlang", "domain")
"""What sets tell of each sentence: the language it was written in, what it is about."""


def sacrebleu_set(name: str, form: Form) -> Dataset:
    """The one split of a test set."""
    last = name.split("/")[-1]
    split = "train" if last == "train" else "validation" if last in ("dev", "valid") else "test"
    return Dataset(name=f"sacrebleu's {name} {form.pair}", readers={split: partial(_read, name, form)}, published=True)


def _read(name: str, form: Form) -> list[Example]:
    """raises: InputError if it is not on this machine and cannot be downloaded"""
    files, references = _files(name, form.pair)
    texts = {field: read_lines(path) for field, path in files.items()}
    examples = replace(form, flawed=True).examples(
        (f"{name} {form.pair}:{number}", str(number), source, given)
        for number, (source, *given) in enumerate(zip(texts["src"], *map(read_lines, references), strict=True))
    )
    return list(_told(examples, texts))


def _files(name: str, pair: str) -> tuple[dict[str, Path], Sequence[Path]]:
    """All that a set tells, a file a field, and its references."""
    from sacrebleu.dataset import DATASETS
    from sacrebleu.utils import SACREBLEU_DIR

    known = DATASETS[name]
    try:
        files = dict(zip(known.fieldnames(pair), map(Path, known.get_files(pair)), strict=False))
        references = [Path(path) for path in known.get_reference_files(pair)]
    except (OSError, SystemExit) as e:  # sacrebleu ends the process where a checksum is wrong
        raise InputError(
            f"sacrebleu could not fetch its test set {name} for {pair}: {type(e).__name__}: {e}",
            f"it looks in {SACREBLEU_DIR}, then downloads; the environment variable SACREBLEU names another folder",
            "with no network, name files with --data PATH",
        ) from e
    asked_of_cache("sacrebleu", SACREBLEU_DIR, [*files.values(), *references])
    return files, references


def _told(examples: Sequence[Example], texts: dict[str, list[str]]) -> Iterator[Example]:
    """The examples with their document as cluster, and with slices."""
    for example in examples:
        told = {field: texts[field][int(example.id)] for field in ("docid", *SLICES) if field in texts}
        slices = (f"{field}={told[field]}" for field in SLICES if told.get(field))
        yield replace(example, cluster=told.get("docid") or None, slices=(*example.slices, *slices))
