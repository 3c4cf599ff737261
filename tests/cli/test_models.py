"""`dar models` as a command of its own: pulled from a hub on this machine, used, named and removed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Dar, Result
from tests.models.hub import Hub, running

REPOSITORY = Path(__file__).parents[2]
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    content = {
        "model_index.json": b"{}",
        "unet/config.json": b"{ }",
        "unet/diffusion_pytorch_model.safetensors": os.urandom(200_000),
    }
    with running(Hub({"someone/tiny": content, "someone/gated": content}, gated={"someone/gated"})) as hub:
        yield hub


@pytest.fixture
def process(hub: Hub, tmp_path: Path) -> Run:
    """Runs the installed command, the hub's client pointed to ours and its cache empty."""

    def run(*arguments: str, **environment: str) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "dar_tui.cli", *arguments],
            cwd=REPOSITORY,
            env={**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), **environment},
            capture_output=True,
            timeout=120,
        )
        return Result(done.returncode, done.stdout, done.stderr.decode())

    return run


def test_a_model_is_pulled_named_and_removed(process: Run, hub: Hub, tmp_path: Path) -> None:
    pulled = process("models", "pull", "diffusers:someone/tiny")
    assert pulled.code == 0 and pulled.out == b"" and "is here and whole (0.2 MB)" in pulled.err
    folder = Path(process("models", "where", "someone/tiny").text.strip())
    assert folder.is_relative_to(tmp_path / "hf") and (folder / "model_index.json").read_bytes() == b"{}"
    before = len(hub.requests)
    assert "is here already" in process("models", "pull", "someone/tiny").err
    assert all("safetensors" not in path for method, path, _ in hub.requests[before:] if method == "GET")
    removed = process("models", "remove", "someone/tiny")
    assert removed.code == 0 and "0.2 MB freed" in removed.err and not folder.exists()
    gone = process("models", "where", "diffusers:someone/tiny")
    assert gone.code == 1 and "dar models pull diffusers:someone/tiny" in gone.err


def test_a_gated_model_is_one_line(process: Run) -> None:
    done = process("models", "pull", "someone/gated")
    assert done.code == 1 and done.err.splitlines()[-1].startswith("dar: The model someone/gated is gated")
    assert "hf auth login" in done.err and "Traceback" not in done.err


@pytest.mark.parametrize("offline", [{"arguments": ("--offline",)}, {"DAR_OFFLINE": "1"}])
def test_offline_nothing_is_pulled(process: Run, hub: Hub, offline: dict[str, object]) -> None:
    before = len(hub.requests)
    environment = dict(offline)
    arguments = environment.pop("arguments", ())
    done = process("models", "pull", "someone/tiny", *arguments, **environment)  # type: ignore[misc]
    assert done.code == 2 and "offline" in done.err and len(hub.requests) == before


def test_offline_can_be_set(dar: Dar) -> None:
    assert dar("config", "set", "offline", "true").code == 0
    assert dar("models", "pull", "someone/tiny").code == 2
    assert dar("config", "set", "offline", "maybe").code == 2
    done = dar("chat", "--script", "-", "--language", "server:http://192.0.2.1#x")
    assert done.code != 0


def test_the_list_has_every_part_of_every_profile(dar: Dar) -> None:
    config = Path(os.environ["DAR_HOME"]) / "config.toml"
    config.parent.mkdir()
    config.write_text('[profiles.mine]\ngenerator = "diffusers:a/b"\n')
    done = dar("models", "list", "--json")
    assert done.code == 0
    listed = done.json["models"]
    assert {each["profile"] for each in listed} == {"bundled", "standard", "paper", "mine", ""}
    by_spec = {(each["profile"], each["part"]): each for each in listed}
    assert by_spec["bundled", "encoder"]["state"] == "yes"
    assert by_spec["standard", "generator"]["download"] == 2_580_000_000
    assert by_spec["paper", "generator"]["gated"] is True
    assert by_spec["mine", "generator"]["spec"] == "diffusers:a/b" and by_spec["mine", "generator"]["runs"] is None
    lines = dar("models").text.splitlines()
    assert len(lines) == len(listed) + 1 and lines[0].split()[:3] == ["profile", "part", "model"]


@pytest.mark.parametrize("command", ["pull", "where", "remove"])
def test_a_name_that_is_nothing(dar: Dar, command: str) -> None:
    done = dar("models", command, "nonsense")
    assert done.code == 2 and "bundled, standard, paper" in done.err


def test_there_is_nothing_to_pull_or_remove_of_what_ships(dar: Dar) -> None:
    assert "nothing to pull" in dar("models", "pull", "bundled").err
    assert dar("models", "remove", "bundled").code == 2


def test_profiles_of_ones_own_are_used(dar: Dar, tmp_path: Path) -> None:
    config = Path(os.environ["DAR_HOME"]) / "config.toml"
    config.parent.mkdir()
    config.write_text('[profiles.mine]\nencoder = "other"\n')
    assert dar("config", "set", "profile", "mine").code == 0
    assert config.read_text() == 'profile = "mine"\n\n[profiles.mine]\nencoder = "other"\n'
    assert json.loads(dar("config", "show", "--json").out)["settings"]["encoder"] == "other"
    # A setting of the name of one of the table's keys is the file's, not the table's.
    assert dar("config", "set", "encoder", "bundled").code == 0
    assert config.read_text() == 'profile = "mine"\nencoder = "bundled"\n\n[profiles.mine]\nencoder = "other"\n'
    assert dar("config", "set", "profile", "yours").code == 2


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[profiles.bundled]\n", "dar's own"),
        ('[profiles.mine]\ncolour = "red"\n', "has no colour"),
        ("[profiles.mine]\nencoder = 3\n", "table of texts"),
        ("[profiles]\nmine = 3\n", "table of texts"),
        ("profiles = 3\n", "must be tables"),
    ],
)
def test_a_profile_that_is_none_is_named(dar: Dar, content: str, told: str) -> None:
    config = Path(os.environ["DAR_HOME"]) / "config.toml"
    config.parent.mkdir()
    config.write_text(content)
    done = dar("config", "show")
    assert done.code == 2 and told in done.err and str(config) in done.err and done.err.count("\n") == 1


def test_missing_models_are_one_line_and_exit_1(dar: Dar, indexed: Path, process: Run) -> None:
    for arguments in (
        ("search", "red", "--imagine"),
        ("chat", "--script", os.devnull, "--generator", "diffusers:someone/tiny"),
        ("chat", "--script", os.devnull, "--language", "transformers:someone/talker"),
    ):
        if arguments[0] == "search":
            dar("config", "set", "profile", "paper")
        done = dar(*arguments)
        assert done.code == 1 and done.err.count("\n") == 1 and "dar models pull" in done.err, arguments


def test_doctor_tells_what_is_missing_and_how_to_get_it(dar: Dar) -> None:
    dar("config", "set", "profile", "standard")
    found = {each["name"]: each for each in dar("doctor", "--json").json["findings"]}
    assert found["generator"]["status"] == "broken"
    assert found["generator"]["mend"] == "dar models pull diffusers:stabilityai/sd-turbo"
    assert found["encoder"]["mend"] == "dar models pull open_clip:ViT-B-32/laion2b_s34b_b79k"
    assert found["language"]["status"] == "ok" and "standard" in found["profile"]["text"]
