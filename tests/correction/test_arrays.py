"""`chromiq.correct` on arrays: what files give, without files."""

import numpy as np
import pytest

import chromiq
from chromiq.correction.options import CorrectionOptions
from chromiq.correction.photo import correct_file
from chromiq.dataset_builder.segmenters.classic.segmenter import ClassicSegmenter
from chromiq.errors import UsageError
from chromiq.photos.images import read_mask, read_photo


@pytest.fixture
def photos(catalogue):
    paths = [catalogue / "pairs" / f"{name}1.png" for name in ("still-life", "on_model")]
    return paths, catalogue / "masks" / "on_model1.png"


def test_arrays_and_files_give_the_same(photos, tmp_path):
    paths, mask = photos
    arrays = [read_photo(path).rgb for path in paths]
    corrected, record = chromiq.correct(*arrays, mask=read_mask(mask))
    done = correct_file(*paths, tmp_path / "o.png", ClassicSegmenter(), mask=mask)
    np.testing.assert_array_equal(corrected, read_photo(tmp_path / "o.png").rgb)
    assert (record.answer, record.reason, record.colours) == (done.answer, done.reason, done.colours)


def test_16_bits_stay_16_bits(photos):
    paths, mask_file = photos
    still_life, on_model = (read_photo(path).rgb.astype(np.uint16) * 257 for path in paths)
    mask = read_mask(mask_file)
    corrected, record = chromiq.correct(still_life, on_model, mask=mask)
    assert (corrected.dtype, record.applied) == (np.uint16, True)
    np.testing.assert_array_equal(corrected[~mask], on_model[~mask])


def test_without_a_mask_the_garment_is_found(photos):
    arrays = [read_photo(path).rgb for path in photos[0]]
    corrected, record = chromiq.correct(*arrays)
    assert 0 < record.mask_confidence < 1
    assert corrected.shape == arrays[1].shape


def test_what_cannot_be_is_refused(photos):
    arrays = [read_photo(path).rgb for path in photos[0]]
    with pytest.raises(UsageError, match="the mask of on_model"):
        chromiq.correct(*arrays, mask=np.ones((3, 3), bool))
    with pytest.raises(UsageError, match="needs a network"):
        chromiq.correct(*arrays, options=CorrectionOptions(method="lora"))
