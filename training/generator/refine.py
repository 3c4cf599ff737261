"""Trains the refiner, which draws a 64x64 picture over a sketch: from a packed file alone, on a CPU or with CUDA.

    python -m training.generator.refine --pack pack.npz --out DIR --minutes 50 [--device cuda]

It learns a photo from its own sketch and point in the visual space, both blurred by noise as samples are, in one pass:
colours are compared at several sizes, the rest by a frozen EfficientNet-Lite0 (perceptual loss: Johnson et al., 2016)
and by small discriminators over its features (Sauer et al., Projected GANs, 2021). A run that was cut continues from
OUT/checkpoint.pt.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import torch
import typer
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from dar_tui.imagine.bundled.model import SketchRefiner
from dar_tui.imagine.bundled.sampler import NOISE_CHANNELS
from indexer.encoders.bundled.backbones import LITE0, load_image_backbone
from training.generator.material import Material, unpack

SIDE, SKETCH_SIDE = 64, 32
# The sides the frozen network looks at, one for each batch. A fixed one lets the refiner learn patterns that please the
# network at that size and place only.
SEEN = (96, 104, 112, 120)
SHIFT = 4
SKETCH_DIM = 128
# How far visual features are blurred at most, in their own deviations: a sample's are not a photo's.
VISUAL_NOISE = 0.7
AVERAGE = 0.998
# Which blocks of Lite0 are compared: strides 4, 8, 16, 32.
BLOCKS = (1, 2, 4, 6)
CHANNELS = (24, 40, 112, 320)
# The ones that discriminators look at.
JUDGED = (1, 2, 3)


@dataclass(frozen=True)
class Weights:
    """What each loss counts."""

    colour: float = 1.0
    features: float = 1.0
    whole: float = 0.5
    adversary: float = 0.02


# Where a batch is looked at: shifted by so many pixels less SHIFT, enlarged to this side.
Glance = tuple[int, int, int]


def glance() -> Glance:
    across, down = torch.randint(0, 2 * SHIFT + 1, (2,)).tolist()
    return across, down, SEEN[int(torch.randint(len(SEEN), ()))]


class Eyes(nn.Module):
    """A frozen EfficientNet-Lite0: pictures (n, 3, 64, 64) in -1..1 -> maps of four blocks, channels standardised, and
    the features of the whole (n, 1280)."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.net: Any = load_image_backbone(LITE0)
        self.net.requires_grad_(False)
        for block, channels in zip(BLOCKS, CHANNELS, strict=True):
            self.register_buffer(f"mean{block}", torch.zeros(1, channels, 1, 1))
            self.register_buffer(f"deviation{block}", torch.ones(1, channels, 1, 1))
        self.register_buffer("mean", torch.zeros(1280))
        self.register_buffer("deviation", torch.ones(1280))

    @torch.no_grad()
    def fit(self, photos: Tensor) -> None:
        """Takes means and deviations from photos (n, 3, 64, 64)."""
        maps, whole = self._features(photos, (SHIFT, SHIFT, SEEN[2]))
        for block, each in zip(BLOCKS, maps, strict=True):
            getattr(self, f"mean{block}").copy_(each.float().mean((0, 2, 3), keepdim=True))
            getattr(self, f"deviation{block}").copy_(each.float().std((0, 2, 3), keepdim=True) + 1e-2)
        self.mean.copy_(whole.float().mean(0))
        self.deviation.copy_(whole.float().std(0) + 5e-2)

    def _features(self, pictures: Tensor, glance: Glance) -> tuple[list[Tensor], Tensor]:
        across, down, side = glance
        padded = F.pad(pictures, (SHIFT, SHIFT, SHIFT, SHIFT), mode="reflect")
        x = padded[..., down : down + SIDE, across : across + SIDE]
        x = F.interpolate(x, (side, side), mode="bilinear", align_corners=False)
        x = self.net.bn1(self.net.conv_stem(x))
        maps = []
        for number, stage in enumerate(self.net.blocks):
            x = stage(x)
            if number in BLOCKS:
                maps.append(x)
        return maps, self.net.bn2(self.net.conv_head(x)).mean((2, 3))

    def forward(self, pictures: Tensor, glance: Glance) -> tuple[list[Tensor], Tensor]:
        maps, whole = self._features(pictures, glance)
        scaled = [
            (each.float() - getattr(self, f"mean{block}")) / getattr(self, f"deviation{block}")
            for block, each in zip(BLOCKS, maps, strict=True)
        ]
        return scaled, (whole.float() - self.mean) / self.deviation


