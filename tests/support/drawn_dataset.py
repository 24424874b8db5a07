"""A dataset built of four drawn pairs, one of them held out."""

from chromiq.dataset_builder.build import build
from chromiq.dataset_builder.options import BuildOptions
from chromiq.sample_catalogue.catalogue import write_catalogue

PHOTO_WH = (224, 280)


def build_drawn_dataset(root, size_wh=None):
    """Build it into ``dataset/`` from ``catalogue/``, on the canvas that is usual or one of a size."""
    write_catalogue(root / "catalogue", pairs=4, size_wh=PHOTO_WH)
    options = BuildOptions(segmenter="classic", held_out=0.3, size_wh=size_wh)
    build(root / "catalogue", root / "dataset", options)
    return root / "dataset"
