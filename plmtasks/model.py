"""The base classes of a model: what it answers, what a request costs it, how it learns."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from .errors import DataError, InputError, ModelError, PlmtasksError, summary_of
from .files import CHECKSUM, asked_of_hub, file_hash, is_sealed, read_object, read_text
from .requests import Answer, Request

if TYPE_CHECKING:
    import torch

    from .config import ModelSettings, TrainSettings
    from .results import Result

RECORD = "plmtasks.json"

_DATASET = {"task": str, "examples": int, "name": str, "split": str}
_TRAINED = {
    "recipe": str, "model?": str, "tasks": {...: {"examples": int, "name": str, "split": str, "labels?": ([str], type(None))}},
    "before?": [_DATASET], "history?": [{}], "files?": {...: str},
    "parts": {"training": {"seed": int, ...: Any}, "learned": [{"data": {}, "task": str}], "start": [{}], "processes?": int},
}  # fmt: skip
"""What the record of a training holds, as far as others read it."""


def read_training(folder: Path) -> Mapping[str, Any] | None:
    """The record that a training left in a checkpoint's folder; None if there is none.

    raises: DataError, also if a file of the checkpoint is not the one that the training wrote
    """
    try:
        record = read_object(folder / RECORD, _TRAINED)
    except FileNotFoundError:
        return None
    if CHECKSUM in record and not is_sealed(read_text(folder / RECORD), record):
        raise DataError(
            str(folder / RECORD), "the record that the training wrote", "an altered one", "restore it, or train again"
        )
    for name, written in record.get("files", {}).items():
        path = folder / name
        found = file_hash(path) if path.is_file() and path.resolve().is_relative_to(folder.resolve()) else "no such file"
        if found != written:
            raise DataError(
                str(path), f"the file that the training wrote, SHA-256 {written}", found, "restore it, or train again",
                f"whoever changed it on purpose deletes {RECORD}: it is another model then, trained elsewhere",
            )  # fmt: skip
    return record


@contextmanager
def reading(name: str, folder: Path) -> Iterator[None]:
    """What a library finds wrong with a checkpoint, as an error of ours.

    raises: ModelError
    """
    try:
        yield
    except PlmtasksError:
        raise
    except Exception as e:  # tokenizers raises Exception itself, and a value of another type whatever its code comes to
        said = summary_of(e)
        first = said if isinstance(e, (OSError, ValueError, RuntimeError, ImportError)) else f"{type(e).__name__}: {said}"
        raise ModelError(f"{name!r} cannot be loaded: {first}", f"looked in {folder}") from e


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What one request costs a model."""

    group: str = ""
    """Only requests of one group share a batch."""
    rows: int = 1
    """Sequences that the request becomes (windows, choices)."""
    width: int
    """Tokens of its longest sequence, to which a batch's other sequences are padded."""
    bare: int | None = None
    """Tokens that it computes where nothing is padded; None: its sequences are padded to the widest of the batch."""
    near: bytes = b""
    """Requests that are near each other in this order share a batch before those of like width do."""
    cut: int = 0
    """Tokens that truncation takes away."""
    turn: int = 0
    """Only requests of one turn share a batch, and a lower turn is answered first: another has something else loaded."""

    @property
    def tokens(self) -> int:
        """What it computes alone."""
        return self.rows * self.width if self.bare is None else self.bare


@dataclass(frozen=True, kw_only=True)
class TokenRow:
    """Tokens that a model reads on end."""

    name: str
    """What they are of the request."""
    ids: tuple[int, ...]
    texts: tuple[str, ...]
    """As the tokenizer's vocabulary spells each."""
    scored: int = 0
    """So many of the last are not given but looked for: the very last is not read."""


