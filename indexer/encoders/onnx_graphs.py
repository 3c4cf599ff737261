"""ONNX graphs: made from torch modules, written whole, and opened on ONNX Runtime.

Knows nothing of what a graph computes.
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.errors import ModelUnavailable

if TYPE_CHECKING:
    from torch import nn


def open_graph(path: Path, threads: int) -> Any:
    """An ONNX Runtime session on the CPU that uses `threads` cores (0: all); raises ModelUnavailable if it cannot."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Spinning workers gain nothing at these sizes and burn the core that decodes photos or paints the screen.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises bare pybind exceptions with no common base
        raise ModelUnavailable(
            f"The prepared graph {path} cannot be loaded: {error}", f"rm -r '{path.parent}' and run the command again."
        ) from error


def export_graph(
    module: nn.Module, example: object, target: Path, input_name: str, outputs: list[str], dynamic: dict[int, object]
) -> None:
    """Writes `module` as a graph; `dynamic` are the `torch.export.Dim`s of its one input, by axis."""
    import torch

    # The exporter reports its own progress on stdout, where only results may go.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (example,),
            target,
            input_names=[input_name],
            output_names=outputs,
            dynamic_shapes=(dynamic,),
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def available_cores() -> int:
    """The cores this process may use: a container or `taskset` may allow fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
