"""The edge of the `dar` command: parses arguments, runs one command, turns errors into one line and an exit code.

Imports nothing heavy: `dar --help` has a quarter of a second, of which Python and Typer take a third. Commands import
what they need when they run.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import MutableMapping, Sequence
from typing import Annotated

import typer

from dar_tui.cli import chat, config, doctor, eval, index, library, models, search
from dar_tui.cli.output import ClosedPipe, Output, discard_stdout, open_closed_streams
from dar_tui.cli.state import EncoderLoader, GeneratorLoader, State
from indexer.errors import DarError

# Plain help: Typer's boxes would import Rich, 40 ms for every --help.
app = typer.Typer(
    name="dar",
    help="Find the photo you remember but cannot name: describe it. All on your own machine.",
    epilog="Start with `dar index ~/Photos`, then `dar search 'a dog on the beach'`.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=True,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"dar {version('dar')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print the traceback of an error.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Reach no network, not even when asked to.")] = False,
) -> None:
    """Options that stand for every command; what they do is done before it."""


app.command("index")(index.index)
app.command("search")(search.search)
app.command("chat", cls=chat.ChatCommand)(chat.chat)
app.add_typer(library.app, name="library")
app.add_typer(models.app, name="models")
app.add_typer(config.app, name="config")
app.add_typer(eval.app, name="eval")
app.command("doctor")(doctor.doctor)


def run(
    arguments: Sequence[str] | None,
    encoder_loader: EncoderLoader | None,
    generator_loader: GeneratorLoader | None = None,
) -> int:
    """Runs one command and returns its exit code; KeyboardInterrupt passes."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    own = given[: given.index("--")] if "--" in given else given
    # Wherever they stand: one wants them after a command that failed.
    verbose, offline = ("--verbose" in own), ("--offline" in own)
    for flag in ("--verbose", "--offline"):
        if flag in own:
            given.remove(flag)
    keep_in(os.environ)
    open_closed_streams()
    output = Output()
    try:
        code = _run(given, State(output, encoder_loader, generator_loader, offline), verbose)
        output.flush()
        return code
    except ClosedPipe:
        discard_stdout()
        return 0


def keep_in(environment: MutableMapping[str, str]) -> None:
    """Tells the model libraries, which read it when they are imported, to reach no network and report to nobody."""
    environment.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_UPDATE_CHECK="1")


def _run(arguments: list[str], state: State, verbose: bool) -> int:
    try:
        app(arguments, prog_name="dar", obj=state)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except (ClosedPipe, KeyboardInterrupt):
        raise
    except Exception as error:
        if verbose:
            state.output.note(traceback.format_exc().rstrip())
        state.output.error(_named(error))
        return _named(error).exit_code
    return 0


def _named(error: Exception) -> DarError:
    """The error as one the user can act on."""
    if isinstance(error, DarError):
        return error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DarError("The disk is full.", "Free some space and run the command again; nothing indexed is lost.")
    if isinstance(error, OSError) and error.strerror:
        from indexer.printable import visible

        where = f"{visible(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        return DarError(f"{where}{error.strerror}.", "Run again with --verbose to see where.")
    if isinstance(error, MemoryError):
        return DarError("There is not enough memory.", "Close other programs, or use --batch-size 1 --workers 1.")
    from indexer.printable import stripped

    return DarError(
        f"Unexpected error: {type(error).__name__}: {stripped(str(error))}",
        "Run again with --verbose, and report what it prints.",
    )
