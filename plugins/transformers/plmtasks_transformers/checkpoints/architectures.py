"""What a config.json says of a checkpoint: its family, its head and its labels. Plain JSON, no torch."""

from collections.abc import Mapping, Sequence
from typing import Any

from plmtasks.errors import ModelError
from plmtasks.requests import Choose, Classify, ExtractSpan, LogLikelihood, Regress, Request, Tag

ENCODER, DECODER, SEQUENCE_TO_SEQUENCE = "encoder", "decoder", "sequence-to-sequence"

ANSWERS = {
    ENCODER: ("Classify", "Regress", "Choose", "Tag", "ExtractSpan", "LogLikelihood"),
    DECODER: ("Choose", "LogLikelihood", "Generate"),
    SEQUENCE_TO_SEQUENCE: ("Choose", "LogLikelihood", "Generate"),
}

ENCODER_TYPES = frozenset((
    "albert", "bert", "big_bird", "camembert", "canine", "convbert", "data2vec-text", "deberta", "deberta-v2", "distilbert",
    "electra", "ernie", "esm", "eurobert", "flaubert", "fnet", "funnel", "ibert", "layoutlm", "longformer", "luke",
    "megatron-bert", "mobilebert", "modernbert", "mpnet", "mra", "nezha", "nomic_bert", "nystromformer", "rembert", "roberta",
    "roberta-prelayernorm", "roc_bert", "roformer", "splinter", "squeezebert", "xlm", "xlm-roberta", "xlm-roberta-xl", "xmod",
    "yoso",
))  # fmt: skip
SEQUENCE_TO_SEQUENCE_TYPES = frozenset((
    "bart", "bigbird_pegasus", "blenderbot", "blenderbot-small", "encoder-decoder", "fsmt", "led", "longt5", "m2m_100",
    "marian", "mbart", "mt5", "mvp", "nllb-moe", "pegasus", "pegasus_x", "plbart", "prophetnet", "switch_transformers", "t5",
    "t5gemma", "umt5",
))  # fmt: skip

PREFIXED = ("t5", "mt5", "umt5", "longt5", "switch_transformers", "t5gemma")
"""Sequence-to-sequence types that are told what to do; the others (BART, Marian, …) take the text alone."""

SEQUENCE_HEADS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "MarianMTModel", "WithLMHeadModel")
MASKED_HEADS = ("ForMaskedLM", "ForPreTraining")
HEADS: dict[type[Request], str] = {
    Classify: "ForSequenceClassification",
    Regress: "ForSequenceClassification",
    Tag: "ForTokenClassification",
    ExtractSpan: "ForQuestionAnswering",
}
PAIRS = "ForMultipleChoice"
WITHOUT_PAIRS = frozenset(("deberta", "esm", "eurobert", "layoutlm", "nezha", "nomic_bert", "splinter"))
"""Encoders of which the library has no class for multiple choice; a test holds the others to having one."""


def is_taught(config: Any) -> bool:
    """Whether a checkpoint learned from the multi-task mixture of T5's pretraining, and so knows its prompts.

    Of T5's own that is the first release alone: 1.1, mT5 and FLAN-T5 have a gated activation.

    config: of transformers; it names the prefixes of some of the tasks
    source: Raffel et al. (2020), arXiv 1910.10683, section 2.4; the config.json of t5-small and of google/flan-t5-base
    """
    named = getattr(config, "task_specific_params", None) or {}
    prefixes = any(isinstance(params, Mapping) and "prefix" in params for params in named.values())
    return config.model_type == "t5" and prefixes and not config.is_gated_act


def family_of(config: Mapping[str, Any]) -> str:
    """encoder, decoder or sequence-to-sequence.

    A type that neither table knows is told by the head that it was saved with; without one it is taken for a decoder, as
    most new architectures are.
    """
    kind, heads = config.get("model_type"), config.get("architectures") or []
    if config.get("is_encoder_decoder") or kind in SEQUENCE_TO_SEQUENCE_TYPES:
        return SEQUENCE_TO_SEQUENCE
    if config.get("is_decoder") or any(h.endswith(("ForCausalLM", "LMHeadModel")) for h in heads):
        return DECODER
    if kind in ENCODER_TYPES or any(h.endswith("ForMaskedLM") for h in heads):
        return ENCODER
    return DECODER


def names_of(id2label: Mapping[Any, Any] | None) -> list[str]:
    """What a head's columns are called, in their order: `id2label` alone tells, as in the library's pipelines.

    raises: ModelError if it does not number its labels 0, 1, 2, …
    """
    if not id2label:
        return []
    try:
        names = {int(i): str(name) for i, name in id2label.items()}
    except (AttributeError, ValueError, TypeError):
        names = {}
    if sorted(names) != list(range(len(id2label))):
        found = ", ".join(map(str, id2label))[:80]
        raise ModelError(
            f"the id2label of a config.json numbers its labels {found}; expected 0 to {len(id2label) - 1}",
            'it names each column of the head, such as {"0": "negative", "1": "positive"}',
        )
    return [names[i] for i in range(len(names))]


