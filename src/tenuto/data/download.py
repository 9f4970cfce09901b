"""One file over HTTP: with a checksum, progress, and going on after an interruption where the server can.

pooch decides what to do (a file that is there and right is not fetched again) and checks the sum; `Resuming` is what it
downloads with. What has come so far lies beside the file as NAME.partial, with NAME.partial.json saying which state of
the server's file it belongs to, so that a file that changed meanwhile is begun anew.
"""

from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from tenuto.errors import WorkError
from tenuto.files import read_json, write_json

CHUNK = 1 << 20  # bytes read at a time
TIMEOUT_SECONDS = 60.0
N_TRIES = 5  # without a byte of progress between them
_PASSING = (408, 425, 429, 500, 502, 503, 504)

Progress = Callable[[int, int | None], None]
"""Is told (bytes there, bytes in all or None where the server does not say)."""


@dataclass(frozen=True)
class Remote:
    """A file to download: `checksum` as "md5:..." or "sha256:...", None where none was published."""

    url: str
    name: str
    checksum: str | None = None
    n_bytes: int | None = None


def download(remote: Remote, folder: Path, progress: Progress | None = None, wait_seconds: float = 2.0) -> Path:
    """Downloads into `folder`, or finds there, and checks; returns the path.

    Args:
        progress: told of bytes as they come; of those that an earlier call left, too.
        wait_seconds: before the second try; doubled before each further one.

    Raises:
        WorkError: no answer, refused, cut off again and again, or not what was published.
    """
    import pooch

    pooch.get_logger().setLevel("WARNING")
    resuming = Resuming(folder / f"{remote.name}.partial", remote.n_bytes, progress, wait_seconds)
    try:
        pooch.retrieve(remote.url, remote.checksum, remote.name, folder, downloader=resuming)
    except ValueError:  # of pooch: the sum is another one, and what came is deleted
        raise WorkError(
            f"{remote.name} from {remote.url} is not what was published (wanted {remote.checksum}): it was deleted; "
            "give the same command again, and if that does not help, the publisher's file has changed"
        ) from None
    except OSError as error:
        raise WorkError(f"{folder / remote.name} cannot be written ({error.strerror or error})") from None
    return folder / remote.name


class Resuming:
    """Downloads to `partial` and, when all is there, moves it to the file that pooch asks for."""

    def __init__(
        self, partial: Path, n_bytes: int | None = None, progress: Progress | None = None, wait_seconds: float = 2.0
    ) -> None:
        self.partial, self.note = partial, partial.with_name(f"{partial.name}.json")
        self.n_bytes, self.progress, self.wait_seconds = n_bytes, progress, wait_seconds

    def __call__(self, url: str, output_file: str | os.PathLike[str], pooch: object = None) -> None:
        """As pooch calls it. Tries again while the connection breaks, as long as tries bring bytes."""
        n_failed, there = 0, self._there()
        while (trouble := self._try(url)) is not None:
            n_failed = n_failed + 1 if self._there() <= there else 1
            there = self._there()
            if n_failed >= N_TRIES:
                raise WorkError(f"{url}: {trouble}, {there} bytes are there: the same command goes on from them")
            time.sleep(self.wait_seconds * 2 ** (n_failed - 1))
        os.replace(self.partial, output_file)
        self.note.unlink(missing_ok=True)

    def _there(self) -> int:
        return self.partial.stat().st_size if self.partial.exists() else 0

    def _try(self, url: str) -> str | None:
        """One request; None when the file is whole, else what went wrong and may pass."""
        try:
            with urllib.request.urlopen(self._request(url), timeout=TIMEOUT_SECONDS) as response:
                return self._receive(response, url)
        except urllib.error.HTTPError as error:
            return self._refused(error, url)
        except urllib.error.URLError as error:
            return f"cannot be reached ({error.reason})"
        except (HTTPException, TimeoutError, ConnectionError) as error:
            return f"connection lost ({error or type(error).__name__})"

    def _request(self, url: str) -> urllib.request.Request:
        """For the rest of what is there, if it is known which state of the file it belongs to; else for all."""
        headers = {"User-Agent": "tenuto"}
        note = read_json(self.note) if self.note.exists() else {}
        if self._there() and note.get("url") == url:
            headers |= {"Range": f"bytes={self._there()}-", "If-Range": note["validator"]}
        return urllib.request.Request(url, headers=headers)

    def _receive(self, response: HTTPResponse, url: str) -> str | None:
        """Appends (206: the rest was sent) or begins anew (200: all of it was)."""
        rest = response.status == 206
        start = self._there() if rest else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length is not None else self.n_bytes
        if self.n_bytes not in (None, total):
            raise WorkError(f"{url}: the server has {total} bytes of it, {self.n_bytes} were published")
        self.partial.parent.mkdir(parents=True, exist_ok=True)
        if not rest:
            self._remember(url, response)
        with self.partial.open("ab" if rest else "wb") as file:
            self._tell(start, total)
            while chunk := response.read(CHUNK):
                file.write(chunk)
                self._tell(file.tell(), total)
        return None if total is None or self._there() == total else "connection lost"

    def _remember(self, url: str, response: HTTPResponse) -> None:
        """Notes which state of the file this is; without a strong mark of it nothing can be resumed."""
        self.note.unlink(missing_ok=True)
        etag = response.headers.get("ETag") or ""
        validator = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified")
        if validator and response.headers.get("Accept-Ranges", "bytes") != "none":
            write_json(self.note, {"url": url, "validator": validator})

    def _refused(self, error: urllib.error.HTTPError, url: str) -> str | None:
        if error.code == 416:  # nothing beyond what is there: whole, or of another state of the file
            if error.headers.get("Content-Range") == f"bytes */{self._there()}":
                return None
            self.note.unlink(missing_ok=True)
            return "cannot be resumed"
        if error.code in _PASSING:
            return f"the server answered {error.code} ({error.reason})"
        raise WorkError(f"{url}: the server answered {error.code} ({error.reason})")

    def _tell(self, n_there: int, total: int | None) -> None:
        if self.progress is not None:
            self.progress(n_there, total)
