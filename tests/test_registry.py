import importlib
import types
from dataclasses import replace

import pluggy
import pytest
import toy

from plmtasks import hookimpl
from plmtasks.errors import InputError, PluginError, UnknownNameError
from plmtasks.evaluation import Suite
from plmtasks.evaluation.suite import Entry
from plmtasks.hooks import find, hookspecs, load_registry
from plmtasks.hooks.loading import call
from plmtasks.model import Provider
from plmtasks.requests import Classify, ClassifyAnswer, Request


def plugin(name, **hooks):
    """A plugin module with these hooks; a value that is no function is what the hook returns."""
    module = types.ModuleType(name)
    for hook, value in hooks.items():
        setattr(module, hook, hookimpl(value if callable(value) else lambda value=value: value))
    return module


def load(*modules):
    return load_registry(modules, installed=False)


def errors(registry):
    return {p.name: p.error for p in registry.plugins if p.error}


def task(name, **fields):
    return toy.ToyTask(name=name, **fields)


# ── what works ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_items_are_found_by_name_and_know_who_brought_them():
    registry = load(toy)
    assert registry.task("toy/even").name == "toy/even"
    assert registry.model("toy-model").family == "toy"
    assert registry.metric("toy_accuracy").columns() == ("right", "n")
    assert registry.owners["task", "toy/even"].name == "toy"
    assert errors(registry) == {}


def test_the_word_before_the_slash_is_the_first_task_of_its_plugin():
    registry = load(plugin("p", register_tasks=[task("word/b"), task("word/a")]), plugin("q", register_tasks=[task("other/a")]))
    assert registry.task("word").name == "word/b"
    assert registry.task("other").name == "other/a"


def words(*pairs):
    """Tasks with aliases."""
    return load(plugin("p", register_tasks=[replace_in(task(name), aliases=a, needs_data=n) for name, a, n in pairs]))


def replace_in(one, **more):
    for name, value in more.items():
        object.__setattr__(one, name, value)
    return one


def test_words_that_people_use_lead_to_a_task():
    registry = words(
        ("tag/news", ("ner", "named entities"), False), ("tag/own", ("ner", "chunking"), True), ("q/squad", (), False)
    )
    assert registry.task("ner").name == "tag/news"
    assert registry.task("ner", own_data=True).name == "tag/own"
    assert registry.task("Named-Entities", own_data=True).name == "tag/news", "nobody else is called so"
    assert registry.task("chunking").name == "tag/own"
    assert registry.task("ner", learned=["tag/own"]).name == "tag/own"
    assert registry.task("squad").name == "q/squad"
    assert registry.task("tag", own_data=True).name == "tag/news", "the first of its plugin"
    assert find(registry, "ner", own_data=True)[1].name == "tag/own"


def test_a_plugin_s_own_word_may_mean_another_task_where_data_are_named():
    registry = words(("text/news", (), False), ("text/own", ("text",), True))
    assert registry.task("text").name == "text/news"
    assert registry.task("text", own_data=True).name == "text/own"


def test_a_word_that_may_mean_several_names_them():
    registry = words(("a/one", ("both",), False), ("b/two", ("both",), False), ("a/sample", (), False), ("b/sample", (), False))
    for word, names in (("both", ["a/one", "b/two"]), ("sample", ["a/sample", "b/sample"])):
        with pytest.raises(InputError) as caught:
            registry.task(word)
        assert caught.value.message == f"{word!r} may mean any of 2 tasks: name the one"
        assert [hint.split()[0] for hint in caught.value.hints] == names


def test_an_alias_is_no_part_of_the_identity():
    assert replace_in(task("a/b"), aliases=("c",)).config() == task("a/b").config()


def test_a_registry_is_a_value():
    registry = load(toy)
    assert load().items["task"] == {}
    assert "toy/even" in registry.items["task"]


def test_models_that_answer_any_of_some_kinds():
    assert load(toy).models_that_answer(["Tag", "Classify"]) == ["toy-model"]
    assert load(toy).models_that_answer(["Tag"]) == []


