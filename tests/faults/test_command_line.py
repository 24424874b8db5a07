"""Command lines and streams as scripts leave them: unset variables, typing errors, closed or full streams."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from chromiq.dataset_builder import build as build_module
from chromiq.dataset_builder.build import build, build_here
from chromiq.dataset_builder.inputs.build_inputs import check_inputs
from chromiq.dataset_builder.options import BuildOptions
from chromiq.errors import AccessError, UnsoundError, UsageError
from chromiq.evaluate.generate.images import read_seeds
from chromiq.evaluate.generate.pipelines import Loading, load_pipeline
from chromiq.runtime import workers as worker_pool
from chromiq.sample_catalogue.catalogue import write_catalogue

VERB = [sys.executable, "-c", "from chromiq_cli.main import main; main()"]


def run(*arguments, redirected=""):
    """A command line in a shell, as only that closes streams."""
    shell = ["bash", "-c", f'"$@" {redirected}', "bash", *VERB, *map(str, arguments)]
    return subprocess.run(shell, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("empty", [["--out", ""], ["--out="], ["--out", "x", ""]])
def test_a_variable_that_is_not_set_is_not_the_working_directory(chromiq, tmp_path, monkeypatch, empty):
    monkeypatch.chdir(tmp_path)
    code, document, reported = chromiq("build", "photos", *empty)
    assert (code, document["exit_code"]) == (2, 2)
    assert "is empty (is a shell variable unset?)" in reported
    assert ("--out" in reported) == (empty[-1] != "" or empty[-2] == "--out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [(["build", "x", "--out", "y", "--workers", "0"], "--workers"), (["buidl"], "buidl"), (["-x"], "-x")],
)
def test_a_command_line_that_is_not_understood_is_reported_as_json_too(chromiq, arguments, reported):
    code, document, said = chromiq(*arguments)
    assert (code, document["exit_code"]) == (2, 2)
    assert reported in document["error"]
    assert reported in said


@pytest.mark.parametrize("verb", [["template", "list"], ["doctor", "nowhere", "--json"]])
def test_a_full_stdout_is_reported_on_stderr(verb):
    ended = run(*verb, redirected="> /dev/full")
    assert ended.returncode in {1, 2}
    assert ended.stderr.splitlines()[-1].startswith(("chromiq: ", "error: "))
    assert "Traceback" not in ended.stderr


def test_a_closed_stream_loses_what_is_written_to_it_and_no_more(tmp_path):
    ended = run("template", "list", redirected=">&-")
    assert (ended.returncode, ended.stderr) == (0, "")
    ended = run("template", "copy", "kontext", "--out", tmp_path / "copy", redirected="<&- >&- 2>&-")
    assert ended.returncode == 0
    assert (tmp_path / "copy").read_text().splitlines()[-1].strip()
    # Messages and progress do not turn up among the results instead.
    ended = run("doctor", tmp_path / "none", "--json", redirected="2>&-")
    assert json.loads(ended.stdout)["exit_code"] == 2


@pytest.mark.parametrize(
    "verb", [["template", "copy", "kontext"], ["template", "list"], ["toolkit", "info", "--json"]]
)
def test_a_reader_that_leaves_early_is_no_crash(verb):
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run([*VERB, *verb], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_a_file_is_not_written_over_what_is_no_file(chromiq, tmp_path):
    """Renamed to, a device would be gone: as root, that of the whole machine."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/null")
    for name in ("pipe", "link", "."):
        code, _, reported = chromiq("render", "kontext", "--dataset", tmp_path, "--out", tmp_path / name)
        assert code == 2
        assert "not a file. Choose another name" in reported
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "link").is_char_device()


def test_settings_that_are_asked_for_and_not_there(chromiq, tmp_path):
    code, _, reported = chromiq("render", "kontext", "--dataset", tmp_path, "--project", tmp_path / "my.yaml")
    assert code == 2
    assert "my.yaml" in reported


