"""What the Hugging Face hub has under a name, pinned to one commit; without a network, what its cache has."""

import os
from pathlib import Path

from lib.source_error import SourceError


def commit(repository: str, revision: str, *, known: str) -> str:
    """The commit that a revision names: asked of the hub, or read from the cache when there is no network.

    `known` says what else the name is not, as the beginning of a sentence. Raises SourceError where there is none."""
    import httpx2
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub import errors as hub

    try:
        found = HfApi().model_info(repository, revision=revision).sha
        hf_hub_download(repository, "config.json", revision=revision)  # so that the cache knows the revision later
        return str(found)
    except hub.EntryNotFoundError:
        raise SourceError(f"the hub repository {repository} has no config.json, so it is not a model") from None
    except hub.RevisionNotFoundError:
        raise SourceError(f"the hub has {repository} but no revision {revision!r} of it") from None
    except hub.GatedRepoError:
        raise SourceError(
            f"{repository} is gated: accept its licence on its hub page, then `hf auth login` or set HF_TOKEN"
        ) from None
    except hub.RepositoryNotFoundError:
        raise SourceError(f"{known}, and the hub has no such repository, or a private one (`hf auth login`)") from None
    except (hub.HfHubHTTPError, hub.OfflineModeIsEnabled, httpx2.HTTPError, OSError) as error:
        if cached := _cached_commit(repository, revision):
            return cached
        raise SourceError(
            f"{known}, it is not in the local cache, and the hub cannot be reached ({type(error).__name__}): "
            "connect, download it beforehand, or name a directory"
        ) from None


def _cached_commit(repository: str, revision: str) -> str | None:
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(repository, "config.json", revision=revision)
    return Path(cached).parent.name if isinstance(cached, str | os.PathLike) else None
