"""Pipelines that diffusers' own choice of class does not know, and LoRAs, at tiny size."""

from __future__ import annotations

import shutil
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch

from dar_tui.imagine import load_generator
from dar_tui.imagine.diffusion import DiffusionGenerator
from dar_tui.imagine.loras import Lora, loras_apart, with_loras
from dar_tui.imagine.pipelines import draws_from_text, pipeline_class
from dar_tui.models.hub_files import HubSource, is_here, sources_of
from indexer.errors import ModelUnavailable, UsageError
from tests.imagine.conftest import t5_tokenizer

HYPER = "Hyper-SD15-2steps-lora.safetensors"


@pytest.fixture(scope="module")
def sana_sprint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny SANA-Sprint, which diffusers' AutoPipeline does not know."""
    from diffusers import AutoencoderDC, SanaSprintPipeline, SanaTransformer2DModel, SCMScheduler
    from transformers import Gemma2Config, Gemma2Model

    torch.manual_seed(7)
    blocks = ("ResBlock", "EfficientViTBlock")
    pipeline = SanaSprintPipeline(
        transformer=SanaTransformer2DModel(
            patch_size=1, in_channels=4, out_channels=4, num_layers=1, num_attention_heads=2, attention_head_dim=4,
            num_cross_attention_heads=2, cross_attention_head_dim=4, cross_attention_dim=8, caption_channels=8,
            sample_size=16, qk_norm="rms_norm_across_heads", guidance_embeds=True,
        ),
        vae=AutoencoderDC(
            in_channels=3, latent_channels=4, attention_head_dim=2, encoder_block_types=blocks,
            decoder_block_types=blocks, encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8),
            encoder_qkv_multiscales=((), (5,)), decoder_qkv_multiscales=((), (5,)), encoder_layers_per_block=(1, 1),
            decoder_layers_per_block=(1, 1), downsample_block_type="conv", upsample_block_type="interpolate",
            decoder_norm_types="rms_norm", decoder_act_fns="silu", scaling_factor=0.41407,
        ),
        scheduler=SCMScheduler(),
        text_encoder=Gemma2Model(
            Gemma2Config(
                head_dim=16, hidden_size=8, intermediate_size=64, num_attention_heads=2, num_hidden_layers=1,
                num_key_value_heads=2, vocab_size=40,
            )
        ),
        tokenizer=t5_tokenizer(),
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("sana") / "Sana_Sprint_tiny"
    pipeline.save_pretrained(folder)
    return folder


def load(spec: str, **settings: int) -> DiffusionGenerator:
    generator = load_generator(spec, "cpu", **settings)  # type: ignore[arg-type]
    assert isinstance(generator, DiffusionGenerator)
    return generator


def drawn(generator: DiffusionGenerator) -> np.ndarray:
    (picture,) = generator.generate(["a dog"], [3], lambda *step: None, lambda: False)
    return np.asarray(picture.image)


@pytest.mark.parametrize("steps", [2, 1])
def test_sana_sprint_draws_by_its_own_class(sana_sprint: Path, steps: int) -> None:
    generator = load(f"diffusers:{sana_sprint}", steps=steps, size=32)
    assert load(f"diffusers:{sana_sprint}").recipe.steps == 2
    # One step has no time between two, which the pipeline would refuse.
    assert drawn(generator).shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("name", "draws"),
    [
        *((name, True) for name in ("SanaSprintPipeline", "Kandinsky5T2IPipeline", "ZImagePipeline", "FluxPipeline")),
        *((name, False) for name in ("WanPipeline", "StableAudioPipeline", "StableVideoDiffusionPipeline")),
        *((name, False) for name in ("DDPMPipeline", "ShapEPipeline", "QwenImageEditPipeline")),
    ],
)
def test_which_classes_draw_from_text(name: str, draws: bool) -> None:
    # An editing pipeline can be called without a picture only in name; what it is saved as goes to AutoPipeline.
    if name == "QwenImageEditPipeline":
        assert pipeline_class({"_class_name": name}) is diffusers.AutoPipelineForText2Image
        return
    assert draws_from_text(getattr(diffusers, name)) is draws


def test_another_kind_of_pipeline_is_refused_by_name(sana_sprint: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(sana_sprint, tmp_path / "video"))
    index = folder / "model_index.json"
    index.write_text(index.read_text().replace("SanaSprintPipeline", "SanaVideoPipeline"))
    with pytest.raises(ModelUnavailable, match="SanaVideoPipeline does not draw pictures from text"):
        load(f"diffusers:{folder}")


