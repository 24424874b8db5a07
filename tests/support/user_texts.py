"""Each thing that a user writes, with the code that reads it: for fuzzing, by property and by coverage."""

from collections.abc import Callable
from pathlib import Path

from chromiq.errors import ChromiqError


def _pairs(path: Path) -> object:
    from chromiq.dataset_builder.inputs.pairs import find_pairs

    return find_pairs(path)


def _crops(path: Path) -> object:
    from chromiq.evaluate.score.crops import read_crops

    return read_crops(path)


def _garments(path: Path) -> object:
    from chromiq.dataset_builder.inputs.labels import read_garments

    return read_garments(path)


def _manifest(path: Path) -> object:
    from chromiq.dataset_builder.doctor.dataset import check_dataset
    from chromiq.evaluate.testset import read_testset

    for folder in ("gt", "control"):  # without them it would not get to the manifest
        (path.parent / folder).mkdir(exist_ok=True)
    check_dataset(path.parent)
    return read_testset(path.parent)


def _job(path: Path) -> object:
    from chromiq.toolkit_configs.schema.trainer_job import read_job

    return read_job(path)


def _project(path: Path) -> object:
    from chromiq.toolkit_configs.render.settings import project_settings

    return project_settings(path)


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "pairs": ("pairs.csv", _pairs),
    "crops": ("crops.json", _crops),
    "garments": ("garments.json", _garments),
    "manifest": ("manifest.jsonl", _manifest),
    "job": ("config.yaml", _job),
    "project": ("chromiq.yaml", _project),
}

SEEDS: dict[str, list[bytes]] = {
    "pairs": [b"still_life,on_model,garment,key\na.jpg,b.jpg,shirt,1\n", b'still_life,on_model\n"a,b",c\n'],
    "crops": [b'{"pair1": {"x": 700, "y": 310, "width": 160, "height": 160}}'],
    "garments": [b'{"still-life1.jpg": "shirt", "still-life2.jpg": "trousers"}'],
    "manifest": [
        b'{"name": "pair1", "key": "1", "target": "gt/pair1.jpg", "control": "control/pair1.jpg",'
        b' "mask": "masks/pair1.png", "geometry": null, "split": "train"}\n'
    ],
    "job": [
        b"job: extension\nconfig:\n  name: a\n  process:\n  - type: diffusion_trainer\n"
        b"    training_folder: runs\n    sqlite_db_path: x.db\n    datasets:\n    - folder_path: gt\n"
        b"      control_path: control\n    train:\n      lr: 1e-4\n"
    ],
    "project": [b"train:\n  lr: 2e-4\npreset: 24gb\n"],
}


def read(kind: str, data: bytes, folder: Path) -> ChromiqError | None:
    """Read `data` as a file of its kind; our own errors are what bad input may end in, and none other."""
    name, reader = READERS[kind]
    path = folder / name
    path.write_bytes(data)
    try:
        reader(path)
    except ChromiqError as error:
        return error
    return None