class Discriminators(nn.Module):
    """One for each map of features: which places look photographed and fit the visual vector (n, visual_dim)."""

    def __init__(self, visual_dim: int, width: int = 96) -> None:
        super().__init__()
        self.bodies = nn.ModuleList(
            nn.Sequential(
                nn.utils.parametrizations.spectral_norm(nn.Conv2d(CHANNELS[which], width, 1)),
                nn.LeakyReLU(0.2),
                nn.utils.parametrizations.spectral_norm(nn.Conv2d(width, width, 3)),
                nn.LeakyReLU(0.2),
            )
            for which in JUDGED
        )
        self.leave = nn.ModuleList(nn.Conv2d(width, 1, 1) for _ in JUDGED)
        self.match = nn.ModuleList(nn.Linear(visual_dim, width, bias=False) for _ in JUDGED)

    def forward(self, maps: Sequence[Tensor], visual: Tensor) -> list[Tensor]:
        direction = F.normalize(visual, dim=1) * visual.shape[1] ** 0.5
        judged = []
        for which, body, leave, match in zip(JUDGED, self.bodies, self.leave, self.match, strict=True):
            x = body(maps[which].clamp(-6, 6))
            fits = (x * match(direction)[:, :, None, None]).mean(1, keepdim=True)
            judged.append((leave(x) + fits).flatten(1))
        return judged


class Sketches(nn.Module):
    """Photos (n, 3, 64, 64) -> their sketches as samples have them: 32x32, few principal components, noise on each."""

    mean: Tensor
    components: Tensor
    deviations: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3 * SKETCH_SIDE**2))
        self.register_buffer("components", torch.zeros(SKETCH_DIM, 3 * SKETCH_SIDE**2))
        self.register_buffer("deviations", torch.ones(SKETCH_DIM))

    def fit(self, photos: Tensor) -> None:
        flat = F.avg_pool2d(photos, 2).flatten(1)
        self.mean.copy_(flat.mean(0))
        self.components.copy_(torch.svd_lowrank(flat - flat.mean(0), SKETCH_DIM + 16, niter=3)[2].T[:SKETCH_DIM])
        self.deviations.copy_(((flat - flat.mean(0)) @ self.components.T).std(0))

    def forward(self, photos: Tensor) -> Tensor:
        parts = (F.avg_pool2d(photos, 2).flatten(1) - self.mean) @ self.components.T
        n = len(parts)
        noise = 0.5 * torch.rand(n, 1, device=parts.device) ** 2
        parts = parts + noise * self.deviations * torch.randn_like(parts)
        # A denoiser that is unsure leaves the finer components near their mean.
        kept = 24 + torch.rand(n, 1, device=parts.device) * (2 * SKETCH_DIM)
        fade = torch.sigmoid((kept - torch.arange(SKETCH_DIM, device=parts.device)) / 8)
        return (parts * fade @ self.components + self.mean).view(n, 3, SKETCH_SIDE, SKETCH_SIDE).clamp(-1, 1)


def crops(photos: Tensor) -> Tensor:
    """(n, 3, 76, 76) uint8 -> (n, 3, 64, 64) in -1..1: crops of one size for the batch, half of them mirrored."""
    full = photos.shape[-1]
    size = int(torch.randint(SIDE, full + 1, ()))
    places = torch.randint(0, full - size + 1, (len(photos), 2)).tolist()
    taken = torch.stack([p[:, y : y + size, x : x + size] for p, (y, x) in zip(photos, places, strict=True)])
    mirrored = torch.rand(len(photos), 1, 1, 1, device=photos.device) < 0.5
    taken = torch.where(mirrored, taken.flip(3), taken).float() / 127.5 - 1
    return F.interpolate(taken, (SIDE, SIDE), mode="bilinear", antialias=True).clamp(-1, 1)


