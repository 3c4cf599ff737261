"""An instruct model run by transformers on this machine.

Weights come from safetensors or GGUF files that are already here; code that comes with a model is never run. Knows
nothing of what is asked.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence
from typing import Any

import torch

from dar_tui.cancellation import Cancelled, Stopped, never
from indexer.errors import ModelUnavailable
from indexer.runtime import Checkpoint, dtype_for, find_checkpoint, first_line, quiet_libraries, resolve_device


class TransformersModel:
    """A causal language model with a chat template. Threads may share it: they take turns."""

    def __init__(self, name: str, device: str = "auto", *, gguf_file: str = "") -> None:
        """Loads `name`, a hub id or a folder; with `gguf_file` that one file in it.

        Raises ModelUnavailable where the files are missing, unsafe, or not of a model that answers questions.
        """
        self._device = resolve_device(device)
        # transformers reads GGUF through both, and dar needs neither for anything else.
        missing = [name for name in ("gguf", "accelerate") if gguf_file and importlib.util.find_spec(name) is None]
        if missing:
            packages = " ".join(missing)
            raise ModelUnavailable(f"GGUF files need the Python packages {packages}.", f"Run `pip install {packages}`.")

        checkpoint = find_checkpoint(name, gguf_file or "config.json")
        self.id = f"transformers:{name}{'#' if gguf_file else ''}{gguf_file}@{checkpoint.fingerprint}"
        self._tokenizer, self._model = _load(checkpoint, gguf_file, self._device)
        self._turn = threading.Lock()

    def complete(
        self,
        system: str,
        user: str,
        max_tokens: int,
        *,
        stop: Sequence[str] = (),
        cancelled: Cancelled = never,
    ) -> str:
        """As `LanguageModel.complete`, the likeliest token each time; ends before any text in `stop`.

        Raises Stopped once `cancelled()`, ModelUnavailable where the question is too long or memory runs out.
        """
        from transformers import StoppingCriteriaList

        inputs = self._ask(system, user).to(self._device)
        asked = int(inputs["input_ids"].shape[1])
        limit = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        if limit is not None and asked + max_tokens > limit:
            raise ModelUnavailable(
                f"The question takes {asked} tokens and the answer {max_tokens}; {self.id} reads {limit}.",
                "Choose a model with a longer context, or use `--language rules`.",
            )

        def stopped(ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:
            return torch.full((ids.shape[0],), cancelled(), dtype=torch.bool, device=ids.device)

        try:
            with self._turn, quiet_libraries():
                output = self._model.generate(
                    **inputs,
                    max_new_tokens=max_tokens,
                    do_sample=False,
                    # Models are saved with sampling settings, which mean nothing here and are warned about.
                    temperature=None,
                    top_p=None,
                    top_k=None,
                    pad_token_id=self._pad_token(),
                    stopping_criteria=StoppingCriteriaList([stopped]),
                    **({"stop_strings": list(stop), "tokenizer": self._tokenizer} if stop else {}),
                )
        except torch.OutOfMemoryError as error:
            raise ModelUnavailable(
                f"{self.id} does not fit into the memory of {self._device}.", "Choose a smaller model."
            ) from error
        if cancelled():
            raise Stopped
        text = str(self._tokenizer.decode(output[0, asked:], skip_special_tokens=True))
        ends = [text.index(word) for word in stop if word in text]
        return text[: min(ends, default=len(text))].strip()

    def _ask(self, system: str, user: str) -> Any:
        from jinja2.exceptions import TemplateError

        try:
            return self._template([{"role": "system", "content": system}, {"role": "user", "content": user}])
        # Some models (Gemma, early Mistral) know no system role, and their templates say so by failing.
        except TemplateError:
            return self._template([{"role": "user", "content": f"{system}\n\n{user}"}])

    def _template(self, messages: list[dict[str, str]]) -> Any:
        return self._tokenizer.apply_chat_template(
            messages,
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
            # Models that think aloud (Qwen 3) would spend the whole answer on it; others ignore this.
            enable_thinking=False,
        )

    def _pad_token(self) -> int | None:
        pad: int | None = self._tokenizer.pad_token_id
        end: int | None = self._tokenizer.eos_token_id
        return pad if pad is not None else end


def _load(checkpoint: Checkpoint, gguf_file: str, device: torch.device) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    arguments: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    if gguf_file:
        arguments["gguf_file"] = gguf_file
    try:
        with quiet_libraries():
            tokenizer = AutoTokenizer.from_pretrained(checkpoint.folder, **arguments)
            model: torch.nn.Module = AutoModelForCausalLM.from_pretrained(
                checkpoint.folder, dtype=dtype_for(device), use_safetensors=True, **arguments
            )
            model = model.to(device).eval()
    # The library raises whatever a damaged or foreign file runs into: KeyError, SafetensorError, ImportError ...
    except Exception as error:
        raise ModelUnavailable(
            f"The language model {checkpoint.name} cannot be loaded: {first_line(error)}.",
            f"It must be a causal language model in safetensors or GGUF; try `dar models pull {checkpoint.name}`.",
        ) from error
    if not tokenizer.chat_template:
        raise ModelUnavailable(
            f"The language model {checkpoint.name} has no chat template: it continues texts, and answers no questions.",
            "Choose its instruct or chat version.",
        )
    return tokenizer, model
