"""What an address is sent: nothing of the environment, unless the environment itself names it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from plmtasks.config import ModelSettings
from plmtasks.errors import InputError
from plmtasks.hooks import load_registry
from plmtasks.requests import Generate

ASKED = Generate(instruction="", shots=(), text="who?", max_new_tokens=2)
SECRETS = {
    "OPENAI_API_KEY": "s3cret-key",
    "OPENAI_ADMIN_KEY": "s3cret-admin",
    "OPENAI_ORG_ID": "s3cret-org",
    "OPENAI_PROJECT_ID": "s3cret-project",
    "OPENAI_WEBHOOK_SECRET": "s3cret-hook",
    "OPENAI_CUSTOM_HEADERS": "X-Team: s3cret-team\nAuthorization: Basic s3cret-basic\nUser-Agent: s3cret\nCookie: s3cret",
    "HF_TOKEN": "hf_s3cret",
}


class Listener(ThreadingHTTPServer):
    """A server that writes down the headers of whoever comes, or sends them on to another one."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.heard: list[dict[str, str]] = []
        self.sends_on: str | None = None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_GET(self) -> None:
        self.say({"object": "list", "data": [{"id": "m", "object": "model", "created": 0, "owned_by": "nobody"}]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.say({"id": "1", "object": "text_completion", "created": 0, "model": "m", "choices": [
            {"index": 0, "text": "me", "finish_reason": "stop", "logprobs": None}]})  # fmt: skip

    def say(self, content: Any) -> None:
        self.server.heard.append({name.lower(): value for name, value in self.headers.items()})
        body = json.dumps(content).encode()
        self.send_response(307 if self.server.sends_on else 200)
        if self.server.sends_on:
            self.send_header("Location", self.server.sends_on + self.path.removeprefix("/v1"))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as made:
        yield made
        made.shutdown()


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password s3cret-netrc\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))


def ask(name: str) -> None:
    model, settings = load_registry().model(name), ModelSettings()
    assert model.identity(ASKED, settings)["said"] == {"id": "m", "owned_by": "nobody"}
    assert model.load(ASKED, settings, "cpu").answer([ASKED])[0].text == "me"  # type: ignore[attr-defined]


@pytest.mark.slow
def test_an_address_in_a_name_is_sent_nothing_of_the_environment(listener: Listener) -> None:
    ask(f"openai:m@{listener.address}")
    assert len(listener.heard) == 2
    assert "s3cret" not in json.dumps(listener.heard)
    assert {h["authorization"] for h in listener.heard} == {"Bearer none"}


@pytest.mark.slow
def test_nor_is_one_to_which_it_sends_on(listener: Listener) -> None:
    with Listener() as other:
        listener.sends_on = other.address
        ask(f"openai:m@{listener.address}")
        assert len(other.heard) == 2
        assert "s3cret" not in json.dumps(listener.heard + other.heard)
        other.shutdown()


def test_the_address_of_the_environment_is_sent_what_is_meant_for_it(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", listener.address)
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Team: s3cret-team")
    ask("openai:m")
    for sent in listener.heard:
        assert sent["authorization"] == "Bearer s3cret-key"
        assert (sent["x-team"], sent["openai-organization"], sent["openai-project"]) == (
            "s3cret-team",
            "s3cret-org",
            "s3cret-project",
        )


def test_a_file_may_name_an_address_of_this_machine_alone(listener: Listener) -> None:
    from plmtasks.config import run_config

    registry = load_registry()
    registry.check(run_config("qa/sample", f"openai:m@{listener.address}"), "suite.toml")
    registry.check(run_config("qa/sample", "openai:m"), "suite.toml")
    for far in ("http://203.0.113.1/v1", "https://127.0.0.1.example.org/v1", "http://localhost@example.org/v1"):
        with pytest.raises(InputError, match=r"suite\.toml asks .* with the address"):
            registry.check(run_config("qa/sample", f"openai:m@{far}"), "suite.toml")
    load_registry(trusting=True).check(run_config("qa/sample", "openai:m@http://203.0.113.1/v1"), "suite.toml")
    assert listener.heard == []
