"""The engine of plmtasks as a model of lm-evaluation-harness: `--model plmtasks`."""

import logging
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from itertools import cycle, groupby
from typing import TYPE_CHECKING, Any

from lm_eval.api import model
from lm_eval.api.registry import register_model
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils import resolve_max_length

from plmtasks.errors import InputError, PlmtasksError
from plmtasks.evaluation import Answerer
from plmtasks.hooks import load_registry
from plmtasks.model import Model
from plmtasks.requests import Answer, Choose, ChooseAnswer, Generate, LogLikelihood, Request

from . import arguments
from .asking import requests_of, responses

if TYPE_CHECKING:
    from lm_eval.api.instance import Instance

LOG = logging.getLogger(__name__)

SHOWN = (
    Choose(exact=True, text="a", choices=("b",)),
    LogLikelihood(text="a", disjoint=True),
    Generate(exact=True, text="a", max_new_tokens=1),
)
"""One request of each kind that lm-eval's tasks ask for: a model is loaded for all of them that it answers at once."""


@register_model("plmtasks")
class LM(model.LM):  # type: ignore[misc]  # lm-eval has no types
    """All requests of a kind come here at once: planned whole, and dealt to processes of ours, while lm-eval sees one rank.

    What lm-eval asks of the tokenizer is answered by `hf`'s own functions.
    """

    def __init__(self, pretrained: str, **told: Any) -> None:
        """
        pretrained: a folder, a name on the hub, or any model of plmtasks
        told: `arguments.KNOWN`

        raises: InputError, ModelError
        """
        import torch

        super().__init__()
        if str(told.get("batch_size", 1)) != "1":
            LOG.info("batch_size=%s is not needed: batches are cut by tokens, as many as the memory takes", told["batch_size"])
        # lm-eval has given it to torch: its own --seed draws the texts here too
        registry = load_registry(trusting=bool(told.get("trust_remote_code")))
        self.arguments = arguments.read(pretrained, told, torch.initial_seed(), registry)
        family = registry.model(self.arguments.config.model).family
        # behind an encoder there is no likelihood of a text from its beginning on
        shown = [request for request in SHOWN if family != "sequence-to-sequence" or not isinstance(request, LogLikelihood)]
        self.answerer = Answerer(self.arguments.config, shown, cache=self.arguments.cache, registry=registry)
        self.pretrained = pretrained
        self.custom_prefix_token_id = self.add_bos_token = self._max_length = None
        self.chat_template_args = self.arguments.template

    def loglikelihood(self, requests: Sequence["Instance"], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """raises: InputError where the model is to think first"""
        if self.arguments.enable_thinking:
            raise InputError(
                "a model that thinks first gives no log-likelihoods", "leave out enable_thinking=True for these tasks"
            )
        return self._responses(requests)

    def loglikelihood_rolling(self, requests: Sequence["Instance"], disable_tqdm: bool = False) -> list[float]:
        return self._responses(requests)

    def generate_until(self, requests: Sequence["Instance"], disable_tqdm: bool = False) -> list[str]:
        return self._responses(requests)

    def _responses(self, instances: Sequence["Instance"]) -> list[Any]:
        """One for each instance; one that comes again and again is to be drawn as often."""
        unlike = list({id(instance): instance for instance in instances}.values())
        documents = [list(group) for _, group in groupby(unlike, lambda i: (i.task_name, i.doc_id))]
        asked = [requests_of(document) for document in documents]
        answers = iter(self.answerer.answers([request for requests in asked for request in requests]))
        given: dict[int, cycle[Any]] = {}
        for document, requests in zip(documents, asked, strict=True):
            mine = [_answered(request, next(answers)) for request in requests]
            for instance, texts in zip(document, responses(document, mine), strict=True):
                given[id(instance)] = cycle(texts)
        return [next(given[id(instance)]) for instance in instances]

    # ── what lm-eval asks of a tokenizer ──────────────────────────────────────────────────────────────────────────────────

    apply_chat_template = HFLM.apply_chat_template
    chat_template = HFLM.chat_template
    tokenizer_name = HFLM.tokenizer_name
    tok_encode, tok_decode = HFLM.tok_encode, HFLM.tok_decode
    eot_token_id, prefix_token_id, max_gen_toks = HFLM.eot_token_id, HFLM.prefix_token_id, HFLM.max_gen_toks

    @cached_property
    def _model(self) -> Model:
        return self.answerer.registry.model(self.answerer.config.model)

    @cached_property
    def _from(self) -> dict[str, Any]:
        """Where the library finds its files."""
        source, trusting = getattr(self._model, "source", None), self.answerer.config.settings.trust_remote_code
        if source is None:
            raise InputError(f"{self.pretrained!r} has no tokenizer here", "only a model of the transformers library has one")
        return {
            "pretrained_model_name_or_path": source, "revision": getattr(self._model, "revision", None) or "main",
            "trust_remote_code": trusting,
        }  # fmt: skip

    @cached_property
    def tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(**self._from)

    @cached_property
    def max_length(self) -> int:
        from transformers import AutoConfig

        return int(resolve_max_length(AutoConfig.from_pretrained(**self._from), self.tokenizer))

    def get_model_info(self) -> dict[str, Any]:
        """What lm-eval writes down of the model: what `hf` says of it, and how plmtasks answered."""
        settings, identity = self.answerer.config.settings, self.answerer.identity()
        return {
            "model_num_parameters": self.answerer.parameters, "model_dtype": settings.dtype,
            "model_revision": getattr(self._model, "revision", None) or "main",
            "model_sha": identity["model"].get("revision") or "",
            "plmtasks": {"version": version("plmtasks"), "processes": self.answerer.count, "identity": identity},
        }  # fmt: skip


def _answered(request: Request, answer: Answer | None) -> Answer:
    """raises: PlmtasksError for an answer that lm-eval could not read"""
    if answer is None:
        raise PlmtasksError(f"a request was not answered: {' '.join(request.texts())[:80]!r} …")
    if isinstance(answer, ChooseAnswer) and any(choice.greedy is None for choice in answer.choices):
        raise PlmtasksError("the model does not tell whether greedy decoding would write a text, which lm-eval asks")
    return answer
