"""Where things live and what was chosen: defaults, environment and config file, read once into one value.

Knows nothing of commands. Makes no folder and writes nothing but the config file, and that only when asked.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dar_tui.profiles import AUTO, PROFILES, Profile, own_profiles, profile_named
from indexer.errors import UsageError
from indexer.files import make_private_folder, write_atomically
from indexer.paths import at_home
from indexer.printable import visible
from indexer.store.disk import disk_errors_named

IMAGES = ("auto", "blocks", "kitty", "sixel", "off")
HEMISPHERES = ("auto", "north", "south")


@dataclass(frozen=True)
class Settings:
    """Everything that can be chosen; made once by `load_settings` and passed down."""

    home: Path
    """All of dar's data. DAR_HOME, else the platform's data folder."""

    config_file: Path
    """Where the settings below come from. DAR_CONFIG, else config.toml in DAR_HOME or the platform's config folder."""

    cache: Path
    """What can be made again, such as prepared models. DAR_CACHE, else cache/ in DAR_HOME or the platform's folder."""

    library: Path
    """The library commands work on unless --library names another. Default: libraries/default in `home`."""

    profile: str = AUTO
    """The set of models to use: "auto" (see `dar_tui.models.profiles`), or the name of one of `profiles`."""

    profiles: tuple[Profile, ...] = PROFILES
    """The sets of models there are: dar's own, and the [profiles.NAME] tables of the config file."""

    encoder: str = ""
    """The encoder of a new library, such as "bundled"; empty: the profile's."""

    captioner: str = ""
    """The BLIP model of `dar index --captions`, a hub id or a folder; empty: `captioning.DEFAULT_CAPTIONER`."""

    reranker: str = ""
    """The BLIP model of `dar search --rerank`, such as "blip:FOLDER"; empty: `matching.DEFAULT_MATCHER`."""

    offline: bool = False
    """Never to reach the network, not even when asked to. DAR_OFFLINE=1, or --offline."""

    device: str = "auto"
    """Where large models run: auto, cpu, cuda or cuda:N."""

    images: str = "auto"
    """How pictures are painted in the terminal: auto, blocks, kitty, sixel or off."""

    exclude: tuple[str, ...] = ()
    """Globs that `dar index` leaves out, besides those of --exclude."""

    hemisphere: str = "auto"
    """When "last summer" was: auto (where most of the library's photos with GPS were taken), north or south."""

    chosen: frozenset[str] = field(default=frozenset(), repr=False)
    """The names of the settings that the config file gives."""


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Reads environment and config file. Raises UsageError, naming file and key, for what cannot be meant."""
    environment = os.environ if environment is None else environment
    home, config_file, cache = _places(environment)
    settings = Settings(home, config_file, cache, home / "libraries" / "default")
    written = _read_file(config_file)
    own = _own_profiles(written.pop(_PROFILES, {}), config_file)
    values = {key: _KEYS[key].read(value, key, config_file) for key, value in written.items()}
    settings = replace(settings, profiles=PROFILES + own)
    if values.get("profile", AUTO) != AUTO:
        with _of_file(config_file, "profile"):
            profile_named(values["profile"], settings.profiles)
    if environment.get("DAR_OFFLINE", "0").lower() not in ("", "0", "false", "no"):
        values["offline"] = True
    if "cache" in values and environment.get("DAR_CACHE"):
        del values["cache"]  # the environment is nearer to the command than the file
    return replace(settings, chosen=frozenset(written) & frozenset(values), **values)


def config_path(environment: Mapping[str, str] | None = None) -> Path:
    """Where the config file is or would be, whatever is in it."""
    return _places(os.environ if environment is None else environment)[1]


def _places(environment: Mapping[str, str]) -> tuple[Path, Path, Path]:
    """(home, config file, cache). DAR_HOME moves all three; DAR_CONFIG and DAR_CACHE move theirs alone."""
    given = environment.get("DAR_HOME")
    config, cache = environment.get("DAR_CONFIG"), environment.get("DAR_CACHE")
    if given:
        home = _absolute(given)
        default_config, default_cache = home / "config.toml", home / "cache"
    else:
        from platformdirs import PlatformDirs

        folders = PlatformDirs("dar", appauthor=False)
        home, default_cache = folders.user_data_path, folders.user_cache_path
        default_config = folders.user_config_path / "config.toml"
    return home, _absolute(config) if config else default_config, _absolute(cache) if cache else default_cache


def _absolute(text: str) -> Path:
    return at_home(Path(text)).absolute()


# The config file's keys: how a TOML value, and how the words of `dar config set`, become a setting.


@dataclass(frozen=True)
class _Key:
    kind: str
    accept: Callable[[Any], Any]

    def read(self, value: Any, key: str, file: Path) -> Any:
        try:
            return self.accept(value)
        except (TypeError, ValueError):
            raise UsageError(
                f"{visible(file)}: {key} must be {self.kind}, not {value!r}.",
                f"Fix it with `dar config set {key} VALUE`.",
            ) from None


@contextmanager
def _of_file(file: Path, key: str) -> Iterator[None]:
    """Says in which file and setting a mistake is."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{visible(file)}: {key}: {error.message}", error.hint) from None


