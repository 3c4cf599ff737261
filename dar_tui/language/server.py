"""A language model behind an OpenAI-compatible server: Ollama, llama.cpp, vLLM, LM Studio.

Talks to the address it was given and to no other: no proxies, no redirects. Knows nothing of what is asked.
"""

from __future__ import annotations

import http.client
import json
import select
import socket
import time
from collections.abc import Sequence
from typing import Any, NoReturn
from urllib.parse import SplitResult, urlsplit

from dar_tui.cancellation import Cancelled, Stopped, never
from indexer.errors import ModelUnavailable, UsageError

# A local server may first load the model, up to a minute from a slow disk, and then writes 10 tokens a second on a CPU.
ANSWER_SECONDS = 120.0

# A server on this machine or network answers the door at once.
CONNECT_SECONDS = 5.0

# How soon Esc is heeded while the server thinks.
POLL_SECONDS = 0.1

# Answers are a few kilobytes; a server that sends more is not answering us.
MAX_ANSWER_BYTES = 4_000_000

_ELSE = "or use `--language rules`"


class ServerModel:
    """One model on one server. Holds no connection between calls; threads may share it."""

    def __init__(self, url: str, model: str, *, api_key: str = "", answer_seconds: float = ANSWER_SECONDS) -> None:
        """`url` is the server's root (`http://localhost:11434`), its `/v1`, or the whole path of chat completions.

        Raises UsageError for an address that cannot be one. The server is first asked by `complete`.
        """
        self._address = _parse(url)
        self._model = model
        self._answer_seconds = answer_seconds
        if not (api_key.isascii() and (api_key.isprintable())):
            raise UsageError("The server's key holds characters that no key has.", "Copy the key again.")
        self._api_key = api_key
        self.id = f"server:{url}#{model}"

    def complete(
        self,
        system: str,
        user: str,
        max_tokens: int,
        *,
        stop: Sequence[str] = (),
        cancelled: Cancelled = never,
    ) -> str:
        """As `LanguageModel.complete`; ends before any text in `stop`. Raises Stopped once `cancelled()`."""
        question: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
            "max_tokens": max_tokens,
            "temperature": 0,
            "stream": False,
        }
        if stop:
            question["stop"] = list(stop)
        status, body = self._ask(json.dumps(question).encode(), cancelled)
        if status != 200:
            self._refused(status, body)
        return self._answer(body)

    def _ask(self, body: bytes, cancelled: Cancelled) -> tuple[int, bytes]:
        deadline = time.monotonic() + self._answer_seconds
        kind = http.client.HTTPSConnection if self._address.scheme == "https" else http.client.HTTPConnection
        connection = kind(
            str(self._address.hostname), self._address.port, timeout=min(CONNECT_SECONDS, self._answer_seconds)
        )
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Connection": "close"}
        if self._api_key:
            headers["Authorization"] = f"Bearer {self._api_key}"
        try:
            try:
                connection.connect()
            except TimeoutError as error:
                raise OSError("it does not answer") from error
            connection.request("POST", self._address.path, body, headers)
            channel: socket.socket = connection.sock
            _wait(channel, deadline, cancelled)
            channel.settimeout(_remaining(deadline))
            response = connection.getresponse()
            return response.status, _read(response, channel, deadline, cancelled)
        except TimeoutError as error:
            raise ModelUnavailable(
                f"The language server {self._origin} took longer than {self._answer_seconds:g} s to answer.",
                f"Choose a smaller model, {_ELSE}.",
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise ModelUnavailable(
                f"The language server {self._origin} cannot be reached: {_cause(error)}.",
                f"Start it (for example `ollama serve`) and check the address, {_ELSE}.",
            ) from error
        finally:
            connection.close()

    def _refused(self, status: int, body: bytes) -> NoReturn:
        said = _server_message(body)
        message = f"The language server {self._origin} answered {status}" + (f": {said}." if said else ".")
        if status in (401, 403):
            raise ModelUnavailable(message, f"Give the server's key, {_ELSE}.")
        if status == 404:
            raise ModelUnavailable(
                message, f"Check that it has the model {self._model} and speaks OpenAI's chat completions, {_ELSE}."
            )
        if 300 <= status < 400:
            raise ModelUnavailable(message, f"Redirects are not followed: give the final address, {_ELSE}.")
        raise ModelUnavailable(message, f"Look into the server's log, {_ELSE}.")

    def _answer(self, body: bytes) -> str:
        try:
            content = json.loads(body)["choices"][0]["message"]["content"]
        # RecursionError is a JSON of thousands of brackets.
        except (ValueError, KeyError, IndexError, TypeError, RecursionError):
            content = None
        if not isinstance(content, str):
            raise ModelUnavailable(
                f"The language server {self._origin} answered, but not with a chat completion.",
                f"Check that the address is an OpenAI-compatible server's, {_ELSE}.",
            )
        return content.strip()

    @property
    def _origin(self) -> str:
        return f"{self._address.scheme}://{self._address.netloc}"


def _parse(url: str) -> SplitResult:
    hint = "Give an address such as `http://localhost:11434`."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"{url!r} is not a server's address: {error}.", hint) from error
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise UsageError(f"{url!r} is not a server's address: it must begin with http:// or https://.", hint)
    if parts.username is not None or parts.query or not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError(f"{url!r} is not a server's address: it holds more than a host, port and path.", hint)
    path = parts.path.rstrip("/")
    if not path.endswith("/chat/completions"):
        path += "/chat/completions" if path.endswith("/v1") else "/v1/chat/completions"
    return parts._replace(path=path)


def _wait(channel: socket.socket, deadline: float, cancelled: Cancelled) -> None:
    """Waits for the first byte of the answer, looking for cancellation meanwhile."""
    while not select.select([channel], [], [], min(POLL_SECONDS, _remaining(deadline)))[0]:
        if cancelled():
            raise Stopped


def _read(response: http.client.HTTPResponse, channel: socket.socket, deadline: float, cancelled: Cancelled) -> bytes:
    # Piece by piece: a timeout holds for one piece only, and a server may drip for ever.
    pieces = bytearray()
    while not response.isclosed():
        if cancelled():
            raise Stopped
        channel.settimeout(_remaining(deadline))
        piece = response.read1(65536)
        if not piece:
            break
        pieces += piece
        if len(pieces) > MAX_ANSWER_BYTES:
            raise OSError("its answer has no end")
    return bytes(pieces)


def _remaining(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _server_message(body: bytes) -> str:
    """The reason a server gives, in OpenAI's or Ollama's form, one line of it."""
    try:
        said = json.loads(body)["error"]
        said = said["message"] if isinstance(said, dict) else said
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    printable = "".join(character if character.isprintable() else " " for character in str(said))
    return " ".join(printable.split()).rstrip(".")[:200]


def _cause(error: BaseException) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(error, socket.gaierror):
        return "the name is not known"
    text = (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0]
    return "".join(character for character in text if character.isprintable())[:200]