def hub_snapshot(name: str, patterns: Sequence[str]) -> Path:
    """The folder of a checkpoint of the hub: from its cache without asking the network, or downloaded.

    name: owner/name, with @revision where it is not the main one
    patterns: of the files that are wanted; without any of the first, what the cache holds is not the whole

    raises: ModelError if the hub has none of that name, or cannot be reached
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    repo, _, revision = name.partition("@")
    wanted: dict[str, Any] = {"revision": revision or None, "allow_patterns": list(patterns)}
    try:
        with suppress(LocalEntryNotFoundError):
            folder = Path(snapshot_download(repo, local_files_only=True, **wanted))
            if any(folder.glob(patterns[0])):
                asked_of_hub(folder, patterns, revision)
                return folder
        folder = Path(snapshot_download(repo, **wanted))
    except (OSError, ValueError) as e:  # the hub's errors are OSErrors, a bad name is a ValueError
        raise ModelError(f"{name!r} is no folder, and the hub did not give it", f"{type(e).__name__}: {summary_of(e)}") from e
    asked_of_hub(folder, patterns, revision)
    return folder


class Model(ABC):
    """A model by name: what it answers and where its weights are. Light: nothing is loaded before `load`.

    It knows nothing of tasks. A `example_request` is any request of the kind to be answered: it shows the label set from which a
    head is made.
    """

    name: str
    family: str = ""
    """encoder, decoder, sequence-to-sequence, or what fits."""
    answers: Sequence[str]
    """The kinds of request that it can be asked."""
    on_request: Sequence[str] = ()
    """Those of them by which it is asked where the user says so, or a task can be asked by nothing else."""
    version: ClassVar[int] = 1
    """Raised whenever the same weights would give other answers: prompts, windows, decoding."""
    recommended: Mapping[str, Any] = {}
    """Its own values for the fields of `TrainSettings` that a user left open."""
    learns_by: Sequence[str] | None = None
    """The fields of `TrainSettings` that it goes by, if it learns from all examples at once, by `learn`; None: it learns in
    updates, by `learner`."""
    description: str = ""

    from_scratch: bool = False
    """It has no weights yet: `make` must be called, and the model it returns trained."""

    def make(self, texts: Iterable[str], seed: int, folder: Path) -> "Model":
        """Writes a checkpoint with random weights and a tokenizer learned from `texts`; returns the model there.

        folder: it is not there yet, and is made here
        """
        raise TypeError(f"{self.name} has weights of its own")

    def saved(self, folder: Path) -> "Model":
        """The model in a checkpoint that `TrainableModel.save` wrote, under this model's name."""
        raise TypeError(f"{self.name} cannot be trained")

    @abstractmethod
    def identity(self, example_request: Request, settings: "ModelSettings") -> dict[str, Any]:
        """All of the model that can change an answer: hashes of weights, configuration and tokenizer. Loads nothing.

        It holds the seed of the settings if answers depend on it: a run on which no seed acts is made once for all seeds.

        raises: ModelError if there is no such checkpoint
        """

    def newly_initialized(self, example_request: Request) -> bool:
        """Whether weights that answer such a request would be newly initialized: then it must learn first."""
        return False

    def heads(self) -> Sequence[str]:
        """What it has weights to answer, in words: kinds, with their labels; for messages."""
        return ()

    def training_record(self) -> Mapping[str, Any] | None:
        """What plmtasks wrote beside the weights when it trained them: `plmtasks.json`. None: trained elsewhere."""
        return None

    def unsafe(self, settings: "ModelSettings") -> Sequence[str]:
        """What of the model's name and these settings may run code that is not installed, or leads elsewhere; in words.

        Asked where a file names them, which a stranger may have written: a stored run, a suite. By default all that is handed
        on to a library, but for numbers.
        """
        said = [name for name, value in settings.model_args.items() if type(value) not in (int, float)]
        return [*(["trust_remote_code"] if settings.trust_remote_code else []), *said]

    def rendered(self, request: Request, settings: "ModelSettings") -> str:
        """The text that is really sent for a request, for `plmtasks show`."""
        return "\n".join(request.texts())

    def tokens(self, request: Request, settings: "ModelSettings") -> Sequence[TokenRow]:
        """All tokens that are really sent for a request, for `plmtasks show --tokens`: by the tokenizer alone, without weights.

        None where nobody here knows them.
        """
        return ()

    def tokens_within(self, memory: int, dtype: str) -> int | None:
        """The most padded tokens of a batch that fit into so many bytes beside the weights; by arithmetic, nothing is loaded.

        None: nobody knows
        """
        return None

    @abstractmethod
    def load(self, example_request: Request, settings: "ModelSettings", device: str) -> "LoadedModel":
        """The model in memory, ready to answer requests like `example_request`.

        device: as torch spells it: "cpu", "cuda:1"
        raises: ModelError
        """

    def learner(
        self, example_requests: Sequence[Request], settings: "ModelSettings", training: "TrainSettings", device: str
    ) -> "Sequence[TrainableModel]":
        """The model in memory, ready to learn: one view of the same weights for each form.

        What `training` wants of the model itself (frozen weights, adapters, smoothing, …) is done here; by default a model
        learns one task at a time, and none of that.

        raises: ModelError; InputError for what this model cannot learn, or not together
        """
        loaded = self.load(example_requests[0], settings, device)
        if not isinstance(loaded, TrainableModel):
            raise InputError(f"model {self.name!r} cannot be trained")
        if len(example_requests) > 1:
            raise InputError(f"model {self.name!r} learns one task at a time")
        return [loaded]

    def learn(self, requests: Sequence[Request], answers: Sequence[Answer], training: "TrainSettings", folder: Path) -> None:
        """Learns from all of these at once, and writes a checkpoint that `saved` reads. The main process alone is asked.

        What is written depends on nothing else: not on threads, processes or the device, nor on what was learned before.

        folder: it is made here if it is not there
        raises: InputError for what it cannot learn
        """
        raise TypeError(f"{self.name} does not learn from all examples at once")

    def export(self, example_request: Request, settings: "ModelSettings", folder: Path) -> None:
        """Writes what answers such requests as a folder that the model's own library loads whole, adapters merged.

        raises: ModelError, OutputError; InputError if it has no such weights
        """
        raise InputError(f"model {self.name!r} cannot be exported")


