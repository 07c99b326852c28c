"""Order, crops, flips and normalisation, compared with NumPy image by image."""

import itertools

import numpy as np
import pytest
import torch

from scalefree.data import TrainBatches, evaluation_batches, load_dataset
from scalefree.data.augmentation import Augmentation, Normalization, epoch_plan
from scalefree.seeds import generator


@pytest.mark.parametrize("padding", [0, 1, 2])
def test_every_crop_and_flip_matches_numpy(padding: int) -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 2, 8, 9), dtype=np.uint8))
    cases = list(itertools.product(range(3), range(2 * padding + 1), range(2 * padding + 1), (False, True)))
    index, top, left, flip = (torch.tensor(column) for column in zip(*cases, strict=True))
    found = Augmentation(images, padding)(index, top, left, flip)
    for result, (i, y, x, mirrored) in zip(found, cases, strict=True):
        padded = np.pad(images[i].numpy(), ((0, 0), (padding, padding), (padding, padding)))
        crop = padded[:, y : y + 8, x : x + 9]
        assert (result.numpy() == (crop[:, :, ::-1] if mirrored else crop)).all()


def test_the_border_is_black_before_normalisation() -> None:
    images = torch.full((1, 1, 8, 8), 255, dtype=torch.uint8)
    corner = torch.zeros(1, dtype=torch.long)
    crop = Augmentation(images, 1)(corner, corner, corner, corner.bool())
    normalised = Normalization((0.5,), (0.25,), torch.device("cpu"))(crop)
    assert normalised[0, 0, 0, 0].item() == -2 and normalised[0, 0, 1, 1].item() == pytest.approx(2)


def test_normalisation_matches_float64() -> None:
    images = torch.arange(256, dtype=torch.uint8).repeat(3).view(1, 3, 16, 16)
    mean, std = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
    found = Normalization(mean, std, torch.device("cpu"))(images).double().numpy()
    expected = (images.numpy() / 255 - np.reshape(mean, (1, 3, 1, 1))) / np.reshape(std, (1, 3, 1, 1))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_an_epoch_shows_every_image_once_and_keeps_the_short_batch() -> None:
    dataset = load_dataset("digits")
    batches = TrainBatches(dataset, 100, 0, False, seed=3)
    taken = list(batches.epoch(0))
    assert [len(labels) for _, labels in taken] == [100] * 14 + [38] and len(batches) == 15
    inputs = torch.cat([inputs for inputs, _ in taken]).flatten(1)
    expected = batches.normalization(dataset.train.images).flatten(1)
    assert sorted(map(tuple, inputs.tolist())) == sorted(map(tuple, expected.tolist()))


def test_labels_follow_their_images() -> None:
    dataset = load_dataset("digits")
    batches = TrainBatches(dataset, 64, 0, False, seed=0)
    plan = batches.plan(2)
    inputs, labels = batches.make(plan, batches.places(1))
    index = plan.order[64:128]
    assert labels.equal(dataset.train.labels[index])
    assert inputs.equal(batches.normalization(dataset.train.images[index]))


def test_places_may_be_a_tensor() -> None:
    batches = TrainBatches(load_dataset("digits"), 64, 1, True, seed=0)
    plan = batches.plan(0)
    inputs, labels = batches.make(plan, torch.arange(64, 128))
    expected, their_labels = batches.make(plan, batches.places(1))
    assert inputs.equal(expected) and labels.equal(their_labels)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_memory_format_changes_no_value(channels: int) -> None:
    images = torch.randint(0, 256, (4, channels, 8, 9), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    arguments = ((0.5,) * channels, (0.25,) * channels, torch.device("cpu"))
    expected = Normalization(*arguments)(images)
    found = Normalization(*arguments, torch.channels_last)(images)
    assert found.equal(expected) and expected.is_contiguous()
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_an_epoch_can_start_at_any_step() -> None:
    batches = TrainBatches(load_dataset("digits"), 200, 1, True, seed=0)
    whole = list(batches.epoch(5))
    part = list(batches.epoch(5, start_step=3))
    assert len(part) == len(whole) - 3
    for (a, b), (c, d) in zip(whole[3:], part, strict=True):
        assert a.equal(c) and b.equal(d)


def test_plans_depend_only_on_epoch_and_seed() -> None:
    torch.manual_seed(0)
    first = epoch_plan(0, 0, 500, 2, True)
    torch.manual_seed(1)
    again = epoch_plan(0, 0, 500, 2, True)
    for name in ("order", "top", "left", "flip"):
        assert getattr(first, name).equal(getattr(again, name))
        for other in (epoch_plan(0, 1, 500, 2, True), epoch_plan(1, 0, 500, 2, True)):
            assert not getattr(first, name).equal(getattr(other, name))


def test_crops_and_flips_are_uniform() -> None:
    plan = epoch_plan(0, 0, 20000, 1, True)
    for corners in (plan.top, plan.left):
        counts = torch.bincount(corners)
        assert len(counts) == 3 and (counts / 20000 - 1 / 3).abs().max() < 0.02
    assert abs(plan.flip.float().mean().item() - 0.5) < 0.02
    assert not epoch_plan(0, 0, 100, 1, False).flip.any()


def test_generators_are_independent_of_each_other_and_of_the_global_stream() -> None:
    state = torch.get_rng_state()
    draws = {
        (seed, purpose, epoch): tuple(torch.rand(4, generator=generator(seed, purpose, epoch)).tolist())
        for seed in (0, 1)
        for purpose in ("order", "flip")
        for epoch in (0, 1)
    }
    assert len(set(draws.values())) == 8
    assert torch.get_rng_state().equal(state)


def test_evaluation_keeps_the_order_of_the_split() -> None:
    dataset = load_dataset("digits")
    normalization = Normalization(dataset.mean, dataset.std, torch.device("cpu"))
    inputs, labels = zip(*evaluation_batches(dataset.test, normalization, 150), strict=True)
    assert [len(part) for part in labels] == [150, 150, 59]
    assert torch.cat(inputs).equal(normalization(dataset.test.images))


def test_a_replica_has_the_same_batches_in_another_order() -> None:
    """Each batch has the same images with the same labels, the short last batch too."""
    dataset = load_dataset("digits")
    batches = [TrainBatches(dataset, 32, 1, True, seed=3, replica=replica) for replica in (0, 1, 2)]
    for epoch in (0, 5):
        for ours, first, second in zip(*(each.epoch(epoch) for each in batches), strict=True):
            keys = [
                [(int(label), image.numpy().tobytes()) for image, label in zip(*batch, strict=True)]
                for batch in (ours, first, second)
            ]
            assert sorted(keys[0]) == sorted(keys[1]) == sorted(keys[2])
            assert keys[0] != keys[1] != keys[2] != keys[0]
