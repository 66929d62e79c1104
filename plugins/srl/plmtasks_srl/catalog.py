"""The tasks by name, with their instructions and data."""

from plmtasks.data import HubData, language_name
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


CONLL_2012 = {"en": "english_v4", "zh": "chinese_v4", "ar": "arabic_v4"}
"""Language → configuration of ontonotes/conll2012_ontonotesv5, the shared task's splits of OntoNotes 5, Pradhan et al. (2012),
W12-4501; the hub's id, configurations and columns are its script's in datasets 2.5."""


def _conll_2012(language: str) -> tuple[Roles, Predicates]:
    ending, name = "" if language == "en" else f"-{language}", language_name(language)
    hub = _converted("ontonotes/conll2012_ontonotesv5", CONLL_2012[language])
    follows = f"srl/predicates-conll2012{ending}"
    return (
        Roles(
            name=f"srl/conll2012{ending}", description=f"who did what to whom: {name}, predicates given (CoNLL-2012)",
            instruction=ROLE_INSTRUCTION, follows=follows, hub=hub, language=language,
        ),
        Predicates(
            name=follows, description=f"which words are predicates, and in which sense: {name} (CoNLL-2012)",
            instruction=PREDICATE_INSTRUCTION, hub=hub, language=language,
        ),
    )  # fmt: skip


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
        name="srl/sample-zh", description="the roles in built-in Chinese sentences", language="zh", instruction="",
        follows="srl/predicates-sample-zh", sample_language="zh",
    ),
    Predicates(
        name="srl/predicates", description="which words are predicates, and in which sense of PropBank, in your files",
        instruction=PREDICATE_INSTRUCTION, needs_data=True, aliases=("predicate identification",),
    ),
    Predicates(name="srl/predicates-sample", description="the verb of built-in sentences", instruction="", sample_language="en"),
    Predicates(
        name="srl/predicates-sample-zh", description="the verb of built-in Chinese sentences", language="zh", instruction="",
        sample_language="zh",
    ),
    *(task for language in CONLL_2012 for task in _conll_2012(language)),
)  # fmt: skip
"""Plain `srl` is the first."""

FEW_NERD = HubData(
    repo="DFKI-SLT/few-nerd", revision="205f3e9c9f3577ea2561d43f2f62dc249ab92d5b",
    files={split: f"supervised/{split}-00000-of-00001.parquet" for split in ("train", "validation", "test")},
)  # fmt: skip
"""Ding et al. (2021), 2021.acl-long.248; revision and paths as other projects pin them, labels as its script names them."""

FEW_NERD_TYPES = {
    "art": "broadcastprogram film music other painting writtenart",
    "building": "airport hospital hotel library other restaurant sportsfacility theater",
    "event": "attack/battle/war/militaryconflict disaster election other protest sportsevent",
    "location": "GPE bodiesofwater island mountain other park road/railway/highway/transit",
    "organization": (
        "company education government/governmentagency media/newspaper other politicalparty religion showorganization "
        "sportsleague sportsteam"
    ),
    "other": (
        "astronomything award biologything chemicalthing currency disease educationaldegree god language law livingthing medical"
    ),
    "person": "actor artist/author athlete director other politician scholar soldier",
    "product": "airplane car food game other ship software train weapon",
}
"""Few-NERD's types and their finer ones, in the order of the hub's numbers."""

ONTONOTES_TAGS = (
    "O B-CARDINAL B-DATE I-DATE B-PERSON I-PERSON B-NORP B-GPE I-GPE B-LAW I-LAW B-ORG I-ORG B-PERCENT I-PERCENT B-ORDINAL "
    "B-MONEY I-MONEY B-WORK_OF_ART I-WORK_OF_ART B-FAC B-TIME I-CARDINAL B-LOC B-QUANTITY I-QUANTITY I-NORP I-LOC B-PRODUCT "
    "I-TIME B-EVENT I-EVENT I-FAC B-LANGUAGE I-PRODUCT I-ORDINAL I-LANGUAGE"
)
"""In the order of tner/ontonotes5's label.json; its sentences are those of CoNLL-2012's splits that are tagged with names."""

MULTICONER = {
    "bn": "Bangla", "de": "German", "en": "English", "es": "Spanish", "fa": "Farsi", "fr": "French", "hi": "Hindi",
    "it": "Italian", "pt": "Portuguese", "sv": "Swedish", "uk": "Ukrainian", "zh": "Chinese",
}  # fmt: skip
"""Language → how a folder of MultiCoNER/multiconer_v2 calls it; Fetahu et al. (2023), 2023.semeval-1.310, rank by the mean F1
of the types."""

MULTICONER_TYPES = (
    "Facility OtherLOC HumanSettlement Station VisualWork MusicalWork WrittenWork ArtWork Software OtherCW MusicalGRP "
    "PublicCorp PrivateCorp OtherCorp AerospaceManufacturer SportsGRP CarManufacturer TechCORP ORG Scientist Artist Athlete "
    "Politician Cleric SportsManager OtherPER Clothing Vehicle Food Drink OtherPROD Medication/Vaccine MedicalProcedure "
    "AnatomicalStructure Symptom Disease"
)
"""As the data set's script names them; a few occur in no language."""


def _few_nerd(name: str, what: str, column: str, *types: str) -> Entities:
    return Entities(
        name=f"tagging/{name}", description=f"names in Wikipedia, {what} (Few-NERD, supervised)", hub=FEW_NERD, runs=True,
        columns={"words": "tokens", "tags": column}, **{**_names(*types), "tags": ("O", *types)},  # type: ignore[arg-type]
    )  # fmt: skip


def _multiconer(language: str, called: str) -> Entities:
    where = f"{language.upper()}-{called}/{language}"
    files = {split: f"{where}_{name}.conll" for split, name in (("train", "train"), ("validation", "dev"), ("test", "test"))}
    hub = HubData(repo="MultiCoNER/multiconer_v2", revision="4be2d62c912977ee26ed14d2553a4fe17ca3d980", files=files)
    return Entities(
        name=f"tagging/multiconer.{language}", language=language, hub=hub, metrics=("conlleval_macro", "conlleval"),
        description=f"complex names in short {language_name(language)} texts, fine types (MultiCoNER 2)",
        **_names(*MULTICONER_TYPES.split()),  # type: ignore[arg-type]
    )  # fmt: skip


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
        name="tagging/ontonotes5", description="names in English of seven genres, 18 types (OntoNotes 5)",
        hub=_converted("tner/ontonotes5", "ontonotes5"),
        **{  # type: ignore[arg-type]
            **_names(*sorted({tag[2:] for tag in ONTONOTES_TAGS.split() if tag != "O"})), "tags": tuple(ONTONOTES_TAGS.split()),
        },
    ),
    _few_nerd("few_nerd", "8 types", "ner_tags", *FEW_NERD_TYPES),
    _few_nerd(
        "few_nerd-fine", "66 types", "fine_ner_tags",
        *(f"{of}-{fine}" for of, finer in FEW_NERD_TYPES.items() for fine in finer.split()),
    ),
    *(_multiconer(language, called) for language, called in MULTICONER.items()),
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
