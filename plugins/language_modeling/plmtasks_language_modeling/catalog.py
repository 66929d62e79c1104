"""The tasks by name, with their data."""

from collections.abc import Sequence

from plmtasks.data import HubData
from plmtasks.task import Task

from .data import Form, articles_of_rows, read_articles
from .task import LanguageModeling, LastWord, OpenEnded

ALL = ("train", "validation", "test")

ALIASES = ("lm", "language model", "language modeling", "language modelling", "perplexity")


def _converted(repo: str, folder: str, splits: Sequence[str] = ALL) -> HubData:
    """Its main branch holds a loading script; the hub's own conversion to Parquet has a branch, and no pin is known."""
    return HubData(repo=repo, revision="refs/convert/parquet", files={s: f"{folder}/{s}/0000.parquet" for s in splits})


WIKITEXT2 = HubData(
    repo="Salesforce/wikitext", revision="b08601e04326c79dfdd32d625aee71d232d685c3",
    files={s: f"wikitext-2-raw-v1/{s}-00000-of-00001.parquet" for s in ALL},
)  # fmt: skip
LAMBADA = HubData(
    repo="EleutherAI/lambada_openai", revision="900124bf3b8235c6daf21033af9948b3f07346c4",
    files={"test": "data/lambada_test_en.jsonl"},
)  # fmt: skip
XLSUM = _converted("GEM/xlsum", "english", ("validation", "test"))
WRITING_PROMPTS = _converted("euclaise/writingprompts", "default", ("validation", "test"))
WEB_NLG = _converted("GEM/web_nlg", "en")
DAILY_DIALOG = _converted("li2017dailydialog/daily_dialog", "default")

TASKS: tuple[Task, ...] = (
    LanguageModeling(
        name="language_modeling/wikitext2", description="how likely are Wikipedia's articles? (WikiText-2)", hub=WIKITEXT2,
        file_reader=read_articles, row_reader=articles_of_rows, aliases=ALIASES,
    ),
    LanguageModeling(
        name="language_modeling/text", description="how likely is your own text? (--data); and pretraining", needs_data=True,
        aliases=(*ALIASES, "pretraining"),
    ),
    LastWord(name="language_modeling/sample", description="who did it? the last word of built-in sentences", built_in=True),
    LastWord(name="language_modeling/lambada", description="the last word of passages from novels (LAMBADA)", hub=LAMBADA),
    OpenEnded(
        name="language_modeling/headline", description="an article from its headline (XL-Sum's English)", hub=XLSUM,
        form=Form(text=("headline", "title"), references=("article", "body", "content", "text")),
        instruction="Write a news article that fits the headline.", template="Headline: {}\nArticle:", max_new_tokens=256,
    ),
    OpenEnded(
        name="language_modeling/story", description="a story goes on (WritingPrompts, ROCStories)", hub=WRITING_PROMPTS,
        form=Form(
            text=("prompt", "beginning"), references=("story", "continuation", "completion"),
            sentences=tuple(f"sentence{i}" for i in range(1, 6)),
        ),
        max_new_tokens=256,
    ),
    OpenEnded(
        name="language_modeling/data-to-text", description="a text that tells what records say (WebNLG, E2E)", hub=WEB_NLG,
        form=Form(
            text=("meaning_representation", "mr", "input", "data"),
            references=("references", "human_reference", "ref", "reference", "target", "text"),
        ),
        texts=(),  # records are no sentences
        instruction="Write a text that says what the data says.", template="Data: {}\nText:", stop=("\n",),
    ),
    OpenEnded(
        name="language_modeling/dialogue", description="the next turn of a dialogue (DailyDialog, DialogSum)", hub=DAILY_DIALOG,
        form=Form(
            text=("history", "context"), references=("response", "reply"), turns=("dialogue", "dialog", "turns", "utterances"),
        ),
        instruction="Write the next turn of the dialogue.", template="{}\nNext turn:", max_new_tokens=48, stop=("\n",),
    ),
)  # fmt: skip
"""Plain `language_modeling` is the first."""
