"""The base class of a task: data as examples, examples as requests, answers as predictions; and of a perturbation."""

import random
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from .errors import InputError, PluginError
from .examples import Example, Prediction
from .files import as_text
from .requests import Answer, Request

if TYPE_CHECKING:
    from .config import Source
    from .data import Dataset


class Task(ABC):
    """Turns examples into requests and answers into predictions.

    A task is a value: it is not changed by a run. It never sees a tensor. `ask` and `read` are given examples whose
    reference is hidden; `solve` alone sees it.
    """

    name: str
    """"classification/sst2": the plugin's word, a slash, the variant."""
    version: ClassVar[int] = 1
    """Raised whenever the same data and answers would be asked, read or solved differently."""
    asks: Sequence[str]
    """The kinds of request by which it can be asked, the preferred first."""
    metrics: Sequence[str]
    """Names of metrics; the first score of the first is the task's main score, unless `main` names another."""
    main: str = ""
    """The score by which runs are ranked; of its metrics, the first that gives it."""
    language: str = "en"
    """ISO 639-1 code of the texts."""
    labels: tuple[str, ...] = ()
    """What can be predicted, where that is a closed set; metrics have a column for each and one for all else."""
    description: str = ""
    """One line for `plmtasks list tasks`."""
    aliases: Sequence[str] = ()
    """What people say instead of its name: "ner", "named entities"; no part of it. Two tasks may share one where one of them
    `needs_data`: it is meant where the user names data."""
    needs_data: bool = False
    """Whether it has no data of its own, and asks of those that the user names."""
    collection: str = ""
    """The benchmark that it belongs to, by which a list groups it: "glue"."""
    fields: Sequence[str] = ()
    """The inputs that a new question must give, all texts: for `plmtasks predict`; none: it takes no new questions."""
    more_fields: Sequence[str] = ()
    """Inputs that a new question may give, of any JSON value."""

    @abstractmethod
    def load(self, source: "Source") -> "Dataset":
        """The task's splits, from its own data set or from `source`.

        raises: DataError with file and line where the data is not what its format says
        """

    def bind(self, data: "Dataset") -> "Task":
        """This task, knowing what only the data tells (its labels, say)."""
        return self

    def labelled(self, labels: Sequence[str]) -> "Task":
        """This task with the labels that a model has learned for it, where they come from the data and not from the task."""
        return replace(self, labels=tuple(labels)) if is_dataclass(self) else self

    @abstractmethod
    def ask(self, example: Example, kind: str) -> Request:
        """The request of this kind that the example poses. `example` has no reference."""

    @abstractmethod
    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        """What the answer means in the reference's terms. `example` has no reference."""

    @abstractmethod
    def solve(self, example: Example, request: Request) -> Answer:
        """The answer that a perfect model would give: the target of training, and the proof that nothing is lost."""

    def read_predictions(self, path: Path, examples: Sequence[Example]) -> Mapping[str, Prediction]:
        """Somebody else's predictions, id → prediction, in the formats that the task's field uses.

        By default JSON lines or a table with "id" and "prediction", or one prediction a line in the order of the examples.

        raises: DataError with file and line
        """
        from .data import read_predictions

        return read_predictions(path, examples)

    def write_predictions(
        self, name: str, examples: Sequence[Example], predictions: Mapping[str, Prediction]
    ) -> Mapping[str, str]:
        """The text of a file with these predictions, in the format that the scorers of the task's field read.

        By default, and in every task where the name ends in .jsonl: JSON lines with "id", "prediction" and "scores".

        name: the file's
        examples: in the order of the data set, each with a prediction
        returns: it by its name, and the texts of further files that belong beside it; `read_predictions` reads the first
        """
        from .data import write_predictions

        return {name: write_predictions(examples, predictions)}

    def pose(self, row: Mapping[str, Any], id: str) -> Example:
        """A new question as an example without a reference.

        row: what the user gives, by the names of `fields` and `more_fields`

        raises: InputError if the row is no question of this task
        """
        known = [*self.fields, *self.more_fields]
        wrong = [name for name in row if name not in known]
        missing = [name for name in self.fields if not (isinstance(row.get(name), str) and row[name].strip())]
        if wrong or missing or not known:
            said = f"no text {missing[0]!r}" if missing else f"a field {wrong[0]!r}" if wrong else "no fields at all"
            raise InputError(f"{self.name} is asked with {', '.join(known) or 'nothing new'}; the question has {said}")
        return Example(id=id, inputs=dict(row))

    def column_names(self, field: str) -> Sequence[str]:
        """What a column may be called that holds a field, where new questions are the rows of a table; the first there counts."""
        return (field,)

    def show(self, example: Example, prediction: Prediction) -> str:
        """The prediction as a person reads it; line feeds are taken out by whoever prints it."""
        return as_text(prediction.value)

    def config(self) -> dict[str, Any]:
        """What of the task belongs in a run's identity."""
        return {"name": self.name, "version": self.version, "language": self.language, "labels": list(self.labels)}


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A task as a list shows it, which is made when it is used: what `register_tasks` may return in a task's place."""

    name: str
    make: Callable[[], Task]
    """The task itself, of that name."""
    asks: Sequence[str]
    metrics: Sequence[str]
    language: str = "en"
    description: str = ""
    aliases: Sequence[str] = ()
    needs_data: bool = False
    collection: str = ""
    """The benchmark that it belongs to, by which a list groups it: "glue"."""


