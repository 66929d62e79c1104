"""The tasks by name, with their data."""

from collections.abc import Collection, Iterable, Sequence
from functools import partial

from plmtasks.data import LETTERS, language_name

from .data import conversations, hub
from .data.idioms import UNTOLD
from .data.transfer import Transfer
from .idioms import Idioms
from .task import FreeAnswers, MultipleChoice, QuestionAnswering

QUESTION_ANSWERING = (
    QuestionAnswering(
        name="qa/squad", description="questions on Wikipedia, SQuAD 1.1 or your own like it", hub=hub.SQUAD,
        aliases=("question answering", "extractive qa", "reading comprehension"),
    ),
    QuestionAnswering(
        name="qa/squad_v2", description="the same, and some have no answer (SQuAD 2.0)", hub=hub.SQUAD_V2, may_abstain=True,
    ),
    # an instruction before each text makes it harder for the smallest decoders
    QuestionAnswering(name="qa/sample", description="who, what, where and when in built-in sentences", instructed=False),
    # CLUE ranks both by exact match, and counts the second by the script of the first: README.md and mrc_pytorch of
    # github.com/CLUEbenchmark/CLUE
    QuestionAnswering(
        name="qa/cmrc2018", description="questions on Chinese Wikipedia (CMRC 2018)", language="zh", metrics=("cmrc",),
        main="exact_match", hub=hub.CMRC2018, flawed=True, collection="clue",
    ),
    QuestionAnswering(
        name="qa/drcd", description="questions on Wikipedia in traditional Chinese (DRCD, CLUE)", language="zh_Hant",
        metrics=("cmrc",), main="exact_match", hub=hub.DRCD, flawed=True, collection="clue",
    ),
    FreeAnswers(
        name="qa/coqa", description="conversations about stories, with free answers (CoQA)", metrics=("conversation", "squad"),
        asks=("Generate", "ExtractSpan"), more_fields=("history",), hub=hub.COQA,
        file_reader=conversations.read_coqa, row_reader=conversations.coqa,
    ),
    QuestionAnswering(
        name="qa/quac", description="conversations about Wikipedia sections (QuAC)", metrics=("conversation", "squad"),
        hub=hub.QUAC, may_abstain=True, more_fields=("history",), flawed=True, minimum_agreement=0.4,
        file_reader=conversations.read_quac, row_reader=conversations.quac,
    ),
)  # fmt: skip
"""Plain `qa` is the first."""


def _by_language(
    name: str, what: str, of: Transfer, metrics: Sequence[str], left_out: Collection[str] = ()
) -> Iterable[QuestionAnswering]:
    """A task of several languages together, and one of each.

    what: the description, in which {} is the language
    left_out: languages that have a task of their own alone
    """
    made = partial(QuestionAnswering, metrics=metrics, flawed=True, collection="xtreme")
    together = of.only(*(language for language in of.tried if language not in left_out))
    yield made(name=name, description=what.replace("{} ", ""), language="mul", hub=together)
    for language in of.tried:
        yield made(
            name=f"{name}.{language}", description=what.format(language_name(language)), language=language, hub=of.only(language),
        )  # fmt: skip


XQUAD = "SQuAD's questions, in {} translations by people (XQuAD, XTREME)"
MLQA = "questions on {} Wikipedia (MLQA, XTREME)"
TYDIQA = "what {} speakers want to know, with a passage that answers (TyDi QA GoldP, XTREME)"

TRANSFER = (
    *_by_language("qa/xquad", XQUAD, hub.XQUAD, ("xquad", "mlqa"), {"ro"}),  # Romanian came after XTREME
    *_by_language("qa/mlqa", MLQA, hub.MLQA, ("mlqa", "xquad")),
    *_by_language("qa/tydiqa", TYDIQA, hub.TYDIQA, ("xquad",)),
)
"""XTREME's: a model learns from English questions, and is evaluated on those of other languages."""

FOUR, FIVE = tuple(LETTERS[:4]), tuple(LETTERS[:5])

MULTIPLE_CHOICE = (
    MultipleChoice(name="qa/race", description="English exams for Chinese pupils (RACE), 4 choices", labels=FOUR, hub=hub.RACE),
    MultipleChoice(name="qa/arc", description="science exams, the harder part (ARC), 3 to 5 choices", labels=FIVE, hub=hub.ARC),
    MultipleChoice(name="qa/hellaswag", description="how a text goes on (HellaSwag), 4 choices", labels=FOUR, hub=hub.HELLASWAG),
    MultipleChoice(name="qa/swag", description="how a film caption goes on (SWAG), 4 choices", labels=FOUR, hub=hub.SWAG),
    MultipleChoice(name="qa/mmlu", description="57 subjects of study (MMLU), 4 choices", labels=FOUR, listed=True, hub=hub.MMLU),
    MultipleChoice(
        name="qa/commonsenseqa", description="everyday knowledge (CommonsenseQA), 5 choices", labels=FIVE, listed=True,
        hub=hub.COMMONSENSEQA,
    ),
    MultipleChoice(
        name="qa/multiple-choice", description="your own questions with up to 26 choices, through --data", needs_data=True,
        aliases=("mcqa", "multiple choice questions"),
    ),
)  # fmt: skip

IDIOMS = Idioms(
    "qa/chid",
    description="which Chinese idiom fits a blank, 7 or 10 choices (ChID, CLUE and FewCLUE)", language="zh",
    metrics=("choice_accuracy",),
    instruction="下面的短文中，“____”处应填入哪个成语？", text="{text}\n成语：", choices="candidates",
    reference="answer", columns={"reference_is": "index", "hidden": UNTOLD, "cluster": "passages"}, data=hub.CHID,
)  # fmt: skip