class LoadedModel(ABC):
    """A model in memory."""

    newly_initialized: Sequence[str] = ()
    """Names of weights that the checkpoint did not have."""
    parameters: int | None = None
    """How many weights it has; None: nobody can know."""
    limited: str = ""
    """The most tokens of a text that it takes, and whose limit that is, in words; "": none that it knows of."""
    ahead: int = 0
    """Batches that are begun before the answers to an earlier one are read: some, where a device computes by itself."""

    @abstractmethod
    def costs(self, requests: Sequence[Request]) -> list[Cost]:
        """What each request costs; a function of these requests alone, in whatever order they come.

        What several of them share may be computed once: the whole plan is asked for at once, before any of it is answered.

        raises: InputError if a text is over the model's limit and the truncation policy is `error`
        """

    @abstractmethod
    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """The answers of one batch, in its order."""

    def begin(self, requests: Sequence[Request]) -> Callable[[], list[Answer]]:
        """Begins with a batch, and does not wait for it: what it returns does, and gives its answers.

        Asked in place of `answer`; by default nothing is done before the answers are wanted.
        """
        return partial(self.answer, requests)


class TrainableModel(LoadedModel):
    """A model in memory that can learn."""

    module: "torch.nn.Module"
    """Holds every weight that learns."""

    def learning_costs(self, requests: Sequence[Request]) -> list[Cost]:
        """What it costs to learn from each request, where that is not what its answer costs."""
        return self.costs(requests)

    def shortened(self, requests: Sequence[Request], answers: Sequence[Answer]) -> int:
        """How many of these are over the model's limit, and are learned without what is over it."""
        return sum(cost.cut > 0 for cost in self.learning_costs(requests))

    @abstractmethod
    def loss(self, requests: Sequence[Request], answers: Sequence[Answer]) -> "tuple[torch.Tensor, float]":
        """The summed loss of a batch, a scalar with gradient, and what to divide it by for a mean (examples or tokens)."""

    @abstractmethod
    def save(self, folder: Path, state: "Mapping[str, torch.Tensor] | None" = None) -> None:
        """Writes a checkpoint that the model's own library loads as it is: of all views that were made to learn together.

        folder: it is made here if it is not there
        state: the weights where no process holds all of them, named as in a ModuleList of all views' modules
        """


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """What several results come to together."""

    name: str
    examples: int
    scores: Mapping[str, Mapping[str, Any]]
    """By the names that they have in the results, each with "value", "unit", and "low" and "high", None without an interval."""
    depth: int = 0
    """How far it stands within another one, which is told before it."""


class Provider(ABC):
    """Makes an item of any name under a scheme: `transformers:google-bert/bert-base-uncased`."""

    scheme: str
    """What stands before a colon in its names; or their beginning, if it ends with a slash: "translation/"."""
    description: str = ""
    """Which names there are, for `plmtasks list`."""
    default: bool = False
    """Whether names without a scheme, that nobody registered, are its own."""
    inert: bool = False
    """Whether its items run nothing but installed code, whatever the name: only then may a file of a stranger name one."""

    def owns(self, name: str) -> bool:
        """Whether a name without a scheme, that nobody registered, is its own: a folder that its models wrote. Loads nothing."""
        return False

    def names(self) -> Collection[str]:
        """Those that it knows, without the scheme, for hints and as far as an instant tells; any other may be asked for too."""
        return ()

    def known(self) -> Sequence[Mapping[str, str]]:
        """A row for each that it knows, for `plmtasks list SCHEME`: "name", whole, and whatever tells it apart."""
        return ()

    def checked(self, word: str) -> Iterable[Mapping[str, str]]:
        """What can be asked of all that it knows, for `plmtasks list SCHEME --check`; it says itself how far it is.

        A row for each: its "name"; its "kind"; and under "refused" why it cannot be asked, in the same words for the same reason,
        or nothing.

        word: in the names of those that are wanted
        """
        return ()

    def members(self, name: str) -> Sequence[str] | None:
        """The names, whole, of the items that a name stands for together; None: it stands for one item.

        raises: InputError if they cannot be told
        """
        return None

    def aggregate(self, name: str, results: Mapping[str, "Result"]) -> Sequence[Aggregate]:
        """What the results of a name's members come to together; nothing where that has no meaning.

        results: by the members' names, all of them; of one model, with the same settings
        """
        return ()

    @property
    def beginning(self) -> str:
        """What its names begin with."""
        return self.scheme if self.scheme.endswith("/") else f"{self.scheme}:"

    @abstractmethod
    def make(self, name: str) -> Any:
        """The item of that name. Loads nothing.

        raises: ModelError, or the like of the kind that it provides
        """
