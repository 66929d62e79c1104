"""A real server of the protocol with a tiny model, and a real proxy before it that breaks what it is told to break."""

import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import tiny_llama

CHAT = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A decoder with random weights and a chat template, as the transformers library writes it."""
    import transformers

    from plmtasks.data import events
    from plmtasks.hooks import load_registry

    place = tmp_path_factory.mktemp("served") / "tiny"
    load_registry().model("tiny-gpt").make([e.english() for e in events("train")], 3, place)  # whose texts differ
    tokenizer = transformers.AutoTokenizer.from_pretrained(place)
    tokenizer.chat_template = CHAT
    transformers.AutoModelForCausalLM.from_pretrained(place).save_pretrained(place)
    tokenizer.save_pretrained(place)
    return place


@contextmanager
def listening(command: list[str], where: Path) -> Iterator[str]:
    """The address of a server that a command starts and that tells where it listens."""
    quiet = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, *command], cwd=where, env=quiet, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line)
                if found := re.search(r"running on (http://127\.0\.0\.1:\d+)", line):
                    break
            assert found, "".join(said)
            # what it goes on to say must not fill the pipe
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield found[1] + "/v1"
        finally:
            process.kill()


@pytest.fixture(scope="session")
def server(folder: Path) -> Iterator[str]:
    """The address of `transformers serve` with that model, named "tiny"."""
    here = ["--host", "127.0.0.1", "--port", "0", "--device", "cpu"]
    with listening(["-m", "transformers.cli.transformers", "serve", folder.name, *here], folder.parent) as address:
        yield address


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama with random weights, as the transformers library writes it."""
    place = tmp_path_factory.mktemp("llama") / "tiny"
    tiny_llama.make_all(place)
    return place


@pytest.fixture(scope="session")
def echoing(llama: Path) -> Iterator[str]:
    """The address of a server that tells the log-probabilities of prompts, as vLLM does."""
    import echoing as server

    with server.served(llama) as address:
        yield address


@pytest.fixture(scope="session")
def llama_cpp(llama: Path) -> Iterator[str]:
    """The address of llama-cpp-python's server."""
    with listening(llama_cpp_server(llama / "tiny.gguf"), llama) as address:
        yield address


@pytest.fixture
def moved(llama: Path) -> Iterator[str]:
    """The address of one whose model puts no beginning before a text, and whose log-probabilities are wrong therefore."""
    with listening(llama_cpp_server(llama / "nobos.gguf"), llama) as address:
        yield address


def llama_cpp_server(weights: Path) -> list[str]:
    for needed in ("llama_cpp", "gguf"):
        pytest.importorskip(needed, reason="pip install 'llama-cpp-python[server]' gguf compiles it, in some minutes")
    exact = ["--logits_all", "true", "--type_k", "0", "--type_v", "0", "--n_ctx", "256", "--n_threads", "1"]
    where = ["--model", str(weights), "--model_alias", "tiny", "--host", "127.0.0.1", "--port", "0"]
    return ["-m", "llama_cpp.server", *where, *exact]


class Proxy(ThreadingHTTPServer):
    """Hands requests on to a server; a fault for each of the next ones."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream = urlsplit(upstream)
        self.faults: list[tuple[Any, ...]] = []
        """("status", 429, {headers}), ("body", text), ("cut",), ("hang",)"""
        self.asked: list[dict[str, Any]] = []
        """What was posted, in the order of its coming."""
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.most = 10**9
        """So many are answered; all others hang until they are let go."""
        self.answered = 0
        self.at_once = self.busy = 0
        """The most that were under way together."""
        self.lock, self.let_go = threading.Lock(), threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what some tests are about."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def do_GET(self) -> None:
        self.hand_on(b"")

    def do_POST(self) -> None:
        body, proxy = self.rfile.read(int(self.headers["Content-Length"])), self.server
        with proxy.lock:
            proxy.asked.append(json.loads(body))
            proxy.headers.append(dict(self.headers))
            proxy.times.append(time.monotonic())
            fault = proxy.faults.pop(0) if proxy.faults else (("hang",) if len(proxy.asked) > proxy.most else None)
            proxy.busy += 1
            proxy.at_once = max(proxy.at_once, proxy.busy)
        try:
            if fault is None:
                self.hand_on(body)
            else:
                getattr(self, f"fault_{fault[0]}")(*fault[1:])
        finally:
            with proxy.lock:
                proxy.busy -= 1
                proxy.answered += fault is None

    def hand_on(self, body: bytes) -> None:
        upstream = http.client.HTTPConnection(self.server.upstream.hostname or "", self.server.upstream.port, timeout=120)
        upstream.request(self.command, self.path, body, {"Content-Type": "application/json"})
        answer = upstream.getresponse()
        self.say(answer.status, answer.read(), {"Content-Type": answer.headers["Content-Type"]})
        upstream.close()

    def say(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def fault_status(self, status: int, headers: dict[str, str], message: str = "a fault on demand") -> None:
        self.say(status, json.dumps({"error": {"message": message}}).encode(), {"Content-Type": "application/json", **headers})

    def fault_body(self, text: str) -> None:
        self.say(200, text.encode(), {"Content-Type": "application/json"})

    def fault_cut(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"choices": [')
        self.close_connection = True

    def fault_hang(self) -> None:
        self.server.let_go.wait(120)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def proxy(server: str) -> Iterator[Proxy]:
    with Proxy(server) as made:
        threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
        yield made
        made.let_go.set()
        made.shutdown()
