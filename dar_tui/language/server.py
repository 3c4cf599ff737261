"""A language model behind an OpenAI-compatible server: Ollama, llama.cpp, vLLM, LM Studio.

Talks to the address it was given and to no other: no proxies, no redirects. Knows nothing of what is asked.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Mapping, Sequence
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

# Asks models that think before they answer not to: Ollama reads the first (github.com/ollama/ollama/issues/14820), vLLM
# and llama.cpp hand the second to the model's chat template (docs.vllm.ai, Reasoning Outputs). Others may refuse both.
_NO_THINKING: Mapping[str, Any] = {"reasoning_effort": "none", "chat_template_kwargs": {"enable_thinking": False}}

# Tokens more for a model that thinks all the same: small ones need some hundreds for a sentence.
THINKING_TOKENS = 2000

# What a model thought, where the server left it in the answer: Qwen's and DeepSeek's form, and the channels of gpt-oss.
_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL)
_CHANNEL, _MESSAGE = "<|channel|>", "<|message|>"

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
        # What this server and model turned out to want: found out once, by their first answers.
        self._takes_no_thinking = self._takes_system = True
        self._thinks = False
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
        status, body = self._ask(self._question(system, user, max_tokens, stop), cancelled)
        if status in (400, 422, 500) and self._takes_system and _is_about_system_role(body):
            # Templates such as Gemma's first know the user only.
            self._takes_system = False
            status, body = self._ask(self._question(system, user, max_tokens, stop), cancelled)
        if status in (400, 422) and self._takes_no_thinking:
            self._takes_no_thinking = False
            status, body = self._ask(self._question(system, user, max_tokens, stop), cancelled)
        if status != 200:
            self._refused(status, body)
        answer, has_thought = self._answer(body)
        if not answer and has_thought and not self._thinks:
            self._thinks = True
            status, body = self._ask(self._question(system, user, max_tokens, stop), cancelled)
            if status != 200:
                self._refused(status, body)
            answer, has_thought = self._answer(body)
        if not answer and has_thought:
            raise ModelUnavailable(
                f"The model {self._model} only thought: no answer within {max_tokens + THINKING_TOKENS} tokens.",
                f"Choose a model that answers at once (often called instruct), {_ELSE}.",
            )
        return answer

    def _question(self, system: str, user: str, max_tokens: int, stop: Sequence[str]) -> bytes:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        if not self._takes_system:
            messages = [{"role": "user", "content": f"{system}\n\n{user}"}]
        question: dict[str, Any] = {
            "model": self._model,
            "messages": messages,
            "max_tokens": max_tokens + (THINKING_TOKENS if self._thinks else 0),
            "temperature": 0,
            "stream": False,
        }
        if self._takes_no_thinking:
            question |= _NO_THINKING
        # A thought has lines of its own, at which it would be cut off.
        if stop and not self._thinks:
            question["stop"] = list(stop)
        return json.dumps(question).encode()

    def _ask(self, body: bytes, cancelled: Cancelled) -> tuple[int, bytes]:
        """The answer's status and body. Raises Stopped once `cancelled()`, whatever the server is doing."""
        # Under TLS a connection is readable long before the answer comes, and connecting cannot be looked into at all:
        # only another thread can wait for either.
        call = _Call(self._connection(), self._address.path, body, self._headers, self._answer_seconds)
        waiting = threading.Thread(target=call.run, name="language-server", daemon=True)
        waiting.start()
        deadline = time.monotonic() + self._answer_seconds
        try:
            while not call.done.wait(min(POLL_SECONDS, _remaining(deadline))):
                if cancelled():
                    raise Stopped
            if call.error is not None:
                raise call.error
            return call.status, call.answer
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
            call.end()

    def _connection(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._address.scheme == "https" else http.client.HTTPConnection
        return kind(str(self._address.hostname), self._address.port, timeout=min(CONNECT_SECONDS, self._answer_seconds))

    @property
    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Connection": "close"}
        return headers | ({"Authorization": f"Bearer {self._api_key}"} if self._api_key else {})

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

    def _answer(self, body: bytes) -> tuple[str, bool]:
        """The text without what was thought, and whether anything was."""
        try:
            message = json.loads(body)["choices"][0]["message"]
            content = message.get("content")
            thought = message.get("reasoning_content") or message.get("reasoning")
        # RecursionError is a JSON of thousands of brackets.
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            content = thought = None
        if content is None and isinstance(thought, str):
            return "", True
        if not isinstance(content, str):
            raise ModelUnavailable(
                f"The language server {self._origin} answered, but not with a chat completion.",
                f"Check that the address is an OpenAI-compatible server's, {_ELSE}.",
            )
        answer = without_thoughts(content)
        return answer, bool(thought) or answer != content.strip()

    @property
    def _origin(self) -> str:
        return f"{self._address.scheme}://{self._address.netloc}"


def without_thoughts(text: str) -> str:
    """An answer without what the model wrote for itself before it."""
    if _CHANNEL in text:
        final = text.rpartition(f"{_CHANNEL}final{_MESSAGE}")
        text = final[2].partition("<|")[0] if final[1] else ""
    # Some chat templates open the thought in the prompt, so that only its end is in the answer.
    before, end, after = text.partition("</think>")
    if end and "<think>" not in before:
        text = after
    return _THOUGHT.sub("", text).strip()


def _is_about_system_role(body: bytes) -> bool:
    said = _server_message(body).lower()
    return "system" in said and "role" in said


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


class _Call:
    """One request, run in a thread of its own; `done` is set once `status` and `answer`, or `error`, are there."""

    def __init__(
        self, connection: http.client.HTTPConnection, path: str, body: bytes, headers: dict[str, str], seconds: float
    ) -> None:
        self.done = threading.Event()
        self.status = 0
        self.answer = b""
        self.error: Exception | None = None
        self._connection = connection
        self._request = path, body, headers
        self._deadline = time.monotonic() + seconds
        self._ended = False

    def run(self) -> None:
        """Asks, and reads the answer."""
        try:
            self._run()
        except Exception as error:  # Whatever it is, the thread that waits raises it.
            self.error = error
        finally:
            self._connection.close()
            self.done.set()

    def end(self) -> None:
        """Wakes the thread up if it still waits: nobody wants the answer any more."""
        self._ended = True
        channel = self._connection.sock
        if channel is not None and not self.done.is_set():
            with contextlib.suppress(OSError):
                # The socket's own, below TLS, which would say goodbye first and wait for an answer.
                socket.socket.shutdown(channel, socket.SHUT_RDWR)

    def _run(self) -> None:
        try:
            self._connection.connect()
        except TimeoutError as error:
            raise OSError("it does not answer") from error
        if self._ended:
            return
        path, body, headers = self._request
        self._connection.request("POST", path, body, headers)
        channel: socket.socket = self._connection.sock
        channel.settimeout(_remaining(self._deadline))
        response = self._connection.getresponse()
        self.status = response.status
        # Piece by piece: a timeout holds for one piece only, and a server may drip for ever.
        pieces = bytearray()
        while not response.isclosed() and not self._ended:
            channel.settimeout(_remaining(self._deadline))
            piece = response.read1(65536)
            if not piece:
                break
            pieces += piece
            if len(pieces) > MAX_ANSWER_BYTES:
                raise OSError("its answer has no end")
        self.answer = bytes(pieces)


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
