"""Pair lists as spreadsheets and people write them: read, or refused line by line, never half understood."""

import pytest

from chromiq.dataset_builder.inputs.pairs import find_pairs


@pytest.fixture
def listed(two_photos, tmp_path):
    """What a list of two sound pairs gives, written as these bytes."""
    for number in (1, 2):
        for role, data in zip(("still-life", "on_model"), two_photos, strict=True):
            (tmp_path / f"{role}{number}.jpg").write_bytes(data)
            (tmp_path / f"été-{role}{number}.jpg").write_bytes(data)

    def find(data):
        (tmp_path / "pairs.csv").write_bytes(data)
        listing = find_pairs(tmp_path / "pairs.csv")
        errors = [finding for finding in listing.findings if finding.severity == "error"]
        return [(pair.key, pair.garment) for pair in listing.pairs], errors

    return find


HEAD = b"still_life,on_model,garment\n"
FIRST = b"still-life1.jpg,on_model1.jpg"
ACCENTS = "still_life;on_model;garment\nété-still-life1.jpg;été-on_model1.jpg;blouse à pois\n"


@pytest.mark.parametrize(
    ("data", "pairs"),
    [
        (b"\xef\xbb\xbf" + HEAD + FIRST + b",shirt\n", [("1", "shirt")]),
        (HEAD.replace(b"\n", b"\r\n") + FIRST + b',"a ""red"" top"\r\n\r\n', [("1", 'a "red" top')]),
        (HEAD + FIRST + b",\nstill-life2.jpg, on_model2.jpg ,", [("1", None), ("2", None)]),
        (HEAD + FIRST + b",shirt,,\n", [("1", "shirt")]),
        (HEAD + FIRST + b",shirt\n" + FIRST + b",shirt\n", [("1", "shirt")]),
        (b"key,on_model,still_life\nb,on_model1.jpg,still-life1.jpg\n", [("b", None)]),
        ((HEAD + FIRST + b",shirt\n").replace(b",", b";"), [("1", "shirt")]),
        ((HEAD + FIRST + b",shirt\n").replace(b",", b"\t"), [("1", "shirt")]),
        (b"sep=;\r\n" + (HEAD + FIRST + b",a, b\n").replace(b",", b";", 4), [("1", "a, b")]),
        (b"Still-life;On model\r\n" + FIRST.replace(b",", b";"), [("1", None)]),
        ((HEAD + FIRST).decode().encode("utf-16"), [("1", None)]),
        ((HEAD + FIRST).decode().replace(",", "\t").encode("utf-16-le"), [("1", None)]),
        (ACCENTS.encode("cp1252"), [("été-still-life1", "blouse à pois")]),
        (ACCENTS.encode("utf-8-sig"), [("été-still-life1", "blouse à pois")]),
        ((HEAD + FIRST + b",a\n").replace(b"\n", b"\r"), [("1", "a")]),
    ],
    ids=[
        "mark",
        "quotes",
        "blanks",
        "commas",
        "twice",
        "order",
        "semicolons",
        "tabs",
        "sep=",
        "column names",
        "utf-16",
        "utf-16 without mark",
        "cp1252",
        "utf-8 with accents",
        "old mac",
    ],
)
def test_read(listed, data, pairs):
    assert listed(data) == (pairs, [])


@pytest.mark.parametrize(
    ("data", "code", "message"),
    [
        (HEAD + FIRST + b",red, long dress\n", "csv.row", "more fields than columns: long dress"),
        (HEAD + FIRST + b',"two\nlines"\n', "csv.row", "'two\\nlines'"),
        (HEAD + FIRST + b",a\n" + FIRST + b",b\n", "pair.name_taken", "still-life1.jpg"),
        (HEAD + b"still-life1.jpg\n", "csv.row", "no on_model photo"),
        (HEAD + b"still-life1.jpg,still-life1.jpg\n", "csv.row", "the same photo"),
        (HEAD + b"still-life1.jpg,a\0.jpg\n", "csv.row", "a null byte"),
        (HEAD + b'"still-life1.jpg,on_model1.jpg\n', "csv.unreadable", "unexpected end of data"),
        (b"a,b\n" + FIRST, "csv.columns", "the first line has a, b"),
        (b"PK\x03\x04" + bytes(60), "csv.unreadable", "an Excel or OpenDocument workbook"),
        (HEAD + b"\x81\x8d\n", "csv.unreadable", "not text in UTF-8, UTF-16 or Windows-1252"),
        (b"", "csv.columns", "the first line has nothing"),
    ],
    ids=[
        "commas",
        "newline",
        "two words",
        "short",
        "same",
        "null",
        "quote",
        "columns",
        "workbook",
        "bytes",
        "empty",
    ],
)
def test_refused(listed, data, code, message):
    _, errors = listed(data)
    assert [finding.code for finding in errors] == [code]
    assert message in str(errors[0])


def test_a_faulty_line_is_named_by_its_number(listed):
    _, (error,) = listed(b"sep=,\n" + HEAD + FIRST + b",\n\nstill-life2.jpg,,\n")
    assert error.where == "pairs.csv, line 5"


def test_no_more_lines_are_read_than_allowed(listed, monkeypatch):
    monkeypatch.setattr("chromiq.dataset_builder.inputs.csv_tables.MAX_CSV_ROWS", 2)
    pairs, errors = listed(HEAD + FIRST + b",\nstill-life2.jpg,on_model2.jpg,\n")
    assert pairs == [("1", None)]
    assert [finding.code for finding in errors] == ["csv.long"]


def test_lines_that_share_a_still_life_are_named_after_their_on_model_photos(listed):
    pairs, errors = listed(HEAD + FIRST + b",\nstill-life1.jpg,on_model2.jpg,\n")
    assert ([key for key, _ in pairs], errors) == (["on_model1", "on_model2"], [])