@pytest.mark.parametrize("workers", [3, 10_000])
def test_no_more_workers_than_there_is_work_or_a_machine_bears(monkeypatch, tmp_path, workers):
    started, asked = [], []
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(
        worker_pool,
        "map_in_processes",
        lambda *given, **_: started.append(given[2]) or [],
    )
    assert list(build_here([], workers)) == []
    assert started == [min(workers, 16)]

    def in_this_process(works, workers):
        asked.append(workers)
        return build_here(works, 1)

    write_catalogue(tmp_path / "photos", pairs=2, size_wh=(96, 120))
    options = BuildOptions(segmenter="classic", size_wh=(192, 128))
    build(tmp_path / "photos", tmp_path / "out", options, workers=workers, engine=in_this_process)
    assert asked == [2]


@pytest.mark.parametrize(
    ("options", "code", "reported"),
    [
        (["--lora", "nowhere"], 2, "no such file or folder"),
        (["--lora", "."], 10, "a folder, as of a model trained whole"),
        (["--lora", "/dev/zero"], 10, "no such file"),
        (["--lora-scale", "0.5"], 2, "--lora-scale: there is no LoRA to scale"),
        (["--guidance", "nan"], 2, "--guidance: is not a finite number"),
        (["--seed", str(2**64)], 2, "--seed"),
        (["--reference", "."], 2, "--reference"),
        (["--out", "control"], 2, "lie among the inputs"),
        (["--captions", "control/a.png"], 2, "control/a.png: no such folder of prompts"),
        (["--captions", "prompts"], 10, "cannot read the prompt"),
        (["--captions", "prompts", "--out", "prompts"], 10, "cannot read the prompt"),
    ],
)
def test_generating_is_refused_before_anything_is_loaded_or_written(
    chromiq, tmp_path, monkeypatch, options, code, reported
):
    monkeypatch.chdir(tmp_path)
    for name in ("control", "prompts"):
        (tmp_path / name).mkdir()
    Image.new("RGB", (128, 96)).save(tmp_path / "control" / "a.png")
    (tmp_path / "prompts" / "a.txt").write_bytes(b"\xff\xfe")
    prompt = [] if "--captions" in options else ["--prompt", "x"]
    ended = chromiq("generate", "--control", "control", "--out", "out", *prompt, *options)
    assert ended[0] == code
    assert reported in ended[2]
    assert not (tmp_path / "out").exists()
    assert [path.name for path in (tmp_path / "control").iterdir()] == ["a.png"]


def test_seeds_that_torch_does_not_take(tmp_path):
    (tmp_path / "seeds.json").write_text(json.dumps({"a": 2**64 - 1}))
    assert read_seeds(tmp_path / "seeds.json") == {"a": 2**64 - 1}
    (tmp_path / "seeds.json").write_text(json.dumps({"a": 2**64}))
    with pytest.raises(UnsoundError, match=r"seeds \(a must be less than 18446744073709551616\)"):
        read_seeds(tmp_path / "seeds.json")


@pytest.mark.skipif(find_spec("torch") is None, reason="needs torch: pip install '.[models]'")
@pytest.mark.parametrize("device", ["foo", "cuda:99"])
def test_a_device_that_is_not_here(dataset, tmp_path, chromiq, device):
    where = ["--control", dataset / "control", "--prompt", "a shirt", "--out", tmp_path / "out"]
    code, _, reported = chromiq("generate", *where, "--device", device)
    assert code == 2
    assert f"--device: torch cannot use '{device}' here" in reported
    with pytest.raises(UsageError, match=f"`device`: torch cannot use '{device}' here"):
        load_pipeline("kontext", str(tmp_path), Loading(device=device))
    with pytest.raises(AccessError, match=r"model_index\.json"):
        load_pipeline("kontext", str(tmp_path), Loading(device="cpu"))


