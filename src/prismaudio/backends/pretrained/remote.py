"""A repository of the Hugging Face hub, its files, and what can go wrong with them in one line each."""

import errno
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from prismaudio.errors import PrismAudioError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
UNWELL = 500  # answers from here on, and the one below, are about the hub and not about what it was asked
TOO_MANY = 429


class HubError(PrismAudioError):
    """Files that could not be had from the hub."""


class HubOutOfReach(HubError):
    """No answer, now; files of an earlier download may do."""


class GatedRepository(HubError):
    """Files whose terms have to be accepted first."""


class DiskFull(HubError):
    """No room for a file."""


class Address(NamedTuple):
    """A repository of the hub at one of its revisions."""

    repo: str
    revision: str

    def __str__(self) -> str:
        return self.repo if self.revision == "main" else f"{self.repo}@{self.revision}"


class RemoteFile(NamedTuple):
    """One file of a repository, at one commit."""

    address: Address
    commit: str
    name: str
    size: int
    etag: str  # what the hub calls this content
    sha256: str | None  # told of large files


def endpoint() -> str:
    """The hub that is asked: HF_ENDPOINT, or huggingface.co."""
    from huggingface_hub import constants

    return constants.ENDPOINT


def lost_on_the_way() -> type[Exception]:
    """The base of what goes wrong with requests, in whichever library the hub's library makes them."""
    from huggingface_hub import errors

    return errors.HTTPError  # type: ignore[attr-defined]


@contextmanager
def telling(address: Address) -> Iterator[None]:
    """What goes wrong inside comes out as a `HubError` that says what to do."""
    from huggingface_hub.errors import HfHubHTTPError

    kinds = _kinds()
    try:
        yield
    except tuple(kinds) as error:
        tell = next(tell for kind, tell in kinds.items() if isinstance(error, kind))
        raise tell(address, error) from error
    except HfHubHTTPError as error:
        raise _refused(address, error) from error
    except (lost_on_the_way(), json.JSONDecodeError) as error:
        raise HubOutOfReach(
            f"cannot reach {endpoint()} ({error}); check the network, or give a folder of weights"
        ) from error
    except OSError as error:
        raise _of_disk(error) from error


def _kinds() -> dict[type[Exception], Callable[[Address, Any], HubError]]:
    """What the library raises, the special before the general."""
    from huggingface_hub import errors

    return {
        errors.GatedRepoError: lambda address, _: GatedRepository(
            f"{address} is gated: accept its terms at {endpoint()}/{address.repo} with your account, "
            "then log in with 'hf auth login' or set HF_TOKEN"
        ),
        errors.RepositoryNotFoundError: lambda address, _: HubError(
            f"there is neither a folder {address.repo} nor a model of that name at {endpoint()}; "
            "check the name, or log in with 'hf auth login' if it is private"
        ),
        errors.HFValidationError: lambda address, _: HubError(
            f"{address.repo} is neither a folder nor a name that models have; give owner/name"
        ),
        errors.RevisionNotFoundError: lambda address, _: HubError(
            f"{address.repo} has no revision {address.revision}; give a branch, tag or commit of it"
        ),
        errors.RemoteEntryNotFoundError: lambda address, error: HubError(
            f"{address} no longer has {error.response.url.path.rpartition('/')[2]}; try again"
        ),
        errors.OfflineModeIsEnabled: lambda address, _: HubOutOfReach(
            f"{address} is not on this machine and HF_HUB_OFFLINE is set; unset it, or give a folder of weights"
        ),
        errors.LocalEntryNotFoundError: lambda address, _: HubOutOfReach(
            f"lost {endpoint()} while asking for {address}; try again, what has arrived is kept"
        ),
    }


def _refused(address: Address, error: Any) -> HubError:
    status = error.response.status_code
    if status >= UNWELL or status == TOO_MANY:
        return HubOutOfReach(
            f"{endpoint()} answers {status} for {address}; try again later, what has arrived is kept"
        )
    if status == 401:
        return HubError(
            f"{endpoint()} does not accept your token; log in again with 'hf auth login' or set HF_TOKEN"
        )
    return HubError(f"{endpoint()} answers {status} for {address}; check the name and HF_ENDPOINT")


def _of_disk(error: OSError) -> HubError:
    where = f" at {error.filename}" if error.filename else ""
    if error.errno in FULL:
        return DiskFull(f"the disk is full{where}; free some space and try again, what has arrived is kept")
    return HubError(
        f"cannot write{where}: {(error.strerror or str(error)).lower()}; choose another folder or HF_HOME"
    )
