"""The dataset's contact sheet: what is changed there is what the next build does, and only that."""

import json
import shutil
import unicodedata
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from studio_browser import served
from studio_client import client_of

from chromiq.dataset_builder.build import build
from chromiq.dataset_builder.options import BuildOptions
from chromiq.dataset_layout import read_examples
from chromiq.photos.images import photo_size_wh, read_mask
from chromiq.sample_catalogue.catalogue import write_catalogue
from chromiq.studio.screens import dataset
from chromiq.studio.screens.dataset import build_words

OPTIONS = BuildOptions(segmenter="classic", size_wh=(192, 128))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("studio-data")
    write_catalogue(root / "photos", pairs=3, size_wh=(120, 150))
    build(root / "photos", root / "dataset", OPTIONS, keep_doubtful=True)
    return root


@pytest.fixture
def data(made):
    """A dataset that may be changed, beside its photos, where its record says that they are."""
    spare = made.with_name(f"{made.name}-spare") / "dataset"
    shutil.copytree(made / "dataset", spare)
    yield SimpleNamespace(root=made, dataset=made / "dataset")
    shutil.rmtree(made / "dataset")
    spare.rename(made / "dataset")


@pytest.fixture
def page(data):
    client, _ = client_of(data.root)
    (folder,) = client.app.state.workplace.of_kind("dataset")
    return SimpleNamespace(client=client, address=f"/f/{folder.id}/dataset", **vars(data))


def files(dataset):
    return {
        path.relative_to(dataset).as_posix(): path.stat().st_mtime_ns
        for path in dataset.rglob("*")
        if path.is_file() and path.parts[-2] in {"gt", "control", "masks"}
    }


@pytest.mark.browser
def test_a_pair_is_excluded_another_relabelled_and_only_these_are_built_again(browser, data):
    before = files(data.dataset)
    browser.screen(1200, 900)
    with served(data.root) as address:
        browser.enter(address)
        browser.evaluate(
            "[...document.querySelectorAll('nav a')].find((a) => a.href.endsWith('/dataset')).click()"
        )
        browser.until("document.querySelector('[data-dataset]').dataset.checked")
        browser.click("#pair-1 [data-field=label]")
        browser.press("a", "Control")
        browser.type("anorak")
        browser.press("Tab")
        browser.until("'changed' in document.querySelector('#pair-1').dataset")
        browser.evaluate("document.querySelector('#pair-2 [data-field=choice]').focus()")
        browser.press("e")
        browser.press("Tab")
        browser.until("'changed' in document.querySelector('#pair-2').dataset")
        assert browser.evaluate("document.querySelector('[data-part=pending]').textContent").startswith(
            "2 pairs"
        )
        assert json.loads((data.dataset / "selection.json").read_text()) == {"2": "exclude"}
        browser.click("[data-part=build]")
        browser.until("document.querySelector('#message').textContent.startsWith('Built')")
        browser.until("document.querySelector('[data-dataset]').dataset.checked")
        assert browser.evaluate("document.querySelector('#pair-2').dataset.split") == "left out"
        assert browser.problems() == []
        assert all(url.startswith(address) for url in browser.requests())
    after = files(data.dataset)
    assert {name for name in before if before[name] == after.get(name)} == {
        name for name in before if "pair3" in name
    }
    captions = {example.key: example.caption for example in read_examples(data.dataset)}
    assert set(captions) == {"1", "3"}
    assert "anorak" in captions["1"]


