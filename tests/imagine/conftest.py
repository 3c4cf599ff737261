"""Tiny randomly initialised pipelines, saved to disk: the loader under test takes the way a user's model takes."""

from __future__ import annotations

import json
import socket
import string
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

WIDTH = 16  # of every hidden layer


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Any connection at all fails the test, even where the library would swallow the error."""
    attempts: list[object] = []

    def refuse(self: socket.socket, address: object) -> None:
        attempts.append(address)
        raise OSError("this test has no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    yield
    assert not attempts


def clip_tokenizer(folder: Path) -> Any:
    """A CLIP tokenizer of single letters, read from files as CLIP's own is."""
    from transformers import CLIPTokenizer

    folder.mkdir(parents=True)
    letters = list(string.ascii_lowercase + ".,") + [letter + "</w>" for letter in string.ascii_lowercase + ".,"]
    words = [*letters, "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer.from_pretrained(folder, model_max_length=77)


def t5_tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: index for index, word in enumerate(["<pad>", "</s>", "<unk>", *string.ascii_lowercase])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=64
    )


def clip_config(projection: int = WIDTH) -> Any:
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        vocab_size=58,
        bos_token_id=56,
        eos_token_id=57,
        pad_token_id=57,
        hidden_size=WIDTH,
        intermediate_size=32,
        projection_dim=projection,
        num_hidden_layers=2,
        num_attention_heads=2,
    )


def vae(channels: int) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=channels,
        block_out_channels=(8, WIDTH),
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        scaling_factor=0.18,
        shift_factor=0.0,
    )


def stable_diffusion_pipeline(scratch: Path, scheduler: Any) -> Any:
    """A StableDiffusionPipeline of about 60,000 weights that draws 32x32 pixels, with a tiny safety checker."""
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPTextModel, CLIPVisionConfig

    torch.manual_seed(7)
    vision = CLIPVisionConfig(
        hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=8
    )
    return StableDiffusionPipeline(
        vae=vae(4),
        text_encoder=CLIPTextModel(clip_config()),
        tokenizer=clip_tokenizer(scratch / "clip"),
        unet=UNet2DConditionModel(
            sample_size=16,
            block_out_channels=(8, WIDTH),
            layers_per_block=1,
            norm_num_groups=4,
            cross_attention_dim=WIDTH,
            attention_head_dim=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        ),
        scheduler=scheduler,
        safety_checker=StableDiffusionSafetyChecker(
            CLIPConfig(text_config=clip_config().to_dict(), vision_config=vision.to_dict(), projection_dim=WIDTH)
        ),
        feature_extractor=CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32),
    )


@pytest.fixture(scope="session")
def stable_diffusion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny Stable Diffusion, as SD 1.x and 2.x are saved."""
    from diffusers import DDIMScheduler

    scratch = tmp_path_factory.mktemp("sd")
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, steps_offset=1
    )
    pipeline = stable_diffusion_pipeline(scratch, scheduler)
    pipeline.save_pretrained(scratch / "tiny-sd")
    return scratch / "tiny-sd"


@pytest.fixture(scope="session")
def sd_turbo(stable_diffusion: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same weights with SD-Turbo's scheduler, in a folder whose name does not say turbo."""
    from diffusers import DiffusionPipeline, EulerDiscreteScheduler

    folder = tmp_path_factory.mktemp("distilled") / "mine"
    pipeline = DiffusionPipeline.from_pretrained(stable_diffusion)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(pipeline.scheduler.config, timestep_spacing="trailing")
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def stable_diffusion_3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny Stable Diffusion 3: transformer, two CLIP text encoders and a T5."""
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
    from transformers import CLIPTextModelWithProjection, T5Config, T5EncoderModel

    torch.manual_seed(7)
    scratch = tmp_path_factory.mktemp("sd3")
    pipeline = StableDiffusion3Pipeline(
        transformer=SD3Transformer2DModel(
            sample_size=16,
            patch_size=1,
            in_channels=4,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=2 * WIDTH,
            caption_projection_dim=WIDTH,
            pooled_projection_dim=2 * WIDTH,
            out_channels=4,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=vae(4),
        text_encoder=CLIPTextModelWithProjection(clip_config()),
        tokenizer=clip_tokenizer(scratch / "one"),
        text_encoder_2=CLIPTextModelWithProjection(clip_config()),
        tokenizer_2=clip_tokenizer(scratch / "two"),
        text_encoder_3=T5EncoderModel(
            T5Config(vocab_size=32, d_model=2 * WIDTH, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
        ),
        tokenizer_3=t5_tokenizer(),
    )
    pipeline.save_pretrained(scratch / "tiny-sd3")
    return scratch / "tiny-sd3"


@pytest.fixture
def too_large(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, int], list[int]]:
    """Makes a real denoiser's class run out of memory for batches over a size; returns the sizes it was asked for."""

    def install(denoiser: Any, largest: int) -> list[int]:
        asked: list[int] = []
        forward = denoiser.forward

        def limited(self: Any, *inputs: Any, **named: Any) -> Any:
            batch = (inputs[0] if inputs else named["hidden_states"]).shape[0]
            asked.append(batch)
            if batch > largest:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            return forward(self, *inputs, **named)

        monkeypatch.setattr(denoiser, "forward", limited)
        return asked

    return install
