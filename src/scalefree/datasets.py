"""What each data set is called, what its images are like and where they come from: the one table that says so.

Configurations, figures and reports read it; `data/` reads the images. A new data set is a module of `data/` and a row.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class DatasetRow:
    """One data set.

    Attributes:
        key: its name on the command line and in records.
        label: its name in figures and reports.
        classes: how many; None, like the next two, where only the images show it.
        images: how many there are to train on and to test on.
        side: of an image, in pixels.
        crop_padding, horizontal_flip: how training images are augmented unless a run says otherwise.
        takes_root: whether its images are looked for in `dataset.root`; otherwise a package holds them.
        resolutions: the sides to which its images may be averaged (`dataset.resolution`), its own first.
        mean_std: of each channel in [0, 1], used to normalise images; measured on the training images if None.
        module: of `scalefree.data`, which has its `read`; named like the key if empty.
    """

    key: str
    label: str
    classes: int | None
    images: tuple[int, int] | None
    side: int | None
    crop_padding: int
    horizontal_flip: bool
    takes_root: bool = False
    resolutions: tuple[int, ...] = ()
    mean_std: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    module: str = ""

    def averages(self, resolution: int | None) -> bool:
        """Whether images at this resolution are averaged, rather than as they are."""
        return resolution not in (None, self.side)


DATASETS = {
    row.key: row
    for row in (
        # scikit-learn's 1,797 handwritten digits: embedded, no download. One-pixel shifts, no flips.
        DatasetRow("digits", "Digits 8x8", 10, (1438, 359), 8, 1, False),
        # The published splits. Means and standard deviations are the authors' constants.
        DatasetRow(
            "cifar10", "CIFAR-10", 10, (50_000, 10_000), 32, 4, True,
            takes_root=True, resolutions=(32, 16, 8), module="cifar",
            mean_std=((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
        ),
        DatasetRow(
            "cifar100", "CIFAR-100", 100, (50_000, 10_000), 32, 4, True,
            takes_root=True, resolutions=(32, 16, 8), module="cifar",
            mean_std=((0.5071, 0.4866, 0.4409), (0.2673, 0.2564, 0.2762)),
        ),
        # Any images of one size: DIR/{train,test}/<class>/*.png (docs/images.md).
        DatasetRow("image_folder", "image folder", None, None, None, 4, True, takes_root=True, module="cache"),
    )
}  # fmt: skip