def _own_profiles(tables: Any, file: Path) -> tuple[Profile, ...]:
    with _of_file(file, _PROFILES):
        return own_profiles(tables)


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _name(value: Any) -> str:
    if not _string(value):
        raise ValueError
    return str(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _path(value: Any) -> Path:
    if not _string(value):
        raise ValueError
    return _absolute(value)


def _one_of(*names: str) -> Callable[[Any], str]:
    def accept(value: Any) -> str:
        if _string(value) not in names:
            raise ValueError
        return str(value)

    return accept


def _device(value: Any) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", _string(value)):
        raise ValueError
    return str(value)


def _globs(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(_string(each) for each in value)


_KEYS: Mapping[str, _Key] = {
    "library": _Key("a folder", _path),
    "cache": _Key("a folder", _path),
    "profile": _Key("a profile's name, or auto", _name),
    "encoder": _Key("an encoder's name", _string),
    "captioner": _Key("a hub id or a folder", _string),
    "reranker": _Key("a BLIP model's name", _string),
    "device": _Key("auto, cpu, cuda or cuda:N", _device),
    "images": _Key(f"one of {', '.join(IMAGES)}", _one_of(*IMAGES)),
    "hemisphere": _Key(f"one of {', '.join(HEMISPHERES)}", _one_of(*HEMISPHERES)),
    "offline": _Key("true or false", _flag),
    "exclude": _Key('a list of globs such as ["*.png", "drafts"]', _globs),
}
CONFIG_KEYS = tuple(_KEYS)
# The one table the file may have; it is written by hand.
_PROFILES = "profiles"


def _read_file(file: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{visible(file)} is not valid TOML: {error}.", "Fix or delete that line.") from None
    except OSError as error:
        raise UsageError(f"{visible(file)} cannot be read: {error.strerror}.", "Check its permissions.") from None
    for key in values.keys() - {_PROFILES}:
        _check_key(key, f"{visible(file)}: ")
    return values


def _check_key(key: str, where: str = "") -> None:
    if key not in _KEYS:
        raise UsageError(f"{where}there is no setting {key!r}.", f"Settings: {', '.join(CONFIG_KEYS)}.")


def set_value(file: Path, key: str, text: str) -> None:
    """Writes one setting into the config file, atomically; comments and other lines stay.

    `text` is a string's own words, or TOML where the setting is a list. Raises UsageError for what it cannot mean.
    """
    _check_key(key)
    value = _value_of(key, text, file)
    _read_file(file)  # raises for what is not a config file
    import tomlkit

    document = tomlkit.parse(file.read_text(encoding="utf-8") if file.exists() else "")
    document[key] = value
    after = tomlkit.dumps(document)
    with disk_errors_named(file.parent, "folder"):
        make_private_folder(file.parent)
        write_atomically(file, after.encode("utf-8"))


def _value_of(key: str, text: str, file: Path) -> Any:
    value: Any = text
    if key == "exclude":
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = [text]
    elif key in ("library", "cache") and text:
        value = str(_absolute(text))
    elif key == "offline":
        value = {"true": True, "false": False}.get(text.lower(), text)
    accepted = _KEYS[key].read(value, key, file)
    if key == "profile" and accepted != AUTO:
        with _of_file(file, key):
            profile_named(accepted, PROFILES + _own_profiles(_read_file(file).get(_PROFILES, {}), file))
    return value
