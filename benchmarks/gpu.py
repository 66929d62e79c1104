"""The table of comparisons on a GPU, or some of its rows: `python benchmarks/gpu.py [ROW…] [--quick]`.

Both sides compute on the first GPU; the figures lie in a folder with its name. `--dry-run` needs none: the rows' code
runs on the processor, by the ways of a GPU.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
os.environ["PLMTASKS_BENCHMARK_DEVICE"] = "cuda"

from run import main  # reads the device


def gpu() -> None:
    import torch

    if not torch.cuda.is_available() and "--dry-run" not in sys.argv:
        raise SystemExit("error: torch sees no GPU on this machine\n  python benchmarks/run.py measures the processor")
    main()


if __name__ == "__main__":
    gpu()
