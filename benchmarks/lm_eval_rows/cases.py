"""Which of lm-eval's tasks are held together, on which rows and models, and how they are asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Case:
    """One task on one model."""

    task: str
    """Its name in lm-eval, or a file of the folder `own`."""
    rows: str
    """The columns of its data set."""
    model: str
    shots: int | None = None
    """None: as the task has it."""
    chat: bool = False
    """Its prompts go through the model's chat template, shots as turns."""
    system: str = ""
    changed: Mapping[str, Any] = field(default_factory=dict)
    """Keys that a file which includes the task's own sets: greedy where it draws, or a metric that needs no network."""
    quick: bool = False
    """It is asked in the short round too."""


def _case(task: str, rows: str, *models: str, quick: str = "", **how: Any) -> list[Case]:
    """models: a name each, with the number of shots behind it: "llama 5"

    quick: the model of the short round
    """
    made = []
    for model in models:
        name, _, shots = model.partition(" ")
        made.append(Case(task=task, rows=rows, model=name, shots=int(shots) if shots else None, quick=quick == model, **how))
    return made


GREEDY = {"do_sample": False}
EXACT = [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}]

LIKELIHOODS: list[Case] = [
    *_case("arc_easy", "arc", "gpt2", "llama 5", "qwen 5", quick="llama 5"),
    *_case("arc_challenge", "arc", "qwen 2", chat=True, system="Answer briefly."),
    *_case("hellaswag", "hellaswag", "gpt2 5", "llama", quick="gpt2 5"),
    *_case("winogrande", "riddles", "gpt2", "llama 5", "qwen 5", quick="qwen 5"),
    *_case("winogrande", "riddles", "qwen 2", chat=True),
    *_case("xwinograd_en", "riddles", "llama"),
    *_case("piqa", "piqa", "llama", "t5", quick="t5"),
    *_case("boolq", "boolq", "qwen 5", system="Read with care."),
    *_case("copa", "copa", "gpt2", "llama 5"),
    *_case("cb", "cb", "llama 5", "gpt2", quick="gpt2"),
    *_case("sst2", "sentences", "gpt2 5"),
    *_case("sst2", "sst2", "qwen", "llama 5"),
    *_case("mrpc", "mrpc", "qwen", "gpt2 5"),
    *_case("cola", "sentences", "gpt2 5"),
    *_case("paws_en", "same", "llama"),
    *_case("race", "race", "gpt2", "llama"),
    *_case("openbookqa", "openbookqa", "gpt2 5"),
    *_case("sciq", "sciq", "qwen"),
    *_case("swag", "swag", "llama"),
    *_case("mutual", "mutual", "gpt2"),
    *_case("anli_r1", "anli", "qwen 5"),
    *_case("ethics_cm", "ethics", "llama"),
    *_case("medmcqa", "medmcqa", "gpt2 2"),
    *_case("mathqa", "mathqa", "llama"),
    *_case("mmlu_formal_logic", "mmlu", "gpt2 5", "qwen 5"),
    *_case("mmlu_formal_logic", "mmlu", "llama 2", chat=True),
    *_case("truthfulqa_mc1", "truthfulqa_mc", "llama"),
    *_case("truthfulqa_mc2", "truthfulqa_mc", "gpt2", "qwen", quick="qwen"),
    *_case("global_piqa_parallel_cloze_eng_latn", "global_piqa", "llama", quick="llama"),
    *_case("crows_pairs_english", "crows", "llama", "gpt2"),
    *_case("simple_cooccurrence_bias", "cooccurrence", "gpt2"),
    *_case("blimp_anaphor_gender_agreement", "blimp", "gpt2", "llama", "qwen", quick="llama"),
    *_case("lambada_openai", "lambada", "gpt2", "llama", "qwen", "t5", quick="gpt2"),
    *_case("lambada_openai_cloze_yaml", "lambada", "qwen"),
    *_case("arithmetic_1dc", "arithmetic", "llama"),
    *_case("asdiv", "asdiv", "gpt2", "qwen 3"),
    *_case("wikitext", "wikitext", "gpt2", "llama", quick="gpt2"),
    *_case("wikitext", "wikitext2", "gpt2", "qwen"),
    *_case("pile_10k", "pile", "gpt2", "qwen"),
]

TEXTS: list[Case] = [
    *_case("gsm8k", "gsm8k", "llama 5", "qwen 2"),
    *_case("gsm8k", "gsm8k", "qwen 2", chat=True, system="You reckon.", quick="qwen 2"),
    *_case("gsm8k_cot", "gsm8k", "qwen"),
    *_case(
        "gsm8k_cot_self_consistency", "gsm8k", "llama 2",
        changed={"generation_kwargs": {"until": ["Q:", "\n\n"], **GREEDY, "max_gen_toks": 32}, "repeats": 8},
    ),
    *_case("triviaqa", "triviaqa", "gpt2", "llama 5", quick="llama 5"),
    *_case("nq_open", "nq_open", "qwen 5"),
    *_case("nq_open", "nq_open", "llama 2", chat=True, system="Be short."),
    *_case("drop", "drop", "llama"),
    *_case("babi", "babi", "qwen 2"),
    *_case("bbh_zeroshot_snarks", "bbh", "llama"),
    *_case(
        "bbh_cot_fewshot_snarks", "bbh", "qwen",
        changed={"generation_kwargs": {"until": ["Q", "\n\n"], **GREEDY, "max_gen_toks": 64}},
    ),
    *_case("mmlu_formal_logic_generative", "mmlu", "gpt2 2", "qwen"),
    *_case("mgsm_direct_en", "mgsm", "llama 2"),
    *_case("hendrycks_math_algebra", "hendrycks_math", "qwen 4"),
    *_case("gpqa_main_generative_n_shot", "gpqa", "llama 2"),
    *_case("arc_challenge_chat", "arc", "llama", "qwen", chat=True, quick="llama"),
    *_case("arc_challenge_llama", "arc", "qwen", chat=True),
    *_case("truthfulqa_gen", "truthfulqa_gen", "llama"),
    *_case("wmt16-en-de", "translation", "t5", "qwen 2", quick="t5"),
    *_case("wmt16-en-de", "multi30k", "t5"),
    *_case("super_glue-cb-t5-prompt", "cb", "t5"),
    *_case("squad_completion", "squad_completion", "gpt2"),
    *_case("squadv2", "squad_v2", "llama"),
    *_case("polemo2_in", "polemo", "llama 3", changed={"metric_list": EXACT}),
    *_case(
        "simple_cooccurrence_bias_gen", "cooccurrence", "gpt2", quick="gpt2",
        changed={"generation_kwargs": {**GREEDY, "max_gen_toks": 5}},
    ),
]  # fmt: skip

OWN: list[Case] = [
    *_case("choices_of_all_kinds.yaml", "sentences", "llama 3", "gpt2", quick="gpt2"),
    *_case("texts_of_all_kinds.yaml", "translation", "qwen 2", "t5", quick="qwen 2"),
    *_case("texts_of_all_kinds.yaml", "translation", "llama 2", chat=True),
]
GROUPS: list[Case] = [
    *_case("global_mmlu_en", "global_mmlu", "llama 1", "qwen", quick="qwen"),
    *_case("without_weights.yaml", "global_mmlu", "gpt2"),
]
"""Their members' figures, and what these come to together: the first by the members' sizes, the second not."""

CASES: list[Case] = [*LIKELIHOODS, *TEXTS, *OWN, *GROUPS]
