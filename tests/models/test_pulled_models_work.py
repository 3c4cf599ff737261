"""The whole way of a model that does not ship: pulled from a hub, indexed with beside the bundled encoder, searched."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from dar_tui.cli import main
from dar_tui.imagine import load_generator
from tests.encoders import families
from tests.encoders.real_photos import demo_photos, save_photos
from tests.models.hub import Hub

SPEC = "open_clip:hf-hub:someone/clip"


def run(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    capfd.readouterr()
    code = main([str(each) for each in arguments])
    sys.stdout.flush()
    captured = capfd.readouterr()
    return code, captured.out, captured.err


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_an_encoder_is_pulled_and_used_beside_the_bundled_one(
    hub: Hub, cache: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    families.open_clip_folder(tmp_path / "clip")
    hub.models["someone/clip"] = {**files_of(tmp_path / "clip"), "open_clip_pytorch_model.bin": b"pickle" * 1000}
    photos = tmp_path / "photos"
    save_photos(photos)
    assert run(capfd, "index", photos)[0] == 0
    code, _, told = run(capfd, "index", "--encoder", SPEC)
    assert code == 1 and f"dar models pull {SPEC}" in told and told.count("\n") == 1

    assert run(capfd, "models", "pull", SPEC)[0] == 0
    assert hub.loads("open_clip_pytorch_model.bin") == []
    before = len(hub.requests)
    code, out, told = run(capfd, "index", "--encoder", SPEC, "--json")
    assert code == 0 and json.loads(out)["encoded"] == len(demo_photos()) and "Searches still use bundled" in told

    first = json.loads(run(capfd, "search", "a cat", "--json")[1])
    once = json.loads(run(capfd, "search", "a cat", "--json", "--encoder", SPEC)[1])
    assert first["encoder"].startswith("bundled-") and once["encoder"].startswith("open_clip-")
    # Random weights find all photos alike, which folds none of them: they do not look the same.
    assert len(first["hits"]) == len(once["hits"]) == len(demo_photos())
    run(capfd, "library", "use", SPEC)
    assert json.loads(run(capfd, "search", "a cat", "--json")[1]) == once
    run(capfd, "library", "use", "bundled")
    assert json.loads(run(capfd, "search", "a cat", "--json")[1]) == first
    # From the pull on, nothing asked the hub for anything.
    assert len(hub.requests) == before

    run(capfd, "library", "use", SPEC)
    run(capfd, "models", "remove", SPEC)
    code, _, told = run(capfd, "search", "a cat")
    assert code == 1 and f"dar models pull {SPEC}" in told and told.count("\n") == 1
    assert run(capfd, "search", "--like", next(photos.iterdir()), "--json")[0] == 0
    found = [each for each in json.loads(run(capfd, "doctor", "--json")[1])["findings"] if each["status"] == "broken"]
    assert [each["mend"] for each in found] == [f"dar models pull {SPEC}"]


@pytest.mark.slow
def test_a_pipeline_is_pulled_and_draws(hub: Hub, cache: Path, stable_diffusion: Path) -> None:
    from dar_tui.models.hub_files import HubSource
    from dar_tui.models.pulling import pull

    hub.models["someone/real-sd"] = files_of(stable_diffusion)
    pull(HubSource("someone/real-sd"), lambda progress: None)
    generator = load_generator("diffusers:someone/real-sd", "cpu", steps=1, cache=Path(os.environ["DAR_CACHE"]))
    (drawn,) = generator.generate(["a dog"], [1], lambda *step: None, lambda: False)  # type: ignore[union-attr]
    assert drawn.image.width > 0
