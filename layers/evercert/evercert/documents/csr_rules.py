"""A CSR in a document: it fills in the settings beside it, which must not contradict it."""

from __future__ import annotations

from evercert.pki import csr_parser as csrs
from evercert.pki.attributes import Attributes
from evercert.schema import Place, misplaced, printable


def filled_in(data: object) -> object:
    """Return the keys of a spec, with attributes and key algorithm of its CSR; raise ValidationError if invalid."""
    if not isinstance(data, dict) or not isinstance(data.get("csr"), str):
        return data
    try:
        asked = csrs.read(data["csr"])
    except ValueError as error:
        raise misplaced({("csr",): str(error)}) from None
    found = {
        "attributes": asked.attributes.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        "private-key": {"algorithm": asked.algorithm},
    }
    beside = {key: data.get(key) for key in found}
    whole = {key: {**found[key], **values} for key, values in beside.items() if isinstance(values, dict)}
    return {**found, **data, **whole}


def contradictions(asked: csrs.ParsedCsr, attributes: Attributes, algorithm: str) -> dict[Place, str]:
    """Return the attributes and the key algorithm that contradict the CSR, by path."""
    problems: dict[Place, str] = {}
    for field in Attributes.model_fields:
        # The alternative names include the common name even if the document does not repeat it.
        name = "identifiers" if field == "alt_names" else field
        there, here = getattr(asked.attributes, name), getattr(attributes, name)
        if field != "ttl" and there != here and not (field == "alt_names" and problems):
            problems["attributes", field.replace("_", "-")] = _says(there)
    if algorithm != asked.algorithm:
        problems["private-key", "algorithm"] = _says(asked.algorithm)
    return problems


def _says(there: object) -> str:
    text = ", ".join(map(str, there)) if isinstance(there, tuple) else str(there or "")
    return f"the CSR has {printable(text, 120) or 'none'}; remove it here, or create a new CSR"
