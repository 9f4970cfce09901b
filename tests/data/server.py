"""A file server on this machine with the habits that real ones have: ranges, tags, cut connections, refusals."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Files:
    """What is served, how, and what was asked for.

    `cuts` are numbers of bytes after which the next answers break off, one an answer; `refusals` are status codes
    that the next answers have.
    """

    contents: dict[str, bytes]
    ranges: bool = True
    tag: str | None = '"1"'
    length: bool = True
    cuts: list[int] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """(path, Range header) of each request."""
    url: str = ""


@contextmanager
def serving(files: Files) -> Iterator[Files]:
    """Serves until the block ends; `files.url` is the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, files)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    files.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield files
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(handler: BaseHTTPRequestHandler, files: Files) -> None:
    name, asked = handler.path.lstrip("/").partition("?")[0], handler.headers.get("Range")
    files.asked.append((name, asked))
    if files.refusals or name not in files.contents:
        handler.send_error(files.refusals.pop(0) if files.refusals else 404)
        return
    content = files.contents[name]
    fresh = handler.headers.get("If-Range") == files.tag
    match = re.fullmatch(r"bytes=(\d+)-", asked or "") if files.ranges and fresh else None
    start = int(match[1]) if match else 0
    if match and start >= len(content):
        handler.send_response(416)
        handler.send_header("Content-Range", f"bytes */{len(content)}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    handler.send_response(206 if match else 200)
    if match:
        handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    if files.length:
        handler.send_header("Content-Length", str(len(content) - start))
    if files.tag:
        handler.send_header("ETag", files.tag)
    handler.send_header("Accept-Ranges", "bytes" if files.ranges else "none")
    handler.end_headers()
    stop = start + files.cuts.pop(0) if files.cuts else len(content)
    handler.wfile.write(content[start:stop])
