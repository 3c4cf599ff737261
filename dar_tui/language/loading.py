"""Which language model a spec names, and how it is loaded.

Importing this module loads no model library. Knows nothing of what the models are asked.
"""

from __future__ import annotations

from collections.abc import Callable

from dar_tui.language import LanguageModel
from indexer.errors import UsageError

RULES = "rules"

_EXAMPLES = "Use `rules`, `transformers:MODEL` or `server:http://localhost:11434#MODEL`."


def load_language(spec: str = RULES, device: str = "auto", *, api_key: str = "") -> LanguageModel | None:
    """Loads the language model that `spec` names; None for `rules`, which needs no model.

    `transformers:NAME`, a hub id or folder, with `#FILE.gguf` for one GGUF file in it. `server:URL#MODEL`, any server
    that speaks OpenAI's chat completions; `api_key` goes to it alone. Nothing is downloaded.
    Raises UsageError for a spec that means nothing, ModelUnavailable where a model cannot be used.
    """
    family, _, rest = spec.partition(":")
    if spec == RULES:
        return None
    loaders: dict[str, Callable[[], LanguageModel]] = {
        "transformers": lambda: _transformers(rest, device),
        "server": lambda: _server(rest, api_key),
    }
    if family not in loaders:
        hint = f"Did you mean `server:{spec}`?" if family in ("http", "https") else _EXAMPLES
        raise UsageError(f"There is no language model {spec!r}.", hint)
    if not rest:
        raise UsageError(f"The spec {spec!r} names no model.", _EXAMPLES)
    return loaders[family]()


def _transformers(rest: str, device: str) -> LanguageModel:
    name, _, file = rest.rpartition("#")
    if not file.endswith(".gguf"):  # A folder's own name may hold a "#".
        name, file = rest, ""
    from dar_tui.language.transformers_model import TransformersModel

    return TransformersModel(name, device, gguf_file=file)


def _server(rest: str, api_key: str) -> LanguageModel:
    url, _, model = rest.partition("#")
    if not model:
        raise UsageError(f"The spec `server:{rest}` names no model.", f"For example `server:{url}#llama3.2`.")
    from dar_tui.language.server import ServerModel

    return ServerModel(url, model, api_key=api_key)
