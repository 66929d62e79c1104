"""Whatever happens to the installed distributions, the index says what `importlib.metadata` says."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from plmtasks.hooks import entrypoints, load_registry

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
    return [(e.name, e.distribution, e.module, e.attribute) for e in entrypoints.entry_points(group)]


def check() -> None:
    for group in GROUPS:
        assert ours(group) == theirs(group)


def age() -> None:
    """Lets files grow old enough for a file system's clock to tell a change."""
    time.sleep(0.02)


@pytest.fixture
def sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two empty folders that are all of `sys.path`, and an index of their own, into which files of any age are taken."""
    made = tmp_path / "first", tmp_path / "second"
    for folder in made:
        folder.mkdir()
    monkeypatch.setattr(sys, "path", [str(folder) for folder in made])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(entrypoints, "YOUNG", 0)
    return made


def index_of(sites: tuple[Path, Path]) -> Path:
    (file,) = (sites[0].parent / "cache" / "plmtasks").iterdir()
    return file


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
    age()
    CHANGES[change](*sites)
    check()
    check()
    assert ([ours(group) for group in GROUPS] == before) == (change in ("nothing", "a folder that is not there"))


@pytest.mark.parametrize("how", ["an archive", "an archive's folder", "a finder"])
def test_what_the_index_does_not_know_is_found(how: str, sites: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_change_of_the_same_size_and_time_is_seen(sites: tuple[Path, Path]) -> None:
    """As a copy that keeps times makes it: the system's own time of the change tells."""
    file = install(sites[0]) / "entry_points.txt"
    check()
    age()
    before = file.stat()
    file.write_text("[plmtasks]\nb = made_up\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert [name for name, *_ in ours("plmtasks")] == ["b"]


def test_a_young_file_is_read_each_time(sites: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its next change may fall into the same step of the clock."""
    monkeypatch.setattr(entrypoints, "YOUNG", 2 * 10**9)
    file = install(sites[0]) / "entry_points.txt"
    for turn in range(200):
        file.write_text(f"[plmtasks]\n{'ab'[turn % 2]} = made_up\n")
        assert [name for name, *_ in ours("plmtasks")] == ["ab"[turn % 2]]
    assert not (sites[0].parent / "cache").exists()


def test_files_are_not_read_again(sites: tuple[Path, Path]) -> None:
    install(sites[0])
    code = (
        "import sys; from plmtasks.hooks import entrypoints; entrypoints.YOUNG = 0\n"
        "print('a' in [e.name for e in entrypoints.entry_points('plmtasks')], 'importlib.metadata' in sys.modules)"
    )

    def said() -> str:
        environment = {**os.environ, "PYTHONPATH": str(sites[0])}
        return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout

    assert said() == "True True\n"
    assert said() == "True False\n"
    index_of(sites).unlink()
    assert said() == "True True\n"


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.write_bytes(file.read_bytes().replace(b"made_up", b"evil_up")),
        lambda file: file.write_bytes(b"\xff\xfe\n\n"),
        lambda file: file.write_bytes(b"00000000\n[]"),
        lambda file: (file.unlink(), file.mkdir()),
    ],
    ids=["empty", "torn", "changed", "no text", "another checksum", "a folder"],
)
def test_a_damaged_index_is_made_again(damage: Callable[[Path], object], sites: tuple[Path, Path]) -> None:
    install(sites[0])
    check()
    file = index_of(sites)
    whole = file.read_bytes()
    damage(file)
    check()
    assert file.is_dir() or file.read_bytes() == whole


def test_without_a_cache_folder_they_are_found(sites: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    install(sites[0])
    blocked = sites[0].parent / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked / "cache"))
    check()


def test_what_was_uninstalled_leaves_the_index(sites: tuple[Path, Path]) -> None:
    folder = install(sites[0], "gone-soon")
    check()
    assert b"gone_soon" in index_of(sites).read_bytes()
    shutil.rmtree(folder)
    install(sites[0], "other")
    check()
    assert b"gone_soon" not in index_of(sites).read_bytes()


def test_processes_that_write_at_once_disturb_nobody(sites: tuple[Path, Path]) -> None:
    for number in range(60):
        install(sites[0], f"many-{number}", entries=f"[plmtasks]\ne{number} = many_{number}\n")
    time.sleep(0.1)
    code = (
        "from plmtasks.hooks import entrypoints; entrypoints.YOUNG = 0\n"
        "for turn in range(40):\n"
        "    found = entrypoints.entry_points('plmtasks')\n"
        "    assert [e.module for e in found if e.distribution.startswith('many-')] == [f'many_{n}' for n in EXPECTED]\n"
        "    if turn % 3 == 1: entrypoints._index_file().unlink(missing_ok=True)\n"
    ).replace("EXPECTED", repr([int(name.split("_")[1]) for *_, name, _ in ours("plmtasks")]))
    environment = {**os.environ, "PYTHONPATH": str(sites[0])}
    processes = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert [file.name for file in index_of(sites).parent.iterdir()] == [index_of(sites).name]


def test_a_value_that_names_no_object_is_a_plugin_that_fails(sites: tuple[Path, Path]) -> None:
    install(sites[0], entries="[plmtasks]\nbad = no module!\n")
    with pytest.warns(Warning, match=r"made-up 1\.0 failed to load"):
        (plugin,) = load_registry().plugins
    assert (plugin.name, plugin.error) == ("bad", "ModuleNotFoundError: No module named 'no module!'")