class Rewritable(Task):
    """A task of whose inputs some may be put in another way without making the reference wrong: what `--perturb` is for."""

    texts: Sequence[str] = ()
    """Those inputs, texts or lists of words. Of a list each word keeps its place."""
    people: Sequence[str] = ()
    """Those of them in which it does not matter to the reference who is spoken of."""


class Follower(Task):
    """A task that asks about what another predicts: the roles of predicates that were found."""

    follows: str
    """The other task's name: its predictions can take the place of what the data gives."""

    @abstractmethod
    def derive(self, example: Example, prediction: Prediction) -> Sequence[Example]:
        """The examples, without references, that follow from an example of the other task and what is predicted of it."""

    @abstractmethod
    def match(self, examples: Sequence[Example], derived: Sequence[Example]) -> Sequence[Example]:
        """The derived examples with their references, and those of `examples` that nothing was derived for, so that they count
        as missed: what is asked and scored when another run's predictions take the place of what the data gives.
        """


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A finished run, whose predictions another task asks about."""

    task: str
    model: str
    identity: str
    data: str
    """What the result calls the data."""
    split: str
    examples: Sequence[Example]
    """Those of its task, with their references."""
    predictions: Mapping[str, Prediction]
    """By id; of an example that was skipped there is none."""


class Judge(Task):
    """A task that asks about what other runs predicted, whatever their task is."""

    runs: int = 1
    """So many it asks about, all of the same task and examples."""

    @abstractmethod
    def judging(self, runs: Sequence[Judged]) -> "Task":
        """This task, whose examples follow from these runs: called before `load`.

        raises: InputError, DataError for what it cannot ask about
        """


@dataclass(frozen=True, kw_only=True)
class Prompting:
    """How the user wants a task's prompts to be made."""

    shots: int | None = None
    """None: as the task has it."""
    seed: int = 0
    """Draws them."""
    chat: bool = False
    """As the turns of a chat, shots too."""
    system: str = ""
    """Stands before all else: the system's turn of a chat."""
    repeats: int = 1
    """Texts for each question, of a task that reads several itself."""
    limit: int | None = None
    """So many of the first examples are asked; None: all."""
    trust_remote_code: bool = False
    """Whether what a model writes, or what comes with the data, may be run."""


class SelfPrompted(Task):
    """A task whose prompts are its own to the letter: it draws the shots, and asks by requests that are `exact`."""

    shots: int = 0
    """Solved examples that stand before each question."""
    repeats: int = 1
    """Texts that it asks for and reads itself about each question, which is never asked again then."""
    how: Prompting = Prompting()
    """How its prompts are made."""
    drawn: bool = False
    """Whether its prompts would be others with another seed, which it knows once its data are bound."""

    def config(self) -> dict[str, Any]:
        """With whether its prompts are a chat, and what stands before all else."""
        told = {"chat": self.how.chat, "system": self.how.system}
        return {**super().config(), **({"prompted": told} if any(told.values()) else {})}

    @abstractmethod
    def prompted(self, how: Prompting) -> "Task":
        """This task, whose data are to be asked in that way: called before `load`.

        raises: InputError for what it cannot do
        """


