"""A call that was cut off goes on: answers are taken where they hold, and only there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inference.material import LABELS, make_model
from tenuto.inference.journal import Journal, fingerprint
from tenuto.inference.predict import predict
from tenuto.inference.predictions import FilePredictions
from tenuto.models.classifier import Classifier

Write = Callable[..., Path]
ASKED = repr((30.0, 30.0, False))  # window, hop, padding: what `predict` asks of a model of any length


def _marked(file: Path) -> FilePredictions:
    """An answer no model gives, to be known again."""
    scores = np.full((1, len(LABELS)), 0.125, np.float32)
    return FilePredictions(str(file), np.array([0.0]), np.array([9.0]), scores, 9.0)


def keep(journal: Journal, file: Path) -> None:
    """A marked answer, of the file as it is now."""
    journal.get(file)
    journal.put(_marked(file))


def test_an_interrupted_call_goes_on_where_it_was(model: Classifier, write: Write, tmp_path: Path) -> None:
    files = [write(f"{i}.wav", 1.0, seed=i) for i in range(5)]
    folder = tmp_path / "journal"

    def interrupt(n_done: int, n_files: int, file: str) -> None:
        if n_done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(model, files, batch_size=1, journal=folder, progress=interrupt)
    assert len(list(folder.iterdir())) == 3
    keep(Journal(folder, fingerprint(model, ASKED)), files[1])
    found = predict(model, files, journal=folder)
    expected = predict(model, files)
    assert found.files[1].scores.tolist() == [[0.125] * len(LABELS)]  # taken, not computed
    for i in (0, 2, 3, 4):
        np.testing.assert_allclose(found.files[i].scores, expected.files[i].scores, rtol=0, atol=1e-5)
    assert len(list(folder.iterdir())) == 5


@pytest.mark.parametrize("change", ["content", "time", "window", "model", "damage"])
def test_an_answer_that_no_longer_holds_is_not_taken(
    model: Classifier, write: Write, tmp_path: Path, change: str
) -> None:
    path, folder = write("a.wav"), tmp_path / "journal"
    keep(Journal(folder, fingerprint(model, ASKED)), path)
    options = {}
    match change:
        case "content":
            about = os.stat(path)
            write("a.wav", 1.1)
            os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
        case "time":
            os.utime(path, ns=(1, 1))
        case "window":
            options["window_seconds"] = 0.5
        case "model":
            model = make_model("avgpool")
        case "damage":
            next(folder.iterdir()).write_bytes(b"PK\x03\x04 cut off")
    found = predict(model, path, journal=folder, **options)  # type: ignore[arg-type]
    assert found.files[0].ends[0] < 9


def test_files_with_a_fault_are_tried_again(model: Classifier, tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_text("not audio")
    for _ in range(2):
        found = predict(model, [bad, tmp_path / "missing.wav"], journal=tmp_path / "journal")
        assert [item.reason.partition(" (")[0] for item in found.left_out] == ["not audio", "no such file"]
    assert not (tmp_path / "journal").exists()


def test_removing_a_journal_leaves_what_is_not_its_own(model: Classifier, write: Write, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", "any")
    keep(journal, write("a.wav"))
    (tmp_path / "journal" / "letter.txt").touch()
    journal.remove()
    assert [path.name for path in (tmp_path / "journal").iterdir()] == ["letter.txt"]


@pytest.mark.parametrize("change", ["gone", "other"])
def test_a_file_that_changes_while_it_is_read_leaves_no_answer_for_what_it_is_now(
    write: Write, tmp_path: Path, change: str
) -> None:
    journal, path = Journal(tmp_path / "journal", "any"), write("a.wav")
    assert journal.get(path) is None
    if change == "gone":
        path.unlink()
    else:
        write("a.wav", 1.1)
    journal.put(_marked(path))
    assert journal.get(path) is None
