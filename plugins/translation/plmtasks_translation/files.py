"""Which files, lying side by side, hold texts and their translations, a line each."""

import fnmatch
import glob
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from plmtasks.data import SPLIT_FILES
from plmtasks.errors import InputError


def patterns(folder: Path, source: str) -> Mapping[str, Sequence[str]]:
    """split → the name of its source file, if the folder has lines side by side; else what names any file of the split.

    Where several files could be one split, each is a split of its own name, and the first of several tests is `test` too.

    source: the language
    """
    stems = {stem: name for name in sorted(p.name for p in folder.iterdir()) if (stem := shared_name(name, source))}
    if any(_marked(name) for name in stems.values()):
        stems = {stem: name for stem, name in stems.items() if _marked(name)}
    if not stems:
        return SPLIT_FILES
    found: dict[str, str] = {}
    alone = set()
    for split, globs in SPLIT_FILES.items():
        fitting = [stem for stem in stems if any(fnmatch.fnmatch(f"{stem}.", g) for g in globs)]
        exact = [stem for stem in fitting if f"{stem}.*" in globs] or (fitting if len(fitting) == 1 else [])
        alone.update(exact[:1])
        if exact or (fitting and split == "test"):
            found[split] = (exact or fitting)[0]
    if not found and len(stems) == 1:
        [found["test"]] = alone = set(stems)
    found |= {stem: stem for stem in stems if stem not in alone}
    return {split: [glob.escape(stems[stem])] for split, stem in found.items()}


def shared_name(name: str, source: str) -> str | None:
    """What a source file's name shares with those of its translations; None if it is none."""
    match = re.fullmatch(rf"(.+?)([.-]src)?\.{re.escape(source)}(\.txt)?(\.gz)?", name)
    return match[1] if match else None


def references(path: Path, source: str, target: str, wanted: str | None) -> list[Path]:
    """The files of the translations of a source file.

    source, target: the languages
    wanted: labels of files beside it, or names of files, with + between; None: all that lie beside it

    raises: InputError if there are none
    """
    found = _beside(path, source, target)
    if wanted is None:
        if not found:
            raise InputError(
                f"{path}: no translation beside it",
                f"looked for: {shared_name(path.name, source) or path.name}.{target} and the like",
                "--columns reference=FILE names it; several have + between them",
            )
        return list(found.values())
    files = [found.get(name) or path.parent / name for name in wanted.split("+")]
    missing = next((name for name, file in zip(wanted.split("+"), files, strict=True) if not file.is_file()), None)
    if missing is not None:
        there = ", ".join(label or file.name for label, file in found.items())
        raise InputError(f"{path}: no reference {missing!r} beside it", f"there are: {there or 'none'}", "or name a file")
    return files


def _beside(path: Path, source: str, target: str) -> dict[str, Path]:
    """label → file: `train.de` for `train.en`, also `train.de0`, `train.de1`; WMT's `ref.A.de`, `ref.B.de` for `src.en`."""
    stem = shared_name(path.name, source)
    if stem is None:
        return {}
    language = re.escape(target)
    label = rf"[.-]ref(?:[.-]?(\w+))??\.{language}" if _marked(path.name) else rf"\.{language}\.?(\d*)"
    found: dict[str, Path] = {}
    for file in sorted(path.parent.iterdir()):
        match = re.fullmatch(rf"{re.escape(stem)}{label}(?:\.txt)?(?:\.gz)?", file.name)
        if match:
            other = found.setdefault(match[1] or "", file)
            if other != file:
                raise InputError(f"{path}: {other.name} and {file.name} could both be its translation", "remove one of them")
    return found


def _marked(name: str) -> bool:
    """Whether a source file's name says that it is one: `newstest2020-enzh-src.en`."""
    return re.search(r"[.-]src\.", name) is not None
