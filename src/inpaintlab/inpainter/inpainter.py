"""A trained network as an object that fills images of any size and kind."""

import hashlib
import json
import os
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from inpaintlab.arrays import UInt8
from inpaintlab.baselines import BASELINES, title
from inpaintlab.checkpoints import Limits, ModelCard, load_model, model_bytes, read_limits, save_model
from inpaintlab.errors import (
    ImageError,
    MaskError,
    OutputError,
    SettingError,
    TrustError,
    near_miss,
)
from inpaintlab.images import (
    DecodedImage,
    check_writable,
    from_rgb,
    load as load_image,
    save,
)
from inpaintlab.inpainter.assessment import RIVAL, Assessment, Heeded, Judgement, judge
from inpaintlab.inpainter.crops import STRATEGIES, explain
from inpaintlab.inpainter.filling import BLENDS
from inpaintlab.inpainter.kinds import AnyImage, through
from inpaintlab.inpainter.maps import check_knows, save_map
from inpaintlab.inpainter.onnx import SUFFIX, OnnxNetwork
from inpaintlab.inpainter.pairs import variant_names
from inpaintlab.inpainter.readme import readme
from inpaintlab.inpainter.variants import by_typicality, check_varies, draws
from inpaintlab.inpainter.ways import AUTO, MODEL, WAYS, Model, by_method, by_network, thin_of
from inpaintlab.inpainter.weights import DEFAULT_FILE, FILE, WeightsFile, find_weights, push
from inpaintlab.masks import COMMAND, PYTHON, AnyMask, Door, check_ratio, read_mask
from inpaintlab.networks import adopt
from inpaintlab.runs import Run
from inpaintlab.settings.filling import SPREAD
from inpaintlab.tensors import composite
from inpaintlab.trust import Trust


