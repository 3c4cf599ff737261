"""The models dar's profiles name and some that are worth knowing: sizes, licences, what they need to run.

Figures only; loads nothing. Models that are not listed work just as well.
"""

from __future__ import annotations

from dataclasses import dataclass

# Numbers in millions of parameters, counted on the published architectures built without weights (open_clip 3.3,
# transformers 5.23, diffusers 0.42); the three parts of a generator are denoiser, text encoders and autoencoder.
_SD21 = (866, 340, 84)
_SDXL = (2567, 818, 84)
_SD3 = (2028, 5581, 84)


@dataclass(frozen=True)
class Card:
    """One model. `parts`: millions of parameters of the parts that can take turns in GPU memory.

    `stored_bytes`: bytes a parameter takes in the files that are pulled. `pixels`: of one picture drawn, 0 for models
    that draw none. `gated`: the hub gives it only to accounts that accepted the licence.
    """

    spec: str
    hub_id: str
    licence: str
    parts: tuple[int, ...]
    stored_bytes: int
    gated: bool = False
    pixels: int = 0

    @property
    def download(self) -> int:
        """Bytes of weights to pull."""
        return sum(self.parts) * 1_000_000 * self.stored_bytes


_STABILITY = "Stability AI Community"

CARDS = (
    Card("open_clip:ViT-B-32/laion2b_s34b_b79k", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "MIT", (151,), 4),
    Card("open_clip:ViT-L-14/datacomp_xl_s13b_b90k", "laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K", "MIT", (428,), 4),
    Card("open_clip:ViT-B-16-SigLIP2/webli", "timm/ViT-B-16-SigLIP2", "Apache-2.0", (375,), 4),
    Card("blip:Salesforce/blip-itm-base-coco", "Salesforce/blip-itm-base-coco", "BSD-3-Clause", (224,), 4),
    Card("diffusers:stabilityai/sd-turbo", "stabilityai/sd-turbo", _STABILITY, _SD21, 2, pixels=512 * 512),
    Card("diffusers:stabilityai/sdxl-turbo", "stabilityai/sdxl-turbo", _STABILITY, _SDXL, 2, pixels=512 * 512),
    Card(
        "diffusers:stabilityai/stable-diffusion-3-medium-diffusers",
        "stabilityai/stable-diffusion-3-medium-diffusers",
        _STABILITY,
        _SD3,
        2,
        gated=True,
        pixels=1024 * 1024,
    ),
    Card(
        "transformers:Qwen/Qwen2.5-1.5B-Instruct",
        "Qwen/Qwen2.5-1.5B-Instruct",
        "Apache-2.0",
        (1544,),
        2,
    ),
    Card(
        "transformers:microsoft/Phi-3-mini-4k-instruct",
        "microsoft/Phi-3-mini-4k-instruct",
        "MIT",
        (3821,),
        2,
    ),
)


def card_of(spec: str) -> Card | None:
    """What is known of a model by its spec or hub id."""
    return next((card for card in CARDS if spec in (card.spec, card.hub_id)), None)
