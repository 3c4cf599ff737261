"""A hub on this machine: speaks the few endpoints a pull needs, and fails in the ways the real one does."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
# The real hub keeps files from here on in large-file storage, named by their SHA-256.
_LARGE = 1000


@dataclass
class Hub:
    """What the server has, how it is to fail, and what it was asked."""

    models: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    # Bytes of one file that are sent before the line goes dead; asked again, the hub is out of order.
    cut: dict[str, int] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)
    token: str = ""
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    url: str = ""

    def loads(self, name: str) -> list[str]:
        """The byte ranges that were asked for of a file, "" for all of it."""
        return [span for method, path, span in self.requests if method == "GET" and path.endswith(f"/{name}")]


@contextmanager
def running(hub: Hub) -> Iterator[Hub]:
    """Serves the hub on a port of this machine."""

    class Handler(_Handler):
        of = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    of: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        return

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.of.requests.append((self.command, path, self.headers.get("Range", "")))
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/[^/]+)?", path):
            self._info(match[1])
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/[^/]+", path):
            self._tree(match[1])
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", path):
            self._file(match[1], match[2])
        else:
            self._answer(404, b"")

    def _info(self, model: str) -> None:
        if model not in self.of.models:
            self._answer(401, b"{}", **{"X-Error-Code": "RepoNotFound"})
            return
        self._json({"id": model, "sha": COMMIT, "gated": "auto" if model in self.of.gated else False, "siblings": []})

    def _tree(self, model: str) -> None:
        entries = []
        for name, content in self.of.models[model].items():
            entry = {"type": "file", "path": name, "size": len(content), "oid": _git(content)}
            if len(content) >= _LARGE:
                entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
            entries.append(entry)
        self._json(entries)

    def _file(self, model: str, name: str) -> None:
        if model in self.of.gated and self.headers.get("Authorization") != f"Bearer {self.of.token}":
            status = 403 if self.headers.get("Authorization") else 401
            self._answer(status, b"", **{"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted."})
            return
        content = self.of.models[model][name]
        digest = hashlib.sha256(content).hexdigest() if len(content) >= _LARGE else _git(content)
        headers = {"ETag": f'"{digest}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if name in self.of.damaged:
            content = bytes([content[0] ^ 1]) + content[1:]
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        if asked:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        if name in self.of.cut and self.command == "GET":
            sent = self.of.cut[name]
            if start >= sent:
                self._answer(503, b"")
                return
            self._head(200, len(content) - start, headers)
            self.wfile.write(content[start:sent])
            self.close_connection = True
            return
        self._answer(206 if asked else 200, content[start:], **headers)

    def _json(self, value: object) -> None:
        self._answer(200, json.dumps(value).encode(), **{"Content-Type": "application/json"})

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self._head(status, len(body), headers)
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()


def _git(content: bytes) -> str:
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
