"""The tasks of the plugin: their labels, data and instructions."""

from typing import Any

from plmtasks.data import SPLIT_SIZES, HubData, events
from plmtasks.declared import Numbers
from plmtasks.task import Listed

from .data import Format
from .task import MULTI_LABEL, Classification

SENTIMENTS = ("negative", "positive")

SENTIMENT = ("sentiment", "sentiment analysis", "polarity")
PARAPHRASE = ("paraphrase", "paraphrases", "paraphrase detection")
TOPIC = ("topic", "topics", "topic classification", "news classification")
EMOTION = ("emotion", "emotions", "emotion classification")
INFERENCE = ("nli", "natural language inference", "textual entailment", "entailment")
ANY = ("classification", "classify", "text classification", "intent", "intent classification", "spam", "toxicity")

EMOTIONS = (
    "admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion", "curiosity", "desire",
    "disappointment", "disapproval", "disgust", "embarrassment", "excitement", "fear", "gratitude", "grief", "joy", "love",
    "nervousness", "optimism", "pride", "realization", "relief", "remorse", "sadness", "surprise", "neutral",
)  # fmt: skip
"""GoEmotions' labels in the order of their numbers."""

NEWS = {
    "100": "故事", "101": "文化", "102": "娱乐", "103": "体育", "104": "财经", "106": "房产", "107": "汽车", "108": "教育",
    "109": "科技", "110": "军事", "112": "旅游", "113": "国际", "114": "股票", "115": "农业", "116": "电竞",
}  # fmt: skip
"""TNEWS' category codes and their words; the hub numbers them 0 to 14 in this order."""


def _hub(repo: str, revision: str, **files: str) -> HubData:
    return HubData(repo=repo, revision=revision, files=files)


SST2 = _hub(
    "nyu-mll/glue",
    "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c",
    train="sst2/train-00000-of-00001.parquet",
    validation="sst2/validation-00000-of-00001.parquet",
    test="sst2/test-00000-of-00001.parquet",
)
MRPC = _hub(
    "nyu-mll/glue",
    "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c",
    train="mrpc/train-00000-of-00001.parquet",
    validation="mrpc/validation-00000-of-00001.parquet",
    test="mrpc/test-00000-of-00001.parquet",
)
GOEMOTIONS = _hub(
    "google-research-datasets/go_emotions",
    "add492243ff905527e67aeb8b80c082af02207c3",
    train="simplified/train-00000-of-00001.parquet",
    validation="simplified/validation-00000-of-00001.parquet",
    test="simplified/test-00000-of-00001.parquet",
)
TNEWS = _hub(
    "clue/clue",
    "28178267a609dd08bdc703dd6c931dfc2c2f4431",
    train="tnews/train-00000-of-00001.parquet",
    validation="tnews/validation-00000-of-00001.parquet",
    test="tnews/test-00000-of-00001.parquet",
)
CHNSENTICORP = _hub(
    "lansinuote/ChnSentiCorp",
    "b0c4c119c3fb33b8e735969202ef9ad13d717e5a",
    train="data/train-00000-of-00001-02f200ca5f2a7868.parquet",
    validation="data/validation-00000-of-00001-405befbaa3bcf1a2.parquet",
    test="data/test-00000-of-00001-5372924f059fe767.parquet",
)


def _task(variant: str, description: str, form: Format, instruction: str, **other: Any) -> Classification:
    more = {**(MULTI_LABEL if form.multi_label else {}), **other}
    more.setdefault("fields", ("text", "text_pair") if form.pair else ("text",))
    name = f"classification/{variant}"
    return Classification(name=name, description=description, form=form, instruction=instruction, labels=form.labels, **more)


def _degrees() -> Numbers:
    """Sentences of the built-in grammar, with how good their mood is."""
    rows = {
        split: [{"text": event.english(), "degree": event.degree, "id": event.id} for event in events(split)]
        for split in SPLIT_SIZES
    }
    return Numbers(
        DEGREES.name, text="{text}", reference="degree", scale=(0.0, 10.0), data=rows, description=DEGREES.description,
        metrics=DEGREES.metrics, instruction="How good is the mood, from 0 (bad) to 10 (good)? Answer with a number.",
    )  # fmt: skip


DEGREES = Listed(
    name="regression/sample", make=_degrees, asks=("Regress", "Generate"), metrics=("correlation", "regression_error"),
    description="How good is the mood in which something was done, from 0 to 10? (built in)",
)  # fmt: skip

TASKS = (
    _task(
        "sst2",
        "Is a sentence of a film review negative or positive? (Stanford Sentiment Treebank)",
        Format(labels=SENTIMENTS, headerless=("text", "label"), hidden=-1),
        "Is the sentiment of this sentence from a film review negative or positive?",
        hub=SST2,
        aliases=SENTIMENT,
        collection="glue",
        # `glue` of preprocessors.py in google-research/text-to-text-transfer-transformer
        taught="sst2 sentence: {text}",
    ),
    _task(
        "sample",
        "Was something done in a bad or a good mood? (built in)",
        Format(labels=SENTIMENTS, headerless=("text", "label")),
        "Is the sentiment of this sentence negative or positive?",
        built_in=True,
    ),
    _task(
        "mrpc",
        "Do two sentences say the same? (Microsoft Research Paraphrase Corpus)",
        Format(labels=("not_equivalent", "equivalent"), pair=True, id_columns=("#1 ID", "#2 ID"), hidden=-1),
        "Are these two sentences equivalent in meaning? Answer with one of: {labels}.",
        hub=MRPC,
        aliases=PARAPHRASE,
        collection="glue",
        # GLUE gives F1 first, beside accuracy, and Devlin et al. (2019), N19-1423, give F1 alone: two thirds are equivalent
        main="f1[equivalent]",
        taught="mrpc sentence1: {text} sentence2: {text_pair}",
    ),
    _task(
        "goemotions",
        "Which of 28 emotions does a comment express? (GoEmotions)",
        Format(labels=EMOTIONS, multi_label=True, headerless=("text", "label", "id")),
        "Which emotions does this comment express? Answer with one or more of these, with commas between: {labels}.",
        hub=GOEMOTIONS,
        aliases=EMOTION,
    ),
    _task(
        "tnews",
        "What is a Chinese headline about? 15 topics (TNEWS of CLUE and FewCLUE)",
        Format(labels=tuple(NEWS.values()), codes=NEWS, hidden=-1),
        "这条新闻标题属于哪个类别？从下列类别中选择一个：{labels}。",
        hub=TNEWS,
        language="zh",
        collection="clue",
    ),
    _task(
        "chnsenticorp",
        "Is a Chinese review negative or positive? (ChnSentiCorp)",
        Format(labels=("负面", "正面")),
        "这条评论的情感是负面还是正面？",
        hub=CHNSENTICORP,
        language="zh",
    ),
    _task(
        "custom",
        "Your own data: --data PATH --columns text=…,text_pair=…,label=…",
        Format(multi_label=None, pair=None),
        "Which of these labels fits? Answer with one of: {labels}.",
        more_fields=("text_pair",),
        aliases=(*ANY, *SENTIMENT, *INFERENCE, *PARAPHRASE, *TOPIC, *EMOTION),
        needs_data=True,
    ),
)
"""Every task of the plugin; the first is what `classification` alone means."""
