"""The data sets on the hub, pinned."""

from collections.abc import Mapping, Sequence

from plmtasks.data import HubData

from .transfer import Transfer

ALL = ("train", "validation", "test")


def parquet(repo: str, revision: str, folder: str, splits: Sequence[str] = ("train", "validation")) -> HubData:
    """One Parquet file a split."""
    return HubData(repo=repo, revision=revision, files={s: f"{folder}/{s}-00000-of-00001.parquet" for s in splits})


SQUAD = parquet("rajpurkar/squad", "7b6d24c440a36b6815f21b70d25016731768db1f", "plain_text")
SQUAD_V2 = parquet("rajpurkar/squad_v2", "3ffb306f725f7d2ce8394bc1873b24868140c412", "squad_v2")


def _at(repo: str, revision: str, files: Mapping[str, str]) -> Mapping[str, HubData]:
    return {language: HubData(repo=repo, revision=revision, files={"test": path}) for language, path in files.items()}


XQUAD = Transfer(
    learned=SQUAD, parallel=True,
    tried=_at("google/xquad", "51adfef1c1287aab1d2d91b5bead9bcfb9c68583", {
        language: f"xquad.{language}/validation-00000-of-00001.parquet"
        for language in ("en", "ar", "de", "el", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh")
    }),
)  # fmt: skip
MLQA = Transfer(
    learned=SQUAD, parallel=True,
    tried=_at("google/xtreme", "ec5f1f46e9af79639a90684a7a70a956c4998f04", {
        language: f"MLQA.{language}.{language}/test-00000-of-00001.parquet"
        for language in ("en", "ar", "de", "es", "hi", "vi", "zh")
    }),
)  # fmt: skip
_TYDIQA = ("google-research-datasets/tydiqa", "da78f23f9119363459acbaf46bf89426ff26c259")
_TYDIQA_BEGINS = {
    "en": "english-", "ar": "arabic-", "bn": "bengali-", "fi": "finnish-", "id": "indonesian-", "ko": "korean-",
    "ru": "russian-", "sw": "swahili-", "te": "telugu-",
}  # fmt: skip
TYDIQA = Transfer(
    # there is no split of English questions beside the one that is evaluated, on which an epoch could be chosen
    learned=HubData(repo=_TYDIQA[0], revision=_TYDIQA[1], files={"train": "secondary_task/train-00000-of-00001.parquet"}),
    tried=_at(*_TYDIQA, dict.fromkeys(_TYDIQA_BEGINS, "secondary_task/validation-00000-of-00001.parquet")),
    begins=_TYDIQA_BEGINS,
)
CMRC2018 = parquet("hfl/cmrc2018", "137f2c45a24275fb68f6961c4d357f46288886aa", "data", ALL)
CLUE = "28178267a609dd08bdc703dd6c931dfc2c2f4431"
"""Its card, https://huggingface.co/datasets/clue/clue, has the columns: of drcd those of SQuAD, of chid content, candidates and
answers. The test split of chid has no answers, and of that of drcd it is not told."""
DRCD = parquet("clue/clue", CLUE, "drcd")
CHID = {"hub": "clue/clue", "revision": CLUE, **parquet("clue/clue", CLUE, "chid", ALL).files}
COQA = parquet("stanfordnlp/coqa", "0d9e9952f1ef6e5415492d3d84b5873259137e3c", "data")
QUAC = HubData(
    # its main branch holds a loading script alone; the hub's own conversion to Parquet has a branch, and no pin is known
    repo="allenai/quac", revision="refs/convert/parquet",
    files={split: f"plain_text/{split}/0000.parquet" for split in ("train", "validation")},
)  # fmt: skip
RACE = parquet("ehovy/race", "2fec9fd81f1dc971569a9b729c43f2f0e6436637", "all", ALL)
ARC = parquet("allenai/ai2_arc", "210d026faf9955653af8916fad021475a3f00453", "ARC-Challenge", ALL)
COMMONSENSEQA = parquet("tau/commonsense_qa", "94630fe30dad47192a8546eb75f094926d47e155", "data")
HELLASWAG = parquet("Rowan/hellaswag", "218ec52e09a7e7462a5400043bb9a69a41d06b76", "data")
SWAG = parquet("allenai/swag", "main", "regular")
MMLU = HubData(
    repo="cais/mmlu", revision="c30699e8356da336a370243923dbaf21066bb9fe",
    # the five questions a subject that shots are drawn from
    files={"train": "all/dev-00000-of-00001.parquet"} | {s: f"all/{s}-00000-of-00001.parquet" for s in ("validation", "test")},
)  # fmt: skip
