"""The tasks by name, with their instructions and data."""

from plmtasks.data import HubData
from plmtasks.reading import bio_tags

from .entities import Entities, PartsOfSpeech
from .task import Predicates, Roles

ROLE_INSTRUCTION = (
    "Label the semantic roles of the predicate between asterisks as PropBank does: each phrase that has a role in brackets, "
    "behind its label (ARG0, ARG1, ARG2, ARGM-TMP, ARGM-LOC, ARGM-MNR and so on), in their order."
)
PREDICATE_INSTRUCTION = (
    "Find the predicates of the sentence as PropBank does: each one in brackets, behind the number of its sense, in their order."
)
ENTITY_INSTRUCTION = "Find the names in the sentence: each one in brackets, behind what it names{}, in their order."


def _names(*types: str) -> dict[str, object]:
    told = f" ({', '.join(types)})"
    tags = bio_tags(types)
    return {"labels": types, "tags": tags, "instruction": ENTITY_INSTRUCTION.format(told)}


def _converted(repo: str, config: str) -> HubData:
    """A repository whose main branch is a loading script: the hub's own conversion to Parquet, of which no pin is known."""
    files = {split: f"{config}/{split}/0000.parquet" for split in ("train", "validation", "test")}
    return HubData(repo=repo, revision="refs/convert/parquet", files=files)


PROPOSITIONS = (
    Roles(
        name="srl/propbank", description="who did what to whom: PropBank's roles of given predicates, in your files",
        instruction=ROLE_INSTRUCTION, follows="srl/predicates", needs_data=True,
        aliases=("semantic role labelling", "semantic role labeling", "semantic roles", "roles"),
    ),
    Roles(
        name="srl/sample", description="the roles in built-in sentences", instruction="", follows="srl/predicates-sample",
        sample_language="en",
    ),
    Roles(
        name="srl/sample-zh", description="the same in Chinese", language="zh", instruction="",
        follows="srl/predicates-sample-zh", sample_language="zh",
    ),
    Predicates(
        name="srl/predicates", description="which words are predicates, and in which sense of PropBank, in your files",
        instruction=PREDICATE_INSTRUCTION, needs_data=True, aliases=("predicate identification",),
    ),
    Predicates(name="srl/predicates-sample", description="the verb of built-in sentences", instruction="", sample_language="en"),
    Predicates(
        name="srl/predicates-sample-zh", description="the same in Chinese", language="zh", instruction="", sample_language="zh",
    ),
)  # fmt: skip
"""Plain `srl` is the first."""

ENTITIES = ("ner", "named entities", "named entity recognition", "entities")

TAGGING = (
    Entities(
        name="tagging/wnut17", description="new and rare names in noisy text, 6 types (WNUT 2017)", aliases=ENTITIES,
        hub=_converted("leondz/wnut_17", "wnut_17"),
        **_names("corporation", "creative-work", "group", "location", "person", "product"),  # type: ignore[arg-type]
    ),
    Entities(
        name="tagging/conll2003", description="names in English news, 4 types (CoNLL-2003)",
        hub=_converted("eriktks/conll2003", "conll2003"),
        **_names("PER", "ORG", "LOC", "MISC"),  # type: ignore[arg-type]
    ),
    Entities(
        name="tagging/text", description="your own tagged words, in columns: --data PATH",
        instruction=ENTITY_INSTRUCTION.format(""), needs_data=True,
        aliases=(
            "tagging", *ENTITIES, "chunking", "slot filling", "sequence labelling", "sequence labeling", "token classification",
        ),
    ),
    PartsOfSpeech(
        name="tagging/pos", description="the part of speech of each word, in your files: CoNLL-U, or columns: --data PATH",
        instruction="", needs_data=True,
        aliases=("pos", "parts of speech", "part of speech", "pos tagging", "part of speech tagging", "upos"),
    ),
)  # fmt: skip
"""Plain `tagging` is the first."""
