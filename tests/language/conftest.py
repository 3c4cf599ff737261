"""A tiny randomly initialised chat model on disk, and a server on this machine that answers as a test wants."""

from __future__ import annotations

import json
import string
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch

TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
WORDS = ["<pad>", "<unk>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", *string.ascii_lowercase, " ", "."]


def save_chat_model(folder: Path, template: str | None = TEMPLATE) -> Path:
    """A Llama of 5,000 weights that reads and writes single letters."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(word, special=True) for word in WORDS[:6]])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", eos_token="<|end|>", chat_template=template
    )
    torch.manual_seed(3)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(WORDS),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=256,
            # Wide enough that the likeliest letters differ from place to place.
            initializer_range=0.5,
            bos_token_id=None,
            eos_token_id=2,
            pad_token_id=0,
        )
    )
    # As chat models are saved: with sampling settings, which a greedy answer must not follow.
    model.generation_config.update(do_sample=True, temperature=0.7, top_p=0.9)
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture
def save_model() -> Callable[[Path, str | None], Path]:
    """Saves the tiny model to a folder with a chat template of the test's own."""
    return save_chat_model


@pytest.fixture(scope="session")
def chat_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_chat_model(tmp_path_factory.mktemp("llm") / "tiny-chat")


@dataclass
class Server:
    """A real HTTP server. `answers` (status, body) are given one after the other, then `status` and `body` for ever;
    `asked` holds what it was asked."""

    url: str
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drip: float = 0.0
    asked: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    answers: list[tuple[int, bytes]] = field(default_factory=list)

    def say(self, text: object) -> None:
        """Answers with a chat completion of this content from now on."""
        self.body = json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


@pytest.fixture
def server() -> Iterator[Server]:
    stopping = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = self.rfile.read(int(self.headers["Content-Length"]))
            state.asked.append((self.path, dict(self.headers), json.loads(question)))
            stopping.wait(state.delay)
            if state.answers:
                state.status, state.body = state.answers.pop(0)
            self.send_response(state.status)
            for name, value in state.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(state.body)))
            self.end_headers()
            try:
                if not state.drip:
                    self.wfile.write(state.body)
                for byte in state.body if state.drip else b"":
                    if stopping.wait(state.drip):
                        return
                    self.wfile.write(bytes([byte]))
            except OSError:  # The client gave up, which is what such a test is about.
                pass

        def log_message(self, *arguments: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    state = Server(f"http://127.0.0.1:{http.server_address[1]}")
    state.say("a dog on a beach")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    stopping.set()
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def timed() -> Callable[[], float]:
    """Seconds since the test began."""
    start = time.monotonic()
    return lambda: time.monotonic() - start
