"""`make demo`: real photos indexed and found, with the same commands a user types.

Without a folder of photos it takes the photographs that scikit-image and scikit-learn ship (credits in
docs/demo-photos.md). Everything it makes is in .dar-demo below the current folder, so deleting that undoes it all.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from dar_tui.cli import main as dar
from dar_tui.cli.output import Output
from dar_tui.cli.state import EncoderLoader
from indexer.errors import DarError

FOLDER = Path(".dar-demo")

# (package, folder within it, the files that are photographs of something one might look for). The packages' other
# pictures are charts, textures, microscope slides and medical scans, or do not state a free licence.
PICTURES = (
    (
        "skimage",
        "data",
        (
            *("astronaut.png", "camera.png", "chelsea.png", "coffee.png"),
            *("coins.png", "hubble_deep_field.jpg", "rocket.jpg"),
        ),
    ),
    ("sklearn", "datasets/images", ("china.jpg", "flower.jpg")),
)
SEARCHES = ("a cat looking at the camera", "a rocket at night", "a cup of coffee on a wooden table", "a flower")
SEARCHES_IN_OWN = ("people outdoors", "an animal", "food on a table")
_SHOWN = 3


def main(arguments: Sequence[str], *, encoder_loader: EncoderLoader | None = None) -> int:
    """Runs the demo over the folder in `arguments`, or over the shipped photos; returns the exit code."""
    output = Output()
    given = Path(arguments[0]).expanduser() if arguments and arguments[0] else None
    try:
        _settle_in(FOLDER)
        photos = given or _copy_pictures(FOLDER / "photos")
    except DarError as error:
        output.error(error)
        return error.exit_code
    library = FOLDER / f"library-{hashlib.sha256(os.fsencode(photos.absolute())).hexdigest()[:8]}"

    def run(*command: str | Path) -> int:
        return dar([str(word) for word in command], encoder_loader=encoder_loader)

    # 1. A folder of photos becomes a library.
    output.note(f"$ dar index {photos}")
    if code := run("index", photos, "--library", library):
        return code
    # 2. Photos are found by describing them.
    preview = ["--preview"] if output.stdout_is_terminal else []
    for text in SEARCHES_IN_OWN if given else SEARCHES:
        output.note(f"\n$ dar search '{text}'")
        if code := run("search", "-k", str(_SHOWN), *preview, "--library", library, "--", text):
            return code
    # 3. Your turn.
    if sys.stdin.isatty() and output.stdout_is_terminal:
        return _ask(output, lambda text: run("search", "-k", str(_SHOWN), *preview, "--library", library, "--", text))
    return 0


def _settle_in(folder: Path) -> None:
    """Moves dar's data into the demo's folder, apart from prepared models, which are the same everywhere."""
    from dar_tui.settings import load_settings

    os.environ["DAR_CACHE"] = str(load_settings().cache)
    os.environ["DAR_HOME"] = str(folder.absolute() / "home")
    try:
        folder.mkdir(exist_ok=True)
        # Git then leaves the folder alone, in whatever project it was made.
        (folder / ".gitignore").write_text("*\n")
    except OSError as error:
        raise DarError(
            f"{folder.absolute()} cannot be made: {error.strerror}.", "Run it in a folder of yours."
        ) from None


def _copy_pictures(target: Path) -> Path:
    target.mkdir(exist_ok=True)
    for package, inside, names in PICTURES:
        # find_spec runs none of the package's code.
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise DarError(
                f"The demo's photos come with the package {package}, which is not installed.",
                "pip install 'dar[demo]', or give a folder of your own: make demo PHOTOS=~/Photos",
            )
        source = Path(spec.submodule_search_locations[0]) / inside
        for name in names:
            # Newer versions of the packages may ship fewer; the demo shows what there is.
            if (source / name).is_file() and not (target / name).exists():
                shutil.copyfile(source / name, target / name)
    return target


def _ask(output: Output, search: Callable[[str], int]) -> int:
    output.note("\nDescribe a photo to look for it, or press Enter to leave.")
    while True:
        try:
            text = input("> ").strip()
        except EOFError:
            return 0
        except KeyboardInterrupt:
            return 130
        if not text:
            return 0
        search(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
