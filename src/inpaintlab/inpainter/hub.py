"""Models on the Hugging Face hub: a safetensors file with its card, a config.json, a README.

`ModelHubMixin` rather than its `PyTorchModelHubMixin`: that one writes weights without what they carry
in our files, fills a network with whatever names happen to fit, and where there is no safetensors file
reads a pickle. With our own two methods a file goes up and comes down byte by byte, and nothing else is
ever read. No code is fetched from the hub.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from huggingface_hub import HfApi, ModelCard, ModelHubMixin, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from inpaintlab.errors import RunError
from inpaintlab.inpainter.inpainter import Inpainter
from inpaintlab.inpainter.readme import readme

#: The one file that is read from the hub.
FILE = "model.safetensors"
#: Seconds until the hub counts as out of reach.
_PATIENCE = 10.0
#: What the hub's client raises where there is no connection: httpx's or another's, by release.
_NO_CONNECTION: type[BaseException] = HfHubHTTPError.__bases__[0]


class HubModel(ModelHubMixin, library_name="inpaintlab", tags=["image-inpainting"]):
    """An `Inpainter` with the hub's methods: `save_pretrained`, `from_pretrained`, `push_to_hub`."""

    def __init__(
        self, inpainter: Inpainter, repo_id: str = "USER/MODEL", license: str | None = None
    ) -> None:
        self.inpainter, self._repo_id, self._license = inpainter, repo_id, license
        self._hub_mixin_config = asdict(inpainter.card)

    def _save_pretrained(self, save_directory: Path) -> None:
        self.inpainter.save(save_directory / FILE)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, revision: str | None, **options: Any) -> Self:
        here = Path(model_id)
        wanted = {key: options[key] for key in ("cache_dir", "force_download", "token")}
        path = here if here.is_dir() else fetch(model_id, revision, **wanted)
        return cls(Inpainter.load(path), model_id)

    def generate_model_card(self, *_: Any, **__: Any) -> ModelCard:
        """Return the README, written from what is known of the weights."""
        return ModelCard(readme(self.inpainter, self._repo_id, self._license))


def fetch(repo_id: str, revision: str | None = None, **options: Any) -> Path:
    """Return the weights of a model of the hub as a file of the hub's cache on this machine.

    `revision` is a branch, a tag or a commit. Without a connection what the cache holds is taken.
    Raises `RunError` for a model that is not there, is not ours, or cannot be had.
    """
    with _in_one_line(repo_id, revision):
        try:
            # Asked first, as the download itself tries for half a minute where there is no connection.
            api = HfApi(token=options.get("token"))
            commit = api.model_info(repo_id, revision=revision, timeout=_PATIENCE).sha
        except (_NO_CONNECTION, OSError) as error:
            if isinstance(error, HfHubHTTPError):
                raise
            options = {**options, "local_files_only": True, "force_download": False}
            commit = revision
        return Path(hf_hub_download(repo_id, FILE, revision=commit, **options))


def push(
    inpainter: Inpainter,
    repo_id: str,
    *,
    private: bool | None = None,
    license: str | None = None,
    revision: str | None = None,
    token: str | None = None,
) -> str:
    """Upload a model with its README; return the address of the commit. Raises `RunError`."""
    model = HubModel(inpainter, repo_id, license)
    with _in_one_line(repo_id, revision):
        return model.push_to_hub(
            repo_id,
            config=asdict(inpainter.card),
            commit_message=f"Weights {inpainter.sha256[:16]}",
            private=private,
            branch=revision,
            token=token,
        )


@contextmanager
def _in_one_line(repo_id: str, revision: str | None) -> Iterator[None]:
    """Turn what the hub's client raises into a `RunError`."""
    try:
        yield
    except RevisionNotFoundError:
        raise RunError(f"the hub's {repo_id} has no revision {revision}") from None
    except RepositoryNotFoundError:
        raise RunError(
            f"{repo_id} is neither here nor a model of the hub; if it is a private one: hf auth login"
        ) from None
    except LocalEntryNotFoundError:
        reason = "no connection, and nothing of that name is here or in the cache"
        raise _not_available(repo_id, reason) from None
    except EntryNotFoundError:
        raise RunError(f"the hub's {repo_id} has no {FILE}: it is not of inpaintlab") from None
    except LocalTokenNotFoundError:
        raise RunError("the hub does not know you: hf auth login, or give a token") from None
    except HFValidationError as error:
        raise RunError(f"{repo_id} is no name for the hub: {_line(error)}") from None
    except HfHubHTTPError as error:
        raise RunError(f"the hub refused {repo_id}: {_line(error)}") from None
    except (_NO_CONNECTION, OSError) as error:
        raise _not_available(repo_id, _line(error)) from None


def _not_available(repo_id: str, reason: str) -> RunError:
    return RunError(f"{repo_id} is not available: the hub is out of reach ({reason})")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
