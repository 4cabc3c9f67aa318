"""Data sets: raw uint8 images with labels, split into training, validation and test."""

from agilenn_cc.data.augment import augment
from agilenn_cc.data.dataset import Dataset, Split
from agilenn_cc.data.load import dataset_classes, load_dataset
from agilenn_cc.data.source import DatasetSource, Pixels, RawDataset, Records, Request

__all__ = [
    "Dataset",
    "DatasetSource",
    "Pixels",
    "RawDataset",
    "Records",
    "Request",
    "Split",
    "augment",
    "dataset_classes",
    "load_dataset",
]
