"""Fresh environments: our packages from their wheels, and of everything else only what these require.

What they require is not downloaded and copied anew: each required distribution of the tests' own environment is linked to, and of
the others there is nothing. So an undeclared requirement is missing here as it would be for a user.
"""

import importlib.metadata as metadata
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
SOURCES = ("Makefile", "README.md", "LICENSE", "pyproject.toml", "constraints.txt", "plmtasks", "plugins")
NO_SOURCES = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")


def build_wheels(folder: Path) -> Path:
    """Runs `make wheels` in a copy of the sources, made in this folder; returns the folder of the wheels."""
    folder.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=NO_SOURCES)
        else:
            shutil.copy(ROOT / name, folder / name)
    # `-o setup`: the environment is there
    command = ["make", "-o", "setup", "wheels", f"BIN={Path(sys.executable).parent}"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return folder / "dist"


def described(wheel: Path) -> metadata.Distribution:
    info = next(path for path in zipfile.Path(wheel).iterdir() if path.name.endswith(".dist-info"))
    return metadata.PathDistribution(info)  # type: ignore[arg-type]  # a path in a zip file has what it needs of a path


def in_wheels(folder: Path) -> dict[str, Path]:
    """Distribution → its wheel."""
    return {canonicalize_name(path.name.split("-")[0]): path for path in sorted(folder.glob("*.whl"))}


def required(requirements: Iterable[str], wheels: Mapping[str, Path]) -> dict[str, metadata.Distribution]:
    """Every distribution that these requirements need, and that what they need needs.

    raises: PackageNotFoundError if one is neither a wheel nor in the tests' environment
    """
    found: dict[str, metadata.Distribution] = {}
    left = [(Requirement(text), extra) for text in requirements for extra in ("", *Requirement(text).extras)]
    done = set()
    while left:
        requirement, extra = left.pop()
        name = canonicalize_name(requirement.name)
        if (name, extra) in done:
            continue
        done.add((name, extra))
        found[name] = described(wheels[name]) if name in wheels else metadata.distribution(name)
        for needed in map(Requirement, found[name].requires or ()):
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                left += [(needed, more) for more in ("", *needed.extras)]
    return found


def top_level(distribution: metadata.Distribution) -> set[str]:
    """What a distribution has in site-packages."""
    first = {file.parts[0] for file in distribution.files or ()}
    return {name for name in first if name not in ("..", "__pycache__") and not name.endswith(".pth")}


@dataclass(frozen=True)
class Fresh:
    """A new virtual environment. Its interpreter sees no other environment's packages."""

    folder: Path

    @classmethod
    def of(cls, folder: Path, requirements: Iterable[str], wheels: Path) -> "Fresh":
        """With what these requirements need and no wheel has; the wheels are still to be installed."""
        venv.EnvBuilder(symlinks=True).create(folder)
        made, ours = cls(folder), in_wheels(wheels)
        for name, distribution in required(requirements, ours).items():
            for part in top_level(distribution) if name not in ours else ():
                place = made.site_packages / part
                if not place.is_symlink():
                    place.symlink_to(str(distribution.locate_file(part)))
        return made

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    @cached_property
    def site_packages(self) -> Path:
        return next(self.folder.glob("lib/python*/site-packages"))

    def install(self, *arguments: str) -> None:
        """pip installs without an index: what is required and not there is an error."""
        pip = [sys.executable, "-m", "pip", "--python", str(self.bin / "python"), "install", "--quiet", "--no-index"]
        done = subprocess.run([*pip, *arguments], cwd=self.folder, env=surroundings(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def unpack(self, *wheels: Path) -> None:
        """All that pip does for a wheel without scripts, in no time."""
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(self.site_packages)

    def run(self, *command: str, cwd: Path, code: int = 0, given: str = "") -> str:
        """What a command of this environment prints; of one that is to fail, its error."""
        command = (str(self.bin / command[0]), *command[1:])
        done = subprocess.run(command, cwd=cwd, env=surroundings(), capture_output=True, text=True, input=given, timeout=240)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stderr if code else done.stdout


def surroundings() -> dict[str, str]:
    """The environment's variables without those that lead to other packages."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PLMTASKS_", "PIP_", "VIRTUAL_ENV"))
    }
