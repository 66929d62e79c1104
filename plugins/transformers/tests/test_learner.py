"""How checkpoints learn: several heads over one base, adapters, what is frozen, what the loss makes of its targets."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
import transformers
from click.testing import CliRunner
from plmtasks_transformers.checkpoints import view_state
from plmtasks_transformers.models import Hub

from plmtasks.cli import cli
from plmtasks.config import ModelSettings, TrainSettings
from plmtasks.errors import DataError, InputError, ModelError, OutputError
from plmtasks.requests import Classify, ClassifyAnswer, Generate
from plmtasks.training import write_record

SETTINGS = ModelSettings(dtype="float32")
ENCODER_KINDS = ("Classify", "Regress", "Choose", "Tag", "ExtractSpan", "LogLikelihood")
MOODS = Classify(text="the nurse happily found the lamp", labels=("calm", "glad", "sad"))


def learners(model, example_requests, **training):
    return model.learner(example_requests, SETTINGS, TrainSettings(seed=3, **training), "cpu")


def modules(views):
    return torch.nn.ModuleList([view.module for view in views])


def teach(views, lessons, updates=3, rate=1e-2):
    """Some updates, a batch of each view in turn; returns the losses."""
    optimizer = torch.optim.AdamW([p for p in modules(views).parameters() if p.requires_grad], lr=rate)
    torch.manual_seed(0)
    modules(views).train()
    losses = []
    for number in range(updates):
        place = number % len(views)
        loss, count = views[place].loss(*lessons[place])
        (loss / count).backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()) / count)
    return losses


@pytest.fixture
def encoder(tiny):
    return tiny["encoder"]


@pytest.fixture
def lessons(examples):
    return [examples(kind, 6) for kind in ENCODER_KINDS]


@pytest.fixture
def headed(load, encoder, examples, tmp_path):
    """The tiny encoder after some updates of a classification."""
    requests, answers = examples("Classify", 8)
    views = learners(encoder, requests[:1])
    teach(views, [(requests, answers)])
    views[0].save(tmp_path / "headed")
    return encoder.saved(tmp_path / "headed")


@pytest.mark.slow
def test_one_form_learns_as_it_is_loaded(load, tiny, examples, family, kind):
    requests, _ = examples(kind, 2)
    [view] = learners(tiny[family], requests[:1])
    loaded = load(family, requests[0], seed=3)
    assert view.newly_initialized == loaded.newly_initialized
    assert all(torch.equal(v, loaded.module.state_dict()[n]) for n, v in view.module.state_dict().items())
    assert view.training.seed == 3
    assert loaded.training is None


def test_a_checkpoint_of_six_heads_answers_as_its_views_do(encoder, lessons, tmp_path):
    example_requests = [requests[0] for requests, _ in lessons]
    views = learners(encoder, example_requests)
    bases = {id(p) for p in views[0].module.bert.encoder.parameters()}
    assert all({id(p) for p in view.module.bert.encoder.parameters()} == bases for view in views)
    table = views[0].module.bert.embeddings.word_embeddings.weight
    assert views[-1].module.cls.predictions.decoder.weight is table
    before = table.detach().clone()
    teach(views, lessons, 8)
    assert not torch.equal(before, table)
    expected = [view.answer(requests) for view, (requests, _) in zip(views, lessons, strict=True)]
    views[0].save(tmp_path)
    model = Hub().make(str(tmp_path))
    assert (model.family, tuple(model.answers)) == ("encoder", ENCODER_KINDS)
    assert [head.split()[0] for head in model.heads()] == list(ENCODER_KINDS)
    for (requests, _), answers in zip(lessons, expected, strict=True):
        assert not model.newly_initialized(requests[0])
        loaded = model.load(requests[0], replace(SETTINGS, seed=9), "cpu")
        assert (loaded.answer(requests), loaded.newly_initialized) == (answers, ())
    assert model.newly_initialized(MOODS)
    # the base is written once, and no head has a copy of what it shares
    assert (
        sum(f.stat().st_size for f in (tmp_path / "heads").rglob("*.safetensors"))
        < 0.2 * (tmp_path / "model.safetensors").stat().st_size
    )
    assert transformers.AutoModel.from_pretrained(tmp_path).embeddings.word_embeddings.weight.shape == table.shape


def test_two_label_sets_have_two_heads_and_one_set_has_one(encoder, examples, tmp_path):
    requests, _ = examples("Classify", 3)
    turned = replace(requests[0], labels=requests[0].labels[::-1])
    views = learners(encoder, [requests[0], MOODS, turned])
    assert views[0].module is views[2].module
    assert views[0].module is not views[1].module
    assert views[0].module.bert.encoder is views[1].module.bert.encoder
    scores = [
        view.answer([example_request])[0].scores
        for view, example_request in zip(views, [requests[0], MOODS, turned], strict=True)
    ]
    assert scores[0] == pytest.approx(scores[2][::-1])
    views[1].save(tmp_path)
    model = encoder.saved(tmp_path)
    assert [model.load(f, SETTINGS, "cpu").answer([f])[0].scores for f in (requests[0], MOODS)] == scores[:2]
    identities = [model.identity(example_request, SETTINGS) for example_request in (requests[0], MOODS, turned)]
    assert identities[0] == identities[2] != identities[1]
    assert identities[0]["files"] == identities[1]["files"]


def test_a_head_that_changes_changes_its_own_identity_alone(encoder, lessons, tmp_path):
    example_requests = [requests[0] for requests, _ in lessons]
    learners(encoder, example_requests)[0].save(tmp_path)
    model = encoder.saved(tmp_path)
    before = [model.identity(example_request, SETTINGS) for example_request in example_requests]
    weights = tmp_path / "heads" / "1" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    same = [model.identity(f, SETTINGS) == b for f, b in zip(example_requests, before, strict=True)]
    assert same == [place != 1 for place in range(len(ENCODER_KINDS))]


def test_text_to_text_shares_all_of_the_model(tiny, examples, tmp_path):
    for family in ("decoder", "sequence-to-sequence"):
        lessons = [examples(kind, 3) for kind in ("Choose", "Generate")]
        views = learners(tiny[family], [requests[0] for requests, _ in lessons])
        assert views[0].module is views[1].module
        teach(views, lessons, 4)
        expected = [view.answer(requests) for view, (requests, _) in zip(views, lessons, strict=True)]
        views[0].save(tmp_path / family)
        model = tiny[family].saved(tmp_path / family)
        assert not (tmp_path / family / "heads").exists()
        assert [model.load(r[0], SETTINGS, "cpu").answer(r) for r, _ in lessons] == expected


def test_a_decoder_may_classify_beside_generating(tiny, examples, tmp_path):
    model, (requests, answers) = tiny["decoder"], examples("Generate", 3)
    moods = [replace(MOODS, text=r.text) for r in requests]
    right = [ClassifyAnswer(scores=(0.0, 1.0, 0.0))] * 3
    views = learners(model, [requests[0], MOODS])
    teach(views, [(requests, answers), (moods, right)], 4)
    expected = [views[0].answer(requests), views[1].answer(moods)]
    views[0].save(tmp_path)
    model = Hub().make(str(tmp_path))
    assert (model.family, tuple(model.answers)) == ("decoder", ("Classify", "Choose", "LogLikelihood", "Generate"))
    assert [model.load(r[0], SETTINGS, "cpu").answer(r) for r in (requests, moods)] == expected


def test_what_has_no_base_of_its_own_is_not_shared(tiny):
    with pytest.raises(InputError, match=r"T5ForConditionalGeneration.* share no base model"):
        learners(tiny["sequence-to-sequence"], [Generate(text="x"), MOODS])


@pytest.mark.parametrize("method", ["", "lora"])
def test_the_state_of_the_views_comes_back(encoder, lessons, tmp_path, method):
    lessons = lessons[:1] if method else lessons
    example_requests = [requests[0] for requests, _ in lessons]
    views = learners(encoder, example_requests, peft=method)
    teach(views, lessons, 4)
    state = {name: value.clone() for name, value in modules(views).state_dict().items()}
    again = learners(encoder, example_requests, peft=method)
    modules(again).load_state_dict(state)
    for one, other, (requests, _) in zip(views, again, lessons, strict=True):
        assert one.answer(requests) == other.answer(requests)
    # weights that are gathered elsewhere are saved like one's own
    views[0].save(tmp_path / "own")
    learners(encoder, example_requests, peft=method)[0].save(tmp_path / "given", state)
    for file in (tmp_path / "own").rglob("*.*"):
        if file.is_file():
            assert file.read_bytes() == (tmp_path / "given" / file.relative_to(tmp_path / "own")).read_bytes(), file
    assert set(view_state(state, 0)) == set(views[0].module.state_dict())


def test_training_twice_gives_the_same_losses(encoder, lessons):
    example_requests = [requests[0] for requests, _ in lessons]
    assert teach(learners(encoder, example_requests), lessons, 8) == teach(learners(encoder, example_requests), lessons, 8)


def test_what_was_learned_together_learns_on(encoder, lessons, examples, tmp_path):
    example_requests = [requests[0] for requests, _ in lessons]
    views = learners(encoder, example_requests)
    teach(views, lessons, 6)
    views[0].save(tmp_path / "all")
    model = encoder.saved(tmp_path / "all")
    for kind, head in (("Regress", "SequenceClassification"), ("Choose", "MultipleChoice"), ("Tag", "TokenClassification")):
        place = ENCODER_KINDS.index(kind)
        on = learners(model, [example_requests[place], MOODS])
        assert on[0].answer(lessons[place][0]) == views[place].answer(lessons[place][0])
        assert on[0].newly_initialized == ()
        assert "classifier.weight" in on[1].newly_initialized
        [alone] = learners(model, [example_requests[place]])
        alone.save(tmp_path / kind)
        assert transformers.AutoConfig.from_pretrained(tmp_path / kind).architectures == [f"BertFor{head}"]
        assert not (tmp_path / kind / "heads").exists()


@pytest.mark.slow
@pytest.mark.parametrize("place", range(len(ENCODER_KINDS)))
def test_an_exported_head_is_an_ordinary_folder(encoder, lessons, tmp_path, place):
    example_requests = [requests[0] for requests, _ in lessons]
    views = learners(encoder, example_requests)
    teach(views, lessons, 8)
    views[0].save(tmp_path / "all")
    requests, _ = lessons[place]
    encoder.saved(tmp_path / "all").export(example_requests[place], SETTINGS, tmp_path / "one")
    library_class = getattr(transformers, views[place].kind.head)
    module, info = library_class.from_pretrained(tmp_path / "one", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    own = views[place].module.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in module.state_dict().items())
    assert encoder.saved(tmp_path / "one").load(example_requests[place], SETTINGS, "cpu").answer(requests) == views[place].answer(
        requests
    )
    with pytest.raises(InputError, match="no head for such a Classify request") as error:
        encoder.saved(tmp_path / "all").export(MOODS, SETTINGS, tmp_path / "other")
    assert "it has: Classify with the labels negative, positive" in str(error.value)


METHODS = {
    "lora": {"r": 4, "lora_alpha": 8}, "ia3": {}, "lokr": {"r": 4}, "oft": {"oft_block_size": 8}, "vera": {"r": 8},
    "fourierft": {"n_frequency": 10}, "randlora": {"r": 8},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_adapters_are_saved_alone_and_found_again(encoder, examples, close, tmp_path, method):
    requests, answers = examples("Classify", 6)
    [view] = learners(encoder, requests[:1], peft=method, peft_args=METHODS[method])
    learned = {name for name, p in view.module.named_parameters() if p.requires_grad}
    assert any("classifier" in name for name in learned)
    assert any("pooler" in name for name in learned) == any("pooler" in name for name in view.newly_initialized)
    base = {name: p.detach().clone() for name, p in view.module.named_parameters() if not p.requires_grad}
    teach([view], [(requests, answers)], 6)
    assert all(torch.equal(p, base[name]) for name, p in view.module.named_parameters() if name in base)
    view.save(tmp_path / "adapters")
    assert not (tmp_path / "adapters" / "model.safetensors").exists()
    model = Hub().make(str(tmp_path / "adapters"))
    assert (model.family, model.newly_initialized(requests[0]), model.newly_initialized(MOODS)) == ("encoder", False, True)
    loaded = model.load(requests[0], replace(SETTINGS, seed=9), "cpu")
    assert loaded.newly_initialized == ()
    assert loaded.answer(requests) == view.answer(requests)
    assert view.answer(requests) != encoder.load(requests[0], replace(SETTINGS, seed=3), "cpu").answer(requests)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("whose", "asked"),
    [
        ("encoder", "Regress"),
        ("encoder", "Choose"),
        ("encoder", "Tag"),
        ("encoder", "ExtractSpan"),
        ("encoder", "LogLikelihood"),
        ("decoder", "Choose"),
        ("sequence-to-sequence", "Generate"),
    ],
)
def test_adapters_for_every_head_and_merged(tiny, examples, close, tmp_path, whose, asked):
    requests, answers = examples(asked, 6)
    learners(tiny[whose], requests[:1])[0].save(tmp_path / "base")
    [view] = learners(tiny[whose].saved(tmp_path / "base"), requests[:1], peft="lora")
    teach([view], [(requests, answers)], 6)
    view.save(tmp_path / "adapters")
    model = tiny[whose].saved(tmp_path / "adapters")
    loaded = model.load(requests[0], SETTINGS, "cpu")
    assert loaded.answer(requests) == view.answer(requests)
    assert loaded.newly_initialized == ()
    model.export(requests[0], SETTINGS, tmp_path / "merged")
    assert not (tmp_path / "merged" / "adapter_config.json").exists()
    merged = tiny[whose].saved(tmp_path / "merged").load(requests[0], SETTINGS, "cpu")
    assert merged.newly_initialized == ()
    assert all(close(one, other) for one, other in zip(merged.answer(requests), view.answer(requests), strict=True))


def test_one_command_s_adapters_have_the_same_bytes(encoder, examples, tmp_path):
    requests, answers = examples("Classify", 6)
    for name in ("one", "two"):
        [view] = learners(encoder, requests[:1], peft="lora", peft_args={"target_modules": ["value", "query", "dense"]})
        teach([view], [(requests, answers)])
        view.save(tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
    config = json.loads((tmp_path / "one" / "adapter_config.json").read_text())
    assert config["target_modules"] == ["dense", "query", "value"]


def test_peft_s_own_loader_reads_our_adapters(headed, examples, tmp_path):
    import peft

    requests, answers = examples("Classify", 6)
    [view] = learners(headed, requests[:1], peft="lora")
    teach([view], [(requests, answers)])
    view.save(tmp_path / "adapters")
    model = peft.AutoPeftModelForSequenceClassification.from_pretrained(tmp_path / "adapters").get_base_model()
    own = view.module.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in model.state_dict().items())


def test_adapters_know_their_base(headed, examples, tmp_path):
    requests, _ = examples("Classify", 2)
    learners(headed, requests[:1], peft="lora")[0].save(tmp_path / "adapters")
    model = headed.saved(tmp_path / "adapters")
    before = model.identity(requests[0], SETTINGS)
    assert json.loads(json.dumps(before)) == before
    moved = shutil.move(headed.source, tmp_path / "moved")
    with pytest.raises(ModelError, match="were trained on is not there") as error:
        model.load(requests[0], SETTINGS, "cpu")
    assert all(text in str(error.value) for text in (headed.source, "adapter_config.json", "base_model_name_or_path"))
    config = json.loads((tmp_path / "adapters" / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = str(moved)
    (tmp_path / "adapters" / "adapter_config.json").write_text(json.dumps(config))
    assert model.identity(requests[0], SETTINGS) == before
    weights = tmp_path / "moved" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    for use in (model.identity, lambda example_request, settings: model.load(example_request, settings, "cpu")):
        with pytest.raises(ModelError, match="are not those that the adapters"):
            use(requests[0], SETTINGS)
    (tmp_path / "adapters" / "adapter_base.json").unlink()
    with pytest.raises(ModelError, match=r"adapter_base\.json cannot be read"):
        model.load(requests[0], SETTINGS, "cpu")


def test_adapters_learn_on_as_they_are(headed, examples, tmp_path):
    requests, answers = examples("Classify", 6)
    [view] = learners(headed, requests[:1], peft="lora")
    teach([view], [(requests, answers)])
    view.save(tmp_path / "first")
    model = headed.saved(tmp_path / "first")
    [on] = learners(model, requests[:1])
    assert {n for n, p in on.module.named_parameters() if p.requires_grad} == {
        n for n, p in view.module.named_parameters() if p.requires_grad
    }
    teach([on], [(requests, answers)])
    on.save(tmp_path / "second")
    second = headed.saved(tmp_path / "second").load(requests[0], SETTINGS, "cpu")
    assert second.answer(requests) == on.answer(requests) != view.answer(requests)
    with pytest.raises(InputError, match="is lora adapters already") as error:
        learners(model, requests[:1], peft="ia3")
    assert "plmtasks export" in str(error.value)
    for use in (lambda: learners(model, [MOODS]), lambda: model.load(MOODS, SETTINGS, "cpu")):
        with pytest.raises(ModelError, match="no head for such a Classify request") as error:
            use()
        assert "it has: Classify with the labels negative, positive" in str(error.value)


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"peft": "lorra"}, "peft takes no 'lorra'\n  it takes: .*ia3.* lora"),
        ({"peft": "prefix_tuning"}, "peft takes no 'prefix_tuning'"),
        ({"peft": "adalora"}, "peft takes no 'adalora'"),
        ({"peft": "lora", "peft_args": {"rank": 3}}, "lora takes no 'rank'\n  it takes: .*lora_alpha"),
        ({"peft": "lora", "peft_args": {"r": 0}}, "lora does not fit 'tiny-bert'"),
        (
            {"peft": "lora", "peft_args": {"target_modules": ["nowhere"]}},
            "lora does not fit 'tiny-bert': No modules were targeted",
        ),
        ({"freeze": ("layer.7",)}, "freeze layer.7: there is no such weight\n.*layers:1 to layers:2, .*\n.*bert.embeddings"),
        ({"freeze": ("layers:3",)}, "freeze layers:3: there is no such weight"),
        ({"freeze": ("layers:x",)}, "freeze layers:x: there is no such weight"),
        ({"freeze": ("base", "classifier")}, "freeze=base,classifier leaves nothing to learn"),
        ({"class_weights": "negative=2,glad=1"}, "no label 'glad'\n  the labels: negative, positive"),
        ({"class_weights": "negative"}, "expected label=weight, found 'negative'"),
        ({"class_weights": "negative=much"}, "expected label=weight, found 'negative=much'"),
        ({"class_weights": "negative=-1"}, "expected label=weight, found 'negative=-1'"),
    ],
)
def test_what_cannot_be_learned_so(encoder, examples, training, message):
    requests, _ = examples("Classify", 1)
    with pytest.raises(InputError, match=message):
        learners(encoder, requests, **training)


def test_adapters_stand_on_one_head(encoder, lessons, tmp_path):
    example_requests = [requests[0] for requests, _ in lessons]
    with pytest.raises(InputError, match="adapters are learned under one head"):
        learners(encoder, example_requests, peft="lora")
    learners(encoder, example_requests)[0].save(tmp_path)
    with pytest.raises(InputError, match="has several heads, and adapters need a base with one"):
        learners(encoder.saved(tmp_path), example_requests[:1], peft="lora")
    with pytest.raises(InputError, match="lacks weights that would have to learn beside its adapters"):
        learners(encoder, example_requests[-1:], peft="lora")


def test_class_weights_are_for_labels(tiny, examples):
    requests, _ = examples("Generate", 1)
    with pytest.raises(InputError, match="class_weights are for Classify and Tag; this is Generate"):
        learners(tiny["decoder"], requests, class_weights="a=1")


@pytest.mark.parametrize(
    ("family", "freeze", "frozen"),
    [
        ("encoder", ("embeddings",), ("bert.embeddings.",)),
        ("encoder", ("base",), ("bert.",)),
        ("encoder", ("layers:1",), ("bert.encoder.layer.0.",)),
        ("encoder", ("embeddings", "layers:2"), ("bert.embeddings.", "bert.encoder.")),
        ("encoder", ("layer.0.attention.self.query",), ("bert.encoder.layer.0.attention.self.query.",)),
        ("decoder", ("embeddings", "layers:1"), ("transformer.wte.", "transformer.wpe.", "transformer.h.0.")),
        ("sequence-to-sequence", ("layers:1",), ("encoder.block.0.", "decoder.block.0.")),
        ("sequence-to-sequence", ("embeddings",), ("shared.",)),
    ],
)  # fmt: skip
def test_what_is_frozen_stays(tiny, examples, family, freeze, frozen):
    kind = "Classify" if family == "encoder" else "Generate"
    requests, answers = examples(kind, 6)
    [view] = learners(tiny[family], requests[:1], freeze=freeze)
    assert all(p.requires_grad != name.startswith(frozen) for name, p in view.module.named_parameters())
    before = {name: p.detach().clone() for name, p in view.module.named_parameters()}
    teach([view], [(requests, answers)])
    changed = {name for name, p in view.module.named_parameters() if not torch.equal(p, before[name])}
    assert changed
    assert not any(name.startswith(frozen) for name in changed)


def test_a_shared_base_is_frozen_for_all(encoder, lessons):
    example_requests = [requests[0] for requests, _ in lessons[:-1]]
    views = learners(encoder, example_requests, freeze=("base",))
    assert {n.split(".")[1] for n, p in modules(views).named_parameters() if p.requires_grad} == {"classifier", "qa_outputs"}


def test_activations_that_are_computed_again_change_no_gradient(encoder, lessons, examples):
    lessons = lessons[:-1]
    example_requests = [requests[0] for requests, _ in lessons]
    plain, again = learners(encoder, example_requests), learners(encoder, example_requests, gradient_checkpointing=True)
    assert again[0].module.is_gradient_checkpointing
    assert teach(again, lessons, 6) == pytest.approx(teach(plain, lessons, 6), rel=1e-5)
    [adapted] = learners(encoder, example_requests[:1], gradient_checkpointing=True, peft="lora")
    losses = teach([adapted], lessons[:1], 12)
    assert losses[-1] < losses[0]


def test_a_model_without_checkpoints_of_activations(encoder, examples, monkeypatch):
    monkeypatch.setattr(transformers.BertPreTrainedModel, "supports_gradient_checkpointing", False)
    requests, _ = examples("Classify", 1)
    with pytest.raises(InputError, match="cannot compute its activations again"):
        learners(encoder, requests, gradient_checkpointing=True)


def mean_loss(model, examples, kind, **training):
    requests, answers = examples(kind, 5)
    [view] = learners(model, requests[:1], **training)
    torch.manual_seed(0)
    loss, count = view.loss(requests, answers)
    return float(loss.detach()), count


@pytest.mark.parametrize(("whose", "asked"), [
    ("encoder", "Classify"), ("encoder", "Tag"), ("encoder", "ExtractSpan"), ("decoder", "Choose"), ("decoder", "Generate"),
    ("sequence-to-sequence", "Generate"),
])  # fmt: skip
def test_smoothing_is_a_mean_of_the_right_target_and_all(tiny, examples, whose, asked):
    losses = [mean_loss(tiny[whose], examples, asked, label_smoothing_factor=s)[0] for s in (0.0, 0.2, 0.4, 1.0)]
    assert losses[1] - losses[0] == pytest.approx(0.2 * (losses[3] - losses[0]), rel=1e-3)
    assert losses[2] - losses[0] == pytest.approx(0.4 * (losses[3] - losses[0]), rel=1e-3)
    # cross-entropy against an even spread is never below that of the even spread itself, and is not the plain loss
    assert abs(losses[3] - losses[0]) > 1e-4


def test_smoothing_does_not_reach_the_answers(load, tiny, examples):
    requests, _ = examples("Choose", 3)
    [view] = learners(tiny["decoder"], requests[:1], label_smoothing_factor=0.5)
    assert view.answer(requests) == load("decoder", requests[0], seed=3).answer(requests)


def test_class_weights_weigh_examples(encoder, examples):
    requests, answers = examples("Classify", 6)
    [plain] = learners(encoder, requests[:1])
    [view] = learners(encoder, requests[:1], class_weights="positive=3, negative=0.5")
    each = [float(plain.loss([r], [a])[0].detach()) for r, a in zip(requests, answers, strict=True)]
    weights = [3.0 if a.scores[1] else 0.5 for a in answers]
    assert len(set(weights)) == 2
    loss, count = view.loss(requests, answers)
    assert float(loss.detach()) == pytest.approx(sum(e * w for e, w in zip(each, weights, strict=True)), rel=1e-5)
    assert count == pytest.approx(sum(weights))


def test_class_weights_weigh_words(encoder, examples):
    requests, answers = examples("Tag", 6)
    names = sorted({label for a in answers for label in a.labels})
    [plain], [view] = learners(encoder, requests[:1]), learners(encoder, requests[:1], class_weights="O=0,B-V=4")
    loss, count = view.loss(requests, answers)
    logits = plain.forward(plain.encodings(requests))
    wanted = torch.tensor([plain.config.label2id[label] for a in answers for label in a.labels])
    weights = torch.tensor([{"O": 0.0, "B-V": 4.0}.get(label, 1.0) for label in plain.config.label2id])
    assert "O" in names
    assert count == pytest.approx(float(weights[wanted].sum()))
    assert float(loss.detach() / count) == pytest.approx(
        float(torch.nn.functional.cross_entropy(logits.detach(), wanted, weights)), rel=1e-5
    )


def test_class_weights_where_several_labels_hold(encoder):
    example_request = replace(MOODS, multi_label=True)
    answer = ClassifyAnswer(scores=(1.0, 0.0, 1.0))
    [plain], [view] = learners(encoder, [example_request]), learners(encoder, [example_request], class_weights="sad=3")
    (one, _), (other, count) = plain.loss([example_request], [answer]), view.loss([example_request], [answer])
    chance = plain.answer([example_request])[0].scores[2]
    assert float(other - one) == pytest.approx(-2 * torch.log(torch.tensor(chance)).item() / 3, rel=1e-4)
    assert count == 1


def test_without_peft(encoder, examples, monkeypatch):
    requests, _ = examples("Classify", 1)
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    with pytest.raises(InputError, match="adapters need the package peft") as error:
        learners(encoder, requests, peft="lora")
    assert "pip install 'plmtasks-transformers[peft]'" in str(error.value)


def test_export_from_the_command_line(headed, tmp_path):
    def export(*more):
        return CliRunner().invoke(cli, ["export", "--model", headed.source, *more])

    out = tmp_path / "out"
    done = export("--task", "classification/sample", "--output", str(out))
    assert done.exit_code == 0, done.output
    assert done.output == f"{out}: headed, which answers Classify\n"
    assert transformers.AutoModelForSequenceClassification.from_pretrained(out).config.id2label == {0: "negative", 1: "positive"}
    again = export("--task", "classification/sample", "--output", str(out)).exception
    assert isinstance(again, OutputError)
    assert "holds something already" in str(again)
    other = export("--task", "qa/sample", "--output", str(tmp_path / "other")).exception
    assert isinstance(other, InputError)
    assert str(other).splitlines() == [
        "'headed' has no head for such a ExtractSpan request",
        "  it has: Classify with the labels negative, positive",
        "  wanted: ExtractSpan",
    ]
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("peft", ["", "lora"])
def test_one_of_several_heads_and_merged_adapters_are_exported_with_hashes_of_their_own(headed, lessons, tmp_path, peft):
    (sentiments, _), (words, _), *_ = lessons
    example_requests = [sentiments[0]] if peft else [words[0], sentiments[0]]
    learners(headed, example_requests, peft=peft)[0].save(tmp_path / "all")
    said = {"recipe": "r", "tasks": {}, "parts": {"training": {"seed": 0}, "learned": [], "start": []}}
    write_record(tmp_path / "all", said)
    model = Hub().make(str(tmp_path / "all"))
    command = ["export", "--model", model.source, "--task", "classification/sample", "--output", str(tmp_path / "one")]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    one, written = Hub().make(str(tmp_path / "one")), json.loads((tmp_path / "one" / "plmtasks.json").read_text())
    assert written["recipe"] == "r"
    assert set(written["files"]) == {p.name for p in (tmp_path / "one").iterdir()} - {"plmtasks.json"}
    assert written["files"] != json.loads((tmp_path / "all" / "plmtasks.json").read_text())["files"]
    assert one.training_record() == written
    found, wanted = (
        [x for a in m.load(example_requests[-1], SETTINGS, "cpu").answer(sentiments) for x in a.scores] for m in (one, model)
    )
    assert found == pytest.approx(wanted, abs=1e-5)
    (tmp_path / "one" / "config.json").write_text("{}")
    with pytest.raises(DataError, match="expected the file that the training wrote"):
        one.training_record()


def test_labels_that_do_not_match_are_named(headed, tmp_path):
    (tmp_path / "test.tsv").write_text("text\tlabel\nthe nurse\tglad\nthe pilot\tsad\n")
    command = ["run", "--task", "classification/custom", "--data", str(tmp_path / "test.tsv"), "--train", "never"]
    error = CliRunner().invoke(cli, [*command, "--model", headed.source, "--output", str(tmp_path / "results")]).exception
    assert isinstance(error, InputError)
    assert "it has weights for Classify with the labels negative, positive" in str(error)
    assert "classification/custom asks Classify with the labels glad, sad" in str(error)


def test_adapters_need_weights_to_stand_on(tmp_path):
    command = ["train", "--task", "classification/sample", "--model", "tiny-bert", "--training", "peft=lora", "--threads", "1"]
    error = CliRunner().invoke(cli, [*command, "--output", str(tmp_path / "out")]).exception
    assert isinstance(error, InputError)
    assert "no weights yet for adapters to stand on" in str(error)
