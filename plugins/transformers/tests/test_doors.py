"""The plugin's packages: what each offers, and that nobody enters otherwise."""

import ast
import subprocess
import sys
from pathlib import Path

import plmtasks_transformers
import pytest

ROOT = Path(plmtasks_transformers.__file__).parent
PACKAGES = ("answering", "checkpoints", "fast", "models", "training")


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def door(package):
    """The names in its `__all__`."""
    assigned = [n for n in tree(ROOT / package / "__init__.py").body if isinstance(n, ast.Assign)]
    [names] = [ast.literal_eval(n.value) for n in assigned if ast.unparse(n.targets[0]) == "__all__"]
    return set(names)


def test_all_packages_are_known():
    assert {p.parent.name for p in ROOT.glob("*/__init__.py")} == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_entered_by_its_door(package):
    for path in [ROOT / "__init__.py", *ROOT.glob("*/*.py")]:
        outside = 1 if path.parent == ROOT else 2
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and node.level == outside and (node.module or "").split(".")[0] == package:
                assert node.module == package, f"{path} enters {node.module} beside the door"
                assert {alias.name for alias in node.names} <= door(package), path


@pytest.mark.parametrize("package", ["answering", "checkpoints", "models"])
def test_what_is_looked_at_before_a_model_is_loaded_is_light(package):
    heavy = "{'torch', 'numpy', 'transformers', 'tokenizers', 'safetensors', 'peft'}"
    code = f"import sys, plmtasks_transformers.{package}; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_door_offers_what_it_says(package):
    module = __import__(f"plmtasks_transformers.{package}", fromlist=["__all__"])
    assert [name for name in door(package) if not hasattr(module, name)] == []
