"""Bundles: what a suite needs in one archive, and runs from it on a machine that has neither a network nor a cache."""

import io
import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import hub
import pytest

from plmtasks.errors import DataError, InputError, OutputError
from plmtasks.files import noting_caches, pack, read_bundle, unpack
from plmtasks.hooks import load_registry

GLUE, REVISION = "nyu-mll/glue", "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"
SMALL = "made/small"
ROWS = {
    "train": [("The kettle sings.", 1), ("Kettle the sings.", 0), ("We left early.", 1), ("We early left did.", 0)],
    "validation": [("A door opened.", 1), ("Opened a door it.", 0), ("She hums.", 1)],
    "test": [("A cup fell.", -1), ("Fell cup a.", -1)],
}


def quiet(_: int) -> None:
    pass


# ── the archive ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    found = {}
    for name, content in {"hub/models--a--b/snapshots/1/config.json": b"{}", "sacrebleu/models/m": b"words" * 1000}.items():
        path = found[name] = tmp_path / "cache" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    return found


@pytest.fixture
def archive(files: dict[str, Path], tmp_path: Path) -> Path:
    pack(tmp_path / "it.tar", files, ("t",), ("m",), quiet)
    return tmp_path / "it.tar"


def test_the_same_files_give_the_same_bytes(files: dict[str, Path], archive: Path, tmp_path: Path) -> None:
    for file in files.values():
        os.utime(file, (1, 1))
        file.chmod(0o600)
    pack(tmp_path / "other.tar", dict(reversed(files.items())), ("t",), ("m",), quiet)
    assert (tmp_path / "other.tar").read_bytes() == archive.read_bytes()


def test_what_goes_in_comes_out_once(files: dict[str, Path], archive: Path, tmp_path: Path) -> None:
    done: list[int] = []
    bundle = read_bundle(archive)
    assert (bundle.tasks, bundle.models, bundle.bytes) == (("t",), ("m",), 5002)
    folder = unpack(bundle, tmp_path / "home", done.append)
    assert {name: (folder / name).read_bytes() for name in files} == {name: file.read_bytes() for name, file in files.items()}
    assert sum(done) == bundle.bytes
    assert unpack(bundle, tmp_path / "home", done.append) == folder
    assert sum(done) == bundle.bytes
    (folder / "sacrebleu/models/m").write_bytes(b"half")
    assert (unpack(bundle, tmp_path / "home", quiet) / "sacrebleu/models/m").read_bytes() == b"words" * 1000


def test_an_interrupted_one_leaves_no_half_file(files: dict[str, Path], archive: Path, tmp_path: Path) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    before = archive.read_bytes()
    for name in ("it.tar", "new.tar"):
        with pytest.raises(KeyboardInterrupt):
            pack(tmp_path / name, files, (), (), stop)
    with pytest.raises(KeyboardInterrupt):
        unpack(read_bundle(archive), tmp_path / "home", stop)
    assert archive.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "home", "it.tar"}
    assert [path for path in (tmp_path / "home").iterdir() if path.suffix != ".lock"] == []


