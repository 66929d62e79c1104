"""Whatever happens to the installed distributions, they are found as `importlib.metadata` finds them, and without it."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from plmtasks.hooks import entry_points, load_registry

GROUPS = ("plmtasks", "plmtasks.commands")


def install(
    site: Path, name: str = "made-up", version: str = "1.0", entries: str = "[plmtasks]\na = made_up\n", **how: str
) -> Path:
    """A distribution's metadata, as pip leaves them behind, or another folder and file."""
    folder = site / how.get("folder", f"{name.replace('-', '_')}-{version}.dist-info")
    folder.mkdir(parents=True, exist_ok=True)
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (folder / how.get("file", "METADATA")).write_text(text, encoding="utf-8")
    (folder / "entry_points.txt").write_text(entries, encoding="utf-8")
    return folder


def theirs(group: str) -> list[tuple[str, str, str, str]]:
    """Name, value and distribution of what `importlib.metadata` finds."""
    importlib.metadata.MetadataPathFinder().invalidate_caches()  # it would miss a change of the last milliseconds
    found = importlib.metadata.entry_points(group=group)
    return [(e.name, f"{e.dist.name} {e.dist.version}", e.module, e.attr or "") for e in found if e.dist]


def ours(group: str) -> list[tuple[str, str, str, str]]:
    return [(e.name, e.distribution, e.module, e.attribute) for e in entry_points(group)]


def check() -> None:
    for group in GROUPS:
        assert ours(group) == theirs(group)


