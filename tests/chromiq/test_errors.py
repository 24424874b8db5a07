"""Errors that say what to do."""

import pytest

from chromiq.errors import UsageError, needing


def message_of(extra, what, *instead, error):
    with pytest.raises(UsageError) as caught, needing(extra, what, *instead):
        raise error
    return str(caught.value)


def test_packages_that_are_missing_or_too_old_are_reported_with_the_command_last():
    error = ImportError("cannot import name 'Sam3Model' from 'transformers'")
    assert message_of("models", "publishing", error=error) == (
        "publishing needs packages that are missing or too old "
        "(cannot import name 'Sam3Model' from 'transformers'); run: pip install 'chromiq[models]'"
    )


def test_what_can_be_done_instead_is_said_before_the_command():
    said = message_of("ray", "this", "use threads", error=ModuleNotFoundError("No module named 'ray'"))
    assert said.endswith("(No module named 'ray'); use threads, or run: pip install 'chromiq[ray]'")
