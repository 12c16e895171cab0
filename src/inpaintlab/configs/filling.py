"""Settings of what uses a network: export."""

from pathlib import Path

from pydantic import Field

from inpaintlab.configs.parts import Settings


class ExportSettings(Settings):
    """Settings of `inpaint export`."""

    run: Path = Field(description="run folder, file of weights, or USER/MODEL of the hub")
    output: Path | None = Field(None, description=".onnx file to write; none: model.onnx of the run")
    checks: int = Field(8, ge=1, description="so many random sizes and batches are compared with torch")
    seed: int = Field(0, description="of these sizes, pictures and holes")
