"""Photos that are trained on as the truth and are not: a warning for each, with a picture."""

import json

import numpy as np
import pytest
from PIL import Image

from chromiq.correction import pair_agreement
from chromiq.correction.pair_agreement import check_agreement
from chromiq.dataset_builder.inputs.pairs import find_pairs
from chromiq.dataset_builder.pair_record import remove_recorded


@pytest.fixture
def dataset(catalogue):
    """The masks of both pairs as a dataset has them: the first pair is off."""
    (catalogue / "masks").rename(catalogue / "garment_masks")
    return catalogue


def test_a_pair_that_is_off_is_named_and_shown(dataset):
    pairs = find_pairs(dataset / "pairs").pairs
    (finding,) = check_agreement(pairs, dataset)
    assert (finding.code, finding.severity) == ("colours.disagree", "warning")
    assert finding.where.endswith("on_model1.png")
    assert float(finding.got) > 3
    shown = np.array(Image.open(dataset / "review" / "colours1.jpg"))
    assert shown.shape[1] > shown.shape[0]
    assert not (dataset / "review" / "colours2.jpg").exists()


def test_it_is_remembered_until_something_changes(dataset, monkeypatch):
    pairs = find_pairs(dataset / "pairs").pairs
    first = check_agreement(pairs, dataset)

    def never(work):
        raise AssertionError(f"{work.pair.key} was checked again")

    with monkeypatch.context() as patch:
        patch.setattr(pair_agreement, "_measured", never)
        assert check_agreement(pairs, dataset) == first
    with monkeypatch.context() as patch:
        patch.setattr(pair_agreement, "_GAIN_VERSION", pair_agreement._GAIN_VERSION + 1)
        patch.setattr(pair_agreement, "_measured", lambda work: 0.0)
        assert check_agreement(pairs, dataset) == []
    (dataset / "pairs" / "on_model1.png").write_bytes((dataset / "truth" / "on_model1.png").read_bytes())
    assert check_agreement(pairs, dataset) == []
    assert not (dataset / "review" / "colours1.jpg").exists()
    assert json.loads((dataset / ".chromiq" / "colours" / "1.json").read_text())["gain"] < 3


def test_the_record_and_the_picture_go_with_the_pair(dataset):
    check_agreement(find_pairs(dataset / "pairs").pairs, dataset)
    remove_recorded(dataset, "1")
    assert not (dataset / "review" / "colours1.jpg").exists()
    assert [path.name for path in (dataset / ".chromiq" / "colours").iterdir()] == ["2.json"]


def test_pairs_that_are_not_in_the_dataset_are_passed_over(dataset):
    (dataset / "garment_masks" / "on_model1.png").unlink()
    assert check_agreement(find_pairs(dataset / "pairs").pairs, dataset) == []
