"""The tasks by name, with their data."""

from collections.abc import Sequence

from .data import Hub
from .samples import chinese, english
from .task import Summarization

SPLITS = ("train", "validation", "test")

ALIASES = ("summarize", "summarise", "summarisation", "summary", "summaries")


def _hub(repo: str, revision: str, **files: str | Sequence[str]) -> Hub:
    named = {split: (names,) if isinstance(names, str) else tuple(names) for split, names in files.items()}
    return Hub(repo=repo, revision=revision, files=named)


def _converted(repo: str, config: str) -> Hub:
    """A repository of a loading script; the hub's own conversion to Parquet has a branch, and no pin is known."""
    return _hub(repo, "refs/convert/parquet", **{split: f"{config}/{split}/0000.parquet" for split in SPLITS})


CNN_DAILYMAIL = _hub(
    "abisee/cnn_dailymail", "96df5e686bee6baa90b8bee7c28b81fa3fa6223d",
    train=[f"3.0.0/train-{i:05d}-of-00003.parquet" for i in range(3)],
    validation="3.0.0/validation-00000-of-00001.parquet", test="3.0.0/test-00000-of-00001.parquet",
)  # fmt: skip
XSUM = _converted("EdinburghNLP/xsum", "default")
DIALOGSUM = _hub("knkarthick/dialogsum", "main", **{split: f"{split}.csv" for split in SPLITS})
SAMSUM = _hub("knkarthick/samsum", "main", **{split: f"{split}.csv" for split in SPLITS})
LCSTS = _hub("hugcyp/LCSTS", "main", train="train.jsonl", validation="valid.jsonl")
XLSUM = {"zh": _converted("csebuetnlp/xlsum", "chinese_simplified")}

TASKS = (
    Summarization(
        name="summarization/cnn_dailymail", description="news with its highlights (CNN and Daily Mail), or their .story files",
        hub=CNN_DAILYMAIL, aliases=ALIASES, instruction="Summarize the article in three or four short sentences.",
    ),
    Summarization(
        name="summarization/xsum", description="BBC news in one sentence (XSum)", hub=XSUM, max_new_tokens=64,
        instruction="Summarize the article in one sentence.",
    ),
    Summarization(
        name="summarization/dialogsum", description="what is said in everyday dialogues (DialogSum)", hub=DIALOGSUM, topics=True,
        instruction="Summarize the dialogue in one or two sentences.", max_new_tokens=96,
    ),
    Summarization(
        name="summarization/samsum", description="what is said in chats (SAMSum)", hub=SAMSUM, max_new_tokens=96,
        instruction="Summarize the dialogue in one or two sentences.",
    ),
    Summarization(
        name="summarization/lcsts", description="Chinese short news in one line (LCSTS)", hub=LCSTS, language="zh",
        instruction="请用一句话概括下面的新闻。", max_new_tokens=64,
    ),
    Summarization(
        name="summarization/xlsum.zh", description="Chinese BBC news in one or two sentences (XL-Sum)", hub=XLSUM["zh"],
        language="zh", instruction="请用一两句话概括下面的新闻。",
    ),
    Summarization(
        name="summarization/sample", description="what happened in a few built-in sentences", built_in=english,
        instruction="", max_new_tokens=16,
    ),
    Summarization(
        name="summarization/sample-zh", description="what happened in a few built-in Chinese sentences", built_in=chinese,
        language="zh", instruction="", max_new_tokens=32,
    ),
    Summarization(
        name="summarization/text", description="your own English texts, through --data", needs_data=True,
        aliases=("summarization", *ALIASES),
    ),
    Summarization(
        name="summarization/text-zh", description="your own Chinese texts, through --data", language="zh", needs_data=True,
        instruction="请概括下面的文章。",
    ),
    Summarization(
        name="summarization/text-any", description="your own texts in any language, through --data", language="und",
        needs_data=True,
        instruction="Summarize the text in its own language.",
    ),
)  # fmt: skip
"""Every task of the plugin; the first is what `summarization` alone means."""
