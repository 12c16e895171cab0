"""`/api/v1/inpaint` and its neighbours, for clients written for IOPaint.

Fields of IOPaint that steer other models are ignored, as IOPaint ignores them with an erasing model; so
are unknown fields, which its own page sends. A field that asks for what we do not do is refused by name.
"""

import base64
import binascii
from typing import Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from inpaintlab.serving.errors import OF_FILLS, RefusedError, documented
from inpaintlab.serving.jobs import Options
from inpaintlab.serving.service import Here, image_reply

#: What the strategies of IOPaint are here; its Crop too takes small images whole.
_STRATEGIES = {"Original": "whole", "Resize": "whole", "Crop": None}


class InpaintRequest(BaseModel):
    """The fields of IOPaint's request that mean something here, and those that are refused."""

    image: str = Field(description="The image in base64, with or without `data:image/…;base64,`.")
    mask: str = Field(description="The mask, likewise and of the same size: white marks the hole.")
    hd_strategy: Literal["Original", "Resize", "Crop"] = Field(
        "Crop",
        description="What the network sees: the whole image (Original, Resize), or a part (Crop).",
    )
    sd_seed: int = Field(42, description="Nothing is random here; it comes back as X-Seed.")
    prompt: str = Field("", description="Must be empty: no model here reads text.")
    use_croper: bool = Field(False, description="Must be false.")
    use_extender: bool = Field(False, description="Must be false: nothing is filled beyond the edge.")
    sd_keep_unmasked_area: bool = Field(True, description="Must be true: known pixels are kept.")
    sd_match_histograms: bool = Field(False, description="Must be false.")
    enable_controlnet: bool = Field(False, description="Must be false.")
    enable_brushnet: bool = Field(False, description="Must be false.")
    enable_powerpaint_v2: bool = Field(False, description="Must be false.")
    paint_by_example_example_image: str | None = Field(None, description="Must be null.")

    def check(self) -> None:
        """Raise `RefusedError` for the first field that asks for what we do not do."""
        meaningful = ("image", "mask", "hd_strategy", "sd_seed")
        for name, field in InpaintRequest.model_fields.items():
            if name not in meaningful and getattr(self, name) != field.default:
                message = f"{name} asks for what no model here does: leave it {field.default!r}"
                raise RefusedError(400, "not_supported", message)


#: What a page of IOPaint asks first: here are no plugins, and one model.
_SERVER = {
    "plugins": [],
    "removeBGModel": "briaai/RMBG-1.4", "removeBGModels": [],
    "realesrganModel": "realesr-general-x4v3", "realesrganModels": [],
    "interactiveSegModel": "vit_b", "interactiveSegModels": [],
    "enableFileManager": False, "enableAutoSaving": False, "enableControlnet": False,
    "controlnetMethod": None, "disableModelSwitch": True, "isDesktop": False, "samplers": [],
}  # fmt: skip
_MODEL = {
    "model_type": "inpaint", "is_single_file_diffusers": False, "need_prompt": False,
    "controlnets": [], "brushnets": [], "support_strength": False, "support_outpainting": False,
    "support_lcm_lora": False, "support_controlnet": False, "support_brushnet": False,
    "support_powerpaint_v2": False,
}  # fmt: skip
router = APIRouter(prefix="/api/v1", tags=["IOPaint"])
_REPLY = image_reply("image/png")
_REPLY[200]["headers"]["X-Seed"] = {"schema": {"type": "integer"}}


@router.post(
    "/inpaint",
    response_class=Response,
    responses=_REPLY | documented(*OF_FILLS),
    summary="Fill, for clients of IOPaint",
)
async def inpaint(service: Here, request: InpaintRequest) -> Response:
    """Return the image as PNG with its hole filled."""
    request.check()
    image, mask = _decoded("image", request.image), _decoded("mask", request.mask)
    reply = await service.fill(image, mask, Options(strategy=_STRATEGIES[request.hd_strategy]))
    return service.response(reply, "image/png", {"X-Seed": str(request.sd_seed)})


@router.get("/model", responses=documented(), summary="The model, as IOPaint describes one")
async def model(service: Here) -> dict[str, Any]:
    """Return the model. Its path is its name: paths of the server are private."""
    name = service.pool.about.name
    return {"name": name, "path": name, **_MODEL}


@router.get("/server-config", responses=documented(), summary="What the server can do, for IOPaint")
async def server_config(service: Here) -> dict[str, Any]:
    """Return what a page of IOPaint asks first."""
    return {"modelInfos": [await model(service)], **_SERVER}


def _decoded(name: str, text: str) -> bytes:
    """Decode base64, after `data:…;base64,` if that is there."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError(400, "bad_request", f"{name} is not base64") from None