@pytest.mark.parametrize(
    "options",
    [
        ("--steps", 4),
        ("--checkpoint", "a/b"),
        ("--offload", "model"),
        ("--model", "kontext"),
        ("--seed", 42),
        ("--geometry", "exact"),
        ("--caption", "{garment}"),
    ],
)
def test_options_of_a_lora_need_one(chromiq, dataset, options, tmp_path):
    commands = [("correct", dataset / "gt" / "pair1.jpg", dataset / "control" / "pair1.jpg")]
    if options[0] not in {"--geometry", "--caption"}:
        commands.append(("evaluate", dataset))
    for command in commands:
        code, _, reported = chromiq(*command, "--out", tmp_path / "out", *options)
        assert code == 2
        assert f"{options[0]} has no effect without --lora" in reported


@pytest.mark.parametrize(
    ("verb", "option", "needs"),
    [
        (["sweep", ".", "--testset", "."], ["--every-s", "9"], "--every-s needs --watch"),
        (["build", "."], ["--gpus-per-worker", "1"], "--gpus-per-worker needs --engine ray"),
        (["correct", "a", "b"], ["--workers", "4"], "--workers needs --batch"),
    ],
)
def test_options_that_do_nothing_without_another_are_refused(
    chromiq, verb, option, needs, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).touch()
    code, _, reported = chromiq(*verb, "--out", "out", *option)
    assert (code, needs in reported) == (2, True)


@pytest.mark.parametrize(
    "words",
    [
        "build photos --masks coco.json --out . --export-masks coco",
        "correct --batch broken --out broken/on-model --skip-bad",
        "correct --batch photos --out photos",
        "correct photos/still-life1.jpg photos/on_model1.jpg --out photos/on_model1.jpg",
        "explain-mask photos/still-life1.jpg photos/on_model1.jpg --out photos/on_model1.jpg",
        "generate --control photos --prompt x --out photos",
        "evaluate dataset --out dataset",
        "evaluate dataset --out dataset/held_out/gt",
        "evaluate dataset/held_out --out dataset",
        "evaluate dataset/held_out --out dataset/masks",
        "render kontext --dataset dataset --out dataset/manifest.jsonl",
        "render kontext --dataset dataset --out dataset/gt/config.yaml",
        "score --gt photos --control dataset/gt --generated dataset/gt --out photos",
        "score --gt photos --control dataset/gt --generated dataset/gt --out dataset/gt",
        "crops suggest --gt photos --masks dataset/masks --out dataset/masks/pair1.png",
        "crops check crops.json --gt photos --out photos/on_model1.jpg",
        "crops check crops.json --gt photos --out photos/sheet.jpg",
        "crops check crops.json --gt photos --masks dataset/masks --out dataset/masks/pair1.png",
    ],
)
def test_results_do_not_go_where_their_inputs_are(chromiq, dataset, monkeypatch, words):
    monkeypatch.chdir(dataset.parent)
    write_catalogue(Path("photos"), pairs=1, size_wh=(96, 128))
    for name in ("coco.json", "broken/still-life/1.jpg", "broken/on-model/1.jpg"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("{}")
    Path("crops.json").write_text('{"on_model1": {"x": 8, "y": 8, "width": 16, "height": 16}}')
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    code, _, reported = chromiq(*words.split())
    assert code == 2
    assert "lie among the inputs" in reported
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before


def test_crops_that_are_none_or_of_some_images_or_far_outside(chromiq, dataset, tmp_path):
    folders = ["--gt", dataset / "gt", "--control", dataset / "control", "--generated", dataset / "control"]
    crops = tmp_path / "crops.json"
    score = ["score", *folders, "--out", tmp_path / "out", "--crops", crops]
    crops.write_text("{}")
    code, document, _ = chromiq(*score)
    assert code == 10
    assert document["findings"][0]["code"] == "crops.empty"
    crops.write_text('{"pair1": {"x": 700, "y": 310, "width": 60, "height": 60}}')
    code, _, reported = chromiq(*score)
    assert code == 0
    assert f"skipped 2 images of {dataset / 'gt'} without a crop" in reported
    crops.write_text(json.dumps({"pair1": {"x": 10**30, "y": 310, "width": 60, "height": 60}}))
    code, document, _ = chromiq(
        "crops", "check", crops, "--gt", dataset / "gt", "--out", tmp_path / "sheet.jpg"
    )
    assert code == 10
    assert document["findings"][0]["code"] == "crops.bounds"
    assert (tmp_path / "sheet.jpg").is_file()


def test_the_device_is_the_networks_where_the_segmenter_has_none(chromiq, tmp_path):
    write_catalogue(tmp_path, pairs=1, size_wh=(96, 120))
    photos = [tmp_path / "still-life1.jpg", tmp_path / "on_model1.jpg"]
    where = ["--segmenter", "classic", "--device", "cpu", "--out", tmp_path / "out.png"]
    lora = ["--method", "lora", "--lora", __file__]
    assert chromiq("correct", *photos, *where, *lora)[1]["findings"][0]["code"] == "lora.broken"
    assert chromiq("evaluate", tmp_path, *where, *lora[2:])[1]["findings"][0]["code"] == "lora.broken"
    assert "takes no --vocabulary" in chromiq("correct", *photos, *where)[2]


def test_the_networks_device_is_left_aside_where_auto_finds_no_network(chromiq, tmp_path):
    write_catalogue(tmp_path / "photos", pairs=1, size_wh=(224, 280))
    code, _, reported = chromiq("build", tmp_path / "photos", "--out", tmp_path / "out", "--device", "cpu")
    assert (code, "segmenter: classic" in reported) == (0, True), reported


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", r"_.:-=+*# ~ | \xe9"), ("cp1252", "_.:-=+*# … | é")]
)
def test_curves_and_spinners_where_the_terminal_has_no_letters_for_them(encoding, shown):
    code = (
        "from chromiq.toolkit_configs.runs.view import sparkline;"
        "from chromiq_cli.main import _repair_streams; _repair_streams();"
        r"print(sparkline(range(8)), '\u2026 \u280b \xe9')"
    )
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=True)
    assert ended.stdout.decode(encoding).strip() == shown