class Inpainter:
    """A network that fills images of any size and kind.

    `network` is any module called as `module(image, mask)`; it is put into evaluation. `card` says what
    it is, and the image size that it was trained on; of a module of your own `size` alone will do.
    `source` is the file that it was read from, if it was. `method` is how `fill` fills where it is not
    told: `auto` for what was loaded, and `model` for a network given as an object. `trust` is what is
    known of the limits of the network, if anything is.
    """

    def __init__(
        self,
        network: nn.Module,
        card: ModelCard | None = None,
        source: WeightsFile | None = None,
        *,
        size: int | None = None,
        method: str = MODEL,
        trust: Trust | None = None,
    ) -> None:
        if card is None:
            if size is None:
                raise SettingError("at which image size does the network work best? Say size=64")
            card = ModelCard(type(network).__name__, {}, size)
        # The order of memory in which convolutions on a CPU are quickest (benchmarks/engines.py).
        self.network = adopt(network.eval()).to(memory_format=torch.channels_last)
        self.card, self.source, self.method, self.trust = card, source, method, trust

    @classmethod
    def load(
        cls,
        what: str | os.PathLike[str],
        revision: str | None = None,
        *,
        network: nn.Module | None = None,
        quickest: bool = False,
    ) -> "Inpainter":
        """Load a trained network.

        `what` is `default`, the model that comes with the package, a run or its folder, of which the
        best weights are taken, a `.safetensors` file, an
        `.onnx` file of `inpaint export`, published weights of LaMa (`.safetensors`, `.pt`, `.pth` or
        `.ckpt`), or `USER/MODEL` of the Hugging Face hub, at a `revision`: branch, tag or commit.
        Weights of a module of your own are filled into `network`, unless it is registered. With
        `quickest`, what `inpaint export` has made of these very weights, and left beside them, runs in
        their place. Raises `RunError` for anything else.
        """
        source = WeightsFile.of(find_weights(what, revision))
        known: dict[str, Any] = {"method": AUTO, "trust": _trust_of(source.path)}
        if quickest and network is None and (exported := _exported(source)):
            return cls(exported, exported.facts.card, source, **known)
        if source.path.suffix == SUFFIX:
            loaded = OnnxNetwork.load(source.path)
            known["trust"] = Trust.read(loaded.facts.limits) if loaded.facts.limits else None
            return cls(loaded, loaded.card, source, **known)
        return cls(*load_model(source.path, network), source, **known)

    @property
    def sha256(self) -> str:
        """SHA-256 of the file of weights, 64 digits, read when it is asked for.

        Of a network that was never a file: of what `save` would write. Raises `RunError` if the file
        was changed since.
        """
        if self.source:
            return self.source.sha256()
        return hashlib.sha256(model_bytes(self.network.state_dict(), self.card)).hexdigest()

    def save(self, path: str | Path, *, half: bool = False) -> None:
        """Write weights and card to a `.safetensors` file; of a loaded one, the same bytes again.

        With `half` a weight takes 16 bits and the file half the room. Colours change by less than the
        steps of 8 bits; networks still work with 32 bits.
        """
        path = Path(path)
        if path.suffix != ".safetensors":
            raise OutputError(f"{path} is no name for weights: they are saved as NAME.safetensors")
        weights = self._weights()
        if half:
            weights = {name: _halved(weight) for name, weight in weights.items()}
        save_model(path, weights, self.card, self._limits())

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        license: str | None = None,
        revision: str | None = None,
        token: str | None = None,
    ) -> str:
        """Upload to `USER/MODEL` of the Hugging Face hub, with a README of what is known of it.

        Returns the address of the commit. `license` is a name such as `mit`; `revision` a branch that
        is there; without a `token` that of `hf auth login` is taken. Raises `RunError` where the hub is
        out of reach or refuses, and where the extra `hub` is not installed.
        """
        text = readme(self.card, self.sha256, self.run, repo_id, license)
        files = {
            FILE: model_bytes(self._weights(), self.card, self._limits()),
            "config.json": json.dumps(asdict(self.card), indent=2, sort_keys=True).encode(),
            "README.md": text.encode(),
        }
        message = f"Weights {self.sha256[:16]}"
        return push(files, repo_id, message, private=private, revision=revision, token=token)

    @property
    def run(self) -> Run | None:
        """The run folder that the weights lie in, or None."""
        run = Run(self.source.path.parent) if self.source else None
        return run if run and run.recipe.is_file() else None

    def fill(
        self,
        image: AnyImage,
        mask: AnyMask,
        *,
        invert_mask: bool = False,
        grey_mask: bool = False,
        method: str | None = None,
        strategy: str = "auto",
        blend: str = "gradient",
    ) -> AnyImage:
        """Fill the hole of an image; what lies outside comes back bit by bit.

        The result is of the kind of `image`:

        - PIL, 8 or 16 bits a channel. Palette images come back as RGB(A).
        - numpy `[H, W]` or `[H, W, 3 or 4]`, uint8, uint16, or floating point in [0, 1].
        - torch `[3, H, W]` or `[B, 3, H, W]`, floating point in [0, 1].

        The mask is of the image's size, `[B, 1, H, W]` for a batch, and of any kind that
        `masks.read_mask` reads: a file, PIL, numpy or torch; white, 1 or True is the hole, or black with
        `invert_mask`. Raises `ImageError` and `MaskError` for anything else, for a mask without a hole,
        over 90 % of the image, or, without `grey_mask`, grey in more than half of it as a photo is.

        `method` is `model`, this network; `model+detail`, the same mixed with patches copied from the
        image; a baseline such as `telea`, with 8 bits a channel; or `auto`, thin holes by the model that
        comes with the package, at full resolution, and others by this one (which adds detail where it is
        that model); None is the inpainter's own. `strategy`, one of
        `STRATEGIES`, says what the network sees of the image; `blend`, one of `BLENDS`, how the fill
        meets the known pixels. Several threads may call at once.

        >>> import numpy as np
        >>> from inpaintlab.networks import create
        >>> inpainter = Inpainter(create("unet", width=8, depth=1), size=32)  # or load("runs/photos-1")
        >>> photo, hole = np.zeros((300, 400, 3), np.uint8), np.zeros((300, 400), bool)
        >>> hole[100:150, 200:280] = True
        >>> filled = inpainter.fill(photo, hole)
        >>> filled.shape, filled.dtype, bool((filled[~hole] == photo[~hole]).all())
        ((300, 400, 3), dtype('uint8'), True)
        """
        how: dict[str, Any] = {"method": method, "strategy": strategy, "blend": blend}
        reading: dict[str, Any] = {"invert": invert_mask, "grey": grey_mask, "door": PYTHON}

        def fill(image: DecodedImage, hole: UInt8) -> list[DecodedImage]:
            return [self.fill_image(image, hole, **how)[0]]

        (filled,) = through(fill, image, mask, reading)
        return filled

    def assess(
        self,
        image: AnyImage,
        mask: AnyMask,
        *,
        invert_mask: bool = False,
        grey_mask: bool = False,
        strategy: str = "auto",
        blend: str = "gradient",
    ) -> Assessment[AnyImage]:
        """Fill the hole of an image, and say how far the fill is to be trusted.

        The image is what `fill` gives with `method="model"`, all else is as there, but for batches,
        which are not taken. What is under the hole is not looked at. `uncertainty` and `novelty` ask for
        a model with `trust`, as `inpaint train` makes it. Of a foreign image, and where nothing is known
        of those of training, known squares are hidden, filled and compared with what is there, which
        takes about as long as five fills.
        """
        found: list[Judgement] = []

        def fill(image: DecodedImage, hole: UInt8) -> list[DecodedImage]:
            filled, _ = self.fill_image(image, hole, method=MODEL, strategy=strategy, blend=blend)
            found.append(self.judge_image(image, hole, strategy))
            return [filled]

        if isinstance(image, Tensor) and image.ndim == 4:
            raise ImageError(f"one image is assessed at a time, [3, H, W], got {list(image.shape)}")
        reading: dict[str, Any] = {"invert": invert_mask, "grey": grey_mask, "door": PYTHON}
        (filled,) = through(fill, image, mask, reading)
        return Assessment.of(filled, found[0])

    def variants(
        self,
        image: AnyImage,
        mask: AnyMask,
        count: int = 4,
        *,
        seed: int = 0,
        spread: float = SPREAD,
        invert_mask: bool = False,
        grey_mask: bool = False,
        method: str | None = None,
        strategy: str = "auto",
        blend: str = "gradient",
    ) -> list[AnyImage]:
        """Fill the hole of an image in several ways, the most typical first.

        All else as `fill`, whose result, the middle of all ways, is among them; with `auto` the network
        itself fills thin holes, too. The same `seed` gives the same fills. `spread` says how far they
        go from the middle, above 0 to 1.5; 1 is as far as in training. Raises `SettingError` for a
        network that has learnt one fill for each hole, for a baseline, and for a `count` that is not
        from 1 to 32.
        """
        how: dict[str, Any] = {"method": method, "strategy": strategy, "blend": blend}
        reading: dict[str, Any] = {"invert": invert_mask, "grey": grey_mask, "door": PYTHON}

        def fill(image: DecodedImage, hole: UInt8) -> list[DecodedImage]:
            return self.fill_variants(image, hole, count, seed, spread, **how)[0]

        return through(fill, image, mask, reading)

    def fill_image(
        self,
        image: DecodedImage,
        hole: UInt8,
        name: str = "the mask",
        *,
        method: str | None = None,
        strategy: str = "auto",
        blend: str = "gradient",
        door: Door = PYTHON,
    ) -> tuple[DecodedImage, str]:
        """Fill the hole, `[H, W]` of 0 and 1, of a decoded image, and say in a line what was done.

        `name` and `door` are the mask's, for errors.
        """
        if blend not in BLENDS:
            raise SettingError(f"unknown blend {blend!r}{near_miss(blend, BLENDS)}")
        _check_strategy(strategy)
        told, method = list[str](), method or self.method
        way = by_method(method, self._model(strategy, blend), blend, told)
        _check_hole(hole, name, image.size, door)
        pixels, crops = image.pixels.copy(), []
        for crop, colours in way(image, hole, hole):
            part = replace(image, pixels=pixels[crop.bounds.slices])
            where = crop.hole if pixels.ndim == 2 else crop.hole[..., None]
            pixels[crop.bounds.slices] = composite(part.pixels, from_rgb(colours, like=part), where)
            crops.append(crop)
        if method == MODEL:
            told = [explain(crops, f"strategy {strategy}", self.card.size)]
        return replace(image, pixels=pixels), "; ".join(told) or explain(crops, method, None)

    def judge_image(
        self, image: DecodedImage, hole: UInt8, strategy: str = "auto", *, errors: bool = True
    ) -> Judgement:
        """Say how far the network's fill of a decoded image is to be trusted.

        Without `errors` nothing is said of how wrong it may be, and a familiar image is not filled.
        """
        facts = (self.network, self.card.size, self.trust)
        return judge(*facts, image, hole, strategy, errors=errors)

    def heeded(
        self,
        image: DecodedImage,
        hole: UInt8,
        name: str = "the mask",
        *,
        method: str | None = None,
        strategy: str = "auto",
        fallback: str = "none",
        strict: bool = False,
        judged: bool = True,
        door: Door = PYTHON,
    ) -> Heeded:
        """Return the method that is to fill a decoded image, and what speaks against the network.

        With a `fallback` of `auto` that is a classical method where it does better. The image is judged
        where the network has learnt its limits, unless `judged` is false, and where one of these asks
        for it. Raises `TrustError` with
        `strict`, for an image that would be filled by a network that is not to be trusted with it.
        """
        _check_hole(hole, name, image.size, door)
        _check_strategy(strategy)
        asked = strict or fallback == AUTO
        if (method or self.method) not in WAYS or not (asked or (judged and self.trust)):
            return Heeded(method, [])
        if (method or self.method) == AUTO and (thin_of(hole, self._model(strategy)) == hole).all():
            return Heeded(method, [])  # the model of the package fills it
        judgement = self.judge_image(image, hole, strategy, errors=False)
        if fallback == AUTO and judgement.better_method:
            doubts = [*judgement.reasons, f"filled by {title(RIVAL)}"]
            return Heeded(judgement.better_method, doubts, judgement)
        if strict and judgement.reasons:
            raise TrustError(f"not filled: {'; '.join(judgement.reasons)}")
        return Heeded(method, judgement.reasons, judgement)

    def fill_variants(
        self,
        image: DecodedImage,
        hole: UInt8,
        count: int,
        seed: int = 0,
        spread: float = SPREAD,
        name: str = "the mask",
        **how: Any,
    ) -> tuple[list[DecodedImage], str]:
        """Fill the hole of a decoded image in several ways, the most typical first.

        `how` is as in `fill_image`, which a `count` of 1 is. Also says in a line what was done.
        """
        if count == 1:
            filled, told = self.fill_image(image, hole, name, **how)
            return [filled], told
        self.check_varies(how.get("method"))
        if (how.get("method") or self.method) == AUTO:
            how["method"] = MODEL  # the model of the package, which fills thin holes then, does not vary
        drawn = self.drawn(count, seed, spread)
        found = [one.fill_image(image, hole, name, **how) for one in drawn]
        fills = [filled for filled, _ in found]
        places = by_typicality([filled.pixels for filled in fills], hole)
        return [fills[place] for place in places], found[0][1]

    def check_varies(self, method: str | None = None) -> None:
        """Raise `SettingError` for a baseline, and for a network with one fill for each hole."""
        if (method := method or self.method) in BASELINES:
            raise SettingError(f"{method} fills a hole in one way: variants are of the model")
        check_varies(self.network)

    def drawn(self, count: int, seed: int = 0, spread: float = SPREAD) -> list["Inpainter"]:
        """Return so many inpainters: this one with noise 0, and with other noise, which fill otherwise.

        Raises `SettingError` as `variants` does.
        """
        networks = draws(self.network, count, seed, spread)
        how: dict[str, Any] = {"method": self.method, "trust": self.trust}
        return [Inpainter(one, self.card, self.source, **how) for one in networks]

    def fill_file(
        self,
        image: Path,
        mask: Path,
        output: Path,
        *,
        invert_mask: bool | None = None,
        grey_mask: bool = False,
        variants: int = 1,
        seed: int = 0,
        spread: float = SPREAD,
        method: str | None = None,
        strategy: str = "auto",
        blend: str = "gradient",
        fallback: str = "none",
        strict: bool = False,
        judged: bool = True,
        uncertainty: Path | None = None,
        tell: bool = False,
    ) -> list[str]:
        """Fill an image file, write the result, and return notes for the user.

        Of several `variants` the most typical is written to `output`, and the others beside it, as
        `NAME-2` and so on.

        The inputs are only read. PNG, TIFF, BMP and WebP keep all pixels outside the hole. A mask
        that looks inverted is remarked upon, unless `invert_mask` says what it is; one that looks like a
        photo is refused without `grey_mask`. `uncertainty` is a file for a map of how far values may be
        off; where that is not known it raises `SettingError`. With `tell` the first note says what was
        done.
        """
        names = variant_names(output, variants)
        if uncertainty:
            check_knows(self.trust, method or self.method)
            if uncertainty.resolve() in [name.resolve() for name in names]:
                raise OutputError(f"{uncertainty} is a result: give the map of uncertainty another name")
        for name in [*names, *([uncertainty] if uncertainty else [])]:
            if name.resolve() in (image.resolve(), mask.resolve()):
                raise OutputError(f"{name} is an input: give another name with -o")
        decoded = load_image(image)
        check_writable(output.suffix, decoded.size)
        if uncertainty:
            check_writable(uncertainty.suffix, decoded.size)
        hole, remarks = read_mask(mask, invert=invert_mask, grey=grey_mask, door=COMMAND)
        how: dict[str, Any] = {"method": method, "strategy": strategy, "door": COMMAND}
        how["method"], doubts, _ = self.heeded(
            decoded, hole, mask.name, fallback=fallback, strict=strict, judged=judged, **how
        )
        fills, told = self.fill_variants(
            decoded, hole, variants, seed, spread, mask.name, blend=blend, **how
        )
        said = [told] if tell or (how["method"] or self.method) == AUTO else []
        lost = [save(name, filled) for name, filled in zip(names, fills, strict=True)]
        if uncertainty:
            judgement = None if how["method"] in BASELINES else self.judge_image(decoded, hole, strategy)
            said.append(save_map(judgement, decoded, uncertainty))
        return [*doubts, *said, *decoded.notes, *remarks, *lost[0]]

    def _model(self, strategy: str, blend: str = "none") -> Model:
        is_default = self.source is not None and self.source.path == DEFAULT_FILE
        by_itself = by_network(self.network, self.card.size, strategy, blend)
        return Model(by_itself, self.card.size, is_default)

    def _limits(self) -> Limits | None:
        return self.trust.limits() if self.trust else None

    def _weights(self) -> dict[str, Tensor]:
        if isinstance(self.network, OnnxNetwork):
            raise OutputError("an ONNX file holds no weights to train on: copy it, or save its run")
        return self.network.state_dict()


