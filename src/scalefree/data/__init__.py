"""Data sets as resident uint8 tensors, and batches made from them on the device."""

from scalefree.data.batches import Batch, TrainBatches, evaluation_batches
from scalefree.data.dataset import Dataset, DatasetError, Split
from scalefree.data.load import load_dataset

__all__ = ["Batch", "Dataset", "DatasetError", "Split", "TrainBatches", "evaluation_batches", "load_dataset"]