def test_names_that_the_terminal_has_no_letters_for(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    out = tmp_path / "é👗.yaml"
    ended = run("render", "kontext", "--dataset", tmp_path, "--out", out)
    assert (ended.returncode, out.is_file()) == (0, True)
    assert ended.stdout == f"{tmp_path}/\\xe9\\U0001f457.yaml\n"
    ended = run("render", "kontext", "--dataset", tmp_path, "--out", out, "--json")
    assert json.loads(ended.stdout)["config"] == str(out)


def test_a_working_directory_that_is_gone(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    shell = f'cd {gone}; rmdir {gone}; "$@"'
    command = ["bash", "-c", shell, "bash", *VERB, "explain-mask", __file__, __file__, "--out", "out.png"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert last == "chromiq: the working directory no longer exists. Change to another one."


def test_a_photo_that_is_gone_after_it_was_checked(chromiq, tmp_path, monkeypatch):
    photos = tmp_path / "photos"
    write_catalogue(photos, pairs=2, size_wh=(96, 120))

    def check_and_lose(*given, **named):
        inputs = check_inputs(*given, **named)
        (photos / "on_model2.jpg").unlink()
        return inputs

    monkeypatch.setattr(build_module, "check_inputs", check_and_lose)
    arguments = ["--segmenter", "classic", "--workers", "1", "--size", "192x128"]
    code, document, _ = chromiq("build", photos, "--out", tmp_path / "out", *arguments)
    assert code == 10
    assert ("photo.missing", str(photos / "on_model2.jpg")) in [
        (finding["code"], finding["where"]) for finding in document["findings"]
    ]
