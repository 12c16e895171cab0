"""What a page is made of; anything with `html()` may stand beside these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from markupsafe import Markup

from inpaintlab.reports.table import Tone


class Block(Protocol):
    """A part of a page."""

    def html(self) -> Markup:
        """Return it as HTML, with everything escaped that came from outside."""
        ...


@dataclass(frozen=True)
class Heading:
    """A heading of level 2 or 3."""

    text: str
    level: int = 2

    def html(self) -> Markup:
        """Return `<h2>` or `<h3>`."""
        return Markup("<h{0}>{1}</h{0}>\n").format(self.level, self.text)


@dataclass(frozen=True)
class Text:
    """A paragraph; a `quiet` one is for those who read on."""

    text: str
    quiet: bool = False

    def html(self) -> Markup:
        """Return `<p>`."""
        return Markup("<p{}>{}</p>\n").format(Markup(' class="quiet"') if self.quiet else "", self.text)


@dataclass(frozen=True)
class Note:
    """Something to be known, with its tone, and what to do about it."""

    text: str
    tone: Tone = "bad"
    advice: str = ""
    head: str = ""

    def html(self) -> Markup:
        """Return a paragraph with a bar of its tone at the left."""
        head = Markup("<b>{}</b> ").format(self.head) if self.head else ""
        advice = Markup('<br><span class="advice">{}</span>').format(self.advice) if self.advice else ""
        return Markup('<p class="note {}">{}{}{}</p>\n').format(self.tone, head, self.text, advice)


@dataclass(frozen=True)
class Facts:
    """Keys and their values; a value may be HTML of our own."""

    values: Mapping[str, str | Markup]

    def html(self) -> Markup:
        """Return `<dl>`."""
        pairs = (
            Markup("<dt>{}</dt><dd>{}</dd>\n").format(key, value) for key, value in self.values.items()
        )
        return Markup("<dl>\n{}</dl>\n").format(Markup("").join(pairs))


@dataclass(frozen=True)
class Code:
    """Text as it is, such as a command or a recipe; `wrap` breaks long lines."""

    text: str
    wrap: bool = False

    def html(self) -> Markup:
        """Return `<pre>`."""
        return Markup("<pre{}>{}</pre>\n").format(
            Markup(' class="wrap"') if self.wrap else "", self.text
        )


@dataclass(frozen=True)
class Drawings:
    """Drawings made by `svg`, side by side where there is room."""

    drawings: Sequence[Markup]

    def html(self) -> Markup:
        """Return them on white, as their letters are black."""
        return Markup('<div class="drawings">{}</div>\n').format(Markup("").join(self.drawings))


@dataclass(frozen=True)
class Card:
    """An image, as a URL of `data_url` or `thumbnail` (empty: none), and what is said of it.

    `title` is what is read out for it, and shown when pointed at.
    """

    image: str
    text: str
    quiet: str = ""
    title: str = ""

    def html(self) -> Markup:
        """Return `<figure>`."""
        image = Markup('<img alt="{}" src="{}">').format(self.title or self.text, self.image)
        quiet = Markup(' <span class="quiet">{}</span>').format(self.quiet) if self.quiet else ""
        return Markup('<figure title="{}"{}>{}<figcaption>{}{}</figcaption></figure>\n').format(
            self.title,
            "" if self.image else Markup(' class="broken"'),
            image if self.image else "",
            self.text,
            quiet,
        )


@dataclass(frozen=True)
class Cards:
    """Image cards in rows. `wide` ones take the page's width, as sheets of many images do."""

    cards: Sequence[Card]
    wide: bool = False

    def html(self) -> Markup:
        """Return them in a box that wraps."""
        return Markup('<div class="cards{}">\n{}</div>\n').format(
            " wide" if self.wide else "", Markup("").join(card.html() for card in self.cards)
        )


@dataclass(frozen=True)
class Raw:
    """HTML of our own, for what only one page has."""

    markup: Markup

    def html(self) -> Markup:
        """Return it."""
        return self.markup
