"""Labels: a person's word wins, files are read whole or refused with all that is wrong."""

import json
from pathlib import Path

import pytest

from chromiq.errors import UnsoundError
from chromiq.records import PhotoPair
from dataset_builder.labels import label_pair, read_garments, silhouette_label, write_garments
from dataset_builder.sample_catalogue import draw_pair


@pytest.mark.parametrize(("index", "word"), [(0, "shirt"), (2, "trousers"), (9, "trousers")])
def test_the_outline_tells_trousers_from_tops(index, word):
    label = silhouette_label(draw_pair(index, size_wh=(224, 280)).still_life)
    assert (label.name, label.source) == (word, "silhouette")
    assert label.score < 1


def test_a_persons_word_wins_over_the_outline():
    still_life = draw_pair(2, size_wh=(224, 280)).still_life
    pair = PhotoPair("1", Path("still-life1.jpg"), Path("on_model1.jpg"))
    assert label_pair(pair, {"still-life1.jpg": "culottes"}, still_life).name == "culottes"
    assert label_pair(pair, {}, still_life).name == "trousers"
    own = PhotoPair("1", pair.still_life, pair.on_model, "chinos")
    assert label_pair(own, {"still-life1.jpg": "culottes"}, still_life).name == "chinos"


def test_labels_survive_a_round_trip(tmp_path):
    labels = {"still-life1.jpg": "veste d'été", "still-life2.jpg": 'a "shirt"'}
    write_garments(tmp_path / "garments.json", labels)
    assert read_garments(tmp_path / "garments.json") == labels


def test_every_wrong_entry_is_named(tmp_path):
    path = tmp_path / "garments.json"
    path.write_text(json.dumps({"a.jpg": "", "b.jpg": 3, "c.jpg": "two\nlines", "d.jpg": "shirt"}))
    with pytest.raises(UnsoundError) as caught:
        read_garments(path)
    assert len(caught.value.findings) == 3
    for text in ("[1]", "not json"):
        path.write_text(text)
        with pytest.raises(UnsoundError):
            read_garments(path)
