"""What is done to the API description as a whole, once all operations are in it.

Schemas of requests are closed, so that a slip is found by whoever writes a client. Schemas of
answers are open: a client that reads them lives with fields that are new.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import marshmallow as ma

from .body import BoundedSchema
from .describing import OperationsPlugin, Place
from .operations import Description, Variant

_SCHEMAS, _RESPONSES = "#/components/schemas/", "#/components/responses/"
_MOST_CODES_IN_A_NAME = 2
_NAMES_OF_SEVERAL = {
    ("authentication_required", "invalid_token"): "NotSignedIn",
    ("malformed_request", "validation_error"): "InvalidRequest",
}
# What may stand beside a reference to a component, for it is about this place alone.
_OF_A_PLACE = ("description", "default", "example", "readOnly", "writeOnly", "deprecated")


def finish(
    document: Description, plugin: OperationsPlugin, classes: Mapping[str, type[ma.Schema]]
) -> None:
    """Complete a document that apispec has written.

    `classes` are the marshmallow schemas that its components were made of.
    """
    schemas: dict[str, Description] = document["components"]["schemas"]
    for schema_name, schema_class in classes.items():
        if issubclass(schema_class, BoundedSchema):
            schemas[schema_name] |= schema_class.documented
    _name_error_codes(schemas, plugin)
    _close_requests(document, schemas)
    _name_components(document, schemas)
    for schema_name, schema_class in classes.items():
        if issubclass(schema_class, BoundedSchema) and schema_class.variants:
            _split(schemas, schema_name, schema_class.variants)
    for place in plugin.places:
        _give_examples(place, document["paths"][place.path].get("parameters", []))
    document["paths"] = _merged(document["paths"])
    _share_answers(document, plugin.places)
    document["components"]["schemas"] = dict(sorted(schemas.items()))


def _name_error_codes(schemas: dict[str, Description], plugin: OperationsPlugin) -> None:
    """List the error_codes of each contract as a component that its error bodies refer to."""
    names = {}
    for contract, codes in plugin.codes.items():
        names[contract] = f"{contract.title().replace('_', '')}ErrorCode"
        schemas[names[contract]] = {
            "type": "string",
            "description": "What is wrong, by a name that stays. Operations say when.",
            "enum": sorted(codes),
        }
    for body, contract in plugin.error_bodies.items():
        for found in _objects(schemas, schemas[body]):
            if "error_code" in found["properties"]:
                found["properties"]["error_code"] = {"$ref": _SCHEMAS + names[contract]}


def _objects(schemas: Mapping[str, Description], schema: Description) -> Iterator[Description]:
    """Yield a schema and those that it refers to, where they are objects with properties."""
    if "properties" in schema:
        yield schema
    for name in _references(schema):
        yield from _objects(schemas, schemas[name])


def _references(part: object) -> Iterator[str]:
    for description in _descriptions(part):
        reference = description.get("$ref")
        if isinstance(reference, str) and reference.startswith(_SCHEMAS):
            yield reference.removeprefix(_SCHEMAS)


def _descriptions(part: object) -> Iterator[Description]:
    """Yield every JSON object in a part of the document, those outside first."""
    if isinstance(part, dict):
        yield part
        for inner in list(part.values()):
            yield from _descriptions(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _descriptions(inner)


def _close_requests(document: Description, schemas: dict[str, Description]) -> None:
    bodies = [operation.get("requestBody", {}) for _, _, operation in operations(document)]
    asked: set[str] = set()
    found = set(_references(bodies))
    while found:
        asked |= found
        found = set(_references([schemas[name] for name in found])) - asked
    for name, schema in schemas.items():
        for part in _descriptions(schema):
            if "properties" not in part or part.get("type") != "object":
                continue
            if name in asked:
                part["additionalProperties"] = False
                _tell_defaults(part["properties"])
            elif part.get("additionalProperties") is False:
                del part["additionalProperties"]


def _tell_defaults(properties: Mapping[str, Description]) -> None:
    """Tell in words what a field is that is left out.

    Generators take `default` for a promise that the field is there, and would have it sent.
    """
    for described in properties.values():
        default = described.pop("default", None)
        if default not in (None, []):
            words = f"{json.dumps(default)} unless given."
            described["description"] = " ".join(filter(None, (described.get("description"), words)))


def operations(document: Description) -> Iterator[tuple[str, str, Description]]:
    """Yield the path and the method of each operation, and the operation."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                yield path, method, operation


