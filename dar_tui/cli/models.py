"""`dar models`: which models there are, which are here, and fetching them. The one command that uses the network."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from dar_tui.cli.options import JsonOption
from dar_tui.cli.output import json_path
from dar_tui.cli.state import State, state_of
from indexer.errors import DarError, ModelUnavailable, UsageError
from indexer.printable import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dar_tui.models.hub_files import HubSource
    from dar_tui.models.pulling import PullProgress

app = typer.Typer(help="List, pull and remove models.", rich_markup_mode=None, add_completion=False)

_NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A profile, a spec or a hub id `owner/name`.")]
# Without a terminal the lines end up in a log.
_LOG_SECONDS = 30.0


@app.callback(invoke_without_command=True)
def models(context: typer.Context) -> None:
    """List, pull and remove models."""
    if context.invoked_subcommand is None:
        _list(state_of(context), json=False)


@app.command("list")
def list_(context: typer.Context, json: JsonOption = False) -> None:
    """List the models dar knows: size, licence, whether they are here and would run on this machine."""
    _list(state_of(context), json=json)


def _list(state: State, *, json: bool) -> None:
    from dar_tui.models.catalogue import this_machine
    from dar_tui.models.profiles import list_models, reason

    machine = this_machine()
    listed = list_models(state.settings, machine)
    if json:
        gpu = {"name": machine.gpu, "bytes": machine.gpu_bytes}
        state.output.json(
            {
                "profile": state.profile().name,
                "gpu": gpu,
                "models": [
                    {
                        "profile": each.profile,
                        "part": each.part,
                        "spec": each.spec,
                        "download": each.download,
                        "licence": each.licence,
                        "gated": each.gated,
                        "state": str(each.state),
                        "runs": str(each.fit) if each.fit else None,
                    }
                    for each in listed
                ],
            }
        )
        return
    rows = [("profile", "part", "model", "download", "licence", "here", "runs")]
    rows += [
        (
            each.profile or "-",
            each.part,
            each.spec,
            f"{each.download / 1e9:.1f} GB" if each.download else "-" if each.shipped else "?",
            (each.licence or "?") + (" (gated)" if each.gated else ""),
            str(each.state),
            str(each.fit) if each.fit else "?",
        )
        for each in listed
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        state.output.result("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    state.output.note(reason(state.settings, machine))


@app.command()
def pull(context: typer.Context, name: _NameArgument) -> None:
    """Fetch the models of a profile, or one model, and check them. An interrupted pull goes on where it stopped."""
    from dar_tui.models.pulling import pull as fetch

    state = state_of(context)
    if state.settings.offline:
        raise UsageError("dar is offline.", "Leave --offline out, and unset DAR_OFFLINE and `offline`.")
    sources = _sources(state, name)
    if not sources:
        state.output.note(f"{name} ships with dar or is on this machine: there is nothing to pull.")
    for source in sources:
        with _shown_progress(state, source) as advance:
            pulled = fetch(source, advance)
        came = f", {_size(pulled.loaded)} of it fetched now" if 0 < pulled.loaded < pulled.size else ""
        kept = "is here already" if not pulled.loaded else "is here"
        state.output.note(f"{source} {kept} and whole ({_size(pulled.size)}{came}): {visible(pulled.folder)}")


@app.command()
def where(context: typer.Context, name: _NameArgument, json: JsonOption = False) -> None:
    """Print the folders of a profile's models, or of one model. Exit code 1 if one is not here."""
    from dar_tui.models.hub_files import snapshot_of

    state = state_of(context)
    found = []
    for source in _sources(state, name):
        folder = snapshot_of(source)
        if folder is None:
            raise ModelUnavailable(
                f"The model {source} is not on this machine.", f"Download it with `dar models pull {name}`."
            )
        found.append((source, folder))
    if json:
        state.output.json({"models": [{"model": str(source), **json_path(folder)} for source, folder in found]})
        return
    for _, folder in found:
        state.output.path(folder, b"\n")
    if not found:
        state.output.note(f"{name} ships with dar or is where its spec says.")


@app.command()
def remove(context: typer.Context, name: _NameArgument) -> None:
    """Delete the pulled files of a profile's models, or of one model. Other programs that use them lose them too."""
    from dar_tui.models.hub_files import remove as delete
    from dar_tui.models.hub_files import storage_of

    state = state_of(context)
    sources = _sources(state, name)
    if not sources:
        raise UsageError(f"{name} was not pulled.", "Only what `dar models pull` fetches is deleted.")
    there = [source for source in sources if storage_of(source.hub_id).is_dir()] if len(sources) > 1 else sources
    if not there:
        raise DarError(f"No model of {name} is on this machine.", "`dar models` lists those that are.")
    for source in there:
        state.output.note(f"{source.hub_id} is removed: {_size(delete(source))} freed.")


def _sources(state: State, name: str) -> list[HubSource]:
    """What a profile's name, a spec or a hub id stands for on the hub, each once."""
    from dar_tui.models.hub_files import sources_of

    profile = next((each for each in state.settings.profiles if each.name == name), None)
    if profile is None and ":" not in name and "/" not in name and name != "rules":
        names = ", ".join(each.name for each in state.settings.profiles)
        raise UsageError(
            f"There is no profile or model {name!r}.", f"Profiles: {names}; models are named `owner/name`."
        )
    specs = [spec for _, spec in profile.parts] if profile is not None else [name]
    return list(dict.fromkeys(source for spec in specs for source in sources_of(spec)))


@contextmanager
def _shown_progress(state: State, source: HubSource) -> Iterator[Callable[[PullProgress], None]]:
    """Shows how a pull goes: a bar in a terminal, a line now and then elsewhere."""
    if state.output.stderr_is_terminal:
        with _bar(source) as advance:
            yield advance
        return
    state.output.note(f"Pulling {source}")
    last = time.monotonic()

    def log(progress: PullProgress) -> None:
        nonlocal last
        if time.monotonic() - last >= _LOG_SECONDS:
            last = time.monotonic()
            state.output.note(f"{_size(progress.done)} of {_size(progress.total)}")

    yield log


@contextmanager
def _bar(source: HubSource) -> Iterator[Callable[[PullProgress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    with Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True, highlight=False),
        transient=True,
    ) as bars:
        task = bars.add_task(str(source), total=None)

        def advance(progress: PullProgress) -> None:
            doing = f"{source}, checking" if progress.checking else str(source)
            bars.update(task, completed=progress.done, total=progress.total, description=doing)

        yield advance


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