def labels_of(config: Mapping[str, Any]) -> list[str]:
    """The labels of its head in the order of its columns; none where nobody named them (LABEL_0, LABEL_1, …)."""
    labels = names_of(config.get("id2label"))
    return [] if all(name == f"LABEL_{i}" for i, name in enumerate(labels)) else labels


def is_regression(config: Mapping[str, Any]) -> bool:
    """Whether its head for sequences gives one number, as the library takes it: a head for labels has two columns or more."""
    return len(names_of(config.get("id2label"))) == 1 and config.get("problem_type") in (None, "regression")


def same_labels(config: Mapping[str, Any], example_request: Request) -> bool:
    """Whether its head gives just the labels that the request names, in whatever order; or the one number that it asks for."""
    if isinstance(example_request, Regress):
        return is_regression(config)
    if not isinstance(example_request, (Classify, Tag)):
        return True
    labels = labels_of(config)
    if sorted(labels) != sorted(example_request.labels):
        return False
    multi_label = config.get("problem_type") == "multi_label_classification"
    return not isinstance(example_request, Classify) or example_request.multi_label == multi_label


def own_head(family: str, example_request: Request) -> str | None:
    """The end of the name of the library's classes that have a head for such requests alone; None: a language model's answers."""
    return PAIRS if family == ENCODER and isinstance(example_request, Choose) else HEADS.get(type(example_request))


def answers_of(configs: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The kinds of request that a checkpoint can be asked: those of its family that the library has a class for.

    configs: its own first, then those of its heads
    """
    heads = [head for config in configs for head in config.get("architectures") or []]
    kind, family = configs[0].get("model_type"), family_of(configs[0])
    if family == ENCODER:
        pairs = kind in ENCODER_TYPES - WITHOUT_PAIRS or any(head.endswith(PAIRS) for head in heads)
        return tuple(answer for answer in ANSWERS[family] if pairs or answer != "Choose")
    whole = [config for config in configs if any(head.endswith(HEADS[Classify]) for head in config.get("architectures") or [])]
    return (*dict.fromkeys("Regress" if is_regression(config) else "Classify" for config in whole), *ANSWERS[family])


def has_head(config: Mapping[str, Any], example_request: Request) -> bool:
    """Whether it was saved with a head that answers such a request."""
    heads = config.get("architectures") or []
    wanted = own_head(family_of(config), example_request)
    if wanted is not None:
        return any(h.endswith(wanted) for h in heads) and same_labels(config, example_request)
    if family_of(config) != ENCODER:
        return any(h.endswith(SEQUENCE_HEADS) for h in heads)
    # ELECTRA's pretraining head tells replaced words from others; it predicts none
    return any(h.endswith(MASKED_HEADS) for h in heads if h != "ElectraForPreTraining")


def head_of(config: Mapping[str, Any]) -> str:
    """What it was saved to answer, in words; nothing for a bare model."""
    heads = config.get("architectures") or []
    labels = labels_of(config)
    if any(h.endswith(HEADS[Regress]) for h in heads) and is_regression(config):
        return Regress.kind()
    own = dict(HEADS) | ({Choose: PAIRS} if family_of(config) == ENCODER else {})
    for example_request, ending in own.items():
        if any(h.endswith(ending) for h in heads):
            if example_request in (Choose, ExtractSpan):
                return example_request.kind()
            return f"{example_request.kind()} with the labels {', '.join(labels)}" if labels else ""
    if not has_head(config, LogLikelihood(text="")):
        return ""
    return ", ".join(kind for kind in ANSWERS[family_of(config)] if kind not in {one.kind() for one in own})


def memory_of(config: Mapping[str, Any], bytes_each: int) -> tuple[int, int]:
    """Bytes of the weights, and bytes that one padded token of a batch takes at most while it is computed; by arithmetic.

    bytes_each: of a number. A token has its states in the widest layer (queries, keys, values, both sides of a feed-forward
    network, residuals), its keys and values in all layers, as generation keeps them, and its logits over the vocabulary.
    """

    def first(*names: str, default: int) -> int:
        # a list of numbers layer by layer, a null or a text is no number
        return next((n for name in names if isinstance(n := config.get(name), int) and n > 0), default)

    width = first("hidden_size", "n_embd", "d_model", "dim", default=768)
    inner = first("intermediate_size", "n_inner", "d_ff", "encoder_ffn_dim", "ffn_dim", "hidden_dim", default=4 * width)
    layers = first("num_hidden_layers", "n_layer", "num_layers", "n_layers", "encoder_layers", default=12)
    layers += first("num_decoder_layers", "decoder_layers", default=layers) if config.get("is_encoder_decoder") else 0
    heads = first("num_attention_heads", "n_head", "num_heads", "n_heads", "encoder_attention_heads", default=12)
    key_heads = first("num_key_value_heads", default=heads)
    kept = 2 * key_heads * first("head_dim", "d_kv", default=width // heads)
    vocabulary = first("vocab_size", default=32000)
    experts = first("num_local_experts", "num_experts", "n_routed_experts", default=1)
    weights = layers * (4 * width * width + 3 * experts * width * inner) + 2 * vocabulary * width
    return weights * bytes_each, (8 * width + 3 * inner + layers * kept + vocabulary) * bytes_each