def load(
    what: str | os.PathLike[str], *, network: nn.Module | None = None, revision: str | None = None
) -> Inpainter:
    """Load a trained network, ready to fill: a run, a file of weights or a name, as `Inpainter.load`."""
    return Inpainter.load(what, revision, network=network)


def _check_strategy(name: str) -> None:
    if name not in STRATEGIES:
        raise SettingError(f"unknown strategy {name!r}{near_miss(name, STRATEGIES)}")


def _check_hole(hole: UInt8, name: str, size: tuple[int, ...], door: Door = PYTHON) -> None:
    if hole.shape != size:
        seen = f"{hole.shape[1]}×{hole.shape[0]}"
        height, width = size
        raise MaskError(f"{name} is {seen}, but the image is {width}×{height}: sizes must agree")
    check_ratio(hole, name, door)


def _halved(weight: Tensor) -> Tensor:
    return weight.half() if weight.is_floating_point() else weight


def _trust_of(path: Path) -> Trust | None:
    """Return what a file of weights says of the limits of its model."""
    limits = read_limits(path) if path.suffix == ".safetensors" else None
    return Trust.read(limits) if limits else None


def _exported(source: WeightsFile) -> OnnxNetwork | None:
    """Return the network of the ONNX file beside a file of weights, if it was made of them."""
    file = source.path.with_suffix(SUFFIX)
    if source.path.suffix == SUFFIX or not file.is_file() or find_spec("onnxruntime") is None:
        return None
    network = OnnxNetwork.load(file)
    return network if network.facts.weights_sha256 == source.sha256() else None
