"""The training loop: it learns what can be learned, the same from the same seed, and tests as it says."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch

from tenuto.experiments.fewshot_models import build_model, learned_compression
from tenuto.experiments.fewshot_patches import Clips
from tenuto.experiments.fewshot_settings import COMPRESSIONS, MODELS, FewshotSettings
from tenuto.experiments.fewshot_training import (
    Labelled,
    _batches,
    _episodes,
    _optimizer,
    accuracy,
    plateau,
    probabilities,
    train,
)

SETTINGS = FewshotSettings(
    sample_rate=8000, n_fft=256, win_length=200, hop_length=80, n_mels=32, n_frames=32, epochs=25, max_patches=3
)


def tones(n_clips: int, seed: int) -> Labelled:
    """`n_clips` of each of two classes, 10 to 100 frames: noise, with energy low or high among 32 bands."""
    random = np.random.default_rng(seed)
    n_frames = random.integers(10, 100, 2 * n_clips)
    targets = np.arange(2 * n_clips) % 2
    frames = []
    for length, target in zip(n_frames, targets, strict=True):
        energies = random.uniform(1e-4, 1e-3, (length, 32))
        energies[:, 4 + 16 * target : 12 + 16 * target] += 0.3
        frames.append(energies.astype(np.float32))
    clips = Clips(np.concatenate(frames), np.cumsum(n_frames) - n_frames, n_frames)
    return Labelled(clips, np.arange(2 * n_clips), targets)


def trained(model: str, compression: str = "log", settings: FewshotSettings = SETTINGS, n: int = 3):  # type: ignore[no-untyped-def]
    torch.manual_seed(1)
    built = build_model(model, compression, 2, settings)
    return built, train(built, tones(n, 0), settings, seed=5)


@pytest.mark.parametrize("model", [name for name in MODELS if not name.endswith("128")])
def test_each_model_learns_two_tones(model: str) -> None:
    built, losses = trained(model)
    assert len(losses) == 25
    assert np.mean(losses[-5:]) < 0.5 * losses[0]
    assert accuracy(built, tones(10, 1), SETTINGS) >= 0.9


@pytest.mark.parametrize("model", ["vgg128", "prototypes128"])
def test_the_wide_models_take_a_step(model: str) -> None:
    settings = FewshotSettings(**{**SETTINGS.__dict__, "epochs": 1})
    built, losses = trained(model, settings=settings)
    assert np.isfinite(losses).all()
    assert next(iter(built.backbone.layers)).conv.out_channels == 128


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_each_compression_is_trained_through(compression: str) -> None:
    built, losses = trained("timbre", compression)
    assert losses[-1] < losses[0]
    found = learned_compression(built)
    if compression == "log-learn":
        assert found["alpha"] != pytest.approx(math.exp(7), rel=1e-5)
        assert found["beta"] != pytest.approx(math.log(1 + math.e), rel=1e-5)
    elif compression == "log":
        assert found == pytest.approx({"alpha": 1.0, "beta": 1.19e-7})


def test_the_same_seed_gives_the_same_training() -> None:
    one, other = trained("timbre"), trained("timbre")
    assert one[1] == other[1]
    assert all(torch.equal(a, b) for a, b in zip(one[0].parameters(), other[0].parameters(), strict=True))


def test_compressions_start_from_the_same_weights() -> None:
    torch.manual_seed(3)
    fixed = build_model("vgg", "log", 2, SETTINGS).backbone.state_dict()
    torch.manual_seed(3)
    learned = build_model("vgg", "log-learn", 2, SETTINGS).backbone.state_dict()
    assert all(torch.equal(fixed[name], learned[name]) for name in fixed)


def test_published_patches_get_the_published_models() -> None:
    counts = {
        name: sum(weight.numel() for weight in build_model(name, "log", 10, FewshotSettings()).parameters())
        for name in ("sbcnn", "vgg", "timbre")
    }
    assert counts["vgg"] == 42_764
    assert counts["timbre"] == 7_572
    assert counts["sbcnn"] == 240_784 + 650 + 2  # the output's, and the input's batch norm


def test_a_clip_is_judged_by_the_mean_over_its_patches() -> None:
    built, _ = trained("timbre")
    data = tones(4, 2)
    found = probabilities(built, data, SETTINGS)
    for clip in range(8):
        length = int(data.clips.n_frames[clip])
        n_patches = min(3, -(-length // 32))
        starts = [round(i * max(0, length - 32) / max(1, n_patches - 1)) for i in range(n_patches)]
        own = data.clips.frames[data.clips.begins[clip] :][:length]
        patches = torch.stack([torch.from_numpy(own[(start + np.arange(32)) % length].T.copy()) for start in starts])
        with torch.no_grad():
            literal = built.eval()(patches).softmax(1).mean(0)
        torch.testing.assert_close(found[clip], literal)
    answers = found.argmax(1).numpy()
    assert accuracy(built, data, SETTINGS) == pytest.approx(float((answers == data.targets).mean()))


def test_prototypes_are_the_means_of_the_training_clips() -> None:
    built, _ = trained("prototypes")
    data = tones(3, 0)
    patches, targets = [], []
    for clip in range(6):
        length = int(data.clips.n_frames[clip])
        n_patches = min(3, -(-length // 32))
        for start in [round(i * max(0, length - 32) / max(1, n_patches - 1)) for i in range(n_patches)]:
            own = data.clips.frames[data.clips.begins[clip] :][:length]
            patches.append(torch.from_numpy(own[(start + np.arange(32)) % length].T.copy()))
            targets.append(int(data.targets[clip]))
    with torch.no_grad():
        embedded = built.eval().head.embed(built.maps(torch.stack(patches)))
    for label in (0, 1):
        mean = embedded[torch.tensor(targets) == label].mean(0)
        torch.testing.assert_close(built.head.prototypes[label], mean, rtol=1e-4, atol=1e-5)


def test_a_plateau_is_neither_a_slow_start_nor_a_fall() -> None:
    falling = [0.99**epoch * 2 for epoch in range(300)]
    assert not any(plateau(falling[:n]) for n in range(1, 300))  # 14 % every 15 epochs
    flat = [1.0] * 60
    assert [plateau(flat[:n]) for n in (30, 44, 45)] == [False, False, True]
    assert plateau([0.01 * 0.9**epoch for epoch in range(45)])  # falls, and has nowhere to fall to


def test_a_training_stops_where_it_has_converged() -> None:
    settings = FewshotSettings(**{**SETTINGS.__dict__, "epochs": 200, "converge": True})
    _, losses = trained("timbre", settings=settings, n=1)
    assert 45 <= len(losses) < 200
    assert plateau(losses)
    assert not plateau(losses[:-1])


def test_batches_hold_every_clip_once_and_none_is_of_one_clip() -> None:
    random = np.random.default_rng(0)
    settings = FewshotSettings(batch_size=4)
    for n in (1, 4, 5, 9, 10):
        batches = list(_batches(np.zeros(n, np.int64), settings, random))
        assert sorted(np.concatenate(batches)) == list(range(n))
        assert n == 1 or min(map(len, batches)) > 1
        assert max(map(len, batches)) <= 5


def test_episodes_have_support_and_query_of_every_class() -> None:
    random = np.random.default_rng(0)
    for n, n_each, n_episodes in ((1, 2, 1), (3, 3, 1), (10, 10, 2), (23, 10, 5)):
        targets = np.repeat([0, 1, 2], n)
        episodes = list(_episodes(targets, SETTINGS, random))
        assert len(episodes) == n_episodes
        for episode in episodes:
            assert Counter(targets[episode].tolist()) == {0: n_each, 1: n_each, 2: n_each}
            assert len(set(episode.tolist())) == (3 if n == 1 else len(episode))


def test_weights_decay_and_biases_do_not() -> None:
    for name, decay in (("vgg", 1e-3), ("prototypes", 0.0)):
        built = build_model(name, "log-learn", 2, SETTINGS)
        kernels, others = _optimizer(built, SETTINGS).param_groups
        assert (kernels["weight_decay"], others["weight_decay"]) == (decay, 0.0)
        assert len(kernels["params"]) == 6  # five convolutions and a dense layer
        assert built.compression.alpha_gate is others["params"][0]
        assert len(kernels["params"]) + len(others["params"]) == len(list(built.parameters()))
