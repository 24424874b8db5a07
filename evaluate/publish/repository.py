"""A run's LoRA, its card and its config to the hub."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import yaml

from chromiq.errors import AccessError, ChromiqError, Finding, UnsoundError, UsageError
from chromiq.evaluate.generate.lora_files import read_lora_file
from chromiq.evaluate.publish.model_card import better_than_nothing, read_figures, render_card
from chromiq.evaluate.sweep import CURVE_FILE
from chromiq.files import sha256_file, write_text
from chromiq.models import Licence, base_licence
from chromiq.toolkit_configs.runs.checkpoints import checkpoint_step, find_checkpoints
from chromiq.toolkit_configs.runs.status import read_status
from chromiq.toolkit_configs.schema.jobs import Job, read_job

CARD_FILE = "model_card.md"
_REPOSITORY = re.compile(
    r"\w[\w.-]*/\w[\w.-]*", re.ASCII
)  # the hub's own rule, stricter, is asked before sending


@dataclass(frozen=True)
class Publication:
    """What goes to the hub.

    Attributes:
        repository: ``owner/name``.
        lora: the checkpoint.
        step: at which it was saved.
        files: name there to a file here, or to the bytes made for it.
        is_better: whether the LoRA's mean dE00 is below that of the uncorrected images; True if unknown.
    """

    repository: str
    lora: Path
    step: int
    files: dict[str, Path | bytes]
    is_better: bool

    @property
    def card(self) -> str:
        """The card's text."""
        content = self.files["README.md"]
        assert isinstance(content, bytes)  # made below
        return content.decode("utf-8")

    def as_dict(self) -> dict[str, Any]:
        """What would go, as plain data for JSON."""
        sizes = {
            name: content.stat().st_size if isinstance(content, Path) else len(content)
            for name, content in self.files.items()
        }
        return {
            "repository": self.repository,
            "checkpoint": str(self.lora),
            "step": self.step,
            "bytes": sizes,
        }


def prepare(
    run: Path,
    repository: str,
    *,
    step: int | None = None,
    figures: Path | None = None,
    base_model: str | None = None,
    licence: str | None = None,
) -> Publication:
    """Collect what a publication needs; nothing is written or sent.

    Args:
        run: the run folder.
        repository: ``owner/name`` on the hub.
        step: of the checkpoint; the final one if not given.
        figures: folder with ``sweep.json`` or ``scores.json``.
        base_model: hub name, if the run's own is a folder.
        licence: hub identifier, if the base model's is not known here.

    Raises:
        UsageError: if there is no such checkpoint, base model or licence are not known, or the repository's
            name is invalid.
        UnsoundError: if the LoRA is broken or no longer the one that the run recorded.
    """
    if not _REPOSITORY.fullmatch(repository):
        raise UsageError(f"repository {repository!r}: not of the form OWNER/NAME")
    record = read_status(run).record
    lora = _checkpoint(run, record.name, step)
    read_lora_file(lora)
    recorded = record.checkpoints.get(lora.name)
    if recorded and recorded != (found := sha256_file(lora)):
        message = f"SHA-256 {found[:12]} is not the {recorded[:12]} that the run recorded"
        hint = "Train it again, or publish the run that made this file."
        finding = Finding("publish.digest", str(lora), message, hint)
        raise UnsoundError(str(finding), [finding])
    job = _job(run, Path(record.config))
    base = base_model or job.process.model.name_or_path
    curve = figures / CURVE_FILE if figures and (figures / CURVE_FILE).is_file() else None
    saved_at = checkpoint_step(lora, record.name) or record.total_steps
    known = read_figures(figures, lora.name) if figures else []
    card = render_card(
        job,
        record,
        lora.name,
        saved_at,
        base,
        Licence(licence) if licence else base_licence(base),
        repository,
        known,
        curve=CURVE_FILE if curve else None,
    )
    files: dict[str, Path | bytes] = {
        "README.md": card.encode("utf-8"),
        lora.name: lora,
        "config.yaml": shareable_config(job).encode("utf-8"),
    }
    if curve:
        files[CURVE_FILE] = curve
    return Publication(repository, lora, saved_at, files, better_than_nothing(known))


