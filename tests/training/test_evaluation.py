"""Loss and error of a whole split against NumPy."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from conftest import Make
from scalefree.data import Dataset
from scalefree.data.augmentation import Normalization
from scalefree.training import evaluation
from scalefree.training.evaluation import evaluate
from scalefree.training.task import build_model, load_data
from training.reference import cross_entropy, normalized

CPU = torch.device("cpu")


def prepared(tiny: Make) -> tuple[nn.Module, Dataset, Normalization]:
    config = tiny({"model.batch_norm": True})
    dataset = load_data(config.dataset)
    model = build_model(config, dataset)
    model(torch.randn(64, 1, 8, 8))  # running statistics of its own
    return model, dataset, Normalization(dataset.mean, dataset.std, CPU)


@pytest.mark.parametrize("batch_size", [1000, 100, 359, 1])
def test_evaluation_equals_numpy_whatever_the_batches(
    batch_size: int, tiny: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(evaluation.PIXELS, "cpu", batch_size * 8 * 8)
    model, dataset, normalization = prepared(tiny)
    found = evaluate(model, dataset.test, normalization, "fp32")
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
        evaluate(model, dataset.test, normalization, "fp32")
        assert model.training is training
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(p.grad is None for p in model.parameters())


class Oracle(nn.Module):
    """Right everywhere; the first image of each batch gets one logit that is not finite."""

    def __init__(self, labels: Tensor, bad: float) -> None:
        super().__init__()
        self.labels, self.bad = labels, bad

    def forward(self, x: Tensor) -> Tensor:
        logits = torch.zeros(len(x), 10)
        logits[torch.arange(len(x)), self.labels[: len(x)]] = 5.0
        logits[0, (self.labels[0] + 1) % 10] = self.bad
        return logits


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_count_as_wrong(bad: float, tiny: Make) -> None:
    dataset = load_data(tiny().dataset)
    normalization = Normalization(dataset.mean, dataset.std, CPU)
    found = evaluate(Oracle(dataset.test.labels, bad), dataset.test, normalization, "fp32")
    assert found.error == pytest.approx(1 / 359)
    right = evaluate(Oracle(dataset.test.labels, 0.0), dataset.test, normalization, "fp32")
    assert right.error == 0 and right.loss == pytest.approx(np.log(1 + 9 * np.exp(-5)), rel=1e-6)