class Abstaining(Task):
    """A task whose questions may have no answer."""

    may_abstain: bool = True

    @abstractmethod
    def read_no_answer_probabilities(self, path: Path) -> Mapping[str, float]:
        """The probability of no answer by id, from a file in the format of the task's field.

        raises: DataError
        """


class Dependent(Task):
    """A task to which its data tell more than the labels: how many references each example has."""

    @abstractmethod
    def as_run(self, facts: Mapping[str, Any]) -> "Task":
        """This task as it was bound in a run that tells these facts of it, its labels among them."""


class HubTask(Task):
    """A task that model cards can name."""

    hub_type: str = ""
    """The hub's word for such tasks: "text-classification"."""


def as_run(task: Task, facts: Mapping[str, Any]) -> Task:
    """The task as it was bound in a run that tells these facts of it; the same where they say nothing new."""
    if isinstance(task, Dependent):
        return task.as_run(facts)
    labels = tuple(facts.get("labels", task.labels))
    return task if labels == task.labels else task.labelled(labels)


GAPS = re.compile(r"(\s+)")


class Perturbation(ABC):
    """Another way to put an example that leaves its reference right: a function from example to example.

    It is the same for every call: what it draws follows from its name and the example's id.
    """

    name: str
    version: ClassVar[int] = 1
    """Raised whenever the same example would be changed differently."""
    description: str = ""
    """One line for `plmtasks list perturbations`."""
    exchanges_people: ClassVar[bool] = False
    """Whether the text speaks of other people afterwards: for tasks to which that does not matter."""
    languages: Sequence[str] = ()
    """Of the texts that it can change; none: all."""

    @abstractmethod
    def rewrite(self, text: str, draw: random.Random) -> str:
        """A text in another way, or as it is where there is nothing to change."""

    def rewrite_words(self, words: Sequence[str], draw: random.Random) -> Sequence[str]:
        """The words of a sentence, as many as before: they have labels of their own. By default as they are."""
        return words

    def fields(self, task: Task) -> Sequence[str]:
        """The inputs of the task's examples that it may change; none: it suits them not."""
        if not isinstance(task, Rewritable) or (self.languages and task.language not in self.languages):
            return ()
        return task.people if self.exchanges_people else task.texts

    def change(self, example: Example, task: Task) -> Example | None:
        """The example in another way; None where there is nothing to change.

        raises: PluginError if a word of a sentence went or came
        """
        inputs = dict(example.inputs)
        for name in self.fields(task):
            value = inputs.get(name)
            # each field draws the same, so that a name that two of them have becomes one other name
            draw = random.Random(f"{self.name} {self.version} {example.id}")
            if isinstance(value, str):
                inputs[name] = self.rewrite(value, draw)
            elif isinstance(value, list) and all(isinstance(word, str) for word in value):
                inputs[name] = list(self.rewrite_words(value, draw))
                if (count := len(inputs[name])) != len(value):
                    raise PluginError(f"perturbation {self.name!r} made {count} words of {len(value)}: {value!r:.200}")
        return None if inputs == example.inputs else replace(example, inputs=inputs)

    def signature(self) -> str:
        """What a reader needs to repeat it: its name and version."""
        return f"{self.name} v{self.version}"


class WordPerturbation(Perturbation):
    """One that changes words one for one, so that it suits texts and tagged sentences alike."""

    @abstractmethod
    def rewrite_words(self, words: Sequence[str], draw: random.Random) -> Sequence[str]:
        """As many words as before; marks may stand at a word of a text that is not cut finer than by white space."""

    def rewrite(self, text: str, draw: random.Random) -> str:
        parts = GAPS.split(text)
        parts[::2] = self.rewrite_words(parts[::2], draw)
        return "".join(parts)
