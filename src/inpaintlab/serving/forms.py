"""Forms with files: an unknown field is refused with the nearest known name."""

from dataclasses import replace
from typing import Any, Literal, Self

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field, model_validator

from inpaintlab.errors import near_miss
from inpaintlab.serving.errors import RefusedError
from inpaintlab.serving.jobs import Options
from inpaintlab.settings.filling import MOST_SEED, MOST_SPREAD, SPREAD

#: What can come back, the default first, and the suffix that `images.encode` knows it by.
FORMATS = {"image/png": ".png", "image/webp": ".webp", "image/jpeg": ".jpg"}
QUALITY = 95
#: Fills of one hole, at most: all of them stand in memory at once.
MOST_VARIANTS = 10


class FileForm(BaseModel):
    """A form of which every field is known, and whose files are files."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, values: Any) -> Any:
        fields = {field.alias or name: field for name, field in cls.model_fields.items()}
        for name, value in dict(values).items():
            if name not in fields:
                raise ValueError(f"unknown field {name[:80]!r}{near_miss(name, fields)}")
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, str) and "UploadFile" in str(fields[name].annotation):
                    raise ValueError(f"{name} is a file: send it as one, as curl -F {name}=@FILE does")
        return values


class FillOptions(FileForm):
    """How to fill."""

    method: str | None = Field(
        None, description="`model`, or a baseline such as `telea`. None: the server's default."
    )
    strategy: Literal["auto", "crop", "pieces", "whole"] | None = Field(
        None, description="What the network sees of an image. None: the server's default."
    )
    blend: Literal["gradient", "none"] | None = Field(
        None, description="How the edge of the hole is hidden. None: the server's default."
    )
    invert_mask: bool = Field(False, description="Black marks the hole, not white.")
    grey_mask: bool = Field(False, description="The mask is one, though more than half of it is grey.")
    strict: bool = Field(False, description="Refuse an image that the model is not to be trusted with.")
    quality: int | None = Field(None, ge=1, le=100, description=f"Quality of a JPEG reply. [{QUALITY}]")

    def options(self, media_type: str) -> Options:
        """Return how a worker is to fill; raises `RefusedError` for a quality without JPEG."""
        if self.quality is not None and media_type != "image/jpeg":
            message = "quality is for JPEG alone: ask for that format, or leave quality out"
            raise RefusedError(400, "bad_request", message)
        return Options(
            suffix=FORMATS[media_type],
            quality=self.quality or QUALITY,
            invert_mask=self.invert_mask,
            grey_mask=self.grey_mask,
            fields=True,
            method=self.method,
            strategy=self.strategy,
            blend=self.blend,
            strict=self.strict,
        )


class Fallback(FillOptions):
    """How to fill in one way, also by a classical method."""

    fallback: Literal["none", "auto"] = Field(
        "none", description="`auto` fills by a classical method where the model does worse."
    )

    def options(self, media_type: str) -> Options:
        """Return how a worker is to fill."""
        return replace(super().options(media_type), fallback=self.fallback)


class OneForm(FillOptions):
    """One image to fill."""

    image: UploadFile = Field(description="The image: PNG, JPEG, WebP, TIFF, BMP or GIF.")
    mask: UploadFile = Field(description="The mask, of the same size: white marks the hole.")


class FillForm(Fallback, OneForm):
    """One image to fill in one way."""


class AssessForm(OneForm):
    """One image to fill, and to say of how far the fill is to be trusted."""

    format: Literal["png", "webp", "jpeg"] = Field("png", description="Format of the filled image.")

    def options(self, media_type: str) -> Options:
        """Return how a worker is to fill; raises `RefusedError` for another method than the model."""
        if self.method not in (None, "model"):
            message = "an assessment is of what the model itself makes: leave method out"
            raise RefusedError(400, "not_supported", message)
        return replace(super().options(media_type), method="model", assess=True)


class VariantsForm(OneForm):
    """One image to fill in several ways."""

    variants: int = Field(4, ge=1, le=MOST_VARIANTS, description="How many fills come back.")
    seed: int = Field(0, ge=0, le=MOST_SEED, description="The same seed gives the same fills.")
    spread: float = Field(SPREAD, gt=0, le=MOST_SPREAD, description="How far they go from the middle.")
    format: Literal["png", "webp", "jpeg"] = Field("png", description="Format of the filled images.")

    def options(self, media_type: str) -> Options:
        """Return how a worker is to fill."""
        several = {name: getattr(self, name) for name in ("variants", "seed", "spread")}
        return replace(super().options(media_type), **several)


class BatchForm(Fallback):
    """Several images to fill in the same way."""

    image: list[UploadFile] = Field(min_length=1, description="The images.")
    mask: list[UploadFile] = Field(min_length=1, description="As many masks, in the same order.")
    format: Literal["png", "webp", "jpeg"] = Field("png", description="Format of the filled images.")

    @model_validator(mode="after")
    def _check_pairs(self) -> Self:
        if len(self.image) != len(self.mask):
            raise ValueError(f"{len(self.image)} images need as many masks, got {len(self.mask)}")
        return self


def negotiate(accept: str) -> str:
    """Return the media type to reply with; raises `RefusedError` (406) if `Accept` has none of ours.

    >>> negotiate("text/html, image/webp;q=0.8, image/jpeg;q=0.9"), negotiate("*/*"), negotiate("")
    ('image/jpeg', 'image/png', 'image/png')
    """
    wanted = dict(_range(part) for part in (accept.strip() or "*/*").split(","))

    def quality(media_type: str) -> float:
        names = (media_type, "image/*", "*/*")
        return next((wanted[name] for name in names if name in wanted), 0.0)

    best = max(FORMATS, key=quality)
    if quality(best) <= 0:
        message = f"replies are {', '.join(FORMATS)}: accept one of them"
        raise RefusedError(406, "not_acceptable", message)
    return best


def _range(part: str) -> tuple[str, float]:
    """Read `image/webp;q=0.8`."""
    name, *parameters = (word.strip().lower() for word in part.split(";"))
    values = dict(parameter.replace(" ", "").partition("=")[::2] for parameter in parameters)
    try:
        return name, float(values.get("q", 1))
    except ValueError:
        return name, 0.0
