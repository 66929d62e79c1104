"""`plmtasks completion`: a script for the shell."""

import click
from click.shell_completion import get_completion_class

PLACES = {
    "bash": '~/.bashrc: eval "$(plmtasks completion bash)"',
    "zsh": '~/.zshrc: eval "$(plmtasks completion zsh)"',
    "fish": "~/.config/fish/config.fish: plmtasks completion fish | source",
}


@click.command("completion", epilog="\b\nThe line that loads it, and where it belongs:\n" + "\n".join(PLACES.values()))
@click.argument("shell", type=click.Choice(list(PLACES)))
def command(shell: str) -> None:
    """A script for the shell: the tabulator key completes commands, options, and names of what is installed."""
    from . import cli

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    click.echo(found(cli, {}, "plmtasks", "_PLMTASKS_COMPLETE").source())
