"""Writes the trained generator as what ships: ONNX graphs with half-precision weights, and arrays.

    python -m training.generator.export --weights OUT/refiner.safetensors --space visual.pt

adds a trained refiner to the generator that ships, for the visual space it was trained in.
"""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from dar_tui.imagine.bundled import FOLDER
from dar_tui.imagine.bundled.model import FeatureDenoiser, SketchDecoder, SketchRefiner, WordBag
from dar_tui.imagine.bundled.sampler import ARRAYS, DENOISER, NOISE_CHANNELS, REFINER, REFINER_SPACE, TRAINED_FOR
from indexer.encoders.bundled.graphs import HEADS_FILE
from indexer.encoders.bundled.towers import load_heads
from training.generator.material import is_same_space, load_space, space_digest

# Weights smaller than this (biases, scales) stay in single precision: they cost nothing.
LEAST_HALVED = 4096
SKETCH_SIDE = 32


def export_generator(
    folder: Path, denoiser: FeatureDenoiser, decoder: SketchDecoder, words: WordBag, *, heads: str, space: str
) -> None:
    """Writes denoiser, decoder and words, and the digests of the heads and the visual space they were trained for."""
    folder.mkdir(parents=True, exist_ok=True)
    example = {
        "sample": torch.zeros(2, decoder.sample_dim),
        "time": torch.zeros(2),
        "condition": torch.zeros(2, denoiser.condition.in_features),
    }
    write_graph(denoiser.float().eval(), example, folder / DENOISER, "clean")
    arrays = {name: tensor.half().contiguous() for name, tensor in decoder.state_dict().items()}
    arrays["visual_scale"] = arrays["visual_scale"].reshape(1)
    arrays["hub_coordinate"] = torch.tensor([decoder.hub_coordinate])
    arrays["word_ids"], arrays["word_weights"] = words.ids.to(torch.int32), words.weights.half()
    save_file(arrays, folder / ARRAYS)
    (folder / TRAINED_FOR).write_text(json.dumps({"heads": heads, "space": space}, indent=2) + "\n")


def export_refiner(folder: Path, refiner: SketchRefiner, space: str) -> None:
    """Writes a refiner, and the digest of the visual space it draws from."""
    folder.mkdir(parents=True, exist_ok=True)
    example = {
        "visual": torch.zeros(2, refiner.visual_dim),
        "sketch": torch.zeros(2, 3, SKETCH_SIDE, SKETCH_SIDE),
        "noise": torch.zeros(2, NOISE_CHANNELS, SKETCH_SIDE, SKETCH_SIDE),
    }
    write_graph(refiner.float().eval(), example, folder / REFINER, "picture")
    (folder / REFINER_SPACE).write_text(json.dumps({"space": space}, indent=2) + "\n")


def write_graph(module: nn.Module, example: Mapping[str, Tensor], path: Path, output: str) -> None:
    """Exports a module of batched inputs; large weights are stored as float16 and computed with as float32."""
    rows: Any = torch.export.Dim("n")
    # The exporter reports its own progress on stdout.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            tuple(example.values()),
            path,
            input_names=list(example),
            output_names=[output],
            dynamic_shapes=tuple({0: rows} for _ in example),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    _halve(path)


def _halve(path: Path) -> None:
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(path)
    casts = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype == np.float32 and values.size >= LEAST_HALVED:
            name = weight.name
            weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
            casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(casts + nodes)
    # What the exporter notes of shapes and of its own source would be larger than some of the weights.
    del model.graph.value_info[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    onnx.save(model, path)


def load_refiner(weights: Path) -> SketchRefiner:
    """A refiner as `training.generator.refine` saves it, its sizes read off the tensors."""
    tensors = {name: tensor.float() for name, tensor in load_file(weights).items()}
    widths = [len(tensors[f"{name}.bias"]) for name in ("place", "enter", "again", "finest")]
    refiner = SketchRefiner(tensors["style.0.weight"].shape[1], len(tensors["style.0.bias"]), widths)
    refiner.load_state_dict(tensors)
    return refiner.eval()


def main(
    weights: Annotated[Path, typer.Option(help="What training the refiner saved.")],
    space: Annotated[Path, typer.Option(help="The state of the visual space it was packed with.")],
    out: Path = FOLDER,
) -> None:
    """Adds a refiner to a generator's folder; raises typer.BadParameter if it was trained in another visual space."""
    ours = load_heads(HEADS_FILE).visual
    if not is_same_space(load_space(space), ours):
        raise typer.BadParameter(f"{space} is not the visual space of {HEADS_FILE}.")
    export_refiner(out, load_refiner(weights), space_digest(ours))


if __name__ == "__main__":
    typer.run(main)
