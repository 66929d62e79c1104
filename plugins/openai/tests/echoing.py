"""A real server of the protocol as vLLM speaks it, in a thread. A causal language model of transformers answers.

It tells the log-probabilities of a prompt by `echo` and `logprobs`, of a chat by `prompt_logprobs`.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fastapi
import torch
import transformers
import uvicorn

app = fastapi.FastAPI()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address at which the model in a folder is asked."""
    app.state.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    app.state.model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join(60)


def say(ids: list[int]) -> str:
    return str(app.state.tokenizer.decode(ids))


def told(ids: list[int]) -> list[dict[str, Any]]:
    """Of each token its own number, its rank and the likeliest in its place."""
    with torch.no_grad():
        numbers = torch.log_softmax(app.state.model(torch.tensor([ids])).logits[0].float(), -1)
    places: list[dict[str, Any]] = [{"id": ids[0], "logprob": None}]
    for one, row in zip(ids[1:], numbers, strict=False):
        best = int(row.argmax())
        rank = 1 + int((row > row[one]).sum())
        places.append({"id": one, "logprob": float(row[one]), "rank": rank, "best": {best: float(row[best])}})
    return places


def written(ids: list[int], most: int) -> list[int]:
    with torch.no_grad():
        # the beginning is taken for padding, unless it is said that there is none
        made = app.state.model.generate(
            torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), max_new_tokens=most, do_sample=False, pad_token_id=0
        )
    return [int(i) for i in made[0, len(ids) :]]


def usage(ids: list[int], new: list[int]) -> dict[str, int]:
    return {"prompt_tokens": len(ids), "completion_tokens": len(new), "total_tokens": len(ids) + len(new)}


@app.get("/v1/models")
def models() -> Any:
    return {"object": "list", "data": [{"id": "tiny", "object": "model", "created": 0, "owned_by": "nobody"}]}


@app.post("/v1/completions")
def completions(asked: dict[str, Any]) -> Any:
    ids = app.state.tokenizer(asked["prompt"], add_special_tokens=asked.get("add_special_tokens", True))["input_ids"]
    new = written(ids, asked["max_tokens"])
    places = told(ids + new)
    tokens = [say([p["id"]]) for p in places]
    text = (asked["prompt"] if asked.get("echo") else "") + app.state.tokenizer.decode(new, skip_special_tokens=True)
    first = 0 if asked.get("echo") else len(ids)
    logprobs = None
    if asked.get("logprobs") is not None:
        tops = [
            None if p["logprob"] is None else {say([i]): n for i, n in {**p["best"], p["id"]: p["logprob"]}.items()}
            for p in places
        ]
        offsets = [len("".join(tokens[first:i])) for i in range(first, len(tokens))]
        numbers = [p["logprob"] for p in places]
        logprobs = {
            "tokens": tokens[first:],
            "token_logprobs": numbers[first:],
            "top_logprobs": tops[first:],
            "text_offset": offsets,
        }
    choice = {"index": 0, "text": text, "logprobs": logprobs, "finish_reason": "length"}
    return {"id": "1", "object": "text_completion", "created": 0, "model": "tiny", "choices": [choice], "usage": usage(ids, new)}


@app.post("/v1/chat/completions")
def chat(asked: dict[str, Any]) -> Any:
    on = asked.get("continue_final_message", False)
    text = app.state.tokenizer.apply_chat_template(
        asked["messages"],
        tokenize=False,
        continue_final_message=on,
        add_generation_prompt=asked.get("add_generation_prompt", True),
    )
    ids = app.state.tokenizer(text, add_special_tokens=False)["input_ids"]
    new = written(ids, asked["max_tokens"])
    message = {"role": "assistant", "content": app.state.tokenizer.decode(new, skip_special_tokens=True)}
    made = {"choices": [{"index": 0, "message": message, "finish_reason": "length"}], "usage": usage(ids, new)}
    if asked.get("prompt_logprobs") is not None:
        made["prompt_logprobs"] = [
            None if p["logprob"] is None
            else {str(p["id"]): {"logprob": p["logprob"], "rank": p["rank"], "decoded_token": say([p["id"]])}}
            for p in told(ids)
        ]  # fmt: skip
    return {"id": "1", "object": "chat.completion", "created": 0, "model": "tiny", **made}
