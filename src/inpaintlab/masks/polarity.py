"""Whether the masks of somebody mean by white what we do."""

from collections.abc import Sequence
from pathlib import Path

from inpaintlab.errors import InpaintlabError, MaskError
from inpaintlab.masks.checks import looks_inverted
from inpaintlab.masks.reading import read_mask

#: So many masks are looked at before they are used: do most of them mark everything but the hole?
LOOKED_AT = 40


def check_polarity(masks: Sequence[Path], cure: str) -> None:
    """Raise `MaskError` where most masks look inverted, judged by some from all over.

    `cure` is what to say, whether they are or not.
    """
    different = list(dict.fromkeys(masks))
    some = different[:: -(-len(different) // LOOKED_AT) or 1]
    inverted = []
    for path in some:
        try:
            inverted += [path] if looks_inverted(read_mask(path)[0]) else []
        except InpaintlabError:
            continue  # it is named when its turn comes
    if len(inverted) * 2 > len(some):
        raise MaskError(
            f"{len(inverted)} of {len(some)} masks looked at seem inverted, {inverted[0].name} first: "
            f"white, the hole, is all round the border. Say {cure}"
        )
