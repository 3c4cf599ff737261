"""The OpenAI-compatible client against a real server on this machine: answering, refusing, slow, talking nonsense."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from dar_tui.cancellation import Stopped
from dar_tui.language.loading import load_language
from dar_tui.language.server import MAX_ANSWER_BYTES, ServerModel
from indexer.errors import ModelUnavailable, UsageError

Seconds = Callable[[], float]


def test_asks_in_openais_form_and_returns_the_text(server: Any) -> None:
    model = load_language(f"server:{server.url}#llama3.2")
    assert model is not None
    server.say("  a собака 🐕 on a beach\n")
    assert model.complete("Rewrite.", "a dög", 50) == "a собака 🐕 on a beach"
    [(path, headers, question)] = server.asked
    assert path == "/v1/chat/completions"
    assert "Authorization" not in headers
    assert question == {
        "model": "llama3.2",
        "messages": [{"role": "system", "content": "Rewrite."}, {"role": "user", "content": "a dög"}],
        "max_tokens": 50,
        "temperature": 0,
        "stream": False,
        "reasoning_effort": "none",
        "chat_template_kwargs": {"enable_thinking": False},
    }


def test_stops_and_key_are_passed_on(server: Any) -> None:
    ServerModel(server.url, "m", api_key="secret-1").complete("s", "u", 5, stop=["\n"])
    [(_, headers, question)] = server.asked
    assert headers["Authorization"] == "Bearer secret-1"
    assert question["stop"] == ["\n"]


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/", "/v1/chat/completions"),
        ("/v1", "/v1/chat/completions"),
        ("/v1/", "/v1/chat/completions"),
        ("/api/v1", "/api/v1/chat/completions"),
        ("/proxy", "/proxy/v1/chat/completions"),
        ("/v1/chat/completions", "/v1/chat/completions"),
    ],
)
def test_every_common_form_of_the_address(path: str, asked: str, server: Any) -> None:
    ServerModel(server.url + path, "m").complete("s", "u", 5)
    assert server.asked[0][0] == asked


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, b'{"error": {"message": "context too long.\\nbye"}}', "answered 400: context too long. bye."),
        (401, b"", "answered 401."),
        (404, b'{"error": "model not found"}', "answered 404: model not found."),
        (429, b"[]", "answered 429."),
        (500, b'{"error": null}', "answered 500"),
        (503, b"<html>" + b"x" * 5000, "answered 503."),
        (301, b"", "answered 301."),
    ],
)
def test_refusals_say_why_and_what_to_do(status: int, body: bytes, said: str, server: Any) -> None:
    server.status, server.body = status, body
    server.headers = {"Location": "http://example.invalid/"} if status == 301 else {}
    with pytest.raises(ModelUnavailable) as caught:
        ServerModel(server.url, "m", api_key="secret-1").complete("s", "u", 5)
    assert said in caught.value.message and server.url in caught.value.message
    assert "--language rules" in caught.value.hint
    assert "secret-1" not in caught.value.message + caught.value.hint
    # 400 may be about the fields that other servers know, so it is asked once more without.
    assert len(server.asked) == (2 if status == 400 else 1)


def chat(message: object) -> tuple[int, bytes]:
    return 200, json.dumps({"choices": [{"message": message}]}).encode()


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        ("<think>A dog?\nYes.</think>\n\na dog on a beach", "a dog on a beach"),
        ("Okay, the user wants a dog.</think>a dog", "a dog"),
        ("<thinking>hm</thinking>a dog", "a dog"),
        (
            "<|channel|>analysis<|message|>A dog.<|end|><|start|>assistant<|channel|>final<|message|>a dog<|return|>",
            "a dog",
        ),
        ("a dog </think", "a dog </think"),
        ("1 < 2 and a <b>dog</b>", "1 < 2 and a <b>dog</b>"),
    ],
)
def test_thoughts_are_no_part_of_the_answer(content: str, answer: str, server: Any) -> None:
    server.say(content)
    assert ServerModel(server.url, "m").complete("s", "u", 5) == answer
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "thinking",
    [
        {"content": None, "reasoning_content": "The user wants"},
        {"content": "", "reasoning": "The user wants"},
        {"content": "<think>The user wants"},
        {"content": "<|channel|>analysis<|message|>The user wants"},
    ],
)
def test_a_model_that_only_thinks_gets_room_for_an_answer_once_and_from_then_on(
    thinking: dict[str, object], server: Any
) -> None:
    server.answers = [chat(thinking), chat({"content": "a dog"}), chat({"content": "a cat"}), chat(thinking)]
    model = ServerModel(server.url, "m")
    assert model.complete("s", "u", 50, stop=["\n"]) == "a dog"
    assert model.complete("s", "u", 50, stop=["\n"]) == "a cat"
    assert [question["max_tokens"] for _, _, question in server.asked] == [50, 2050, 2050]
    assert ["stop" in question for _, _, question in server.asked] == [True, False, False]
    with pytest.raises(ModelUnavailable, match="only thought"):
        model.complete("s", "u", 50)


def test_a_server_that_refuses_the_fields_is_asked_without_them(server: Any) -> None:
    unknown = 400, b'{"error": {"message": "Unrecognized request argument supplied: chat_template_kwargs"}}'
    server.answers = [unknown, chat({"content": "a dog"}), chat({"content": "a cat"})]
    model = ServerModel(server.url, "m")
    assert [model.complete("s", "u", 5) for _ in range(2)] == ["a dog", "a cat"]
    assert ["reasoning_effort" in question for _, _, question in server.asked] == [True, False, False]


def test_a_template_without_a_system_role_gets_all_of_it_from_the_user(server: Any) -> None:
    refusal = 500, b'{"error": {"message": "Jinja Exception: System role not supported"}}'
    server.answers = [refusal, chat({"content": "a dog"}), chat({"content": "a cat"})]
    model = ServerModel(server.url, "m")
    assert [model.complete("Rewrite.", "a dog", 5) for _ in range(2)] == ["a dog", "a cat"]
    assert server.asked[-1][2]["messages"] == [{"role": "user", "content": "Rewrite.\n\na dog"}]
    assert len(server.asked) == 3


def test_a_servers_message_cannot_garble_the_terminal(server: Any) -> None:
    server.status, server.body = 500, json.dumps({"error": "\x1b[2Jgone\x07"}).encode()
    with pytest.raises(ModelUnavailable) as caught:
        ServerModel(server.url, "m").complete("s", "u", 5)
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [{}]}',
        b'{"choices": {"0": 1}}',
        b'{"choices": [{"message": {"content": null}}]}',
        b'{"choices": [{"message": {"content": 7}}]}',
        b"[" * 200_000,
    ],
)
def test_nonsense_is_a_clear_error(body: bytes, server: Any) -> None:
    server.body = body
    with pytest.raises(ModelUnavailable, match="not with a chat completion"):
        ServerModel(server.url, "m").complete("s", "u", 5)


def test_a_slow_server_is_given_up(server: Any, timed: Seconds) -> None:
    server.delay = 10
    with pytest.raises(ModelUnavailable, match=r"took longer than 0\.3 s"):
        ServerModel(server.url, "m", answer_seconds=0.3).complete("s", "u", 5)
    assert timed() < 3


def test_a_server_that_drips_is_given_up(server: Any, timed: Seconds) -> None:
    server.drip = 0.02
    server.say("x" * 1000)
    with pytest.raises(ModelUnavailable, match=r"took longer than 0\.4 s"):
        ServerModel(server.url, "m", answer_seconds=0.4).complete("s", "u", 5)
    assert timed() < 3


def test_a_server_that_never_ends_is_given_up(server: Any) -> None:
    server.body = b" " * (MAX_ANSWER_BYTES + 100_000)
    with pytest.raises(ModelUnavailable, match="no end"):
        ServerModel(server.url, "m").complete("s", "u", 5)


def test_a_slow_answer_can_be_stopped(server: Any, timed: Seconds) -> None:
    server.delay = 10
    asked = threading.Event()

    def cancelled() -> bool:
        if server.asked:
            asked.set()
        return asked.is_set()

    with pytest.raises(Stopped) as caught:
        ServerModel(server.url, "m").complete("s", "u", 5, cancelled=cancelled)
    assert caught.value.exit_code == 130
    assert timed() < 3


def test_a_handshake_that_never_ends_can_be_stopped() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # It connects, and says nothing: TLS waits for its half of the handshake.
        polls = iter(range(1000))
        with pytest.raises(Stopped):
            ServerModel(f"https://127.0.0.1:{listener.getsockname()[1]}", "m").complete(
                "s", "u", 5, cancelled=lambda: next(polls) > 0
            )


def test_nothing_listens() -> None:
    with socket.socket() as taken:  # Bound but not listening: nobody else can answer on this port.
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ModelUnavailable, match="nothing listens there") as caught:
            ServerModel(url, "m").complete("s", "u", 5)
    assert "ollama serve" in caught.value.hint


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", b"SSH-2.0-hello\r\n", b"\x15\x03"]
)
def test_something_else_listens(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(ModelUnavailable):
            ServerModel(f"http://127.0.0.1:{listener.getsockname()[1]}", "m").complete("s", "u", 5)
        thread.join()


def test_https_to_a_plain_server_is_a_clear_error(server: Any) -> None:
    with pytest.raises(ModelUnavailable, match="cannot be reached"):
        ServerModel(server.url.replace("http:", "https:"), "m").complete("s", "u", 5)


def test_proxies_are_not_asked(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert ServerModel(server.url, "m").complete("s", "u", 5) == "a dog on a beach"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:11434",
        "file:///etc/passwd",
        "ftp://localhost",
        "http://",
        "http://:80",
        "http://localhost:99999",
        "http://localhost:port",
        "http://localhost:0",
        "http://me:secret@localhost",
        "http://localhost/?q=1",
        "http://local host",
        "http://localhost/\r\nX: y",
        "http://[::1",
    ],
)
def test_addresses_that_mean_nothing(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        ServerModel(url, "m")
    assert caught.value.hint


def test_a_key_with_a_line_break() -> None:
    with pytest.raises(UsageError) as caught:
        ServerModel("http://localhost", "m", api_key="secret\r\nX-Other: 1")
    assert "secret" not in caught.value.message