def publish(
    run: Path,
    publication: Publication,
    *,
    private: bool = True,
    endpoint: str | None = None,
    token: str | None = None,
    say: Callable[[str], None] | None = None,
) -> str:
    """Write ``model_card.md`` into the run folder, and upload everything in one commit; its address.

    Args:
        run: the run folder.
        publication: as `prepare` gives it.
        private: of a repository that does not exist yet.
        endpoint: of the hub; ``HF_ENDPOINT`` or huggingface.co unless given.
        token: with the right to write; the machine's own login or ``HF_TOKEN`` unless given.
        say: called with a line about what is done.

    Raises:
        UsageError: if the repository's name is invalid, or huggingface_hub is not installed.
        AccessError: if the hub wants a token, or another one.
        ChromiqError: if the hub cannot be reached or refuses; nothing is half-published, as it is one commit.
    """
    try:
        from huggingface_hub import CommitOperationAdd, HfApi
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
        from huggingface_hub.utils import disable_progress_bars, validate_repo_id
    except ImportError as error:
        raise UsageError(
            f"publishing needs huggingface_hub ({error}); pip install 'chromiq[models]'"
        ) from error
    name = publication.repository
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise UsageError(f"repository {name!r}: not a name that the hub allows ({error})") from error
    write_text(run / CARD_FILE, publication.card)
    disable_progress_bars()
    api = HfApi(endpoint=endpoint, token=token)
    operations = [
        CommitOperationAdd(path_in_repo=path, path_or_fileobj=content)
        for path, content in publication.files.items()
    ]
    try:
        address = str(api.create_repo(name, private=private, exist_ok=True))
        if say:
            say(f"uploading {len(operations)} files to {address}")
        api.create_commit(
            name, operations, commit_message=f"{publication.lora.name}, step {publication.step}"
        )
    except HfHubHTTPError as error:
        raise _refused(name, error, token) from None
    except Exception as error:
        # The hub's client does not wrap what its HTTP library raises, and that is httpx or httpx2.
        if not isinstance(error, OSError) and not type(error).__module__.startswith("httpx"):
            raise
        raise ChromiqError(
            f"{name}: cannot reach the hub ({_hidden(str(error), token)}). Check the network and HF_ENDPOINT."
        ) from None
    return address


def shareable_config(job: Job) -> str:
    """The config as YAML; of absolute paths only the last part stays, as the rest tells of this machine."""
    return yaml.safe_dump(_without_folders(job.document), sort_keys=False, allow_unicode=True)


def _without_folders(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_folders(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_folders(item) for item in value]
    return PurePath(value).name if isinstance(value, str) and PurePath(value).is_absolute() else value


def _checkpoint(run: Path, name: str, step: int | None) -> Path:
    found = find_checkpoints(run, name)
    if step is None:
        chosen = [path for path in found if checkpoint_step(path, name) is None]
    else:
        total = read_status(run).record.total_steps
        chosen = [path for path in found if (checkpoint_step(path, name) or total) == step]
    if chosen:
        return chosen[-1]
    had = ", ".join(str(checkpoint_step(path, name) or "the final one") for path in found) or "none"
    what = "final checkpoint" if step is None else f"checkpoint of step {step}"
    raise UsageError(f"{run}: no {what}. Choose one of these steps: {had}.")


def _job(run: Path, config: Path) -> Job:
    for path in (config, run / "config.yaml"):
        if path.is_file():
            return read_job(path)
    raise UsageError(f"{config}: the run's config is missing. Put it back: the card is made from it.")


def _refused(name: str, error: Any, token: str | None) -> ChromiqError:
    code = error.response.status_code
    said = _hidden(str(getattr(error, "server_message", None) or "").strip() or f"HTTP {code}", token)
    if code in (401, 403):
        return AccessError(
            f"{name}: the hub refused ({code}: {said}). Set HF_TOKEN to a token that may write there."
        )
    return ChromiqError(f"{name}: the hub refused ({code}: {said})")


def _hidden(text: str, token: str | None) -> str:
    for secret in (token, os.environ.get("HF_TOKEN")):
        text = text.replace(secret, "***") if secret else text
    return text
