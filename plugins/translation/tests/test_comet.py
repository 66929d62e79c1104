import importlib.util
from dataclasses import dataclass

import numpy as np
import pytest
from plmtasks_translation.comet import Comet

from plmtasks.errors import InputError, ModelError
from plmtasks.examples import Example, Prediction

HERE = importlib.util.find_spec("comet") is not None
needs_comet = pytest.mark.skipif(
    not HERE, reason="unbabel-comet is not installed; it wants transformers 4, an environment of its own"
)

EXAMPLES = [
    Example(id="1", inputs={"source": "a red kite"}, reference=["the kite is red", "red kite"]),
    Example(id="2", inputs={"source": "it flies"}, reference=["it is flying"]),
]
PREDICTIONS = [Prediction(value="red kite"), Prediction(value="fly")]


@dataclass
class Fields:
    name: str = "translation/x"
    fields: tuple[str, ...] = ("source",)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two COMET models with random weights and very small encoders: with references and without."""
    import pytorch_lightning
    import torch
    import transformers
    from comet.models import ReferencelessRegression, RegressionMetric

    folder = tmp_path_factory.mktemp("comet")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "kite", "it", "flies", "the", "is", "fly"]
    (folder / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizerFast(vocab_file=str(folder / "vocab.txt")).save_pretrained(folder)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    transformers.BertModel(transformers.BertConfig(vocab_size=len(words), **size)).save_pretrained(folder)
    for kind, name in ((RegressionMetric, "regression_metric"), (ReferencelessRegression, "referenceless_regression_metric")):
        torch.manual_seed(0)
        model = kind(encoder_model="BERT", pretrained_model=str(folder), hidden_sizes=[8], layer="mix", local_files_only=True)
        state = {"state_dict": model.state_dict(), "hyper_parameters": dict(model.hparams)}
        (folder / name / "checkpoints").mkdir(parents=True)
        version = {"pytorch-lightning_version": pytorch_lightning.__version__}
        torch.save(state | version, folder / name / "checkpoints" / "model.ckpt")
        (folder / name / "hparams.yaml").write_text(f"class_identifier: {name}\n")
    return folder


@needs_comet
def test_a_row_is_the_model_s_score_in_the_mean_over_references(models):
    import comet

    metric = Comet(name="comet:x", path=str(models / "regression_metric")).bind(Fields())
    model = comet.load_from_checkpoint(str(metric.checkpoint), local_files_only=True)

    def alone(i, reference):
        texts = {"src": EXAMPLES[i].inputs["source"], "mt": PREDICTIONS[i].value, "ref": reference}
        return model.predict([texts], gpus=0, progress_bar=False).scores[0]

    expected = [np.mean([alone(i, r) for r in e.reference]) for i, e in enumerate(EXAMPLES)]
    rows = metric.statistics(PREDICTIONS, EXAMPLES)
    assert rows[:, 0] == pytest.approx(expected, abs=1e-6)
    assert rows[:, 1].tolist() == [1, 1]
    assert metric.reduce(rows.sum(0))["comet"] == pytest.approx(np.mean(expected), abs=1e-6)
    assert metric.signature().startswith("comet|model:regression_metric@")


@needs_comet
def test_a_model_without_references_needs_none(models):
    metric = Comet(name="comet:x", path=str(models / "referenceless_regression_metric" / "checkpoints" / "model.ckpt"))
    assert metric.statistics(PREDICTIONS, EXAMPLES)[:, 1].tolist() == [1, 1]
    assert metric.statistics([], []).shape == (0, 2)


@pytest.mark.skipif(HERE, reason="unbabel-comet is installed")
def test_without_the_package_it_is_told_what_to_install(registry):
    with pytest.raises(
        InputError, match="unbabel-comet, which does not go together with transformers 5\n  give it an environment"
    ):
        registry.metric("comet:anything").bind(Fields())


def test_what_is_no_translation_or_no_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="COMET scores translations, and qa/x is none"):
        Comet(name="comet:x", path=str(tmp_path)).bind(Fields("qa/x", ("question", "context")))
    (tmp_path / "model.ckpt").touch()
    for path in (tmp_path, tmp_path / "model.ckpt", tmp_path / "nothing"):
        with pytest.raises(
            ModelError, match=r"no COMET model\n  expected a folder with hparams\.yaml and checkpoints/model.ckpt"
        ):
            _ = Comet(name="comet:x", path=str(path)).checkpoint
