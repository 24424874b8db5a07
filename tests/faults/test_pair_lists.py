"""Pair lists as spreadsheets and people write them: read, or refused line by line, never half understood."""

import pytest

from chromiq.dataset_builder.inputs.pairs import find_pairs


@pytest.fixture
def listed(two_photos, tmp_path):
    """What a list of two sound pairs gives, written as these bytes."""
    for number in (1, 2):
        for role, data in zip(("still-life", "on_model"), two_photos, strict=True):
            (tmp_path / f"{role}{number}.jpg").write_bytes(data)

    def find(data):
        (tmp_path / "pairs.csv").write_bytes(data)
        listing = find_pairs(tmp_path / "pairs.csv")
        errors = [finding for finding in listing.findings if finding.severity == "error"]
        return [(pair.key, pair.garment) for pair in listing.pairs], errors

    return find


HEAD = b"still_life,on_model,garment\n"
FIRST = b"still-life1.jpg,on_model1.jpg"


@pytest.mark.parametrize(
    ("data", "pairs"),
    [
        (b"\xef\xbb\xbf" + HEAD + FIRST + b",shirt\n", [("1", "shirt")]),
        (HEAD.replace(b"\n", b"\r\n") + FIRST + b',"a ""red"" top"\r\n\r\n', [("1", 'a "red" top')]),
        (HEAD + FIRST + b",\nstill-life2.jpg, on_model2.jpg ,", [("1", None), ("2", None)]),
        (HEAD + FIRST + b",shirt,,\n", [("1", "shirt")]),
        (HEAD + FIRST + b",shirt\n" + FIRST + b",shirt\n", [("1", "shirt")]),
        (b"key,on_model,still_life\nb,on_model1.jpg,still-life1.jpg\n", [("b", None)]),
    ],
    ids=["mark", "quotes", "blanks", "commas", "twice", "order"],
)  # fmt: skip
def test_read(listed, data, pairs):
    assert listed(data) == (pairs, [])


@pytest.mark.parametrize(
    ("data", "code", "got"),
    [
        (HEAD + FIRST + b",red, long dress\n", "csv.row", "more:  long dress"),
        (HEAD + FIRST + b',"two\nlines"\n', "csv.row", "'two\\nlines'"),
        (HEAD + FIRST + b",a\n" + FIRST + b",b\n", "pair.name_taken", "still-life1.jpg"),
        (HEAD + b"still-life1.jpg\n", "csv.row", "an empty field"),
        (HEAD + b"still-life1.jpg,still-life1.jpg\n", "csv.row", "one photo in both places"),
        (HEAD + b"still-life1.jpg,a\0.jpg\n", "csv.row", "a null byte"),
        (HEAD + b'"still-life1.jpg,on_model1.jpg\n', "csv.unreadable", "unexpected end of data"),
        (HEAD.replace(b",", b";") + FIRST, "csv.columns", "still_life;on_model;garment"),
        ((HEAD + FIRST).decode().encode("utf-16"), "csv.unreadable", "0xff"),
        (HEAD + "still-life1.jpg,modèle.jpg\n".encode("latin-1"), "csv.unreadable", "0xe8"),
        (b"", "csv.columns", "an empty file"),
    ],
    ids=["commas", "newline", "two words", "short", "same", "null", "quote", "semicolon", "utf-16", "latin-1",
         "empty"],
)  # fmt: skip
def test_refused(listed, data, code, got):
    _, errors = listed(data)
    assert [finding.code for finding in errors] == [code]
    assert got in errors[0].got


def test_no_more_lines_than_are_said_to_be_read(listed, monkeypatch):
    monkeypatch.setattr("chromiq.dataset_builder.inputs.pairs_csv.MAX_CSV_ROWS", 2)
    pairs, errors = listed(HEAD + FIRST + b",\nstill-life2.jpg,on_model2.jpg,\n")
    assert pairs == [("1", None)]
    assert [finding.code for finding in errors] == ["csv.long"]