def test_where_nothing_can_be_written_it_is_said(files: dict[str, Path], archive: Path, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(OutputError, match="HF_HUB_CACHE or HF_HOME names another place"):
        unpack(read_bundle(archive), tmp_path / "home", quiet)
    with pytest.raises(OutputError, match="cannot be written"):
        pack(tmp_path / "none" / "it.tar", files, (), (), quiet)


def damaged(archive: Path, tmp_path: Path) -> str:
    with pytest.raises(DataError) as error:
        unpack(read_bundle(archive), tmp_path / "home", quiet)
    assert not [path for path in (tmp_path / "home").glob("*") if path.suffix != ".lock"]
    return str(error.value)


def test_every_damaged_byte_is_found(archive: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    for place in range(0, len(whole) - 2 * tarfile.RECORDSIZE, 97):
        changed = bytearray(whole)
        changed[place] ^= 1
        archive.write_bytes(changed)
        try:
            folder = unpack(read_bundle(archive), tmp_path / "home", quiet)
        except InputError as e:
            assert "it.tar" in str(e)  # noqa: PT017  most bytes are found, and the others change nothing
        else:
            assert {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == {
                "hub/models--a--b/snapshots/1/config.json": b"{}", "sacrebleu/models/m": b"words" * 1000,
            }  # fmt: skip


def test_damage_is_told_with_the_files_name(archive: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    archive.write_bytes(whole.replace(b"wordswords", b"wordsWords", 1))
    assert "it.tar: sacrebleu/models/m: expected the bytes of which manifest.json has the hash" in damaged(archive, tmp_path)
    archive.write_bytes(whole.replace(b'"bytes": 2', b'"bytes": 3', 1))
    assert "it.tar: manifest.json: expected the text of which it has the checksum" in damaged(archive, tmp_path)
    archive.write_bytes(whole[: whole.index(b"wordswords") + 2000])
    assert "it.tar: expected a whole tar archive" in damaged(archive, tmp_path)
    archive.write_bytes(b"nothing of the kind" * 99)
    assert "it.tar: expected a whole tar archive" in damaged(archive, tmp_path)
    with tarfile.open(archive, "w") as tar:
        tar.addfile(tarfile.TarInfo("other.txt"))
    assert "expected a bundle, whose first file is manifest.json, found other.txt" in damaged(archive, tmp_path)


def forged(archive: Path, *members: tuple[str, bytes | str], leave_out: str = "") -> None:
    """The archive with further members: content, or where a link leads; or without one."""
    with tarfile.open(archive) as tar:
        kept = [(member, tar.extractfile(member).read()) for member in tar if member.name != leave_out]  # type: ignore[union-attr]
    with tarfile.open(archive, "w") as tar:
        for member, content in kept:
            tar.addfile(member, io.BytesIO(content))
        for name, content in members:
            made = tarfile.TarInfo(name)
            if isinstance(content, str):
                made.type, made.linkname = tarfile.SYMTYPE, content
                tar.addfile(made)
            else:
                made.size = len(content)
                tar.addfile(made, io.BytesIO(content))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("hub/models--a--b/snapshots/1/modeling.py", b"print()"), ("../outside", b"x"), ("/etc/outside", b"x"),
        ("hub/link", "/etc"), ("sacrebleu/models/m", b"words" * 1000),
    ],
)  # fmt: skip
def test_what_the_manifest_does_not_name_is_no_part_of_it(name: str, content: Any, archive: Path, tmp_path: Path) -> None:
    forged(archive, (name, content))
    assert f"{name}: expected files that manifest.json names, each once" in damaged(archive, tmp_path)
    assert not (tmp_path / "outside").exists()


def test_a_link_in_the_place_of_a_file_is_refused(archive: Path, tmp_path: Path) -> None:
    forged(archive, ("sacrebleu/models/m", "/etc/passwd"), leave_out="sacrebleu/models/m")
    assert "sacrebleu/models/m: expected files" in damaged(archive, tmp_path)
    forged(archive, leave_out="sacrebleu/models/m")
    assert "sacrebleu/models/m: expected all files that it names, found 1 fewer" in damaged(archive, tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "hub/models--a--b/snapshots/1/modeling.py", "hub/models--a--b/snapshots/1/pytorch_model.bin", "hub/a/model.PKL",
        "../hub/a", "hub/../../a", "/hub/a", "elsewhere/a", "hub", "hub/a\\b", "hub/C:a",
    ],
)  # fmt: skip
def test_neither_code_nor_pickles_nor_other_places_are_named(name: str, archive: Path, tmp_path: Path) -> None:
    from plmtasks.files import sealed

    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(InputError, match="a bundle holds no"):
        pack(tmp_path / "new.tar", {name: tmp_path / "x"}, (), (), quiet)
    head = {"format": 1, "tasks": [], "models": [], "files": {name: {"sha256": "0", "bytes": 1}}}
    with tarfile.open(archive, "w") as tar:
        made = tarfile.TarInfo("manifest.json")
        made.size = len(sealed(head).encode())
        tar.addfile(made, io.BytesIO(sealed(head).encode()))
    assert "expected data, weights and texts by paths that lead nowhere else" in damaged(archive, tmp_path)


# ── runs ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def plmtasks(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process of its own, as libraries look for their caches once; there is no network, and none is asked."""
    dead = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"), "http://127.0.0.1:9")
    own = {"OMP_NUM_THREADS": "1", "HF_HOME": str(folder / "empty"), "SACREBLEU": str(folder / "none"), "COLUMNS": "160"}
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "SACREBLEU"))}
    return subprocess.run(
        [sys.executable, "-m", "plmtasks", *arguments], cwd=folder, env={**outside, **dead, **own, **environment},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def fine(folder: Path, *arguments: str, **environment: str) -> str:
    done = plmtasks(folder, *arguments, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder with a suite, and a cache with a small encoder and sentences in CoLA's columns."""
    made = tmp_path_factory.mktemp("here")
    home = made / "hub/models--made--small"
    texts = [text for told in ROWS.values() for text, _ in told]
    load_registry().model("tiny-bert").make(texts, 0, home / "snapshots" / hub.COMMIT)  # type: ignore[attr-defined]
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(hub.COMMIT)
    for split, told in ROWS.items():
        rows = [{"sentence": text, "label": label, "idx": number} for number, (text, label) in enumerate(told)]
        path = f"cola/{split}-00000-of-00001.parquet"
        hub.write(hub.place(made / "hub", GLUE, REVISION, path), rows, {"label": ["unacceptable", "acceptable"]})
    (made / "suite.toml").write_text(
        f'task = "classification/cola"\nmodel = ["{SMALL}", "majority"]\ntraining.num_train_epochs = 1\nthreads = 1\n'
    )
    return made, {"HF_HUB_CACHE": str(made / "hub"), "HF_HUB_OFFLINE": "1"}


@pytest.mark.slow
def test_a_run_from_a_bundle_has_the_same_bytes(here: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    folder, cache = here
    said = fine(folder, "bundle", "suite.toml", "--output", str(tmp_path / "suite.tar"), **cache)
    assert f"data set  {GLUE}" in said
    assert re.search(rf"model     {SMALL} +{hub.COMMIT} ", said)
    assert "suite.tar" in fine(tmp_path, "bundle", "--list", "suite.tar")
    told = json.loads(fine(tmp_path, "bundle", "--list", "suite.tar", "--format", "json"))
    assert told["models"] == [SMALL, "majority"]
    assert {name.split("/")[-1] for name in told["files"]} >= {"main", "model.safetensors", "tokenizer.json", "config.json"}
    assert not [name for name in told["files"] if name.endswith((".py", ".bin"))]
    suite = str(folder / "suite.toml")
    fine(tmp_path, "run", "--config", suite, "--output", "online", **cache)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    fine(elsewhere, "run", "--config", suite, "--bundle", "../suite.tar", "--model", "majority", "--processes", "2")
    fine(elsewhere, "--bundle=../suite.tar", "sweep", suite, "--output", "sweep")
    online, run, swept = (
        {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("result.json")}
        for place in (tmp_path / "online", elsewhere / "results", elsewhere / "sweep")
    )
    assert len(online) == 2
    assert online == swept
    assert run.items() < online.items()
    assert len(run) == 1
    [home] = (elsewhere / "empty").iterdir()
    assert home.name == "plmtasks-bundles"


@pytest.mark.slow
def test_a_training_from_a_bundle_gives_the_same_weights(here: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    _, cache = here
    (tmp_path / "one.toml").write_text(f'task = "classification/cola"\nmodel = "{SMALL}"\n')
    fine(tmp_path, "bundle", "one.toml", "--output", "one.tar", "--quiet", **cache)
    line = ("train", "--task", "cola", "--model", SMALL, "--num-train-epochs", "1", "--threads", "1", "--output")
    fine(tmp_path, *line, "online", **cache)
    fine(tmp_path, *line, "offline", "--bundle", "one.tar")
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("online", "offline")]
    assert weights[0] == weights[1]
    assert (tmp_path / "online/plmtasks.json").read_bytes() == (tmp_path / "offline/plmtasks.json").read_bytes()


@pytest.mark.slow
def test_what_a_metric_needs_and_a_test_set_of_sacrebleus_go_along(tmp_path: Path) -> None:
    import sentencepiece

    home, snapshot = tmp_path / "sacrebleu", tmp_path / "hub/models--made--here/snapshots/1"
    (home / "models").mkdir(parents=True)
    texts = ["The kettle sings on the stove.", "Der Kessel singt auf dem Herd.", "We left before noon.", "Wir gingen vor Mittag."]
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(texts * 20), model_writer=model, vocab_size=60, hard_vocab_limit=False, minloglevel=2
    )
    (home / "models" / "flores200sacrebleuspm").write_bytes(model.getvalue())
    sacrebleu_set(home, "wmt14", "en-de", texts)
    load_registry().model("tiny-t5").make(texts, 0, snapshot)  # type: ignore[attr-defined]
    suite = tmp_path / "suite.toml"
    suite.write_text(
        'task = "translation/wmt14-en-de"\nmodel = "made/here@pinned"\nmetrics = ["bleu:flores200"]\nthreads = 1\n'
        'train = "never"\nallow_untrained = true\ngeneration.max_new_tokens = 4\n'
    )
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "pinned").write_text("1")
    own = {"SACREBLEU": str(home), "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    said = fine(tmp_path, "bundle", str(suite), "--output", "suite.tar", **own)
    assert "of sacrebleu  models" in said
    assert "of sacrebleu  wmt14" in said
    fine(tmp_path, "run", "--config", str(suite), "--output", "online", **own)
    fine(tmp_path, "run", "--config", str(suite), "--output", "offline", "--bundle", "suite.tar")
    online, offline = ([path.read_bytes() for path in (tmp_path / name).rglob("result.json")] for name in ("online", "offline"))
    assert online == offline
    assert b"tok:flores200" in online[0]


def sacrebleu_set(home: Path, name: str, pair: str, texts: list[str]) -> None:
    """Lays out sentences of our own, source and reference in turn, as sacrebleu keeps a test set."""
    from sacrebleu.dataset import DATASETS

    fields = DATASETS[name].fieldnames(pair)
    (home / name).mkdir()
    for field in fields:
        lines = {"src": texts[::2], "ref": texts[1::2]}.get(field, ["told"] * (len(texts) // 2))
        (home / name / f"{name}.{pair}.{field}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


@pytest.mark.slow
def test_what_the_library_datasets_made_goes_along(tmp_path: Path) -> None:
    import datasets

    datasets.disable_progress_bars()
    for split, told in ROWS.items():
        rows = {"text": [text for text, _ in told], "label": [str(label) for _, label in told]}
        datasets.Dataset.from_dict(rows).to_parquet(str(tmp_path / f"{split}.parquet"))
    files = {split: str(tmp_path / f"{split}.parquet") for split in ROWS}
    datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "made"))
    [made] = (tmp_path / "made" / "parquet").iterdir()
    cached = tmp_path / "cache" / "made___here" / "default"  # as the library keeps what it had from the hub
    cached.parent.mkdir(parents=True)
    made.rename(cached)
    for file in list(cached.rglob("*.arrow")):
        file.rename(file.with_name(file.name.replace("parquet-", "here-")))
    (tmp_path / "suite.toml").write_text('task = "classification/custom"\nmodel = "majority"\ndata = "hf://made/here"\n')
    own = {"HF_DATASETS_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    assert "data set  made/here" in fine(tmp_path, "bundle", "suite.toml", "--output", "suite.tar", **own)
    fine(tmp_path, "run", "--config", "suite.toml", "--output", "online", **own)
    fine(tmp_path, "run", "--config", "suite.toml", "--output", "offline", "--bundle", "suite.tar")
    [online], [offline] = ([*(tmp_path / name).rglob("result.json")] for name in ("online", "offline"))
    assert online.read_bytes() == offline.read_bytes()


@pytest.mark.slow
def test_what_is_not_in_it_is_told(here: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    _, cache = here
    (tmp_path / "mine.tsv").write_text("text\tlabel\na\tx\nb\ty\n")
    own = 'task = "classification/custom"\nmodel = "majority"\ndata = "mine.tsv"\ntrain_data = "mine.tsv"\n'
    (tmp_path / "own.toml").write_text(own)
    done = plmtasks(tmp_path, "bundle", "own.toml", "--output", "own.tar", **cache)
    assert "not in the bundle: mine.tsv, which is your own: take it along" in done.stderr
    assert "error: these runs need nothing that a bundle holds" in done.stderr
    (tmp_path / "one.toml").write_text('task = "classification/cola"\nmodel = "majority"\n')
    fine(tmp_path, "bundle", "one.toml", "--output", "one.tar", **cache)
    lacking = plmtasks(tmp_path, "run", "--task", "cola", "--model", SMALL, "--bundle", "one.tar")
    assert lacking.returncode == 2
    assert f"'{SMALL}' is not on this machine, and the hub cannot be reached" in lacking.stderr
    assert "a --bundle that holds it" in lacking.stderr
    lacking = plmtasks(tmp_path, "run", "--task", "sst2", "--model", "majority", "--bundle", "one.tar")
    assert "sst2/validation-00000-of-00001.parquet is not in the hub's cache" in lacking.stderr
    assert not (tmp_path / "own.tar").exists()


def test_nothing_is_noted_where_nobody_listens(tmp_path: Path) -> None:
    from plmtasks.files import asked_of_cache

    (tmp_path / "a").write_text("")
    asked_of_cache("sacrebleu", tmp_path, [tmp_path / "a"])
    with noting_caches() as noted:
        asked_of_cache("sacrebleu", tmp_path, [tmp_path / "a", tmp_path / "none"])
    assert noted == {"sacrebleu/a": tmp_path / "a"}
