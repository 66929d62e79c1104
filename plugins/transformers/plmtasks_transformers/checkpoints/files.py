"""Where a checkpoint's files are, and the hashes of those that matter.

A folder is as the library writes it; one model with several heads has the bare model there, and each head in a folder of
`heads/`; adapters have their own weights alone.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from plmtasks.errors import DataError, ModelError
from plmtasks.files import asked_of_hub, file_hash, read_object

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
ADAPTERS = "adapter_model.safetensors"
HEADS = "heads"
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
TOKENIZER = re.compile(
    r"(tokenizer|vocab|merges|special_tokens|added_tokens|spiece|sentencepiece|source\.spm|target\.spm|chat_template|dict\.txt|bpe\.codes)"
    r".*|.*\.(model|tiktoken)"
)
_NONE = type(None)
CONFIG = {
    "model_type?": (str, _NONE), "architectures?": (list, _NONE), "id2label?": (dict, _NONE), "problem_type?": (str, _NONE),
}  # fmt: skip
"""What a config.json holds, as far as it is read here; all else is transformers' business."""
CONFIGS = ("config.json", "generation_config.json")
SAFE_DOWNLOAD = ["*.json", "*.txt", "*.model", "*.spm", "*.jinja", "*.tiktoken", "model*.safetensors", ADAPTERS, f"{HEADS}/*"]


def find_folder(source: str, revision: str | None, *, pickles: bool = False, code: bool = False) -> Path:
    """The folder with config, tokenizer and weights of a checkpoint, downloaded where it must be.

    source: a folder, or a hub id; what the hub's cache holds in full is taken as it is, without asking the network
    pickles, code: whether such files are wanted too
    raises: ModelError
    """
    patterns = SAFE_DOWNLOAD + ["pytorch_model*.bin"] * pickles + ["*.py"] * code
    return _located(source, revision, patterns, lambda folder: _check(folder, source, pickles))


def find_configs(source: str, revision: str | None, *, download: bool = True) -> Mapping[str, Mapping[str, Any]]:
    """Folder within the checkpoint → its config.json: "" for the checkpoint's own, "heads/0" and so on for its heads.

    raises: ModelError
    """
    folder = _located(source, revision, ["config.json", f"{HEADS}/*/config.json"], lambda folder: None, download)
    heads = sorted(p.parent for p in folder.glob(f"{HEADS}/*/config.json"))
    return {p.relative_to(folder).as_posix() if p != folder else "": _read_config(p, source) for p in (folder, *heads)}


def weight_files(folder: Path, pickles: bool = False) -> list[Path]:
    """The files with the weights, an index first where there are several; empty if there are none that may be read."""
    if (folder / ADAPTERS).is_file():
        return [folder / ADAPTERS]
    for single, index in (WEIGHTS, PICKLES)[: 1 + pickles]:
        if (folder / single).is_file():
            return [folder / single]
        if (folder / index).is_file():
            names = set(read_object(folder / index, {"weight_map": {...: str}})["weight_map"].values())
            outside = [name for name in names if Path(name).name != name]
            if outside:
                raise DataError(str(folder / index), "names of files in its own folder", f"{outside[0]!r:.80}")
            return [folder / index, *(folder / name for name in sorted(names))]
    return []


def hashes(folder: Path, *, pickles: bool = False, code: bool = False) -> dict[str, str]:
    """File name → sha256 of all that can change an answer: weights, configuration, tokenizer, chat template, code."""
    files = [f for f in folder.iterdir() if f.name in CONFIGS or TOKENIZER.fullmatch(f.name) or (code and f.suffix == ".py")]
    return {f.name: sha256(f) for f in sorted([*files, *weight_files(folder, pickles)]) if f.is_file()}


def template_of(folder: Path) -> str:
    """All chat templates of a checkpoint's tokenizer, as text; "" if it has none."""
    found = [file.read_text(encoding="utf-8") for file in sorted(folder.rglob("*.jinja"))]
    if (folder / "tokenizer_config.json").is_file():
        said = read_object(folder / "tokenizer_config.json", {"chat_template?": object})
        found.append(json.dumps(said.get("chat_template") or "", ensure_ascii=False))
    return "\n".join(found)


