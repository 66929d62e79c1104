"""Results in a model's card, as the hub's metadata and as a table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plmtasks.errors import DataError, InputError
from plmtasks.files import open_folder, write_text
from plmtasks.results import Result
from plmtasks.tables import escape_markdown, markdown_table

from .hub_results import by_run, hub_results, identity, same_figures

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCard

    from plmtasks.hooks import Registry

BEGIN, END = "<!-- results of plmtasks: begin -->", "<!-- results of plmtasks: end -->"
"""Between them stands what is written anew."""

HEADER = ("task", "data, split", "score", "value", "95 % interval", "n", "protocol", "to know")


def write(results: Sequence[Result], path: Path, registry: "Registry") -> list[Path]:
    """The card with these results.

    In a card that is there, they take the place of earlier ones of the same task, data and protocol; all else stays.

    path: the file, or its folder

    raises: InputError for several models, or no score at all; DataError for a card that is none; OutputError
    """
    from huggingface_hub import ModelCardData

    models = sorted({result.model for result in results})
    if len(models) > 1:
        raise InputError(f"a card is of one model; there are runs of {', '.join(models)}", "name the runs of one of them")
    new = [found for result in results for found in hub_results(result, registry)]
    if not new:
        raise InputError(f"{results[0].folder}: no score is defined, so there is nothing for a card")
    file = path if path.suffix == ".md" else path / "README.md"
    card = _open(file, models[0], results)
    assert isinstance(card.data, ModelCardData)
    there, runs = card.data.eval_results or [], by_run(new)
    earlier, made = by_run(there), {same_figures(run) for run in runs.values()}
    runs |= {name: run for name, run in earlier.items() if same_figures(run) not in made}
    ordered = sorted(runs.values(), key=lambda run: (*map(str, same_figures(run)), str(identity(run[0]))))
    card.data.model_name = card.data.model_name or models[0]
    card.data.eval_results = [*(found for found in there if identity(found) not in earlier), *(f for run in ordered for f in run)]
    # the table is made of the metadata, so that it has what was there before, too
    card.text = _with_section(card.text, _section(ordered))
    open_folder(file.parent)
    write_text(file, str(card))
    return [file]


def _open(file: Path, model: str, results: Sequence[Result]) -> "ModelCard":
    """The card that is there, or a new one.

    raises: DataError
    """
    import yaml
    from huggingface_hub import ModelCard, ModelCardData, metadata_load

    if not file.exists():
        languages = sorted({str(result.record["task"]["language"]) for result in results} - {"und"})
        head = ModelCardData(language=languages or None, tags=["plmtasks"]).to_yaml()
        return ModelCard(f"---\n{head}\n---\n\n# {escape_markdown(model)}\n")
    try:
        card: ModelCard = ModelCard.load(file)
        metadata = metadata_load(file) or {}
    except (OSError, ValueError, yaml.YAMLError) as e:
        raise DataError(str(file), "a model's card: YAML between lines of ---, then Markdown", str(e)) from e
    if len(metadata.get("model-index") or []) > 1:
        raise DataError(str(file), "one model in model-index", "several", "choose another --output")
    return card


def _section(runs: "Sequence[Sequence[EvalResult]]") -> str:
    """The table of results, and how to repeat them."""
    rows = [[escape_markdown(cell) for cell in _cells(run[0].metric_args or {}, found)] for run in runs for found in run]
    commands = [args["command"] for run in runs if (args := run[0].metric_args or {}).get("command")]
    again = ["", "To make them again:", "", *(f"    {command}" for command in commands)] if commands else []
    return "\n".join([BEGIN, "## Results", "", *markdown_table(HEADER, rows), *again, END])


def _cells(run: Mapping[str, Any], found: "EvalResult") -> list[str]:
    """run: what the scores of the run rest on"""
    args = found.metric_args or {}
    decimals = 2 if args["unit"] == "points" else 4
    ends = "none" if args["low"] is None else f"{args['low']:.{decimals}f} to {args['high']:.{decimals}f}, {args['interval']}"
    name = f"{found.metric_name}{'' if args['higher_is_better'] else ' ↓'}"
    return [
        run["task"], f"{run['data']}, {run['split']}", name if args["unit"] == "points" else f"{name} ({args['unit']})",
        f"{found.metric_value:.{decimals}f}", ends,
        str(run["total"]) if run["examples"] == run["total"] else f"{run['examples']} of {run['total']}",
        run["protocol"], "; ".join(run["marks"]),
    ]  # fmt: skip


def _with_section(text: str, section: str) -> str:
    """The text with the section in the place of the one that it has, or behind all else."""
    before, begins, rest = text.partition(BEGIN)
    _, ends, after = rest.partition(END)
    return before + section + after if begins and ends else f"{text.rstrip()}\n\n{section}\n"
