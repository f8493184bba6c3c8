"""Map a translated agent document to its source, so that problems are reported where they were made."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace

from evercert.documents.document import Path, Problem

# Sources in a certificate of the agent, in order of precedence.
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
# Problems here can be consequences of a value that was refused and reported.
_WHOLES: tuple[Path, ...] = ((), ("attributes",), ("lifecycle",))
_COUNTED = re.compile(r"^certificates\[[0-9]+\]: ")  # by their number in the translation


@dataclass
class Origins:
    """Origins of a translation.

    `places` maps the clean copy of the agent's document to the document. `numbers` holds the entry of each translated
    certificate, and `owners` the first entry of each issuer.
    """

    places: Mapping[Path, Path]
    numbers: list[int] = field(default_factory=list)
    owners: dict[str, int] = field(default_factory=dict)

    def place(self, path: Path) -> Path:
        """Map a path of the translation to the agent's document."""
        return self._nearest(self._origin(path))

    def placed(self, problems: Iterable[Problem]) -> list[Problem]:
        """Map problems of the clean copy to the agent's document."""
        return [replace(problem, path=self._nearest(problem.path)) for problem in problems]

    def of_translation(self, found: Iterable[Problem], damaged: Container[object]) -> list[Problem]:
        """Map problems of the translation to the agent's document.

        Drop those that may only follow from a value that was refused in the same entry.
        """
        mapped = []
        for problem in found:
            path, message = self._origin(problem.path), problem.message
            if path[:1] == ("certificates",) and path[1:2] and path[1] in damaged and path[2:] in _WHOLES:
                continue
            if path[2:] == ("attributes", "key-algorithm"):
                message = f"key-{message}"
            mapped.append(Problem(self._nearest(path), message if path[2:] else _COUNTED.sub("", message)))
        return mapped

    def _origin(self, path: Path) -> Path:
        """Map a path of the translation to the clean copy."""
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
