"""The scripts in the shells that are there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).with_name("plmtasks")

ASK = {
    "bash": 'eval "$(plmtasks completion bash)"; COMP_WORDS=(plmtasks {words}); COMP_CWORD={last}; '
    '_plmtasks_completion plmtasks; printf "%s\\n" "${{COMPREPLY[@]}}"',
    "fish": 'plmtasks completion fish | source; complete --do-complete "plmtasks {words}"',
}


def completed(shell: str, words: str) -> list[str]:
    if shutil.which(shell) is None or not COMMAND.exists():
        pytest.skip(f"no {shell} here, or plmtasks is no command")
    script = ASK[shell].format(words=words, last=len(words.split()))
    environment = {**os.environ, "PATH": f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([shell, "-c", script], capture_output=True, text=True, check=True, env=environment)
    return [line.split("\t")[0] for line in done.stdout.split("\n") if line]


@pytest.mark.slow
@pytest.mark.parametrize("shell", list(ASK))
def test_commands_options_and_names_are_completed(shell: str) -> None:
    assert completed(shell, "re") == ["reproduce", "recommend"] or set(completed(shell, "re")) == {
        "results",
        "reproduce",
        "recommend",
    }
    assert completed(shell, "run --trai") == ["--train-data", "--train", "--training"]
    assert completed(shell, "train --learning") == ["--learning-rate"]
    assert completed(shell, "run --task qa/sample,classification/sst2") == ["qa/sample,classification/sst2"]
    assert completed(shell, "run --training learning_rate=1,warm") == ["learning_rate=1,warmup_steps="]
    assert completed(shell, "run --task qa/squ") == ["qa/squad", "qa/squad_v2"]
    assert completed(shell, "predict --model tiny-b") == ["tiny-bert"]
    assert completed(shell, "score --metrics chrf") == ["chrf", "chrf++"]
    assert completed(shell, "convert --to lm") == ["lm-eval"]
    assert completed(shell, "list tasks gl") == ["glue"]
    assert completed(shell, "list tasks --asks Ta") == ["Tag"]
    assert completed(shell, "list tasks --language sw") == ["sw"]


def test_every_shell_has_a_script() -> None:
    for shell in ("bash", "zsh", "fish"):
        done = subprocess.run([sys.executable, "-m", "plmtasks", "completion", shell], capture_output=True, text=True, check=True)
        assert "_PLMTASKS_COMPLETE" in done.stdout
