"""Which profile is used, where a model would run, and what a spec stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from dar_tui.models.catalogue import CARDS, Machine, RunsOn, card_of, fit_of
from dar_tui.models.hub_files import HubSource, check_here, is_here, sources_of, storage_of
from dar_tui.models.profiles import chosen_profile, reason
from dar_tui.profiles import PROFILES, STANDARD
from dar_tui.settings import Settings, load_settings
from indexer.errors import ModelUnavailable, UsageError

GB = 1_000_000_000
NO_GPU = Machine("none found", 0, 16 * GB)
SMALL, LARGE = Machine("GTX, 2 GB", 2 * GB, 16 * GB), Machine("RTX, 12 GB", 12 * GB, 64 * GB)


@pytest.fixture
def standard_is_here(cache: Path) -> None:
    for _, spec in STANDARD.parts:
        for source in sources_of(spec):
            put_down(source.hub_id)


def put_down(hub_id: str) -> None:
    """What a finished pull leaves, with nothing in it."""
    storage = storage_of(hub_id)
    snapshot = storage / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    for name in ("model_index.json", "open_clip_config.json", "x.safetensors"):
        (snapshot / name).touch()
    (storage / "refs").mkdir()
    (storage / "refs" / "main").write_text("abc")


def settings(**environment: str) -> Settings:
    return load_settings({"DAR_HOME": "/nowhere", **environment})


def test_without_a_gpu_the_bundled_models_are_used_and_reported(standard_is_here: None) -> None:
    assert chosen_profile(settings(), machine=NO_GPU).name == "bundled"
    assert "need no GPU" in reason(settings(), NO_GPU) and "`dar models`" in reason(settings(), NO_GPU)


def test_a_gpu_with_the_standard_models_here_uses_them(standard_is_here: None) -> None:
    assert chosen_profile(settings(), machine=LARGE).name == "standard"
    assert "RTX, 12 GB" in reason(settings(), LARGE)


def test_a_gpu_without_them_says_how_to_get_them(cache: Path) -> None:
    assert chosen_profile(settings(), machine=LARGE).name == "bundled"
    assert "`dar models pull standard`" in reason(settings(), LARGE) and "RTX" in reason(settings(), LARGE)


def test_a_gpu_that_is_too_small_does_not_use_them(standard_is_here: None) -> None:
    assert chosen_profile(settings(), machine=SMALL).name == "bundled"
    assert "too small" in reason(settings(), SMALL)


def test_a_profile_that_was_chosen_is_used_whatever_the_machine(cache: Path) -> None:
    assert chosen_profile(settings(), "paper", NO_GPU).name == "paper"
    with pytest.raises(UsageError, match="no profile 'huge'"):
        chosen_profile(settings(), "huge")


def test_every_model_of_the_profiles_is_in_the_catalogue() -> None:
    specs = [spec for profile in PROFILES for _, spec in profile.parts if spec not in ("bundled", "rules")]
    assert len(specs) == 5 and all(card_of(spec) is not None for spec in specs)
    assert len({card.spec for card in CARDS}) == len({card.hub_id for card in CARDS}) == len(CARDS)


def test_what_fits_where() -> None:
    turbo, sd3 = card_of("stabilityai/sd-turbo"), card_of("stabilityai/stable-diffusion-3-medium-diffusers")
    assert turbo is not None and sd3 is not None
    assert fit_of(turbo, LARGE) is RunsOn.GPU and fit_of(turbo, NO_GPU) is RunsOn.SLOW
    assert fit_of(turbo, LARGE, "cpu") is RunsOn.SLOW
    # Its T5 text encoder alone is 10 GB in 16 bits.
    assert fit_of(sd3, Machine("24 GB", 24 * GB, 0)) is RunsOn.GPU
    assert fit_of(sd3, Machine("16 GB", 16 * GB, 0)) is RunsOn.TURNS
    assert fit_of(sd3, NO_GPU) is RunsOn.NO


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        *(("bundled", None), ("rules", None), ("server:http://localhost:1#x", None)),
        ("diffusers:stabilityai/sd-turbo", HubSource("stabilityai/sd-turbo")),
        ("stabilityai/sd-turbo", HubSource("stabilityai/sd-turbo")),
        ("transformers:a/b#x.gguf", HubSource("a/b", "x.gguf")),
        ("blip:Salesforce/blip-itm-base-coco", HubSource("Salesforce/blip-itm-base-coco")),
        ("open_clip:ViT-B-32/laion2b_s34b_b79k", HubSource("laion/CLIP-ViT-B-32-laion2B-s34B-b79K")),
        ("open_clip:ViT-B-32:/some/where.safetensors", None),
        ("beit3:/some/where.pth", None),
    ],
)
def test_what_a_spec_stands_for(spec: str, expected: HubSource | None) -> None:
    assert sources_of(spec) == (() if expected is None else (expected,))


def test_the_catalogue_agrees_with_open_clips_own_table() -> None:
    import open_clip.pretrained

    for card in CARDS:
        family, _, name = card.spec.partition(":")
        if family == "open_clip":
            architecture, tag = name.split("/")
            known = open_clip.pretrained.get_pretrained_cfg(architecture, tag)
            assert known["hf_hub"].strip("/") == card.hub_id


def test_an_open_clip_model_that_is_not_in_the_catalogue_is_looked_up() -> None:
    (found,) = sources_of("open_clip:ViT-B-16/laion2b_s34b_b88k")
    assert found.hub_id == "laion/CLIP-ViT-B-16-laion2B-s34B-b88K" and found.has_weights
    model, tokenizer = sources_of("open_clip:roberta-ViT-B-32/laion2b_s12b_b32k")
    assert model.has_weights and tokenizer.hub_id == "roberta-base" and not tokenizer.has_weights
    assert [each.hub_id for each in sources_of("open_clip:hf-hub:someone/clip")] == ["someone/clip"]
    assert [each.hub_id for each in sources_of("blip:someone/blip@384")] == ["someone/blip"]


@pytest.mark.parametrize("spec", ["diffusers:", "nonsense:x", "blip: "])
def test_specs_that_mean_nothing(spec: str) -> None:
    with pytest.raises(UsageError):
        sources_of(spec)


def test_a_folder_is_here_and_one_that_is_not_there_is_named(tmp_path: Path, cache: Path) -> None:
    assert is_here(f"diffusers:{tmp_path}") and is_here(f"transformers:{tmp_path}#some.gguf")
    with pytest.raises(ModelUnavailable, match="no model at /nowhere/at/all"):
        check_here("diffusers:/nowhere/at/all")
    with pytest.raises(ModelUnavailable, match="not on this machine") as caught:
        check_here("diffusers:a/b")
    assert caught.value.hint == "Download it with `dar models pull diffusers:a/b`."