@pytest.mark.browser
def test_a_finding_of_doctor_stands_beside_its_picture(browser, data, monkeypatch):
    monkeypatch.setattr(dataset, "AT_ONCE", 1)  # pair 2 is filled later
    (data.dataset / "gt" / "pair2.txt").write_text("no such word")
    browser.screen(390, 844, dark=True)
    with served(data.root) as address:
        browser.enter(address)
        browser.evaluate(
            "[...document.querySelectorAll('nav a')].find((a) => a.href.endsWith('/dataset')).click()"
        )
        browser.until("document.querySelector('[data-dataset]').dataset.checked")
        assert not browser.evaluate("document.querySelector('[data-empty]')")
        assert "trigger word" in browser.evaluate("document.querySelector('#pair-2 .findings').innerText")
        assert browser.evaluate("document.querySelector('#pair-1 .findings').innerText") == ""
        assert browser.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_example_is_shown_as_the_trainer_sees_it(page):
    import cv2

    answer = page.client.get(f"{page.address}/picture/pair1/trained?large")
    shown = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)
    mask = read_mask(page.dataset / "masks" / "pair1.png")
    plain = page.client.get(f"{page.address}/picture/pair1/truth?large").content
    target = cv2.imdecode(np.frombuffer(plain, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)
    assert np.array_equal(shown[mask], target[mask])
    under_blue = target[~mask] / 4 + np.array([30, 40, 120]) * 3 / 4
    assert np.abs(shown[~mask] - under_blue).max() <= 1


def test_a_garment_s_photos_are_held_out_together_and_come_back(page):
    answer = page.client.post(f"{page.address}/pair/2", json={"choice": "held_out"}).json()
    assert answer == {"label": answer["label"], "choice": "held_out", "changed": True}
    answer = page.client.post(f"{page.address}/pair/2", json={"choice": ""}).json()
    assert (answer["choice"], answer["changed"]) == ("", False)
    assert json.loads((page.dataset / "selection.json").read_text()) == {}


@pytest.mark.parametrize(
    "wishes", [{"choice": "burn"}, {"label": " "}, {"label": "a\u0000b"}, {"caption": "x"}, []]
)
def test_what_cannot_be_chosen_is_refused_and_nothing_is_written(page, wishes):
    before = (page.dataset / "garments.json").read_bytes()
    assert page.client.post(f"{page.address}/pair/1", json=wishes).status_code == 400
    assert (page.dataset / "garments.json").read_bytes() == before
    assert not (page.dataset / "selection.json").exists()
    assert page.client.post(f"{page.address}/pair/77", json={"label": "coat"}).status_code == 404


def test_a_label_is_text_and_never_markup(page):
    page.client.post(f"{page.address}/pair/1", json={"label": "<img src=x onerror=alert(1)>"})
    text = page.client.get(page.address).text
    assert "<img src=x" not in text
    assert "&lt;img src=x" in text


def test_a_label_replaces_the_entry_in_another_unicode_form(page, monkeypatch):
    composed, split = (unicodedata.normalize(form, "\u00e9.jpg") for form in ("NFC", "NFD"))
    pairs = dict(dataset.dataset_pairs(page.dataset))  # they are cached
    pairs["1"] = replace(pairs["1"], still_life=pairs["1"].still_life.with_name(split))
    monkeypatch.setattr(dataset, "dataset_pairs", lambda _: pairs)
    (page.dataset / "garments.json").write_text(json.dumps({composed: "coat"}))
    answer = page.client.post(f"{page.address}/pair/1", json={"label": "tunic"}).json()
    assert answer["label"] == "tunic"
    assert json.loads((page.dataset / "garments.json").read_text()) == {composed: "tunic"}


def test_a_label_replaces_the_entry_that_names_its_folder(page):
    still_life = next((page.root / "photos").rglob("still-life1.*"))
    entry = f"{still_life.parent.name}/{still_life.name}"
    (page.dataset / "garments.json").write_text(json.dumps({entry: "coat"}))
    answer = page.client.post(f"{page.address}/pair/1", json={"label": "tunic"}).json()
    assert answer["label"] == "tunic"
    assert json.loads((page.dataset / "garments.json").read_text()) == {entry: "tunic"}


def test_a_mask_drawn_for_the_dataset_goes_where_the_build_looks(page):
    from chromiq.photos.images import encode_mask

    width_px, height_px = photo_size_wh(next((page.root / "photos").rglob("on_model1.*")))
    mask = np.zeros((height_px, width_px), bool)
    mask[40:90, 30:80] = True
    address = page.address.removesuffix("dataset") + "mask/1.png"
    assert page.client.put(address, content=encode_mask(mask)).status_code == 200
    build(page.root / "photos", page.dataset, OPTIONS, keep_doubtful=True)
    assert np.array_equal(read_mask(page.dataset / "garment_masks" / "on_model1.png"), mask)
    assert page.client.get(address).content == encode_mask(mask)


@pytest.mark.parametrize("screen", ["dataset", "mask/1"])
def test_the_command_that_is_shown_builds_the_same_again(page, chromiq, screen):
    import shlex

    text = page.client.get(page.address.removesuffix("dataset") + screen).text
    command = text.split('id="command"')[1].split(">", 1)[1].split("</code>")[0]
    before = files(page.dataset)
    answer = chromiq(*shlex.split(command)[1:], "--no-colour-check", "--json")
    assert json.loads(answer.out)["resumed_pairs"] == 3
    assert files(page.dataset) == before


def test_options_at_their_defaults_are_left_out_of_the_command(made):
    from dataclasses import asdict

    from chromiq.dataset_layout import BuildSource

    plain = json.loads(json.dumps(asdict(BuildOptions())))
    assert build_words("d", BuildSource("p"), plain) == ["build", "p", "--out", "d"]
    chosen = {**plain, "part": "upper", "captions": ["{trigger} {garment}"]}
    chosen["models"] = {**plain["models"], "device": "cpu"}
    words = build_words("d", BuildSource("p", masks="m"), chosen)
    assert words[:4] == ["build", "p", "--out", "d"]
    assert words[4:8] == ["--caption", "{trigger} {garment}", "--part", "upper"]
    assert words[8:] == ["--device", "cpu", "--masks", "m"]
