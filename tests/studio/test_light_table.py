"""The light table."""

from studio_client import client_of


def test_all_photos_are_listed(made_shoot):
    client, address = client_of(made_shoot)
    text = client.get("/").text
    for key in (1, 2, 3):
        assert f"{address}/photo/{key}" in text
