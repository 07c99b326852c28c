"""Loss and error of a whole split, compared with NumPy."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from conftest import Make
from scalefree.data import Dataset, evaluation_batches
from scalefree.data.augmentation import Normalization, epoch_plan
from scalefree.training import evaluation
from scalefree.training.evaluation import Evaluation, evaluate, evaluate_all
from scalefree.training.task import build_model, build_task, load_data
from training.reference import batch_of, cross_entropy, normalized

CPU = torch.device("cpu")


def prepared(tiny: Make) -> tuple[nn.Module, Dataset, Normalization]:
    config = tiny({"model.batch_norm": True})
    dataset = load_data(config.dataset)
    model = build_model(config, dataset)
    model(torch.randn(64, 1, 8, 8))  # gives the network running statistics
    return model, dataset, Normalization(dataset.mean, dataset.std, CPU)


def evaluate_test_set(model: nn.Module, dataset: Dataset, normalization: Normalization) -> Evaluation:
    size = evaluation.batch_size(dataset.test)
    return evaluate(model, evaluation_batches(dataset.test, normalization, size), "fp32")


@pytest.mark.parametrize("batch_size", [1000, 100, 359, 1])
def test_evaluation_equals_numpy_for_any_batch_size(
    batch_size: int, tiny: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(evaluation.PIXELS, "cpu", batch_size * 8 * 8)
    model, dataset, normalization = prepared(tiny)
    found = evaluate_test_set(model, dataset, normalization)
    model.eval()
    with torch.no_grad():
        logits = model(normalized(dataset.test.images.numpy(), dataset)).numpy()
    labels = dataset.test.labels.numpy()
    assert found.loss == pytest.approx(cross_entropy(logits, labels), rel=1e-6)
    assert found.error == pytest.approx(float((logits.argmax(axis=1) != labels).mean()), abs=1e-12)
    assert len(labels) == 359


def test_evaluation_changes_neither_the_network_nor_its_mode(tiny: Make) -> None:
    model, dataset, normalization = prepared(tiny)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for training in (True, False):
        model.train(training)
        evaluate_test_set(model, dataset, normalization)
        assert model.training is training
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(p.grad is None for p in model.parameters())


class Oracle(nn.Module):
    """Right for every image, except that the first of each batch gets one non-finite logit."""

    def __init__(self, labels: Tensor, bad: float) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(()))  # gives the device
        self.labels, self.bad = labels, bad

    def forward(self, x: Tensor) -> Tensor:
        logits = torch.zeros(len(x), 10)
        logits[torch.arange(len(x)), self.labels[: len(x)]] = 5.0
        logits[0, (self.labels[0] + 1) % 10] = self.bad
        return logits


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_logits_count_as_wrong(bad: float, tiny: Make) -> None:
    dataset = load_data(tiny().dataset)
    normalization = Normalization(dataset.mean, dataset.std, CPU)
    found = evaluate_test_set(Oracle(dataset.test.labels, bad), dataset, normalization)
    assert found.error == pytest.approx(1 / 359)
    right = evaluate_test_set(Oracle(dataset.test.labels, 0.0), dataset, normalization)
    assert right.error == 0 and right.loss == pytest.approx(np.log(1 + 9 * np.exp(-5)), rel=1e-6)


def test_the_papers_training_loss_is_measured_on_augmented_images(tiny: Make) -> None:
    """On every image once, newly cropped, in evaluation mode, times the multiplier; beside the plain loss."""
    config = tiny({"model.batch_norm": True, "training.loss_multiplier": 3.0, "dataset.crop_padding": 2})
    task = build_task(config, load_data(config.dataset), CPU)
    found = evaluate_all(task, epoch=4)
    train = task.dataset.train
    plan = epoch_plan(config.seed, 4, len(train), 2, False, "evaluation ")
    images, labels = batch_of(task.dataset, plan, range(len(train)), 2)
    task.model.eval()
    with torch.no_grad():
        logits = task.model(images).numpy()
        plain = task.model(normalized(train.images.numpy(), task.dataset)).numpy()
    assert sorted(plan.order.tolist()) == list(range(len(train)))
    assert found["augmented_train_loss"] == pytest.approx(3 * cross_entropy(logits, labels.numpy()), rel=1e-5)
    assert found["train_loss"] == pytest.approx(3 * cross_entropy(plain, train.labels.numpy()), rel=1e-5)
    assert found["augmented_train_loss"] != pytest.approx(found["train_loss"], rel=1e-3)
    # The crops differ from those of training epochs, so the network has not been trained on them.
    assert not torch.equal(plan.top, task.batches.plan(4).top)


def test_without_augmentation_both_training_losses_are_equal(tiny: Make) -> None:
    config = tiny({"dataset.crop_padding": 0})
    found = evaluate_all(build_task(config, load_data(config.dataset), CPU), epoch=0)
    assert found["augmented_train_loss"] == found["train_loss"]
