"""SageMaker in front of moto: what moto lacks is answered here, in the shapes that AWS's own service model demands."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Answer = dict[str, Any] | Callable[[dict[str, Any]], dict[str, Any]]


class Refusal(Exception):
    """An answer that refuses: AWS's code and message."""


class StandIn(ThreadingHTTPServer):
    """Answers some operations itself and hands the others to a moto server.

    Attributes:
        answers: by operation: the answer, or what makes one of a request. A list gives them one after the other, the
            last one for ever.
        asked: every request so far, with its operation.
    """

    daemon_threads = True

    def __init__(self, server: str) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.behind = urlsplit(server).netloc
        self.answers: dict[str, Answer | list[Answer]] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []

    @property
    def address(self) -> str:
        """Its own address."""
        return f"http://127.0.0.1:{self.server_port}"

    def requests(self, operation: str) -> list[dict[str, Any]]:
        """What an operation was asked with."""
        return [request for name, request in self.asked if name == operation]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is nothing to tell."""


@contextmanager
def stand_in_for(server: str) -> Iterator[StandIn]:
    """A stand-in that hands everything on until it is told answers."""
    stand_in = StandIn(server)
    thread = threading.Thread(target=stand_in.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        stand_in.shutdown()
        stand_in.server_close()


class _Request(BaseHTTPRequestHandler):
    server: StandIn
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].partition(".")[2]
        request = json.loads(body)
        self.server.asked.append((operation, request))
        answer = self.server.answers.get(operation)
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if answer is None:
            self._hand_on(body)
            return
        try:
            said = answer(request) if callable(answer) else answer
        except Refusal as refusal:
            code, message = refusal.args
            self._reply(400, json.dumps({"__type": code, "message": message}).encode())
        else:
            require_shape(operation, said)
            self._reply(200, json.dumps(said).encode())

    def _hand_on(self, body: bytes) -> None:
        connection = HTTPConnection(self.server.behind)
        connection.request("POST", self.path, body, dict(self.headers))
        response = connection.getresponse()
        self._reply(response.status, response.read())
        connection.close()

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests print enough."""


@cache
def _model() -> Any:
    import botocore.session

    return botocore.session.get_session().get_service_model("sagemaker")


def require_shape(operation: str, said: dict[str, Any]) -> None:
    """Refuse an answer that SageMaker could not give."""
    from botocore.validate import ParamValidator

    report = ParamValidator().validate(said, _model().operation_model(operation).output_shape)
    assert not report.has_errors(), report.generate_report()


def refusing(code: str, message: str) -> Answer:
    """An answer that refuses."""

    def refuse(_: dict[str, Any]) -> dict[str, Any]:
        raise Refusal(code, message)

    return refuse
