"""`/api/v1/inpaint` and its neighbours, for clients written for IOPaint.

Fields of IOPaint that steer other models are ignored, as IOPaint ignores them when an erasing model is
chosen; so are names that it does not know, which its own page sends. What asks for something that we do
not do is refused by name.
"""

import base64
import binascii
from typing import Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from inpaintlab.serving.errors import OF_FILLS, RefusedError, documented
from inpaintlab.serving.jobs import Job, Options
from inpaintlab.serving.service import HEADERS, Service

#: What the strategies of IOPaint are here; its Crop too takes small images whole.
_STRATEGIES = {"Original": "whole", "Resize": "whole", "Crop": None}


class InpaintRequest(BaseModel):
    """The fields of IOPaint's request that mean something here, and those that are refused."""

    image: str = Field(description="The image, base64, with or without data:image/…;base64, before it.")
    mask: str = Field(description="Of the same size, likewise; white marks the hole.")
    hd_strategy: Literal["Original", "Resize", "Crop"] = Field(
        "Crop", description="Original and Resize: the whole image. Crop: around the hole."
    )
    sd_seed: int = Field(42, description="Nothing is random here; it comes back as X-Seed.")
    prompt: str = Field("", description="Must be empty: no model here reads text.")
    use_croper: bool = Field(False, description="Must be false.")
    use_extender: bool = Field(False, description="Must be false: nothing is painted beyond the edge.")
    sd_keep_unmasked_area: bool = Field(True, description="Must be true: what is known is kept.")
    sd_match_histograms: bool = Field(False, description="Must be false.")
    enable_controlnet: bool = Field(False, description="Must be false.")
    enable_brushnet: bool = Field(False, description="Must be false.")
    enable_powerpaint_v2: bool = Field(False, description="Must be false.")
    paint_by_example_example_image: str | None = Field(None, description="Must be null.")

    def check(self) -> None:
        """Raise `RefusedError` for the first field that asks for what we do not do."""
        for name in list(InpaintRequest.model_fields)[_FIRST_REFUSED:]:
            allowed = InpaintRequest.model_fields[name].default
            if getattr(self, name) != allowed:
                raise RefusedError(
                    400,
                    "not_supported",
                    f"{name} asks for what no model here does: leave it {allowed!r}",
                )


_FIRST_REFUSED = list(InpaintRequest.model_fields).index("prompt")


class ModelInfo(BaseModel):
    """The model as IOPaint describes one of its kind."""

    name: str
    path: str = Field(description="The name again: paths of the server are nobody's business.")
    model_type: Literal["inpaint"] = "inpaint"
    is_single_file_diffusers: bool = False
    need_prompt: bool = False
    controlnets: list[str] = Field(default_factory=list)
    brushnets: list[str] = Field(default_factory=list)
    support_strength: bool = False
    support_outpainting: bool = False
    support_lcm_lora: bool = False
    support_controlnet: bool = False
    support_brushnet: bool = False
    support_powerpaint_v2: bool = False


class ServerConfig(BaseModel):
    """What a server can do, as IOPaint says it: it has no plugins, and one model."""

    plugins: list[dict[str, Any]] = Field(default_factory=list)
    modelInfos: list[ModelInfo]  # noqa: N815 - the names are IOPaint's
    removeBGModel: str = "briaai/RMBG-1.4"  # noqa: N815
    removeBGModels: list[str] = Field(default_factory=list)  # noqa: N815
    realesrganModel: str = "realesr-general-x4v3"  # noqa: N815
    realesrganModels: list[str] = Field(default_factory=list)  # noqa: N815
    interactiveSegModel: str = "vit_b"  # noqa: N815
    interactiveSegModels: list[str] = Field(default_factory=list)  # noqa: N815
    enableFileManager: bool = False  # noqa: N815
    enableAutoSaving: bool = False  # noqa: N815
    enableControlnet: bool = False  # noqa: N815
    controlnetMethod: str | None = None  # noqa: N815
    disableModelSwitch: bool = True  # noqa: N815
    isDesktop: bool = False  # noqa: N815
    samplers: list[str] = Field(default_factory=list)


_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The filled image.",
        "headers": HEADERS | {"X-Seed": {"schema": {"type": "integer"}}},
        "content": {"image/png": {"schema": {"type": "string", "contentMediaType": "image/png"}}},
    }
}


def iopaint_router(service: Service) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/api/v1", tags=["IOPaint"])

    @router.post(
        "/inpaint",
        response_class=Response,
        responses=_PICTURE | documented(*OF_FILLS),
        summary="Fill, as clients of IOPaint ask",
    )
    async def inpaint(request: InpaintRequest) -> Response:
        """Return the image as PNG with its hole filled."""
        request.check()
        options = Options(strategy=_STRATEGIES[request.hd_strategy], max_pixels=service.max_pixels)
        job = Job(_decoded("image", request.image), _decoded("mask", request.mask), options)
        with service.pool.place():
            reply = await service.run(job)
        return service.response(reply, "image/png", {"X-Seed": str(request.sd_seed)})

    @router.get("/model", responses=documented(), summary="The model, as IOPaint says it")
    async def model() -> ModelInfo:
        """Return the model."""
        name = service.pool.about["name"]
        return ModelInfo(name=name, path=name)

    @router.get("/server-config", responses=documented(), summary="What the server can do")
    async def server_config() -> ServerConfig:
        """Return what a page of IOPaint asks first."""
        return ServerConfig(modelInfos=[await model()])

    return router


def _decoded(name: str, text: str) -> bytes:
    """Decode base64, after `data:…;base64,` if that is there."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError(400, "bad_request", f"{name} is not base64") from None
