"""`/v1/images/edits` and `/v1/models` as OpenAI's clients know them."""

import re
import time
from dataclasses import asdict
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Form, UploadFile
from pydantic import BaseModel, Field, model_validator

from inpaintlab.serving.errors import OF_FILLS, RefusedError, documented
from inpaintlab.serving.forms import FORMATS, MOST_VARIANTS, FileForm
from inpaintlab.serving.jobs import Options
from inpaintlab.serving.service import Here

_SIZE = re.compile(r"([1-9]\d{0,5})x([1-9]\d{0,5})")


class EditForm(FileForm):
    """The fields of OpenAI's `images.edit`, with the values that mean something here.

    A value that asks for another image than ours is refused; one that asks for effort is ignored.
    """

    image: UploadFile | None = Field(None, description="The image.")
    image_list: list[UploadFile] = Field(
        default_factory=list, alias="image[]", max_length=1, description="The image, as a list of one."
    )
    mask: UploadFile | None = Field(
        None, description="Mask whose fully transparent part is the hole. None: the image's own."
    )
    prompt: str = Field(description="Required by OpenAI's clients; ignored.")
    model: str | None = Field(None, description="Ignored: the server has one.")
    n: int = Field(
        1, ge=1, le=MOST_VARIANTS, description="Number of images; several of a model that varies alone."
    )
    size: str | None = Field(None, description="auto, or the image's own size as 640x480.")
    response_format: Literal["b64_json"] = Field("b64_json", description="There are no URLs.")
    output_format: Literal["png", "webp", "jpeg"] = Field("png", description="Format of the reply.")
    output_compression: int = Field(
        100, ge=0, le=100, description="Quality of JPEG; PNG and WebP are lossless."
    )
    background: Literal["auto", "opaque"] = Field("auto", description="Ignored.")
    stream: Literal["false"] = Field("false", description="The reply comes at once.")
    partial_images: int = Field(0, ge=0, le=0, description="There are none.")
    quality: str | None = Field(None, description="Ignored.")
    complexity: str | None = Field(None, description="Ignored.")
    input_fidelity: str | None = Field(None, description="Ignored: known pixels are always kept.")
    user: str | None = Field(None, description="Ignored.")
    safety_identifier: str | None = Field(None, description="Ignored.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len([image for image in (self.image, *self.image_list) if image]) != 1:
            raise ValueError("send exactly one image, as image or image[]")
        if self.output_compression < 100 and self.output_format != "jpeg":
            raise ValueError(f"output_compression: {self.output_format} is lossless here")
        if self.size not in (None, "auto") and not _SIZE.fullmatch(str(self.size)):
            raise ValueError(f"size: auto, or the image's own as 640x480, got {str(self.size)[:40]!r}")
        return self

    def options(self) -> Options:
        """Return how a worker is to fill."""
        match = _SIZE.fullmatch(self.size or "")
        return Options(
            suffix=FORMATS[f"image/{self.output_format}"],
            quality=max(1, self.output_compression),
            transparent=True,
            variants=self.n,
            size=(int(match[1]), int(match[2])) if match else None,
        )


class EditedImage(BaseModel):
    """One image."""

    b64_json: str = Field(description="The image in base64.")


class EditReply(BaseModel):
    """What OpenAI's clients expect."""

    created: int = Field(description="Unix time.")
    data: list[EditedImage]
    output_format: Literal["png", "webp", "jpeg"]
    size: str = Field(description="Width and height, as 640x480.")


class Model(BaseModel):
    """The model that fills."""

    id: str = Field(description="Name of the run folder or file.")
    object: Literal["model"] = "model"
    created: int = Field(description="When its weights were written, Unix time.")
    owned_by: Literal["inpaintlab"] = "inpaintlab"
    network: str = Field(description="Its architecture.")
    size: int = Field(description="Side of the images that it was trained on, in pixels.")
    sha256: str = Field(description="SHA-256 of its weights.")
    varies: bool = Field(description="Whether it fills a hole in several ways.")


class ModelList(BaseModel):
    """The models of this server: one."""

    object: Literal["list"] = "list"
    data: list[Model]


router = APIRouter()


@router.post(
    "/v1/images/edits",
    tags=["fill"],
    responses=documented(*OF_FILLS),
    summary="Fill, for clients of OpenAI",
)
async def edit(
    service: Here, form: Annotated[EditForm, Form(media_type="multipart/form-data")]
) -> EditReply:
    """Return the image with its hole filled; the hole is where the mask is fully transparent."""
    reply = await service.fill(form.image or form.image_list[0], form.mask, form.options())
    return EditReply(
        created=int(time.time()),
        data=[EditedImage(b64_json=image) for image in reply.base64()],
        output_format=form.output_format,
        size=f"{reply.width}x{reply.height}",
    )


@router.get("/v1/models", tags=["state"], responses=documented(), summary="The model")
async def models(service: Here) -> ModelList:
    """Return the model that the server fills with."""
    about = asdict(service.pool.about)
    return ModelList(data=[Model(id=about.pop("name"), **about)])


@router.get("/v1/models/{name}", tags=["state"], responses=documented(404, 422), summary="One model")
async def model(service: Here, name: str) -> Model:
    """Return the model of this name."""
    (only,) = (await models(service)).data
    if name != only.id:
        raise RefusedError(404, "not_found", f"there is no model {name[:80]!r}: see /v1/models")
    return only
