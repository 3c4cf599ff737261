"""`make demo` or `dar-demo`: real photos indexed and found, with the commands a user types.

In a terminal the dialogue is yours, in the app; without one it is played from a short script.
Without a folder of photos it takes the photographs that scikit-image and scikit-learn ship (credits in
docs/demo-photos.md). Everything it makes is in .dar-demo below the current folder, so deleting that undoes it all.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from dar_tui.cli import main as dar
from dar_tui.cli.output import Output
from dar_tui.cli.screen import check_terminal
from dar_tui.cli.state import EncoderLoader, GeneratorLoader
from indexer.errors import DarError, UsageError
from indexer.paths import at_home

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
# Among the shipped photos the first message finds a palace and a rocket; the second is true of the photographer,
# whatever is asked then, and since what was shown gives way he comes first. A third message would pass over him.
DIALOGUE = ("a person outdoors", "a man with a camera")
DIALOGUE_IN_OWN = ("people outdoors", "it was a sunny day", "can't tell", "there are trees behind them")
_SHOWN = 3


def main(
    arguments: Sequence[str],
    *,
    encoder_loader: EncoderLoader | None = None,
    generator_loader: GeneratorLoader | None = None,
) -> int:
    """Runs the demo over the folder in `arguments`, or over the shipped photos; returns the exit code."""
    output = Output()
    given = at_home(Path(arguments[0])) if arguments and arguments[0] else None
    try:
        _use_folder(FOLDER)
        photos = given or _copy_pictures(FOLDER / "photos")
        script = _write_script(FOLDER / "dialogue.txt", DIALOGUE_IN_OWN if given else DIALOGUE)
    except DarError as error:
        output.error(error)
        return error.exit_code
    library = FOLDER / f"library-{hashlib.sha256(os.fsencode(photos.absolute())).hexdigest()[:8]}"

    def run(*command: str | Path) -> int:
        words = [str(word) for word in command]
        return dar(words, encoder_loader=encoder_loader, generator_loader=generator_loader)

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
    # 3. A photo is found in a dialogue: yours, in the app, or a script's where there is no terminal to show it in.
    if _can_show_app():
        output.note("\n$ dar chat")
        return run("chat", "--library", library)
    output.note(f"\n$ dar chat --script {script}")
    return run("chat", "--script", script, "-k", str(_SHOWN), "--library", library)


def _use_folder(folder: Path) -> None:
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


def _write_script(path: Path, lines: Sequence[str]) -> Path:
    try:
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as error:
        raise DarError(f"{path} cannot be written: {error.strerror}.", "Run it in a folder of yours.") from None
    return path


def _copy_pictures(target: Path) -> Path:
    target.mkdir(exist_ok=True)
    for package, inside, names in PICTURES:
        # find_spec runs none of the package's code.
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise DarError(
                f"The demo's photos come with the package {package}, which is not installed.",
                "pip install scikit-image scikit-learn, or give a folder of your own: dar-demo ~/Photos",
            )
        source = Path(spec.submodule_search_locations[0]) / inside
        for name in names:
            # Newer versions of the packages may ship fewer; the demo shows what there is.
            if (source / name).is_file() and not (target / name).exists():
                shutil.copyfile(source / name, target / name)
    return target


def _can_show_app() -> bool:
    try:
        check_terminal()
    except UsageError:
        return False
    return True


def command() -> None:
    """`dar-demo [FOLDER]`: what an installation without a checkout has in place of `make demo`."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    command()