@pytest.fixture
def sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two empty folders that are all of `sys.path`."""
    made = tmp_path / "first", tmp_path / "second"
    for folder in made:
        folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(folder) for folder in made])
    return made


CHANGES: dict[str, Callable[[Path, Path], object]] = {
    "nothing": lambda first, second: None,
    "added": lambda first, second: install(first, "other", entries="[plmtasks]\nother = other.tasks:plugin.inner [extra]\n"),
    "removed": lambda first, second: shutil.rmtree(first / "made_up-1.0.dist-info"),
    "upgraded": lambda first, second: (shutil.rmtree(first / "made_up-1.0.dist-info"), install(first, version="2.0")),
    "an upgrade's leftover": lambda first, second: install(first, version="2.0"),
    "reinstalled with other entries": lambda first, second: install(first, entries="[plmtasks]\nb = made_up\n"),
    "of another version in place": lambda first, second: (first / "made_up-1.0.dist-info" / "METADATA").write_text(
        "Name: made-up\nVersion: 9.9\n"
    ),
    "entries gone": lambda first, second: (first / "made_up-1.0.dist-info" / "entry_points.txt").unlink(),
    "entries new": lambda first, second: (first / "plain-1.0.dist-info" / "entry_points.txt").write_text("[plmtasks]\np = p\n"),
    "shadowed": lambda first, second: install(first, "low.er", entries="[plmtasks]\nshadow = shadow\n"),
    "shadowed by one without entries": lambda first, second: install(first, "lower", entries="", folder="Low_Er-3.dist-info"),
    "an egg-info": lambda first, second: install(first, "egg", folder="egg.egg-info", file="PKG-INFO"),
    "an egg-info that is a file": lambda first, second: (first / "low_er.egg-info").write_text("Name: low-er\nVersion: 5\n"),
    "the other order": lambda first, second: sys.path.reverse(),
    "one folder less": lambda first, second: sys.path.remove(str(first)),
    "an egg": lambda first, second: (
        install(first / "some.egg", "some", folder="EGG-INFO", file="PKG-INFO"), sys.path.append(str(first / "some.egg")),
    ),
    "a folder that is not there": lambda first, second: sys.path.insert(0, str(first / "none")),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(change: str, sites: tuple[Path, Path]) -> None:
    install(sites[0])
    install(sites[0], "plain", entries="")
    install(
        sites[1],
        "low-er",
        entries="[plmtasks.commands]\nlow = low:command\n[console_scripts]\nlow = low:main\n[plmtasks]\nlow = low\n",
    )
    check()
    before = [ours(group) for group in GROUPS]
    CHANGES[change](*sites)
    check()
    assert ([ours(group) for group in GROUPS] == before) == (change in ("nothing", "a folder that is not there"))


@pytest.mark.parametrize("how", ["an archive", "an archive's folder", "a finder"])
def test_what_lies_in_no_folder_is_found(how: str, sites: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    install(sites[0])
    folder = install(sites[1].parent / "apart", "zipped", entries="[plmtasks]\nz = zipped\n")
    if how == "a finder":

        class Finder(importlib.metadata.MetadataPathFinder):
            @classmethod
            def find_distributions(cls, context: object = None) -> Iterator[importlib.metadata.Distribution]:
                yield importlib.metadata.Distribution.at(folder)

        monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    else:
        archive = sites[1].parent / "archive.zip"
        with zipfile.ZipFile(archive, "w") as out:
            for file in folder.iterdir():
                out.write(file, f"{folder.name}/{file.name}")
        sys.path.append(str(archive))
    check()
    assert {name for name, *_ in ours("plmtasks")} == {"a", "z"}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["install", "remove", "rewrite", "look"]), st.sampled_from([0, 1]),
        st.sampled_from(["one", "two", "T-w_o", "t.w.o"]), st.sampled_from(["1.0", "2.0"]),
        st.lists(st.sampled_from(["plmtasks", "plmtasks.commands", "console_scripts"]), unique=True),
    ),
    max_size=25,
)  # fmt: skip


@hypothesis.settings(max_examples=60, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(steps=STEPS)
def test_any_history_of_an_environment_is_seen(steps: list, sites: tuple[Path, Path]) -> None:
    for site in sites:
        shutil.rmtree(site)
        site.mkdir()
    for count, (what, place, name, version, groups) in enumerate(steps):
        # longer each time, so that the file's size tells a change of the same millisecond
        entries = "".join(f"[{group}]\ne = {'m' * (count + 1)}\n" for group in groups)
        folders = sorted(sites[place].iterdir())
        if what == "install":
            install(sites[place], name, version, entries)
        elif what == "remove" and folders:
            shutil.rmtree(folders[0])
        elif what == "rewrite" and folders:
            (folders[-1] / "entry_points.txt").write_text(entries)
        check()


def test_metadata_without_a_name_blame_the_module(sites: tuple[Path, Path]) -> None:
    (install(sites[0]) / "METADATA").write_text("Version: 1.0\n\nName: no header\n")
    assert ours("plmtasks") == [("a", "made_up", "made_up", "")]


def test_lines_are_read_as_they_are_meant(sites: tuple[Path, Path]) -> None:
    entries = "# [plmtasks]\n[plmtasks]\r\n# no = one\n a = made_up : plugin.inner [extra, other]\n\n[other]\nb = other\n"
    install(sites[0], entries=entries)
    check()
    assert ours("plmtasks") == [("a", "made-up 1.0", "made_up", "plugin.inner")]


def test_the_parsers_of_metadata_are_not_needed(sites: tuple[Path, Path]) -> None:
    install(sites[0])
    code = (
        "import sys; from plmtasks.hooks import entry_points\n"
        "print('a' in [e.name for e in entry_points('plmtasks')], 'importlib.metadata' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(sites[0])}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout
    assert said == "True False\n"


def test_a_value_that_names_no_object_is_a_plugin_that_fails(sites: tuple[Path, Path]) -> None:
    install(sites[0], entries="[plmtasks]\nbad = no module!\n")
    with pytest.warns(Warning, match=r"made-up 1\.0 failed to load"):
        (plugin,) = load_registry().plugins
    assert (plugin.name, plugin.error) == ("bad", "ModuleNotFoundError: No module named 'no module!'")
