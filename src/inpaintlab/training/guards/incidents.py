"""What happened in a run: one folder for each incident, with its figures and its images."""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torchvision
from torch import Tensor

from inpaintlab.checkpoints import Run, read_json, write_json
from inpaintlab.files import write_atomically
from inpaintlab.images import encode_png
from inpaintlab.tensors import composite, to_arrays
from inpaintlab.training.guards.causes import Verdict
from inpaintlab.training.guards.detectors import Alarm

#: Images shown of an incident at most.
SHOWN = 8
_LEAST_SIDE = 96


def write_incident(
    run: Run,
    alarm: Alarm,
    verdict: Verdict,
    action: str,
    signals: dict[str, list[tuple[int, float]]],
    names: list[str],
    images: Tensor,
) -> tuple[Path, bool]:
    """Write `incidents/NNN/`: `incident.json` with all figures, and `images.png`.

    Images that are no images come again and again: those after the first are added to its incident.
    Returns the folder, and whether it is a new one.
    """
    before = sorted(run.incidents.glob("*/incident.json"))
    last = read_json(before[-1]) if before else None
    if last and alarm.kind == "values" and names and last["alarm"]["kind"] == "values":
        write_json(before[-1], last | {"images": [*last["images"], *names]})
        return before[-1].parent, False
    folder = run.incidents / f"{len(before) + 1:03}"
    write_atomically(folder / "images.png", encode_png(to_arrays(images[None])[0]))
    facts = {
        "alarm": asdict(alarm),
        "verdict": asdict(verdict),
        "action": action,
        "images": names,
        "signals": signals,
    }
    write_json(folder / "incident.json", facts)
    return folder, True


@dataclass(frozen=True)
class Incident:
    """What was seen, why it was, what was done, and the names of the images that it is about."""

    alarm: Alarm
    verdict: Verdict
    action: str
    images: list[str]
    folder: Path


def read_incidents(run: Run) -> list[Incident]:
    """Return the incidents of a run, in order."""
    found = []
    for path in sorted(run.incidents.glob("*/incident.json")):
        facts = read_json(path)
        alarm, verdict = Alarm(**facts["alarm"]), Verdict(**facts["verdict"])
        found.append(Incident(alarm, verdict, facts["action"], facts["images"], path.parent))
    return found


def sheet(images: Tensor, masks: Tensor, output: Tensor) -> Tensor:
    """Return the first images as one, `[3, H, W]`: as they came, with their holes, and filled."""
    image, mask, fill = (part[:SHOWN].detach().cpu().float() for part in (images, masks, output))
    image, fill = (torch.nan_to_num(part, posinf=1.0, neginf=0.0).clamp(0, 1) for part in (image, fill))
    damaged = composite(image, torch.ones_like(image), mask)
    rows = torch.cat([image, damaged, composite(image, fill, mask)])
    # Small images are enlarged by a whole factor, so that they can be seen.
    factor = -(-_LEAST_SIDE // rows.shape[-1])
    rows = rows.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    grid: Tensor = torchvision.utils.make_grid(rows, nrow=len(image), padding=1, pad_value=1.0)
    return grid