def _name_components(document: Description, schemas: dict[str, Description]) -> None:
    """Make a component of each schema that a field has named, and refer to it there."""
    made: dict[str, Description] = {}
    for part in [*_descriptions(document)]:
        name = part.pop("x-component", None)
        if name is None:
            continue
        here = {key: part.pop(key) for key in _OF_A_PLACE if key in part}
        schema = dict(part)
        part.clear()
        types = schema.get("type")
        reference: Description = {"$ref": _SCHEMAS + name}
        if isinstance(types, list) and "null" in types:
            types = [one for one in types if one != "null"]
            schema["type"] = types[0] if len(types) == 1 else types
            reference = {"anyOf": [reference, {"type": "null"}]}
        if made.setdefault(name, schema) != schema:
            raise ValueError(f"Two different schemas are called {name}.")
        part |= reference | here
    schemas |= made


def _split(schemas: dict[str, Description], name: str, variants: Mapping[str, Variant]) -> None:
    """Describe an object that is one of several as `oneOf` them, each a component."""
    whole = schemas[name]
    description = {"description": whole["description"]} if "description" in whole else {}
    for variant_name, variant in variants.items():
        properties = {
            key: value for key, value in whole["properties"].items() if key not in variant.without
        }
        for key, value in variant.where.items():
            properties[key] = {"type": "string", "const": value}
        required = {*whole.get("required", ()), *variant.required}
        schemas[variant_name] = {**whole, "properties": properties, "required": sorted(required)}
    schemas[name] = {"oneOf": [{"$ref": _SCHEMAS + one} for one in variants], **description}
    if all(variant.where for variant in variants.values()):
        (key,) = {key for variant in variants.values() for key in variant.where}
        schemas[name]["discriminator"] = {
            "propertyName": key,
            "mapping": {variant.where[key]: _SCHEMAS + one for one, variant in variants.items()},
        }


def _give_examples(place: Place, of_the_path: list[Description]) -> None:
    described = place.described
    own = place.operation.get("parameters", [])
    # Views of one path may have examples of their own, so each has parameters of its own.
    variables = [dict(one) for one in of_the_path if one["in"] == "path"]
    place.operation["parameters"] = parameters = [*variables, *own]
    for one in parameters:
        given = described.path if one["in"] == "path" else described.query
        if one["in"] in ("path", "query") and one["name"] in given:
            one["example"] = given[one["name"]]
    if not parameters:
        del place.operation["parameters"]
    if described.body is not None:
        for content in place.operation["requestBody"]["content"].values():
            content["example"] = described.body


def _merged(paths: Mapping[str, Description]) -> dict[str, Description]:
    """Put paths together that differ in the names of their variables alone.

    OpenAPI forbids them: to a client they are one path.
    """
    alike: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        alike[re.sub(r"{\w+}", "{}", path)].append(path)
    merged: dict[str, Description] = {}
    for same in alike.values():
        names = zip(*(re.findall(r"{(\w+)}", path) for path in same), strict=True)
        shared = iter(["_or_".join(dict.fromkeys(those)) for those in names])
        path = re.sub(r"{\w+}", lambda _: "{" + next(shared) + "}", same[0])  # noqa: B023
        merged[path] = {}
        for one in same:
            renamed = dict(
                zip(re.findall(r"{(\w+)}", one), re.findall(r"{(\w+)}", path), strict=True)
            )
            for method, operation in paths[one].items():
                if method == "parameters":
                    continue
                for parameter in operation.get("parameters", []):
                    if parameter["in"] == "path":
                        parameter["name"] = renamed[parameter["name"]]
                merged[path][method] = operation
    return merged


def _share_answers(document: Description, places: Iterable[Place]) -> None:
    """Make components of the errors that many operations answer alike, and refer to them."""
    alike: dict[str, list[tuple[Description, str]]] = defaultdict(list)
    names: dict[str, str] = {}
    for place in places:
        for status, answer in place.operation["responses"].items():
            if 0 < len(answer.get("x-error-codes", ())) <= _MOST_CODES_IN_A_NAME:
                alike[repr(answer)].append((place.operation["responses"], status))
                names[repr(answer)] = _answer_name(answer)
    components: dict[str, Description] = {}
    for found, uses in alike.items():
        if len(uses) > 1:
            responses, status = uses[0]
            assert names[found] not in components, names[found]
            components[names[found]] = responses[status]
            for other_responses, other_status in uses:
                other_responses[other_status] = {"$ref": _RESPONSES + names[found]}
    document["components"]["responses"] = dict(sorted(components.items()))


def _answer_name(answer: Description) -> str:
    """Return a name that tells answers apart: error body, errors, and whether it may be kept."""
    (content,) = answer["content"].values()
    body = next(_references(content["schema"])).removesuffix("Error")
    codes = tuple(answer["x-error-codes"])
    name = _NAMES_OF_SEVERAL.get(codes) or "_or_".join(codes).title().replace("_", "")
    kept = "Kept" if "Idempotent-Replayed" in answer.get("headers", {}) else ""
    return body + name.removeprefix(body) + kept