def test_a_module_may_be_named(monkeypatch):
    assert load("toy").task("toy/even").name == "toy/even"
    monkeypatch.setenv("PLMTASKS_PLUGINS", "toy,")
    assert load_registry().owners["task", "toy/even"].distribution == "toy"


class Echo(Provider):
    def __init__(self, scheme, default=False):
        self.scheme, self.default = scheme, default

    def make(self, name):
        return toy.ToyModel(name=f"{self.scheme}<{name}>")


def test_a_provider_makes_what_nobody_registered():
    registry = load(toy, plugin("p", register_models=[Echo("other"), Echo("main", default=True)]))
    assert registry.model("toy-model").name == "toy-model"
    assert registry.model("other:a:b").name == "other<a:b>"
    assert registry.model("main:a").name == "main<a>"
    assert registry.model("a/b").name == "main<a/b>"
    # a colon alone is no scheme
    assert registry.model("C:\\models\\a").name == "main<C:\\models\\a>"


def test_a_scheme_that_ends_with_a_slash_begins_names():
    class Tasks(Provider):
        scheme = "p/"

        def make(self, name):
            return task(f"made of {name}")

    registry = load(plugin("p", register_tasks=[task("p/a"), Tasks()]))
    assert registry.task("p").name == "p/a"
    assert registry.task("p/a").name == "p/a"
    assert registry.task("p/b/c").name == "made of b/c"
    with pytest.raises(UnknownNameError):
        registry.task("p:b")


class Pairs(Provider):
    """`pairs:both` stands for two of its tasks."""

    scheme = "pairs"

    def names(self):
        return ["left", "right", "both"]

    def members(self, name):
        return ["pairs:left", "pairs:right"] if name == "both" else None

    def make(self, name):
        return task(f"pairs:{name}")


def test_a_name_may_stand_for_several():
    registry = load(toy, plugin("p", register_tasks=[Pairs()]))
    assert registry.members("task", "pairs:both") == ["pairs:left", "pairs:right"]
    assert [registry.members("task", name) for name in ("pairs:left", "toy/even", "unknown")] == [
        ["pairs:left"], ["toy/even"], ["unknown"]
    ]  # fmt: skip
    with pytest.raises(InputError) as caught:
        registry.task("pairs:both")
    assert str(caught.value) == "pairs:both stands for 2 tasks: name one\n  pairs:left, pairs:right"


def test_a_pattern_stands_for_the_tasks_that_fit_it():
    registry = load(plugin("p", register_tasks=[task("nli/x.en"), task("nli/x.zh"), task("nli/x"), task("nli/y.zh")]))
    assert registry.members("task", "nli/x.*") == ["nli/x.en", "nli/x.zh"]
    assert registry.members("task", "*.zh") == ["nli/x.zh", "nli/y.zh"]
    assert registry.members("task", "nli/x") == ["nli/x"]
    assert registry.members("task", "nli/z.*") == ["nli/z.*"]
    suite = Suite(tasks=[Entry(name="nli/x.*", label="nli/x.*")], models=[Entry(name="m", label="m")]).expanded(registry)
    assert [entry.name for entry in suite.tasks] == ["nli/x.en", "nli/x.zh"]


def test_a_suite_has_the_members_each_once():
    registry = load(toy, plugin("p", register_tasks=[Pairs()]))
    entries = [Entry(name=name, label=name) for name in ("pairs:right", "toy/even", "pairs:both")]
    suite = Suite(tasks=entries, models=[Entry(name="toy-model")], exclude=[{"task": "pairs:both"}]).expanded(registry)
    assert [(task.name, task.groups) for task in suite.tasks] == [
        ("pairs:right", ("pairs:both",)), ("toy/even", ()), ("pairs:left", ("pairs:both",))
    ]  # fmt: skip
    assert [task.name for task, model in suite.pairs() if not suite.excludes(task, model)] == ["toy/even"]
    whole = replace(suite, exclude=())
    assert [task.name for task, _ in whole.narrowed([{"task": "pairs:both"}]).pairs()] == ["pairs:right", "pairs:left"]


