"""ReCoRD: which entity of a passage stands in the gap of a sentence? Several of its names may be right."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from plmtasks.declared import Choices
from plmtasks.errors import DataError
from plmtasks.examples import Example, Prediction
from plmtasks.reading import first_line, sure_choice
from plmtasks.requests import Answer, Choose, Generate, GenerateAnswer, Request

GAP = "@placeholder"
HIGHLIGHT = re.compile(r"(?P<end>[.?!\"'])?\n@highlight\n")
"""What stands before each sentence of a passage's summary."""


class Record(Choices):
    """The passage's entities are the choices, each of them once; the reference has those that are right, as SQuAD has answers.

    source: the data set's card, https://huggingface.co/datasets/aps/super_glue, and the script before its conversion to Parquet,
        datasets/super_glue/super_glue.py in huggingface/datasets: passage, query, entities, answers (none where they are not
        public), idx with passage and query; Zhang et al. (2018), arXiv 1810.12885, rank by F1 and exact match with the answer
        that is best for it, which `squad` counts by the same rules. T5's words: `record` of preprocessors.py in
        google-research/text-to-text-transfer-transformer. Second source: tasks/super_glue/record of EleutherAI's lm-eval.
    """

    collection = "superglue"

    def __init__(self) -> None:
        asked = "Which of the entities stands for @placeholder? Answer with one of them."
        super().__init__(
            "qa/record", description="Which entity of a news article stands in the gap of a sentence? (ReCoRD, SuperGLUE)",
            metrics=["squad"], text="{passage}", choices="entities", reference={"text": "answers"},
            Generate={
                "instruction": asked, "text": "{passage}\n\nQuestion: {query}", "max_new_tokens": 32,
            },
            columns={
                "inputs": ["passage", "query", "entities"], "hidden": [], "cluster": "to_string(idx.passage)",
                "id": "join('-', [to_string(idx.passage), to_string(idx.query)])",
            },
            data={
                "hub": "aps/super_glue", "revision": "3de24cf8022e94f4ee4b9d55a6f539891524d646",
                **{split: f"record/{split}-00000-of-00001.parquet" for split in ("train", "validation", "test")},
            },
        )  # fmt: skip

    def input(self, where: str, name: str, value: Any) -> Any:
        """The summary's sentences stand in line with the passage's; entities of one name are one."""
        found = super().input(where, name, value)
        if name == "entities":
            return list(dict.fromkeys(found))
        return HIGHLIGHT.sub(lambda gap: f"{gap['end'] or '.'} ", found) if name == "passage" else found

    def reference(self, where: str, cell: Any, inputs: Mapping[str, Any]) -> Any:
        """raises: DataError if none of the answers is an entity, or the sentence has no gap"""
        answers = list(dict.fromkeys(cell["text"]))
        if not set(answers) & set(inputs["entities"]):
            raise DataError(where, f"answers among the entities {', '.join(inputs['entities'])}"[:200], f"{answers!r:.60}")
        if GAP not in inputs["query"]:
            raise DataError(where, f"a query with {GAP}", f"{inputs['query']!r:.60}")
        return {"text": answers}

    def posed(self, inputs: Mapping[str, Any], kind: str) -> Request:
        """A choice is the sentence with the entity in its gap, and is read behind the passage."""
        entities = inputs["entities"]
        request = super().posed(inputs, kind)
        if isinstance(request, Choose):
            filled = tuple(inputs["query"].replace(GAP, entity) for entity in entities)
            return replace(request, choices=filled)
        told = ", ".join(entities)
        written = cast(Generate, request)
        taught = f"record query: {inputs['query']} entities: {told} passage: {inputs['passage']}"
        return replace(written, text=f"{written.text}\nEntities: {told}", taught=taught)

    def read(self, example: Example, request: Request, answer: Answer) -> Prediction:
        """A generated text that names no entity is compared with the answers as it is."""
        found = super().read(example, request, answer)
        written = isinstance(answer, GenerateAnswer) and found.value is None
        return replace(found, value=first_line(cast(GenerateAnswer, answer).text)) if written else found

    def solve(self, example: Example, request: Request) -> Answer:
        right = next(entity for entity in example.inputs["entities"] if entity in example.reference["text"])
        if isinstance(request, Choose):
            return sure_choice(request.choices, [example.inputs["query"].replace(GAP, right)])
        return GenerateAnswer(text=right)
