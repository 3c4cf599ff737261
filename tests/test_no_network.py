"""Nothing reaches the network: not a test, not a command, whatever the libraries behind it would like to do."""

from __future__ import annotations

import ast
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import photos
from tests.no_network import sitecustomize
from tests.no_network.sitecustomize import is_local

REPOSITORY = Path(__file__).parents[1]
# Documentation's own address range (RFC 5737): nobody answers there, so even a hole in the block reaches no one.
ELSEWHERE = "192.0.2.1"
# A worker of pytest-xdist has loaded the module as it started, under its plain name, and it is that one which blocks.
NetworkBlocked = getattr(sys.modules.get("sitecustomize"), "NetworkBlocked", sitecustomize.NetworkBlocked)


def test_no_test_can_reach_another_machine() -> None:
    with socket.socket() as stream, pytest.raises(NetworkBlocked):
        stream.connect((ELSEWHERE, 80))
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams, pytest.raises(NetworkBlocked):
        datagrams.sendto(b"hello", (ELSEWHERE, 53))
    with pytest.raises(NetworkBlocked):
        socket.getaddrinfo("example.org", 80)
    with pytest.raises(NetworkBlocked):
        socket.create_connection((ELSEWHERE, 80), timeout=0.1)


def test_this_machine_can_be_reached() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with socket.create_connection(server.getsockname(), timeout=5):
            pass


@pytest.mark.parametrize(
    ("host", "local"),
    [
        *(("127.0.0.1", True), ("127.8.0.1", True), ("::1", True), ("localhost", True), (b"localhost", True)),
        *(
            (ELSEWHERE, False),
            ("::2", False),
            ("example.org", False),
            ("0x7f.1.example", False),
            ("fe80::1%eth0", False),
        ),
    ],
)
def test_what_counts_as_this_machine(host: str | bytes, local: bool) -> None:
    assert is_local(host) is local


def test_pythons_that_tests_start_cannot_either() -> None:
    code = f"import socket; socket.create_connection(({ELSEWHERE!r}, 80), timeout=0.1)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode != 0 and "NetworkBlocked" in done.stderr


COMMANDS = (
    *(("models",), ("models", "list", "--json"), ("doctor", "--json"), ("config", "show")),
    *(("index", "PHOTOS"), ("search", "red"), ("search", "red", "--imagine"), ("library", "info")),
)


def test_commands_work_where_the_kernel_has_no_network(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """In a network namespace of their own, without even a loopback device: what native code does counts as well."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rn", "true"], capture_output=True).returncode:
        pytest.skip("this system lets nobody make a network namespace")
    photos.folder_of(tmp_path / "photos", 6)
    for words in COMMANDS:
        given = [str(tmp_path / "photos") if word == "PHOTOS" else word for word in words]
        done = subprocess.run(
            [unshare, "-rn", sys.executable, "-m", "tests.cli.colour_words", *given],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert "Traceback" not in done.stderr and done.returncode in (0, 3), (words, done.stderr)


def test_a_missing_model_is_one_line_with_the_command_that_pulls_it_and_no_look_at_the_network(tmp_path: Path) -> None:
    photos.folder_of(tmp_path / "photos", 2)
    for words in (
        ["index", str(tmp_path / "photos"), "--encoder", "open_clip:ViT-B-32/laion2b_s34b_b79k"],
        ["index", str(tmp_path / "photos"), "--profile", "paper"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "dar_tui.cli", *words], cwd=REPOSITORY, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 1 and "Network" not in done.stderr
        told = r"dar: The model \S+ is not on this machine\. Download it with `dar models pull \S+`\.\n"
        assert re.fullmatch(told, done.stderr), done.stderr


def sources() -> Iterator[tuple[str, ast.Module]]:
    """(path, syntax tree) of everything that ships."""
    for package in ("indexer", "dar_tui"):
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            yield str(path.relative_to(REPOSITORY)), ast.parse(path.read_text(encoding="utf-8"))


def keywords(call: ast.Call) -> dict[str, object]:
    return {each.arg: each.value.value for each in call.keywords if each.arg and isinstance(each.value, ast.Constant)}


def test_code_that_comes_with_a_model_is_never_run_and_weights_are_never_unpickled() -> None:
    loads = 0
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword | ast.Dict):
                names = (
                    [node.arg] if isinstance(node, ast.keyword) else [getattr(key, "value", "") for key in node.keys]
                )
                values = [node.value] if isinstance(node, ast.keyword) else node.values
                for name, value in zip(names, values, strict=True):
                    if name in ("trust_remote_code", "allow_pickle"):
                        assert getattr(value, "value", None) is False, path
                    if name == "use_safetensors":
                        assert getattr(value, "value", None) is True, path
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                loads += 1
                assert keywords(node).get("weights_only") is True, path
            elif isinstance(node, ast.Attribute):
                # Its errors may be named; what opens files may not.
                assert not re.match(r"(pickle|dill|joblib)\.(load|Unpickler)", ast.unparse(node)), path
    assert loads >= 1


def test_the_network_is_reached_from_two_files_only() -> None:
    """The pull, and the client of the language server that the user names; everything else looks only at the disk."""
    doors = {
        "snapshot_download",
        "hf_hub_download",
        "HfApi",
        "http_get",
        "http.client",
        "urllib.request",
        "requests",
        "httpx",
    }
    found = set()
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                module = getattr(node, "module", None) or ""
                if doors & {module, *(alias.name for alias in node.names)}:
                    found.add(path)
    assert found == {"dar_tui/models/pulling.py", "dar_tui/language/server.py"}


def test_looking_for_a_model_asks_nobody_even_where_nobody_said_offline(tmp_path: Path) -> None:
    code = (
        "from indexer.runtime import find_checkpoint\n"
        "from indexer.errors import ModelUnavailable\n"
        "try: find_checkpoint('a/b', 'config.json')\n"
        "except ModelUnavailable as error: print(error.hint)\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {
        "HF_HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), environment["PYTHONPATH"]]),
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "Download it with `dar models pull a/b`.", done.stderr


def test_the_client_is_kept_in_from_the_start() -> None:
    code = (
        "from dar_tui.cli import main; main(['--help'])\n"
        "from huggingface_hub import HfApi, constants\n"
        "assert constants.HF_HUB_OFFLINE and constants.HF_HUB_DISABLE_TELEMETRY\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