def folder_name(folder: str) -> str:
    """A folder's own name, for tables; with its parent's where it is a word that many folders have."""
    path = Path(folder).expanduser().absolute()
    return f"{path.parent.name}/{path.name}" if path.name in ("model", "checkpoint", "best", "final", "output") else path.name


def sha256(file: Path) -> str:
    """The hash of a file's bytes. The hub's cache names large files by it already; others are read once a process."""
    blob = file.resolve()
    if blob.parent.name == "blobs" and re.fullmatch("[0-9a-f]{64}", blob.name):
        return blob.name
    return file_hash(blob)


def _read_config(folder: Path, source: str) -> Mapping[str, Any]:
    try:
        config = read_object(folder / "config.json", CONFIG)
    except FileNotFoundError:
        raise ModelError(f"{source!r} is no checkpoint: it has no config.json", f"looked in {folder}") from None
    except DataError as e:
        raise ModelError(f"the config.json of {source!r} cannot be read: {e}") from e
    strange = [i for i in config.get("id2label") or {} if not re.fullmatch("[0-9]{1,9}", i)]
    if strange:
        raise ModelError(f"the config.json of {source!r} has an id2label whose ids are no numbers: {strange[0]!r:.80}")
    if not (config.get("model_type") or config.get("architectures")):
        raise ModelError(f"the config.json of {source!r} names no model_type", f"looked in {folder}")
    return config


def _check(folder: Path, source: str, pickles: bool) -> None:
    """raises: ModelError if something needed is not there"""
    _read_config(folder, source)
    files = weight_files(folder, pickles)
    if not files:
        if weight_files(folder, pickles=True):
            raise ModelError(
                f"{source!r} has its weights as a pickle only, and that could run code of others",
                "if you trust it: --model-args '{\"use_safetensors\": false}'",
                f"looked in {folder}",
            )
        raise ModelError(f"{source!r} is no checkpoint: it has no {' or '.join(WEIGHTS)}", f"looked in {folder}")
    lost = [f.name for f in files if not f.is_file()]
    if lost:
        raise ModelError(f"{source!r} is incomplete: {', '.join(lost)} of its weights is not there", f"looked in {folder}")
    if not any(TOKENIZER.fullmatch(f.name) for f in folder.iterdir()):
        raise ModelError(f"{source!r} has no tokenizer: no tokenizer.json, vocab.txt or the like", f"looked in {folder}")


def _located(
    source: str, revision: str | None, patterns: list[str], check: Callable[[Path], None], download: bool = True
) -> Path:
    """A folder as it is; of the hub what its cache has, if that passes the check, and else what it gives when it is asked."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        check(folder)
        return folder
    try:
        folder = _snapshot(source, revision, patterns, cached=True)
        check(folder)
    except ModelError:
        if not download:
            raise
        folder = _snapshot(source, revision, patterns, cached=False)
        check(folder)
    asked_of_hub(folder, patterns, revision)
    return folder


def _snapshot(source: str, revision: str | None, patterns: list[str], *, cached: bool) -> Path:
    from huggingface_hub import errors, snapshot_download

    none = f"there is no folder {source!r}"
    said: dict[type[Exception], tuple[str, ...]] = {
        errors.HFValidationError: (f"{none}, and that is no name of a checkpoint on the hub (owner/name)",),
        errors.GatedRepoError: (f"{source!r} is only for those whom its owner lets in", "log in with: hf auth login"),
        errors.RevisionNotFoundError: (f"{source!r} has no revision {revision!r}",),
        errors.RepositoryNotFoundError: (f"{none}, and no such checkpoint on the hub",),
        errors.LocalEntryNotFoundError: (
            f"{source!r} is not on this machine, and the hub cannot be reached",
            f"there is no folder of that name, and {'revision ' + revision if revision else 'it'} is not in the hub's cache",
            f"where there is a network: hf download {source}" + (f" --revision {revision}" if revision else ""),
            "or give a folder with config.json, model.safetensors and the tokenizer's files, or a --bundle that holds it",
        ),
    }
    try:
        return Path(snapshot_download(source, revision=revision, allow_patterns=patterns, local_files_only=cached))
    except tuple(said) as e:
        raise ModelError(*next(lines for kind, lines in said.items() if isinstance(e, kind))) from None
