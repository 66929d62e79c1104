"""Files and folders that several write at the same time."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from plmtasks.files import open_folder, write_text


@pytest.mark.parametrize("write", [open_folder, lambda folder: write_text(folder / "config.json", "{}")], ids=["probe", "file"])
def test_those_that_have_the_same_number_do_not_disturb_one_another(tmp_path: Path, write: Callable[[Path], None]) -> None:
    """Processes of several machines or containers, whose numbers are often the same; here threads of one."""
    wrong: list[BaseException] = []
    together = threading.Barrier(8)

    def many() -> None:
        together.wait()
        try:
            for _ in range(200):
                write(tmp_path)
        except BaseException as e:  # noqa: BLE001  it would end unseen in its thread
            wrong.append(e)

    threads = [threading.Thread(target=many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert {path.name for path in tmp_path.iterdir()} <= {"config.json"}
