"""Settings and `dar config`: environment, config file, what a wrong one says, and writing one."""

from __future__ import annotations

import errno
import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dar_tui.cli.output import Output
from dar_tui.cli.state import State
from dar_tui.settings import CONFIG_KEYS, load_settings, set_value
from indexer.errors import UsageError
from tests.cli.conftest import Dar


def test_dar_home_moves_everything(tmp_path: Path) -> None:
    loaded = load_settings({"DAR_HOME": str(tmp_path)})
    assert loaded.home == tmp_path
    assert loaded.config_file == tmp_path / "config.toml"
    assert loaded.cache == tmp_path / "cache"
    assert loaded.library == tmp_path / "libraries" / "default"
    assert not list(tmp_path.iterdir())


def test_config_and_cache_move_alone(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('cache = "/from/file"\nlibrary = "~/lib"\n')
    environment = {"DAR_HOME": str(tmp_path), "DAR_CONFIG": str(config)}
    loaded = load_settings(environment)
    assert loaded.cache == Path("/from/file") and loaded.library == Path("~/lib").expanduser()
    assert loaded.chosen == {"cache", "library"}
    assert load_settings(environment | {"DAR_CACHE": "/nearer"}).cache == Path("/nearer")


def test_without_environment_the_platforms_folders_are_used() -> None:
    loaded = load_settings({})
    assert loaded.home.name == "dar" and loaded.cache.name == "dar" and loaded.config_file.name == "config.toml"


def new_encoder(environment: dict[str, str]) -> str:
    state = State(Output())
    state.settings = load_settings(environment)
    return state.new_encoder()


def test_the_profile_gives_the_encoder_unless_one_is_chosen(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    environment = {"DAR_HOME": str(tmp_path)}
    assert new_encoder(environment) == "bundled"
    config.write_text('profile = "paper"')
    assert new_encoder(environment).startswith("blip:")
    config.write_text('profile = "paper"\nencoder = "bundled"')
    assert new_encoder(environment) == "bundled"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("nonsense = 1", "nonsense"),
        ('device = "gpu"', "device"),
        ("device = 3", "device"),
        ('images = "ascii"', "images"),
        ('exclude = "x"', "exclude"),
        ("exclude = [1]", "exclude"),
        ('library = ""', "library"),
        ('profile = "huge"', "profile"),
        ("[library]\npath = 'x'", "library"),
        ("device = ", "TOML"),
        ("\xff", "TOML"),
    ],
)
def test_a_wrong_config_file_names_itself_and_the_key(dar: Dar, tmp_path: Path, content: str, told: str) -> None:
    config = Path(os.environ["DAR_HOME"]) / "config.toml"
    config.parent.mkdir()
    config.write_bytes(content.encode("latin-1"))
    done = dar("search", "x")
    assert done.code == 2 and str(config) in done.err and told in done.err and done.err.count("\n") == 1
    assert dar("--help").code == 0


def test_set_keeps_comments_and_replaces_values(dar: Dar) -> None:
    config = Path(os.environ["DAR_HOME"]) / "config.toml"
    assert dar("config", "set", "device", "cpu").code == 0
    config.write_text("# mine\n" + config.read_text() + "# end")
    assert dar("config", "set", "device", "cuda:1").code == 0
    assert dar("config", "set", "images", "off").code == 0
    assert config.read_text() == '# mine\ndevice = "cuda:1"\n# end\nimages = "off"\n'
    assert config.stat().st_mode & 0o077 == 0
    assert [path.name for path in config.parent.iterdir()] == ["config.toml"]


def test_set_survives_values_over_several_lines(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('exclude = [\n  "a",\n  "b",\n]\ndevice = "cpu"\n')
    set_value(config, "exclude", '["c"]')
    assert tomllib.loads(config.read_text()) == {"exclude": ["c"], "device": "cpu"}


@pytest.mark.parametrize(("key", "value"), [("nonsense", "1"), ("device", "gpu"), ("profile", ""), ("library", "")])
def test_set_refuses_what_cannot_be_and_writes_nothing(dar: Dar, key: str, value: str) -> None:
    done = dar("config", "set", key, value)
    assert done.code == 2 and key in done.err
    assert not Path(os.environ["DAR_HOME"]).exists()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_any_text_set_is_read_back_as_it_was(tmp_path: Path, text: str) -> None:
    config = tmp_path / "config.toml"
    set_value(config, "encoder", text)
    assert load_settings({"DAR_HOME": str(tmp_path)}).encoder == text


def test_show_and_path(dar: Dar, tmp_path: Path) -> None:
    dar("config", "set", "library", str(tmp_path / "mine"))
    shown = dar("config", "show").text
    assert shown == dar("config").text
    assert f"{tmp_path / 'mine'}  (config file)" in shown
    assert all(key in shown for key in CONFIG_KEYS)
    told = dar("config", "show", "--json").json
    assert told["settings"]["library"] == str(tmp_path / "mine") and told["from_config_file"] == ["library"]
    assert dar("config", "path").out == os.fsencode(os.environ["DAR_HOME"]) + b"/config.toml\n"


def test_path_works_with_a_broken_config_file(dar: Dar) -> None:
    config = Path(os.environ["DAR_HOME"]) / "config.toml"
    config.parent.mkdir()
    config.write_text("broken")
    assert dar("config", "path").code == 0
    with pytest.raises(UsageError):
        load_settings()


def test_a_user_there_is_not_in_a_path_is_part_of_its_name(dar: Dar, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('library = "~!x/photos"\n')
    loaded = load_settings({"DAR_HOME": str(tmp_path)})
    assert loaded.library == Path("~!x/photos").absolute()
    for arguments in (("index", "~!x"), ("library", "info", "--library", "~!x"), ("search", "--like", "~!x")):
        done = dar(*arguments)
        assert done.code in (1, 3) and done.err.count("\n") == 1 and "home directory" not in done.err


def test_a_full_disk_is_not_told_as_the_librarys(dar: Dar, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("dar_tui.settings.write_atomically", full)
    done = dar("config", "set", "device", "cpu")
    assert done.code == 1 and "is full" in done.err
    assert "library" not in done.err and "dar index" not in done.err