def test_a_name_without_its_scheme_is_asked_for():
    registry = load(toy, plugin("p", register_tasks=[Pairs()]))
    for name, meant in (("left", "pairs:left"), ("pairs:lef", None), ("bothh", "pairs:both"), ("toy/evn", "toy/even")):
        if meant is None:
            assert registry.task(name).name == name  # any may be asked for
            continue
        with pytest.raises(UnknownNameError) as caught:
            registry.task(name)
        assert caught.value.hints[0] == f"did you mean {meant!r}?"
    with pytest.raises(UnknownNameError, match="there is no task 'right'\n  nor a model") as caught:
        find(registry, "right")
    assert "did you mean 'pairs:right'?" in caught.value.hints


def test_a_plugin_may_bring_a_kind_of_request():
    class Rank(Request):
        answer_type = ClassifyAnswer

    registry = load(plugin("p", register_requests=[Rank]))
    assert registry.requests["Rank"] is Rank
    assert registry.requests["Classify"] is Classify


def test_a_hook_may_be_a_generator():
    def register_tasks():
        yield task("g/a")

    assert load(plugin("p", register_tasks=register_tasks)).task("g/a").name == "g/a"


def test_reports_reach_every_plugin():
    heard = []
    registry = load(plugin("p", report=lambda result: heard.append(result)), toy)
    registry.manager.hook.report(result="a result")
    assert heard == ["a result"]


# ── names that nobody knows ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "name", "meant"),
    [("task", "toy/evn", "toy/even"), ("model", "toy_model", "toy-model"), ("metric", "accuracy", "toy_accuracy")],
)
def test_an_unknown_name_says_what_could_be_meant(kind, name, meant):
    with pytest.raises(UnknownNameError) as caught:
        getattr(load(toy), kind)(name)
    assert str(caught.value).split("\n") == [
        f"there is no {kind} {name!r}", f"  did you mean {meant!r}?", f"  plmtasks list {kind}s shows all",
    ]  # fmt: skip
    assert caught.value.exit_code == 2


def test_an_unknown_name_tells_of_broken_plugins():
    registry = load(toy, plugin("broken", register_tasks=lambda: 1 / 0))
    with pytest.raises(UnknownNameError) as caught:
        registry.task("zzz")
    assert str(caught.value).split("\n") == [
        "there is no task 'zzz'",
        "  broken failed to load: ZeroDivisionError: division by zero",
        "  plmtasks list tasks shows all",
    ]


# ── broken plugins ────────────────────────────────────────────────────────────────────────────────────────────────


def leaves():
    raise SystemExit("a missing dependency")


BROKEN = {
    "raises": ({"register_tasks": lambda: [].pop()}, "IndexError: pop from empty list"),
    "leaves": ({"register_models": leaves}, "SystemExit: a missing dependency"),
    "no list": ({"register_tasks": 3}, "TypeError: 'int' object is not iterable"),
    "forgot return": ({"register_tasks": lambda: None}, "TypeError: register_tasks gave nothing; it is to return a list"),
    "no task": ({"register_tasks": [toy.ToyModel()]}, "TypeError: register_tasks gave ToyModel(name='toy-model', "),
    "a class": (
        {"register_metrics": [toy.ToyAccuracy]},
        "TypeError: register_metrics gave <class 'toy.ToyAccuracy'>, which is no Metric",
    ),
    "twice": ({"register_tasks": [task("b/x"), task("b/x")]}, "ValueError: register_tasks gave 'b/x' more than once"),
    "no request": ({"register_requests": [ClassifyAnswer]}, "TypeError: register_requests gave <class"),
    "taken request": (
        {"register_requests": [type("Tag", (Request,), {})]},
        "ValueError: register_requests gave 'Tag', which is another",
    ),
    "unknown hook": ({"register_taks": []}, "AttributeError: unknown hook 'register_taks'"),
    "wrong signature": ({"report": lambda outcome: None}, "PluginValidationError: Plugin 'broken' for hook 'report'"),
    "generator fails": ({"register_tasks": lambda: (1 / n for n in (1, 0))}, "ZeroDivisionError: division by zero"),
}


