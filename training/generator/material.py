"""The photos the refiner learns from, packed into one file: small JPEGs and their points in the visual space.

    python -m training.generator.material --photos DIR --captions TSV --work DIR --space visual.pt --out pack.npz

The file is all that training on another machine needs (below 64 MiB for 12,000 photos).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from indexer.encoders.bundled.backbones import IMAGE_BACKBONES
from indexer.encoders.bundled.towers import VisualSpace
from training.encoder.data import cache_photos, read_captions, split, uncaptioned

# A photo squeezed to a square of this side; crops of 64 to 76 are enlarged or reduced to the picture's 64.
SIDE = 76
JPEG_QUALITY = 88


@dataclass(frozen=True)
class Material:
    """Photos (n, 3, 76, 76) uint8, their visual features (n, dim) before unit length, and the digest of the space."""

    photos: Tensor
    visual: Tensor
    space: str


def space_digest(space: VisualSpace) -> str:
    """Tells visual spaces apart, fitted or read from a head file: by what the file holds in half precision."""
    digest = hashlib.sha256()
    for part in (space.standardise.mean, space.standardise.deviation, space.deviations):
        digest.update(part.half().numpy().tobytes())
    return digest.hexdigest()


def is_same_space(one: VisualSpace, other: VisualSpace) -> bool:
    """Whether a vector means the same in both: fits of the same photos differ in rounding only, or in components."""
    if one.components.shape != other.components.shape:
        return False
    cosines = F.cosine_similarity(one.components, other.components, dim=0)
    same = torch.isclose(one.deviations, other.deviations, rtol=0.01).all()
    return bool(cosines.min() > 0.99 and same)


def load_space(path: Path) -> VisualSpace:
    """The visual space of a state that was saved while training the encoder."""
    state = torch.load(path, weights_only=True)
    channels, dim = state["components"].shape
    space = VisualSpace(channels, dim, len(state["hubs.bank"]))
    space.load_state_dict(state)
    return space


def pack(out: Path, files: Sequence[Path], visual: Tensor, space: str) -> None:
    """Writes the photos of `files`, squeezed and compressed, with their visual features (n, dim)."""
    packed = []
    for file in files:
        with Image.open(file) as image:
            small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC, reducing_gap=2.0)
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
        packed.append(np.frombuffer(buffer.getvalue(), np.uint8))
    np.savez(
        out,
        jpegs=np.concatenate(packed),
        ends=np.cumsum([len(each) for each in packed]),
        visual=visual.half().numpy(),
        space=np.array(space),
    )


def unpack(path: Path) -> Material:
    """Reads a packed file whole: 17 KB a photo."""
    with np.load(path) as held:
        jpegs, ends, visual, space = held["jpegs"], held["ends"], held["visual"], str(held["space"])
    photos: NDArray[np.uint8] = np.empty((len(ends), 3, SIDE, SIDE), dtype=np.uint8)
    for row, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        with Image.open(io.BytesIO(jpegs[start:end].tobytes())) as image:
            photos[row] = np.asarray(image).transpose(2, 0, 1)
    return Material(torch.from_numpy(photos), torch.from_numpy(visual).float(), space)


def main(
    photos: Annotated[Path, typer.Option(help="Folder of the captioned photos; their test set is left out.")],
    captions: Annotated[Path, typer.Option(help="TSV: file name, tab, caption.")],
    work: Annotated[Path, typer.Option(help="The encoder's training folder, with its features.")],
    space: Annotated[Path, typer.Option(help="The state of the visual space, as training the encoder saves it.")],
    out: Annotated[Path, typer.Option(help="The packed file to write.")],
    everyday: Annotated[Path | None, typer.Option(help="A folder of more photos, features in WORK/everyday.")] = None,
    backbones: str = "lite2,lite0",
) -> None:
    """Packs the photos that the refiner may learn from."""
    eyes = [IMAGE_BACKBONES[name] for name in backbones.split(",")]
    names = read_captions(captions).names
    parts = split(names)
    learn = np.sort(np.concatenate([parts.train, parts.dev]))
    visual_space = load_space(space)
    files = [photos / names[row] for row in learn]
    wholes = [cache_photos(work, photos, names, 1, eyes)[0].tokens[learn, 0]]
    if everyday is not None:
        more = uncaptioned(everyday)
        files += [everyday / name for name in more]
        wholes.append(cache_photos(work / "everyday", everyday, more, 1, eyes)[0].tokens[:, 0])
    with torch.inference_mode():
        visual = visual_space.whitened(torch.from_numpy(np.concatenate(wholes).astype(np.float32)))
    pack(out, files, visual, space_digest(visual_space))
    typer.echo(f"{len(files)} photos, {out.stat().st_size / 2**20:.1f} MiB")


if __name__ == "__main__":
    typer.run(main)
