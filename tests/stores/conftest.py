"""The stores, each started once, and a place in each for every test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.stores.azurite_place import Azurite, AzuritePlace, running_azurite
from tests.stores.emulator_place import Emulator, EmulatorPlace, running_emulator
from tests.stores.folder_place import FolderPlace
from tests.stores.moto_place import MotoPlace, MotoServer, running_moto

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.stores.place import Place

#: The folder needs no process beside; the others do.
STORES = [
    "folder",
    pytest.param("s3", marks=pytest.mark.live),
    pytest.param("google", marks=pytest.mark.live),
    pytest.param("emulator", marks=pytest.mark.live),
    pytest.param("azure", marks=pytest.mark.live),
]


@pytest.fixture(scope="package")
def s3_server() -> Iterator[MotoServer]:
    """S3."""
    with running_moto("s3") as server:
        yield server


@pytest.fixture(scope="package")
def google_server() -> Iterator[MotoServer]:
    """Google Cloud Storage."""
    with running_moto("google") as server:
        yield server


@pytest.fixture(scope="package")
def emulator_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Google Cloud Storage as an emulator has it."""
    with running_emulator(tmp_path_factory.mktemp("emulator")) as server:
        yield server


@pytest.fixture(scope="package")
def azure_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """Azure Blob Storage."""
    with running_azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place in the store that is the parameter."""
    if request.param == "folder":
        return FolderPlace(tmp_path / "place")
    server = request.getfixturevalue(f"{request.param}_server")
    places: dict[str, Callable[..., Place]] = {"azure": AzuritePlace, "emulator": EmulatorPlace}
    made = places.get(request.param, MotoPlace)(server)
    made.asked()
    return made