@pytest.fixture(scope="module")
def lora(stable_diffusion: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA of two steps for the tiny Stable Diffusion."""
    from diffusers import StableDiffusionPipeline
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft import LoraConfig, get_peft_model_state_dict

    torch.manual_seed(3)
    pipeline = StableDiffusionPipeline.from_pretrained(stable_diffusion, safety_checker=None)
    pipeline.unet.add_adapter(LoraConfig(r=4, target_modules=["to_q", "to_v"], init_lora_weights=False))
    layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(pipeline.unet))
    folder = tmp_path_factory.mktemp("lora")
    StableDiffusionPipeline.save_lora_weights(folder, unet_lora_layers=layers, weight_name=HYPER)
    return folder / HYPER


def test_a_lora_changes_pictures_and_recipe(stable_diffusion: Path, lora: Path) -> None:
    spec = f"diffusers:{stable_diffusion}"
    plain, full, half, none = (
        load(with_loras(spec, each)) for each in ([], [str(lora)], [f"{lora}@0.5"], [f"{lora}@0"])
    )
    assert (plain.recipe.steps, plain.recipe.guidance) == (25, 7.5)
    assert (full.recipe.steps, full.recipe.guidance) == (2, 0.0)
    assert len({each.id for each in (plain, full, half, none)}) == 4
    pictures = [drawn(each) for each in (full, half, none)]
    assert not np.array_equal(pictures[0], pictures[2]) and not np.array_equal(pictures[0], pictures[1])
    # None of it is the model itself, drawn as the LoRA wants.
    model = diffusers.StableDiffusionPipeline.from_pretrained(stable_diffusion, safety_checker=None)
    model.scheduler = diffusers.DDIMScheduler.from_config(model.scheduler.config, timestep_spacing="trailing")
    image = model(
        "a dog", num_inference_steps=2, guidance_scale=0.0, generator=torch.Generator().manual_seed(3),
        width=32, height=32, output_type="np",
    ).images[0]  # fmt: skip
    assert np.abs(pictures[2] / 255 - image).max() < 0.01


def test_loras_that_are_none(stable_diffusion: Path, stable_diffusion_3: Path, lora: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="no LoRA"):
        load(f"diffusers:{stable_diffusion}+lora:{tmp_path / 'gone.safetensors'}")
    with pytest.raises(ModelUnavailable) as caught:
        load(f"diffusers:{stable_diffusion}+lora:someone/lora#x.safetensors@0.7")
    assert "dar models pull someone/lora#x.safetensors" in caught.value.hint
    with pytest.raises(ModelUnavailable, match="does not fit"):
        load(f"diffusers:{stable_diffusion_3}+lora:{lora}")
    pickled = tmp_path / "lora.pt"
    pickled.touch()
    with pytest.raises(ModelUnavailable, match="not a safetensors file"):
        load(f"diffusers:{stable_diffusion}+lora:{pickled}")
    with pytest.raises(UsageError, match="takes no LoRA"):
        with_loras("bundled", ["x"])


def test_how_loras_are_written() -> None:
    assert loras_apart("a/b+lora:c/d#Hyper-SDXL-8steps-lora.safetensors@0.125+lora:/x/y@z.safetensors") == (
        "a/b",
        (Lora("c/d#Hyper-SDXL-8steps-lora.safetensors", 0.125), Lora("/x/y@z.safetensors")),
    )
    assert Lora("c/d#Hyper-SDXL-8steps-lora.safetensors").title == "Hyper-SDXL-8steps-lora"
    assert Lora("latent-consistency/lcm-lora-sdxl").title == "lcm-lora-sdxl"
    with pytest.raises(UsageError):
        loras_apart("a/b+lora:")


def test_a_pull_fetches_the_loras_too(stable_diffusion: Path, lora: Path) -> None:
    assert sources_of("diffusers:a/b+lora:c/d#x.safetensors@0.5") == (
        HubSource("a/b"),
        HubSource("c/d", "x.safetensors"),
    )
    assert sources_of("c/d#x.safetensors") == (HubSource("c/d", "x.safetensors"),)
    assert is_here(f"diffusers:{stable_diffusion}+lora:{lora}@2")
    assert not is_here(f"diffusers:{stable_diffusion}+lora:nobody/has-this")
