"""Holds bodies of requests against the types that their vendors' own libraries have for them.

Reads lines of JSON from its input, `{"dialect": "anthropic" | "openrouter", "body": TEXT}`, and then
prints one line for each violation, with the number of its body from 1, and `checked N`. A field that a
type does not know is a violation, and a text in the place of a number is one as well.

usage: vendor_types.py < LINES
"""
import collections.abc
import json
import sys
import types
import typing

import pydantic
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from openrouter.components import ChatRequest


def parts_of(hint):
    """The types that a type is made of, at any depth."""
    yield hint
    for part in typing.get_args(hint):
        yield from parts_of(part)
    alias = getattr(typing.get_origin(hint) or hint, "__value__", None)
    if alias is not None:
        yield from parts_of(alias)


def close_model(model, seen):
    """Lets a model, and those of its fields, pass over no field that it does not know."""
    if model in seen:
        return
    seen.add(model)
    for field in model.model_fields.values():
        for part in parts_of(field.annotation):
            if isinstance(part, type) and issubclass(part, pydantic.BaseModel):
                close_model(part, seen)
    # What the vendor takes beside its own fields stays open.
    if model.model_config.get("extra") != "allow":
        model.model_config["extra"] = "forbid"
    model.model_rebuild(force=True)


def close_dictionary(model, seen):
    """The same of typed dictionaries, whose lazy lists become lists that are read at once."""
    if model in seen:
        return
    seen.add(model)
    hints = typing.get_type_hints(model, include_extras=True)
    model.__annotations__ = {name: eager(hint, seen) for name, hint in hints.items()}
    model.__pydantic_config__ = {"extra": "forbid"}


def eager(hint, seen):
    if typing.is_typeddict(hint):
        close_dictionary(hint, seen)
        return hint
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if not parts or origin is typing.Literal:
        return hint
    if origin is typing.Annotated:
        return typing.Annotated[(eager(parts[0], seen), *parts[1:])]
    parts = tuple(eager(part, seen) for part in parts)
    if origin in (typing.Union, types.UnionType):
        return typing.Union[parts]
    if origin in (typing.Required, typing.NotRequired):
        return origin[parts[0]]
    return list[parts] if origin is collections.abc.Iterable else origin[parts]


close_model(ChatRequest, set())
close_dictionary(MessageCreateParamsNonStreaming, set())
readers = {
    "anthropic": pydantic.TypeAdapter(MessageCreateParamsNonStreaming),
    "openrouter": pydantic.TypeAdapter(ChatRequest),
}
checked, violations = 0, []
for line in sys.stdin:
    asked = json.loads(line)
    checked += 1
    try:
        readers[asked["dialect"]].validate_json(asked["body"], strict=True)
    except pydantic.ValidationError as error:
        for one in error.errors(include_url=False, include_input=False):
            place = ".".join(str(step) for step in one["loc"])
            violations.append(f"{checked}: {asked['dialect']}: {place}: {one['msg']}")
print(*violations, f"checked {checked}", sep="\n")
