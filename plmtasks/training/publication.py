"""A trained checkpoint on the hub."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OutputError, summary_of

if TYPE_CHECKING:
    from huggingface_hub import ModelCard


def check_name(repo: str) -> None:
    """raises: OutputError if the hub has no such names"""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError as e:
        raise OutputError(f"--push-to-hub {repo!r} is no name of a repository on the hub", "it is owner/name") from e


def publish(folder: Path, repo: str, record: Mapping[str, Any]) -> str:
    """Uploads a checkpoint's folder, with a card of what it learned if it has none; returns its address.

    raises: OutputError if the hub does not take it
    """
    from huggingface_hub import HfApi

    check_name(repo)
    card = folder / "README.md"
    if not card.exists():
        model_card(repo, record).save(card)
    try:
        api = HfApi()
        address = api.create_repo(repo, exist_ok=True)
        api.upload_folder(repo_id=repo, folder_path=folder, commit_message="Trained with plmtasks")
    except Exception as e:  # the client raises what its HTTP library does, and that has changed twice
        raise OutputError(
            f"{repo!r} on the hub did not take the checkpoint: {summary_of(e)}", f"it is kept: {folder}",
            "log in with: hf auth login; then: " + f"hf upload {repo} {folder}",
        ) from e  # fmt: skip
    return str(address)


def model_card(repo: str, record: Mapping[str, Any]) -> "ModelCard":
    """What the hub shows of a checkpoint: what it learned, how, and how to evaluate it."""
    from huggingface_hub import ModelCard, ModelCardData

    head = ModelCardData(library_name="transformers", tags=["plmtasks"])
    training = record["parts"]["training"]
    learned = "\n".join(
        f"- {task}: {facts['examples']:,} examples of {facts['name']}, split {facts['split']}"
        for task, facts in record["tasks"].items()
    )
    rows = "\n".join(
        f"| {entry['epoch']} | {entry['loss']:.4f} | {'' if entry.get('score') is None else format(entry['score'], '.2f')} |"
        for entry in record["history"]
    )
    told = ("num_train_epochs", "learning_rate", "train_batch_size", "optim", "lr_scheduler_type", "seed", "dtype")
    settings = {name: training[name] for name in told}
    commands = "\n".join(f"    plmtasks run --task {task} --model {repo}" for task in record["tasks"])
    return ModelCard(
        f"---\n{head.to_yaml()}\n---\n# {repo.split('/')[-1]}\n\n"
        f"{record['model']}, trained with plmtasks on\n\n{learned}\n\n"
        f"| epoch | loss | score |\n| --- | --- | --- |\n{rows}\n\n"
        f"Settings: `{json.dumps(settings)}`\n\n{commands}\n"
    )
