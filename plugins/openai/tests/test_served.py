"""Models behind a server: the same answers as in this process, through every fault, and none asked twice."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import plmtasks
from plmtasks.config import Generation, ModelSettings
from plmtasks.data import events
from plmtasks.errors import InputError, ModelError
from plmtasks.execution import journal
from plmtasks.hooks import load_registry
from plmtasks.requests import Choose, Generate, GenerateAnswer, Request, Shot, Turn

pytestmark = pytest.mark.slow

SHOT = Shot(text="ann opened the door .", answer="ann")


def request(number: int = 0, **other: Any) -> Generate:
    text = list(events("train", number + 1))[-1].english()
    return Generate(**{"instruction": "Who was it?", "shots": (SHOT,), "text": text, "max_new_tokens": 6, **other})


def load(address: str, **settings: Any) -> Any:
    model = load_registry().model(f"openai:tiny@{address}")
    return model.load(request(), ModelSettings(**settings), "cpu")


def in_this_process(folder: Path, requests: list[Request], **settings: Any) -> list[Any]:
    made = ModelSettings(**{"dtype": "float32", "batch_tokens": 1000, **settings})
    return list(load_registry().model(str(folder)).load(requests[0], made, "cpu").answer(requests))


@pytest.mark.parametrize("prompt", ["plain", "raw", "chat"])
def test_the_answers_are_those_of_the_same_model_in_this_process(server: str, folder: Path, prompt: Any) -> None:
    requests = [request(i) for i in range(6)]
    found = load(server, prompt=prompt).answer(requests)
    assert found == in_this_process(folder, requests, prompt=prompt)
    assert len({a.text for a in found}) > 1


def test_stop_texts_and_the_number_of_new_tokens(server: str, folder: Path) -> None:
    long = in_this_process(folder, [request(max_new_tokens=12)])[0].text
    stop = ("nowhere", "n0where", "n-where", "n_where", long[4:6])  # the last is over what the protocol takes
    asked = [request(max_new_tokens=12, stop=stop), request(max_new_tokens=12)]
    assert [a.text for a in load(server).answer(asked)] == [long.partition(long[4:6])[0].strip(), long]
    shorter = load(server, generation=Generation(max_new_tokens=2)).answer([request(max_new_tokens=12)])[0].text
    assert long.startswith(shorter)
    assert shorter != long


def test_what_is_sent(proxy: Any) -> None:
    load(proxy.address, prompt="chat").answer([request(stop=("\n",))])
    said = [("user", "Who was it?\n\nann opened the door ."), ("assistant", "ann"), ("user", request().text)]
    turns = [{"role": role, "content": content} for role, content in said]
    assert proxy.asked == [{"model": "tiny", "messages": turns, "max_tokens": 6, "temperature": 0.0, "stop": ["\n"]}]
    drawn = {
        "seed": 3,
        "generation": Generation(temperature=0.5, top_p=0.9),
        "model_args": {"max_tokens": 2, "temperature": None},
    }
    load(proxy.address, **drawn).answer([request()])
    prompt = f"Who was it?\n\nann opened the door .\nAnswer: ann\n\n{request().text}\nAnswer:"
    told = {"max_tokens": 2, "temperature": None, "seed": 3, "top_p": 0.9}
    assert proxy.asked[1] == {"model": "tiny", "prompt": prompt, **told}


def test_a_server_that_tells_no_log_probabilities_is_named(server: str) -> None:
    asked = Choose(text="the basket was", choices=(" sold", " red"), exact=True)
    with pytest.raises(ModelError) as caught:
        load_registry().model(f"openai:tiny@{server}").load(asked, ModelSettings(), "cpu").answer([asked])
    assert "vLLM" in str(caught.value)
    assert "--ask Generate" in str(caught.value)


def completion(reason: str = "stop", **message: Any) -> tuple[str, str]:
    used = {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14}
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return ("body", json.dumps({"id": "1", "choices": [choice], "usage": used}))


def test_what_is_sent_of_what_a_request_wants(proxy: Any) -> None:
    said = (Turn(role="system", content="Be brief."), Turn(role="user", content="who?"), Turn(role="assistant", content="it was"))
    wanted = {"temperature": 0.7, "top_p": 0.5, "top_k": 3}
    # this server refuses fields that vLLM has
    proxy.faults = [("body", json.dumps({"choices": [{"text": "ann"}]}))] * 2 + [completion(content="ann")] * 2
    load(proxy.address).answer([request(exact=True, shots=(), instruction="", **wanted)])
    load(proxy.address).answer([request(exact=True, shots=(), instruction="", repeat=2, **wanted)])
    load(proxy.address, prompt="chat").answer([request(exact=True, shots=(), instruction="", turns=said)])
    load(proxy.address, prompt="chat", system="Be brief.").answer([request()])
    first, second, third, fourth = proxy.asked
    assert first == {"model": "tiny", "prompt": request().text, "max_tokens": 6, "seed": 0, **wanted}
    assert second["seed"] not in (0, 2)
    assert {**second, "seed": 0} == first
    assert third["messages"] == [{"role": turn.role, "content": turn.content} for turn in said]
    assert third["continue_final_message"]
    assert not third["add_generation_prompt"]
    assert fourth["messages"][0] == {"role": "system", "content": "Be brief."}


THOUGHT = {
    "in a field of its own": (completion(content=" ann", reasoning_content="hm"), "auto", "ann", "hm", False),
    "in another field": (completion(content=" ann", reasoning="hm"), "auto", "ann", "hm", False),
    "in the text": (completion(content="<think>\nhm\n</think>\n\nann"), "auto", "ann", "hm", False),
    "behind another end": (completion(content="hm[/THINK]ann"), "[/THINK]", "ann", "hm", False),
    "not read": (completion(content="hm</think>ann"), "none", "hm</think>ann", "", False),
    "not there": (completion(content="ann"), "auto", "ann", "", False),
    "not ended": (completion("length", content=None, reasoning_content="hm"), "auto", "", "hm", True),
    "not ended in the text": (completion("length", content="<think>hm"), "auto", "", "hm", True),
    "not ended by its end": (completion("length", content="hm"), "[/THINK]", "", "hm", True),
}


@pytest.mark.parametrize(("fault", "reasoning", "text", "thought", "unfinished"), THOUGHT.values(), ids=THOUGHT)
def test_thinking_is_no_part_of_an_answer(
    proxy: Any, fault: Any, reasoning: str, text: str, thought: str, unfinished: bool
) -> None:
    proxy.faults = [fault]
    [answer] = load(proxy.address, prompt="chat", reasoning=reasoning).answer([request()])
    assert (answer.text, answer.reasoning, answer.unfinished) == (text, thought, unfinished)
    assert answer.reasoning_tokens == (9 if unfinished else 0)


FAULTS = {
    "too many requests": ("status", 429, {"Retry-After": "0.3"}),
    "its own error": ("status", 500, {}),
    "a cut connection": ("cut",),
    "half of a body": ("body", '{"choices": [{"te'),
    "another body": ("body", '{"choices": []}'),
    "no answer": ("hang",),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_got_over(proxy: Any, fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLMTASKS_OPENAI_TIMEOUT", "3" if fault[0] == "hang" else "60")
    proxy.faults = [fault]
    asked = [request(0), request(1)]
    found = load(proxy.address).answer(asked)
    assert found == load(proxy.upstream.geturl()).answer(asked)
    assert len(proxy.asked) >= 3
    if fault[0] == "status" and fault[1] == 429:
        first = proxy.asked.index(proxy.asked[-1])
        assert proxy.times[-1] - proxy.times[first] > 0.25, "Retry-After was not heeded"


LASTING = {
    "did not answer within 0.5 s": [("hang",)],
    "refuses: Error code: 400 - a fault on demand": [("status", 400, {})],
    "gave no completion": [("body", '{"choices": [{"text": 7}]}')] * 3,
}


@pytest.mark.parametrize(("said", "faults"), LASTING.items(), ids=LASTING)
def test_a_fault_that_stays_ends_the_run_and_says_how_to_go_on(
    proxy: Any, said: str, faults: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLMTASKS_OPENAI_RETRIES", "0")
    monkeypatch.setenv("PLMTASKS_OPENAI_TIMEOUT", "0.5" if faults[0][0] == "hang" else "60")
    proxy.faults = list(faults)
    with pytest.raises(ModelError, match=said) as caught:
        load(proxy.address).answer([request()])
    assert "the same command goes on" in str(caught.value)


def test_one_refusal_gives_up_the_others(proxy: Any) -> None:
    proxy.faults = [("hang",), ("hang",), ("status", 404, {})]
    with pytest.raises(ModelError, match="--chat asks for chat completions"):
        load(proxy.address).answer([request(i) for i in range(3)])
    assert proxy.busy >= 2, "it waited for the others"


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_registry().model("openai:tiny@http://127.0.0.1:1/v1")
    with pytest.raises(ModelError, match=r"the server at http://127\.0\.0\.1:1/v1 cannot be reached"):
        model.identity(request(), ModelSettings())


def test_the_key_goes_to_its_own_server_alone_and_nowhere_else(proxy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("OPENAI_BASE_URL", proxy.address)
    monkeypatch.setenv("PLMTASKS_OPENAI_RETRIES", "0")
    by_environment = load_registry().model("openai:tiny")
    proxy.faults = [("status", 401, {}, "the key sk-secret is wrong")]
    loaded = by_environment.load(request(), ModelSettings(), "cpu")
    with pytest.raises(ModelError, match="OPENAI_API_KEY") as caught:
        loaded.answer([request()])
    assert "sk-secret" not in str(caught.value)
    assert proxy.headers[0]["authorization"] == "Bearer sk-secret"
    assert "sk-secret" not in json.dumps(by_environment.identity(request(), ModelSettings())) + repr(by_environment.connection)
    load(proxy.address).answer([request()])
    assert "sk-secret" not in str(proxy.headers[1])


def test_a_batch_is_some_thirty_questions_on_every_machine() -> None:
    from plmtasks.execution.batching import cut_batches

    model = load_registry().model("openai:tiny@http://127.0.0.1:1/v1")
    assert model.tokens_within(2**40, "bfloat16") == model.tokens_within(2**20, "float32") == 1024
    requests = [request(i, text="who was it ? " * 64, max_new_tokens=32) for i in range(90)]
    costs = load("http://127.0.0.1:1/v1").costs(requests)
    assert {len(batch) for batch in cut_batches([str(i) for i in range(90)], costs, 1024)} <= set(range(20, 40))


def test_concurrency_is_bounded(proxy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLMTASKS_OPENAI_CONCURRENCY", "2")
    found = load(proxy.address).answer([request(i) for i in range(6)])
    assert proxy.at_once == 2
    assert found == load(proxy.upstream.geturl()).answer([request(i) for i in range(6)])


@pytest.mark.parametrize(("processes", "per_minute"), [("1", "200"), ("2", "400")])
def test_so_many_requests_a_minute_over_all_processes_and_tries(
    processes: str, per_minute: str, proxy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLMTASKS_OPENAI_REQUESTS_PER_MINUTE", per_minute)
    monkeypatch.setenv("WORLD_SIZE", processes)
    load(proxy.address).answer([request()])  # what is slow at first must not look like pacing
    loaded, start = load(proxy.address), time.monotonic()
    proxy.faults = [("status", 500, {"Retry-After": "0.01"})]
    loaded.answer([request(i) for i in range(4)])
    times = proxy.times[1:]
    assert len(times) == 5
    assert all(at - start >= 0.3 * i for i, at in enumerate(times)), times


def test_the_identity_holds_what_is_asked_of_whom(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def identity(name: str = f"openai:tiny@{server}", **settings: Any) -> dict[str, Any]:
        return dict(load_registry().model(name).identity(request(), ModelSettings(**settings)))

    plain = identity()
    assert plain["address"] == server
    assert plain["said"]["id"] == "tiny"
    assert "created" not in plain["said"]
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server}/")
    assert identity("openai:tiny") == plain
    assert identity(seed=1) == plain
    drawn = Generation(temperature=1.0)
    assert identity(seed=1, generation=drawn) != identity(seed=2, generation=drawn)
    assert identity(model_args={"top_k": 2}) != plain
    assert identity(f"openai:unknown@{server}")["said"] == {}
    for name, value in (("CONCURRENCY", "3"), ("REQUESTS_PER_MINUTE", "600"), ("TIMEOUT", "5"), ("RETRIES", "1")):
        monkeypatch.setenv(f"PLMTASKS_OPENAI_{name}", value)
    assert identity() == plain


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"generation": Generation(num_beams=2)}, "no beams"),
        ({"truncation": "left"}, "--truncation left"),
        ({"model_args": {"api_key": "sk-secret"}}, "OPENAI_API_KEY"),
    ],
)
def test_what_cannot_be_asked_for(settings: Any, said: str) -> None:
    model = load_registry().model("openai:tiny@http://127.0.0.1:1/v1")
    with pytest.raises(InputError, match=said) as caught:
        model.identity(request(), ModelSettings(**settings))
    assert "sk-secret" not in str(caught.value)


def test_names_and_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = load_registry()
    made = registry.model("openai:org/model@main@https://host/v1")
    assert (made.name, made.model, made.address) == ("openai:org/model@main", "org/model@main", "https://host/v1")
    with pytest.raises(InputError, match="names no model"):
        registry.model("openai:")
    with pytest.raises(InputError, match="more than a path: host") as caught:
        _ = registry.model("openai:m@https://me:secret@host/v1").connection
    assert "secret" not in str(caught.value)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(ModelError, match="OPENAI_API_KEY is not set"):
        _ = registry.model("openai:m").connection
    monkeypatch.setenv("PLMTASKS_OPENAI_CONCURRENCY", "none")
    with pytest.raises(InputError, match="PLMTASKS_OPENAI_CONCURRENCY is a number of at least 1, not 'none'"):
        _ = registry.model("openai:m@https://host/v1").connection


def test_a_killed_run_goes_on_and_asks_nothing_again(proxy: Any, tmp_path: Path) -> None:
    name, count, most = f"openai:tiny@{proxy.address}", 30, 14
    options = {"batch_tokens": 30, "limit": count, "output": str(tmp_path), "threads": 1}
    command = [sys.executable, "-m", "plmtasks", "run", "--task", "qa/sample", "--model", name, "--quiet"]
    command += [f"--{option.replace('_', '-')}={value}" for option, value in options.items()]
    proxy.most = most
    with subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}) as process:
        end = time.monotonic() + 120
        while len(proxy.asked) <= most or proxy.answered < most:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    [place] = tmp_path.rglob("journal")
    written = sum(len(batch["answers"]) for *_, batch in journal.on_disk(place))
    assert 0 < written <= most
    proxy.most, before = 10**9, [asked["prompt"] for asked in proxy.asked]
    result = plmtasks.run("qa/sample", name, dtype="auto", quiet=True, **options)
    again = [asked["prompt"] for asked in proxy.asked[len(before) :]]
    assert result.folder == place.parent
    assert len(again) == len(set(again)) == count - written
    assert len(set(before) | set(again)) == count
    assert result.record["model"]["family"] == "server"
    assert json.loads((result.folder / "environment.json").read_text())["parameters"] is None


def test_answers_are_of_the_right_kind_within_a_running_loop(server: str) -> None:
    """As in a notebook."""
    import asyncio

    async def ask() -> Any:
        return load(server).answer([request()])

    assert isinstance(asyncio.run(ask())[0], GenerateAnswer)
