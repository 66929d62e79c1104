"""A model that is one torch module is made, kept and found again by the core."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from plmtasks.config import ModelSettings
from plmtasks.errors import ModelError
from plmtasks.hooks import owner
from plmtasks.model import Cost
from plmtasks.module import Folders, LoadedModule, ModuleModel
from plmtasks.requests import Answer, Classify, ClassifyAnswer, Request

if TYPE_CHECKING:
    import torch

ASKED = Classify(text="one two", labels=("a", "b"))
OTHER = Classify(text="one two", labels=("a", "c"))


class Counts(LoadedModule):
    """Goes by how many words there are."""

    version = 3

    def build(self) -> "torch.nn.Module":
        import torch

        return torch.nn.Linear(self.config["inputs"], len(self.labels))

    def costs(self, requests: Sequence[Request]) -> list[Cost]:
        return [Cost(width=1) for _ in requests]

    def scores(self, requests: Sequence[Request]) -> "torch.Tensor":
        import torch

        counts = [[float(len(" ".join(r.texts()).split()))] * self.config["inputs"] for r in requests]
        found: torch.Tensor = self.module(torch.tensor(counts, device=self.device))
        return found

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        return [ClassifyAnswer(scores=tuple(row)) for row in self.scores(requests).softmax(-1).tolist()]

    def loss(self, requests: Sequence[Request], answers: Sequence[Answer]) -> "tuple[torch.Tensor, float]":
        return self.scores(requests).sum(), float(len(requests))


MODEL = ModuleModel(name="counts", loads=Counts, answers=("Classify",), config={"inputs": 2})


def test_it_is_drawn_by_its_seed_until_it_has_weights() -> None:
    zero, again, one = (MODEL.load(ASKED, ModelSettings(seed=seed), "cpu").answer([ASKED]) for seed in (0, 0, 1))
    assert zero == again != one
    assert MODEL.load(ASKED, ModelSettings(), "cpu").newly_initialized == ["weight", "bias"]
    assert MODEL.identity(ASKED, ModelSettings(seed=1)) == {"config": {"inputs": 2}, "seed": 1}
    assert MODEL.version == 3
    assert owner(MODEL) == owner(Folders(MODEL)) == __name__


@pytest.mark.parametrize("split", [False, True], ids=["whole", "weights given"])
def test_a_folder_has_its_weights_its_labels_and_its_sizes(tmp_path: Path, split: bool) -> None:
    loaded = MODEL.load(ASKED, ModelSettings(), "cpu")
    # where no process holds all weights, they come by the names that a list of views gives them
    loaded.save(tmp_path / "m", {f"0.{n}": w for n, w in loaded.module.state_dict().items()} if split else None)
    small = ModuleModel(name="counts", loads=Counts, answers=("Classify",), config={"inputs": 9})
    found = Folders(small).make(str(tmp_path / "m"))
    assert found.load(ASKED, ModelSettings(seed=5), "cpu").answer([ASKED]) == loaded.answer([ASKED])
    assert not found.newly_initialized(ASKED)
    assert found.newly_initialized(OTHER)
    assert found.heads() == ["Classify: a, b"]
    assert found.identity(ASKED, ModelSettings(seed=5)) == found.identity(ASKED, ModelSettings(seed=6))
    assert "weights" not in found.identity(OTHER, ModelSettings())


def test_what_is_no_such_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no model of 'counts' is there"):
        MODEL.saved(tmp_path).newly_initialized(ASKED)
    MODEL.load(ASKED, ModelSettings(), "cpu").save(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="'counts' cannot be loaded"):
        MODEL.saved(tmp_path).load(ASKED, ModelSettings(), "cpu")
