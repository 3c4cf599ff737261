"""`dar config`: what is set, where, and setting it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dar_tui.cli.options import JsonOption
from dar_tui.cli.state import State, state_of
from indexer.printable import visible

app = typer.Typer(help="Show and change settings.", rich_markup_mode=None, add_completion=False)


@app.callback(invoke_without_command=True)
def config(context: typer.Context) -> None:
    """Show and change settings."""
    if context.invoked_subcommand is None:
        _show(state_of(context), json=False)


@app.command()
def show(context: typer.Context, json: JsonOption = False) -> None:
    """Show every setting and whether the config file gives it."""
    _show(state_of(context), json=json)


def _show(state: State, *, json: bool) -> None:
    from dar_tui.settings import CONFIG_KEYS

    settings = state.settings
    values: dict[str, str | list[str]] = {}
    for key in ("home", "config_file", *CONFIG_KEYS):
        value = getattr(settings, key)
        values[key] = list(value) if isinstance(value, tuple) else visible(value) if isinstance(value, Path) else value
    values["encoder"] = state.new_encoder()
    values["offline"] = "true" if settings.offline else "false"
    if json:
        state.output.json({"settings": values, "from_config_file": sorted(settings.chosen)})
        return
    width = max(map(len, values))
    for key, shown in values.items():
        text = ", ".join(shown) if isinstance(shown, list) else shown
        state.output.result(f"{key:<{width}}  {text or '-'}{'  (config file)' if key in settings.chosen else ''}")


@app.command()
def path(context: typer.Context) -> None:
    """Print the config file's path, whether it is there or not."""
    from dar_tui.settings import config_path

    state = state_of(context)
    state.output.path(config_path(), b"\n")


@app.command("set")
def set_(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="The setting's name.")],
    value: Annotated[str, typer.Argument(help="Its new value.")],
) -> None:
    """Write a setting into the config file."""
    from dar_tui.settings import config_path, set_value

    file = config_path()
    set_value(file, key, value)
    state_of(context).output.note(f"{key} is set in {visible(file)}.")