def blurred(visual: Tensor) -> Tensor:
    """Visual features with noise of 0 to VISUAL_NOISE of each feature's deviation."""
    noise = VISUAL_NOISE * torch.rand(len(visual), 1, device=visual.device)
    return visual + noise * visual.std(0) * torch.randn_like(visual)


def noise_for(n: int, device: torch.device) -> Tensor:
    return torch.randn(n, NOISE_CHANNELS, SKETCH_SIDE, SKETCH_SIDE, device=device)


def colour_loss(guess: Tensor, photo: Tensor) -> Tensor:
    """L1 of the whole and of three reductions of it, where colours are what the sketch says."""
    total = 0.5 * F.l1_loss(guess, photo)
    for _ in range(3):
        guess, photo = F.avg_pool2d(guess, 2), F.avg_pool2d(photo, 2)
        total = total + 0.5 * F.l1_loss(guess, photo)
    return total


class Training:
    """The nets, their optimizers and where a run stands."""

    def __init__(self, material: Material, device: torch.device, seed: int, rate: float, weights: Weights) -> None:
        torch.manual_seed(seed)
        self.device, self.rate, self.weights = device, rate, weights
        self.material = material
        self.photos = material.photos.to(device)
        self.visual = material.visual.to(device)
        # In two calls: torch's types know no `to` of both.
        self.refiner = SketchRefiner(self.visual.shape[1]).to(device).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.refiner).eval().requires_grad_(False)
        self.judges = Discriminators(self.visual.shape[1]).to(device)
        self.eyes = Eyes().to(device).to(memory_format=torch.channels_last)
        self.sketches = Sketches().to(device)
        some = torch.randperm(len(self.photos))[:3000].to(device)
        whole = F.interpolate(self.photos[some].float() / 127.5 - 1, (SIDE, SIDE), mode="bilinear", antialias=True)
        self.sketches.fit(whole)
        with torch.autocast(device.type, torch.bfloat16):
            self.eyes.fit(whole[:256])
        self.optimizer = torch.optim.AdamW(self.refiner.parameters(), rate, betas=(0.5, 0.99), weight_decay=0.01)
        self.judging = torch.optim.AdamW(self.judges.parameters(), 2e-4, betas=(0.0, 0.99))
        self.step, self.seconds = 0, 0.0
        self.curve: list[dict[str, float]] = []

    def state(self) -> dict[str, Any]:
        parts = ("refiner", "average", "judges", "optimizer", "judging")
        return {name: getattr(self, name).state_dict() for name in parts} | {
            "step": self.step,
            "seconds": self.seconds,
            "curve": self.curve,
        }

    def restore(self, state: dict[str, Any]) -> None:
        for name in ("refiner", "average", "judges", "optimizer", "judging"):
            getattr(self, name).load_state_dict(state[name])
        self.step, self.seconds, self.curve = state["step"], state["seconds"], state["curve"]

    def learn(self, batch: int, progress: float) -> dict[str, float]:
        """One step. `progress` 0..1 of the planned time: rates fall in the last third, judges join late."""
        rate = self.rate * min(1.0, (self.step + 1) / 200, max(0.02, (1 - progress) * 3))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        rows = torch.randint(len(self.photos), (batch,), device=self.device)
        photo = crops(self.photos[rows]).contiguous(memory_format=torch.channels_last)
        visual, seen = blurred(self.visual[rows]), glance()
        with torch.autocast(self.device.type, torch.bfloat16):
            guess = self.refiner(visual, self.sketches(photo), noise_for(batch, self.device))
            maps, whole = self.eyes(guess, seen)
            with torch.no_grad():
                true_maps, true_whole = self.eyes(photo, seen)
            losses = {
                "colour": colour_loss(guess, photo),
                "features": sum(F.smooth_l1_loss(a, b) for a, b in zip(maps, true_maps, strict=True)) / len(maps),
                "whole": 1 - F.cosine_similarity(whole.clamp(-6, 6), true_whole.clamp(-6, 6)).mean(),
            }
            adversarial = progress > 0.4
            if adversarial:
                self.judges.requires_grad_(False)
                losses["adversary"] = -sum(each.mean() for each in self.judges(maps, visual)) / len(JUDGED)
                self.judges.requires_grad_(True)
        total = sum(getattr(self.weights, name) * loss for name, loss in losses.items())
        self.optimizer.zero_grad(set_to_none=True)
        cast(Tensor, total).backward()
        nn.utils.clip_grad_norm_(self.refiner.parameters(), 1.0)
        self.optimizer.step()
        if progress > 0.35:
            with torch.autocast(self.device.type, torch.bfloat16):
                false = self.judges([each.detach() for each in maps], visual)
                true = self.judges(true_maps, visual)
                judged = sum(F.relu(1 + f).mean() + F.relu(1 - t).mean() for f, t in zip(false, true, strict=True))
            self.judging.zero_grad(set_to_none=True)
            cast(Tensor, judged).backward()
            self.judging.step()
            losses["judged"] = cast(Tensor, judged) / len(JUDGED)
        self.step += 1
        keep = min(AVERAGE, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mine, theirs in zip(self.average.parameters(), self.refiner.parameters(), strict=True):
                mine.lerp_(theirs, 1 - keep)
        return {name: float(cast(Tensor, loss).detach()) for name, loss in losses.items()}

    @torch.no_grad()
    def sheet(self, path: Path, count: int = 8) -> None:
        """Sketches, what is drawn over them and the photos, of fixed photos, to look at while training."""
        rows = torch.linspace(0, len(self.photos) - 1, count, device=self.device).long()
        whole = F.interpolate(self.photos[rows].float() / 127.5 - 1, (SIDE, SIDE), mode="bilinear", antialias=True)
        with torch.random.fork_rng():
            torch.manual_seed(1)
            sketch = self.sketches(whole)
            drawn = self.average(self.visual[rows], sketch, noise_for(count, self.device))
        lines = [F.interpolate(sketch, (SIDE, SIDE)), drawn.clamp(-1, 1), whole]
        grid = torch.cat([torch.cat(list(line), 2) for line in lines], 1)
        pixels = ((grid + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()
        Image.fromarray(pixels).resize((count * 128, 3 * 128), Image.Resampling.BICUBIC).save(path)


def main(
    pack: Annotated[Path, typer.Option(help="The packed photos (training.generator.material).")],
    out: Annotated[Path, typer.Option(help="Folder for the checkpoint, the curve, sheets and the weights.")],
    minutes: Annotated[float, typer.Option(help="How long to train in all, earlier runs included.")] = 50.0,
    device: str = "cpu",
    batch: int = 24,
    rate: float = 5e-4,
    seed: int = 0,
    threads: int = 1,
    adversary: float = Weights.adversary,
) -> None:
    """Trains until the time is over and saves the averaged refiner in half precision to OUT/refiner.safetensors."""
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    weights = Weights(adversary=adversary)
    training = Training(unpack(pack), torch.device(device), seed, rate, weights)
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        training.restore(torch.load(checkpoint, map_location=device, weights_only=True))
    torch.manual_seed(seed + training.step)
    last = saved = time.monotonic()
    sums: dict[str, float] = {}
    count = 0
    while training.seconds < 60 * minutes:
        losses = training.learn(batch, training.seconds / (60 * minutes))
        now = time.monotonic()
        training.seconds += now - last
        last = now
        count += 1
        sums = {name: sums.get(name, 0.0) + value for name, value in losses.items()}
        if training.step % 50 == 0:
            line = {name: round(value / count, 4) for name, value in sums.items()}
            training.curve.append({"step": training.step, "seconds": round(training.seconds), **line})
            typer.echo(json.dumps(training.curve[-1]))
            sums, count = {}, 0
        if now - saved > 120:
            saved = now
            _save(training, checkpoint)
            training.sheet(out / "sheet.png")
    _save(training, checkpoint)
    training.sheet(out / "sheet.png")
    note = {"weights": asdict(weights), "batch": batch, "rate": rate, "seed": seed, "seconds": training.seconds}
    (out / "curve.json").write_text(json.dumps(note | {"curve": training.curve}))


def _save(training: Training, checkpoint: Path) -> None:
    beside = checkpoint.with_suffix(".new")
    torch.save(training.state(), beside)
    beside.replace(checkpoint)
    weights = {name: tensor.half().contiguous() for name, tensor in training.average.state_dict().items()}
    save_file(weights, checkpoint.with_name("refiner.safetensors"), {"space": training.material.space})


if __name__ == "__main__":
    np.random.seed(0)
    typer.run(main)
