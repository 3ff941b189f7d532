"""A proxy that shows the demo under a path and strips it, and a page on another site that frames the demo."""

from __future__ import annotations

import http.server
import socketserver
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


@contextmanager
def _serving(handler: type) -> Iterator[int]:
    server = _Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def stripping_proxy(address: str, path: str, tells: bool = True) -> Iterator[str]:
    """Yield the address under which a proxy shows `address`, whose servers don't get to see `path`.

    tells : the proxy says so in X-Forwarded-Prefix
    """

    class Proxy(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def pass_on(self) -> None:
            if not self.path.startswith(f"{path}/"):
                # Browsers ask for this one at the root, whatever a page says
                self.send_error(404) if self.path != "/favicon.ico" else self.send_response(204) or self.end_headers()
                return
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else None
            left_out = ("host", "connection", "accept-encoding")
            headers = {name: value for name, value in self.headers.items() if name.lower() not in left_out}
            headers |= {"X-Forwarded-Host": self.headers["Host"], "X-Forwarded-Proto": "http"}
            if tells:
                headers["X-Forwarded-Prefix"] = path
            wanted = urllib.request.Request(f"{address}{self.path[len(path) :]}", body, headers, method=self.command)
            try:
                answer = urllib.request.urlopen(wanted, timeout=120)
            except urllib.error.HTTPError as error:
                answer = error
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in ("transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.end_headers()
            try:
                while chunk := answer.read1(65536):
                    self.wfile.write(chunk)
                    self.wfile.flush()
            except OSError:
                pass  # the visitor went away

        do_GET = do_POST = do_HEAD = pass_on

        def log_message(self, *arguments) -> None:
            pass

    with _serving(Proxy) as port:
        yield f"http://127.0.0.1:{port}{path}"


@contextmanager
def framing_page(address: str) -> Iterator[str]:
    """Yield the address of a page on another site, which shows `address` in a frame without any permission."""
    page = f"<body><iframe src='{address}' style='width:100%;height:740px;border:0'></iframe>".encode()

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *arguments) -> None:
            pass

    with _serving(Page) as port:
        yield f"http://localhost:{port}/"
