"""What a generator is loaded from: specs, folders, the hub's cache; and what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dar_tui.imagine import ConditionedGenerator, Generator, load_generator
from dar_tui.imagine.diffusion import DiffusionGenerator
from indexer.errors import ModelUnavailable, UsageError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def copy(stable_diffusion: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stable_diffusion, tmp_path / "copy"))


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder the hub's client keeps its downloads in, empty."""
    import huggingface_hub.constants

    folder = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(folder))
    return folder


def edit_index(folder: Path, **changes: object) -> None:
    index = folder / "model_index.json"
    index.write_text(json.dumps({**json.loads(index.read_text()), **changes}))


@pytest.mark.parametrize("spec", ["", "nonsense", "diffusers:", "diffuser:a/b", "bundled:x", "stabilityai/sd-turbo"])
def test_specs_that_mean_nothing(spec: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_generator(spec)
    assert caught.value.hint


def test_a_forgotten_family_is_guessed() -> None:
    with pytest.raises(UsageError) as caught:
        load_generator("stabilityai/sd-turbo")
    assert caught.value.hint == "Did you mean `diffusers:stabilityai/sd-turbo`?"


def test_a_model_that_is_not_here_names_the_command(hub_cache: Path) -> None:
    with pytest.raises(ModelUnavailable, match="stabilityai/sd-turbo is not on this machine") as caught:
        load_generator("diffusers:stabilityai/sd-turbo", "cpu")
    assert "dar models pull stabilityai/sd-turbo" in caught.value.hint


def test_a_model_in_the_hubs_cache_loads_by_its_id(hub_cache: Path, stable_diffusion_3: Path) -> None:
    model = hub_cache / "models--someone--tiny-sd3"
    shutil.copytree(stable_diffusion_3, model / "snapshots" / COMMIT)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(COMMIT)
    generator = load_generator("diffusers:someone/tiny-sd3", "cpu", steps=1)
    assert generator.id == f"diffusers:someone/tiny-sd3@{COMMIT[:12]}"
    assert len(list(generator.generate(["a dog"], [1], lambda *step: None, lambda: False))) == 1


@pytest.mark.parametrize("name", ["no/such/folder/here", "./nowhere", "what is this?"])
def test_folders_that_do_not_exist(name: str) -> None:
    with pytest.raises(ModelUnavailable, match="no folder"):
        load_generator(f"diffusers:{name}", "cpu")


def test_a_folder_without_a_pipeline(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"holds no model_index\.json"):
        load_generator(f"diffusers:{tmp_path}", "cpu")


@pytest.mark.parametrize("index", ["", "[]", "{}", '{"_class_name": "DDPMPipeline"}', "\x00"])
def test_a_folder_with_another_index(index: str, tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(index)
    with pytest.raises(ModelUnavailable):
        load_generator(f"diffusers:{tmp_path}", "cpu")


def test_pickled_weights_are_taken_where_there_are_no_others(copy: Path, tmp_path: Path) -> None:
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    whole = drawn(load_generator(f"diffusers:{copy}", "cpu", steps=1))
    torch.save(load_file(weights), weights.with_suffix(".bin"))
    weights.unlink()
    assert drawn(load_generator(f"diffusers:{copy}", "cpu", steps=1)) == whole
    weights.unlink()
    torch.save({"weight": torch.ones(1), "more": Path}, weights.with_suffix(".bin"))
    with pytest.raises(ModelUnavailable, match="more than weights"):
        load_generator(f"diffusers:{copy}", "cpu")


def drawn(generator: Generator | ConditionedGenerator) -> bytes:
    assert isinstance(generator, DiffusionGenerator)
    (image,) = generator.generate(["a dog"], [1], lambda *step: None, lambda: False)
    return image.image.tobytes()


def test_truncated_weights_are_refused(copy: Path) -> None:
    weights = copy / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        load_generator(f"diffusers:{copy}", "cpu")


def test_a_missing_part_is_refused(copy: Path) -> None:
    shutil.rmtree(copy / "text_encoder")
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        load_generator(f"diffusers:{copy}", "cpu")


def test_code_that_comes_with_a_model_is_not_run(copy: Path, tmp_path: Path) -> None:
    trace = tmp_path / "was run"
    code = f"from pathlib import Path\nPath({str(trace)!r}).touch()\nclass Own: pass\n"
    for place in (copy / "own.py", copy / "pipeline.py", copy / "unet" / "own.py"):
        place.write_text(code)
    for changes in ({"unet": ["own", "Own"]}, {"_class_name": ["pipeline", "Own"]}):
        edit_index(copy, **changes)
        with pytest.raises(ModelUnavailable, match="cannot be loaded"):
            load_generator(f"diffusers:{copy}", "cpu")
    assert not trace.exists()


def test_half_size_files_are_found(copy: Path) -> None:
    for weights in copy.glob("*/*.safetensors"):
        weights.rename(weights.with_suffix(".fp16.safetensors"))
    generator = load_generator(f"diffusers:{copy}", "cpu", steps=1)
    assert len(list(generator.generate(["a dog"], [1], lambda *step: None, lambda: False))) == 1


def test_new_weights_in_the_same_folder_have_another_id(copy: Path) -> None:
    before = load_generator(f"diffusers:{copy}", "cpu").id
    assert load_generator(f"diffusers:{copy}", "cpu").id == before
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes())
    assert load_generator(f"diffusers:{copy}", "cpu").id != before


def test_importing_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'numpy', 'PIL', 'diffusers', 'transformers', 'huggingface_hub', 'textual', 'rich'}"
    code = f"import sys, dar_tui.imagine, dar_tui.language.loading; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
