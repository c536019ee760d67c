"""An S3 server's door: it lets requests through to the server until a test says that they shall fail."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Door(ThreadingHTTPServer):
    """Stands in front of a server.

    Attributes:
        seen: the requests so far, `PUT /bucket/key`.
    """

    daemon_threads = True

    def __init__(self, server: str) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.behind = urlsplit(server).netloc
        self.seen: list[str] = []
        self.denied = self.shut = re.compile("(?!)")  # no request
        self.is_shut = False

    @property
    def address(self) -> str:
        """Its own address."""
        return f"http://127.0.0.1:{self.server_port}"

    def deny(self, pattern: str) -> None:
        """From now on answer requests that match with AccessDenied."""
        self.denied = re.compile(pattern)

    def shut_at(self, pattern: str) -> None:
        """Answer nobody any more as soon as a request matches: the server can't be reached from that moment."""
        self.shut = re.compile(pattern)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is nothing to tell."""


@contextmanager
def door_to(server: str) -> Iterator[Door]:
    """A door that stands open."""
    door = Door(server)
    thread = threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield door
    finally:
        door.shutdown()
        door.server_close()
        thread.join()


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Door

    def handle_any(self) -> None:
        name = f"{self.command} {unquote(self.path)}"
        self.server.seen.append(name)
        self.server.is_shut = self.server.is_shut or bool(self.server.shut.search(name))
        if self.server.is_shut:
            self.close_connection = True
            return
        body = self._body()
        if self.server.denied.search(name):
            self._answer(403, [("Content-Type", "application/xml")], DENIED)
        else:
            self._pass_on(body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            """Trailers say nothing that the server needs."""
        return b"".join(parts)

    def _pass_on(self, body: bytes) -> None:
        connection = HTTPConnection(self.server.behind, timeout=60)
        try:
            headers = {
                name: value for name, value in self.headers.items() if name.lower() not in {*HOP, "expect"}
            }
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            self._answer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        length = str(len(body))
        for name, value in headers:
            if name.lower() == "content-length" and self.command == "HEAD":
                length = value
            if name.lower() not in HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""