@pytest.mark.parametrize(("hooks", "error"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
def test_a_broken_plugin_keeps_its_reason_and_stops_no_other(hooks, error, first):
    # what it brings before it fails is not kept
    hooks = {"register_tasks": [task("half/a")], **hooks}
    modules = [plugin("broken", **hooks), toy]
    registry = load(*(modules if first else modules[::-1]))
    assert list(errors(registry)) == ["broken"]
    assert errors(registry)["broken"].startswith(error)
    assert list(registry.items["task"]) == ["toy/even"]
    assert registry.task("toy/even").name == "toy/even"
    registry.manager.hook.report(result=None)


def test_a_module_that_cannot_be_imported_keeps_its_reason(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "plmtasks_test_syntax.py").write_text("def (", encoding="utf-8")
    found = errors(load("plmtasks_test_syntax", "plmtasks_test_missing", toy))
    assert found["plmtasks_test_syntax"].startswith("SyntaxError: ")
    assert found["plmtasks_test_missing"] == "ModuleNotFoundError: No module named 'plmtasks_test_missing'"


def test_a_hook_that_grows_an_argument_still_calls_yesterday_s_plugins():
    class Grown:
        @hookspecs.hookspec
        def register_tasks(self, language):
            """As it may be one day."""

    manager = pluggy.PluginManager("plmtasks")
    manager.add_hookspecs(Grown)
    manager.register(plugin("yesterday", register_tasks=[task("old/a")]), "yesterday")
    manager.register(plugin("today", register_tasks=lambda language: [task(f"new/{language}")]), "today")
    found = [call(manager, name, "register_tasks", language="de") for name in ("yesterday", "today")]
    assert [[t.name for t in tasks] for [tasks] in found] == [["old/a"], ["new/de"]]


# ── clashes ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_name_that_two_plugins_claim_is_refused_and_nothing_else():
    registry = load(plugin("a", register_tasks=[task("x/one"), task("x/two")]), plugin("b", register_tasks=[task("x/one")]))
    with pytest.raises(PluginError) as caught:
        registry.task("x/one")
    assert str(caught.value) == "task 'x/one' is claimed by more than one plugin: a, b\n  uninstall one of them"
    assert registry.task("x/two").name == "x/two"
    assert errors(registry) == {}


def test_a_broken_plugin_claims_no_name():
    registry = load(toy, plugin("broken", register_tasks=[toy.ToyTask()], register_metrics=lambda: 1 / 0))
    assert registry.task("toy/even").name == "toy/even"
    assert registry.owners["task", "toy/even"].name == "toy"


def install(folder, distribution, entry, module, code):
    """A distribution as pip leaves it behind: its metadata and one module."""
    (folder / f"{module}.py").write_text(code, encoding="utf-8")
    info = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[plmtasks]\n{entry} = {module}\n", encoding="utf-8")


def test_two_distributions_may_use_one_entry_point_name(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    code = "import toy\nfrom plmtasks import hookimpl\n@hookimpl\ndef register_tasks():\n    return [toy.ToyTask(name='{}')]\n"
    install(tmp_path, "one-tasks", "same", "plmtasks_test_one", code.format("one/a"))
    install(tmp_path, "two-tasks", "same", "plmtasks_test_two", code.format("two/a"))
    importlib.invalidate_caches()
    registry = load_registry()
    assert {registry.owners["task", name].distribution for name in ("one/a", "two/a")} == {"one-tasks 1.0", "two-tasks 1.0"}


def test_a_broken_distribution_is_named_with_its_version(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    install(tmp_path, "bad-tasks", "bad", "plmtasks_test_bad", "raise RuntimeError('not today')")
    importlib.invalidate_caches()
    registry = load_registry()
    assert [(p.distribution, p.error) for p in registry.plugins if p.error] == [("bad-tasks 1.0", "RuntimeError: not today")]
    with pytest.raises(UnknownNameError, match=r"bad-tasks 1\.0 failed to load: RuntimeError: not today"):
        registry.task("no/such")


# ── as pluggy calls them ──────────────────────────────────────────────────────────────────────────────────────────────


def marked(name, function, hook, **options):
    """A plugin with one more implementation of a hook."""
    module = plugin(name)
    setattr(module, f"{hook}_{len(vars(module))}", hookimpl(function, specname=hook, **options))
    return module


def named(items):
    return [item.name for item in items]


def test_a_wrapper_sees_what_each_plugin_brings():
    def wrapper():
        returned = yield
        return [[toy.ToyTask(name=f"{one.name}.wrapped") for one in items] for items in returned]

    wrapping = marked("wrapping", wrapper, "register_tasks", wrapper=True)
    registry = load(plugin("one", register_tasks=[task("a/a")]), wrapping, plugin("two", register_tasks=lambda: [task("b/b")]))
    assert errors(registry) == {}
    assert list(registry.items["task"]) == ["a/a.wrapped", "b/b.wrapped"]
    assert registry.owners["task", "b/b.wrapped"].name == "two"


def test_what_comes_first_and_last():
    last = marked("a", lambda: [task("x/last")], "register_tasks", trylast=True)
    first = marked("c", lambda: [task("x/first")], "register_tasks", tryfirst=True)
    registry = load(last, plugin("b", register_tasks=[task("x/between")]), first)
    assert list(registry.items["task"]) == ["x/first", "x/between", "x/last"]
    assert registry.task("x").name == "x/first"


def test_a_plugin_may_have_several_implementations():
    several = marked("several", lambda: [task("x/two")], "register_tasks")
    several.register_tasks = hookimpl(lambda: [task("x/one")])
    registry = load(several, toy)
    assert set(registry.items["task"]) == {"x/one", "x/two", "toy/even"}
    several.register_tasks = hookimpl(lambda: None)
    assert errors(load(several)) == {"several": "TypeError: register_tasks gave nothing; it is to return a list"}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("order", [1, -1])
def test_a_wrapper_that_fails_is_blamed_itself(when, order):
    def wrapper():
        if when == "before":
            raise RuntimeError("not today")
        yield
        raise RuntimeError("not today")

    wrapping = marked("wrapping", wrapper, "register_tasks", wrapper=True)
    wrapping.register_models = hookimpl(lambda: [toy.ToyModel()])
    others = [plugin(name, register_tasks=[task(f"{name}/a")]) for name in ("one", "two")]
    registry = load(*[wrapping, *others][::order])
    assert errors(registry) == {"wrapping": "RuntimeError: not today"}
    assert set(registry.items["task"]) == {"one/a", "two/a"}
    assert not registry.items["model"]


def test_a_plugin_that_fails_within_a_wrapper_is_blamed_itself():
    def wrapper():
        return (yield)

    wrapping = marked("wrapping", wrapper, "register_tasks", wrapper=True)
    registry = load(wrapping, plugin("broken", register_tasks=lambda: [].pop()), plugin("two", register_tasks=[task("b/b")]))
    assert errors(registry) == {"broken": "IndexError: pop from empty list"}
    assert list(registry.items["task"]) == ["b/b"]


def test_a_report_that_fails_stops_no_other():
    seen = []

    def wrapper(result):
        seen.append("wrapped")
        return (yield)

    def fails(result):
        raise RuntimeError("no disk")

    wrapping = marked("wrapping", wrapper, "report", wrapper=True)
    registry = load(plugin("bad", report=fails), wrapping, plugin("good", report=lambda result: seen.append(result)))
    with pytest.warns(Warning, match="plugin bad failed at a result: RuntimeError: no disk"):
        registry.report("a result")
    assert seen == ["wrapped", "wrapped", "a result"]
