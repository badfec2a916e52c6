"""Whoever signs the app's tokens: an HTTP server with a JWKS document."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class Issuer:
    """Publishes keys by their kid, and counts who asks."""

    def __init__(self) -> None:
        self.keys: dict[str, Ed25519PrivateKey] = {}
        self.asked, self.status, self.body = 0, 200, b""
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                self.send_response(issuer.status)
                if issuer.status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(issuer.body or issuer.document())

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwks.json"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def document(self) -> bytes:
        algorithm = jwt.algorithms.OKPAlgorithm()
        keys: list[dict[str, Any]] = [
            algorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": kid, "alg": "EdDSA", "use": "sig"}
            for kid, key in self.keys.items()
        ]
        return json.dumps({"keys": keys}).encode()

    def publish(self, *kids: str) -> None:
        self.keys = {kid: self.keys.get(kid) or Ed25519PrivateKey.generate() for kid in kids}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
