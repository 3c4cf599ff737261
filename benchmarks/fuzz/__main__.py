"""`python -m benchmarks.fuzz TARGET`: one target under atheris, for a time; ends with libFuzzer's figures.

Needs `pip install atheris`. What it finds is left as `crash-*` files in the corpus folder, smallest input first to try.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

_NAMES = ("photo", "heif", "avif", "raw", "exif", "beside", "dialogue", "session", "script", "config")
# The decoder's own cap is 400 MB a picture; more than this is a bomb that got through.
_MEMORY_MB = 2000
_LONGEST_BYTES = 8192


def main(
    target: Annotated[str, typer.Argument(help=", ".join(_NAMES))],
    minutes: Annotated[float, typer.Option(help="How long.")] = 10,
    seed: Annotated[int, typer.Option(help="Of libFuzzer's chance.")] = 1,
    slowest: Annotated[int, typer.Option(help="Seconds an input may take; more on a busy machine.")] = 20,
    corpus: Annotated[Path, typer.Option(help="Inputs found so far.")] = Path("fuzz-corpus"),
) -> None:
    """Fuzzes one target."""
    import atheris

    with atheris.instrument_imports(include=["PIL", "indexer", "dar_tui"], enable_loader_override=False):
        from benchmarks.fuzz.targets import TARGETS

    chosen = TARGETS[target]
    folder = corpus / target
    folder.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(chosen.seeds()):
        (folder / f"seed-{number}").write_bytes(content)
    options = [
        f"-max_total_time={int(minutes * 60)}",
        f"-seed={seed}",
        f"-timeout={slowest}",
        f"-rss_limit_mb={_MEMORY_MB}",
        f"-max_len={_LONGEST_BYTES}",
        f"-artifact_prefix={folder}-",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], str(folder), *options], chosen.run)
    atheris.Fuzz()


if __name__ == "__main__":
    typer.run(main)
