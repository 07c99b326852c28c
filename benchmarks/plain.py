"""A training script of the usual kind, written for this comparison with the fast path.

One loader worker with PIL transforms, torch's default precision, eager, an optimizer that loops over parameters, the
loss read at every step, both sets evaluated after every epoch. Run as a program, it trains once:

    python -m benchmarks.plain FOLDER PER_CLASS DEPTH BATCH_SIZE DEVICE EPOCHS     (prints the training's seconds)
"""

import sys
import time
from collections.abc import Iterator, Sized
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torchvision import transforms

from benchmarks.pictures import read_folder
from scalefree.data import Dataset, Split
from scalefree.models import resnet


class Pictures(TorchDataset[tuple[Tensor, int]]):
    """A split as PIL images, transformed one by one."""

    def __init__(self, split: Split, transform: Any) -> None:
        self.pixels = split.images.cpu().permute(0, 2, 3, 1).numpy()
        self.labels = split.labels.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[place])), self.labels[place]


class PlainScript:
    """A ResNet without BatchNorm and AdamW, trained as in most scripts."""

    def __init__(self, dataset: Dataset, depth: int, batch_size: int, device: torch.device) -> None:
        self.device = device
        side = dataset.train.images.shape[-1]
        finish = [transforms.ToTensor(), transforms.Normalize(dataset.mean, dataset.std)]
        augment = transforms.Compose([transforms.RandomCrop(side, 4), transforms.RandomHorizontalFlip(), *finish])
        plain = transforms.Compose(finish)
        pin = device.type == "cuda"
        self.train_loader = DataLoader(
            Pictures(dataset.train, augment), batch_size, shuffle=True, num_workers=1, pin_memory=pin
        )
        self.evaluation_loaders = [
            DataLoader(Pictures(split, plain), batch_size, num_workers=1, pin_memory=pin)
            for split in (dataset.train, dataset.test)
        ]
        self.model: nn.Module = resnet(depth, dataset.num_classes, batch_norm=False).to(device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, weight_decay=0.05, foreach=False)

    def steps(self) -> Iterator[float]:
        """The steps of one epoch: takes one, yields its loss."""
        self.model.train()
        for inputs, labels in self.train_loader:
            inputs, labels = inputs.to(self.device), labels.to(self.device)
            self.optimizer.zero_grad()
            loss = F.cross_entropy(self.model(inputs), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            yield loss.item()

    @torch.no_grad()
    def evaluate(self) -> list[float]:
        """Errors on the train and the test set."""
        self.model.eval()
        errors = []
        for loader in self.evaluation_loaders:
            wrong = 0
            for inputs, labels in loader:
                guesses = self.model(inputs.to(self.device)).argmax(1)
                wrong += int((guesses != labels.to(self.device)).sum())
            errors.append(wrong / len(cast(Sized, loader.dataset)))
        return errors


def run_seconds(dataset: Dataset, depth: int, batch_size: int, device: torch.device, epochs: int) -> float:
    """A whole training with its evaluations, from the first batch to the last answer."""
    script = PlainScript(dataset, depth, batch_size, device)
    started = time.perf_counter()
    for _ in range(epochs):
        for _ in script.steps():
            pass
        script.evaluate()
    return time.perf_counter() - started


if __name__ == "__main__":
    _folder, _per_class, _depth, _batch_size, _device, _epochs = sys.argv[1:]
    _dataset = read_folder(Path(_folder), int(_per_class))
    print(run_seconds(_dataset, int(_depth), int(_batch_size), torch.device(_device), int(_epochs)))
