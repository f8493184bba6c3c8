"""Where each key of a translated agent document comes from, so that a mistake is told where it was made."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace

from evercert.documents.document import Path, Problem

# In a certificate of the agent.
_KEYS: Mapping[Path, tuple[Path, ...]] = {
    ("name",): (("name",), ("attributes", "common-name"), ("csr",), ("csr-path",)),
    ("issuer",): (("profile-name",), ("certificate-id",)),
    ("csr",): (("csr",), ("csr-path",)),
    ("private-key", "algorithm"): (("attributes", "key-algorithm"),),
    ("destinations",): (("file-output",),),
}
_SECTIONS: Mapping[str, Path] = {
    "address": ("infisical", "address"),
    "retry": ("infisical", "retry-strategy"),
    "ca-bundle": ("infisical", "ca-bundle"),
    "auth": ("auth", "config"),
}
_OWNED = {"project": "project-slug", "application": "application-name", "profile": "profile-name"}
# What can be wrong only because something in it was refused, and told.
_WHOLES: tuple[Path, ...] = ((), ("attributes",), ("lifecycle",))
_COUNTED = re.compile(r"^certificates\[[0-9]+\]: ")  # by their number in the translation


@dataclass
class Origins:
    """`places`: from the clean copy of the agent's document to the document itself.

    `numbers`: which entry each certificate of the translation comes from; `owners`: the first one of each issuer.
    """

    places: Mapping[Path, Path]
    numbers: list[int] = field(default_factory=list)
    owners: dict[str, int] = field(default_factory=dict)

    def place(self, path: Path) -> Path:
        """From a key of the translation to the agent's document."""
        return self._nearest(self._origin(path))

    def placed(self, problems: Iterable[Problem]) -> list[Problem]:
        """Of the clean copy, in the agent's document."""
        return [replace(problem, path=self._nearest(problem.path)) for problem in problems]

    def of_translation(self, found: Iterable[Problem], damaged: Container[object]) -> list[Problem]:
        """What is wrong with the translation, told of the agent's document.

        Of an entry that lacks what was refused, only what is wrong with what it has.
        """
        told = []
        for problem in found:
            path, message = self._origin(problem.path), problem.message
            if path[:1] == ("certificates",) and path[1:2] and path[1] in damaged and path[2:] in _WHOLES:
                continue
            if path[2:] == ("attributes", "key-algorithm"):
                message = f"key-{message}"
            told.append(Problem(self._nearest(path), message if path[2:] else _COUNTED.sub("", message)))
        return told

    def _origin(self, path: Path) -> Path:
        """In the clean copy."""
        match path:
            case ("issuers", str(name), str(key), *rest) if key in _OWNED and name in self.owners:
                return ("certificates", self.owners[name], _OWNED[key], *rest)
            case ("issuers", _, str(key), *rest) if key in _SECTIONS:
                return (*_SECTIONS[key], *rest)
            case ("issuers", *_):
                return ("auth",)
            case ("certificates", int(index), *rest):
                return self._of_certificate(self.numbers[index], tuple(rest))
        return path

    def _of_certificate(self, number: int, rest: Path) -> Path:
        where = ("certificates", number)
        for here, sources in _KEYS.items():
            if rest[: len(here)] == here:
                return next(((*where, *source) for source in sources if (*where, *source) in self.places), where)
        return (*where, *rest)

    def _nearest(self, path: Path) -> Path:
        while path not in self.places and path:
            path = path[:-1]
        return self.places.get(path, ())
