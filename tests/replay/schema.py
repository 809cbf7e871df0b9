# SPDX-License-Identifier: GPL-3.0-or-later
"""What our JSON Schemas use of JSON Schema. Python's standard library only."""
import json
import os
import re

TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float),
    "boolean": bool, "null": type(None)}
KNOWN = {"$schema", "$ref", "$defs", "title", "description", "type", "required", "properties",
    "additionalProperties", "items", "enum", "pattern", "minimum", "maximum", "anyOf", "const",
    "$id", "format", "examples"}


class Schema:
    def __init__(self, path):
        self.folder = os.path.dirname(path)
        with open(path, encoding="utf-8") as f:
            self.root = json.load(f)

    def errors(self, value, rule=None, at="$"):
        """[text], empty when value is as the schema wants it."""
        rule = self.root if rule is None else rule
        if rule is True or rule is False:
            return [] if rule else [f"{at}: is not allowed"]
        assert set(rule) <= KNOWN, set(rule) - KNOWN # or what it says would go unchecked
        if "$ref" in rule:
            return self.by_reference(value, rule["$ref"], at)
        found = list(self.of_value(value, rule, at))
        if isinstance(value, dict):
            found += self.of_object(value, rule, at)
        if isinstance(value, list) and "items" in rule:
            for i, item in enumerate(value):
                found += self.errors(item, rule["items"], f"{at}[{i}]")
        return found

    def by_reference(self, value, reference, at):
        file, _, pointer = reference.partition("#")
        other = Schema(os.path.join(self.folder, file)) if file else self
        rule = other.root
        for word in pointer.split("/")[1:]:
            rule = rule[word]
        return other.errors(value, rule, at)

    def of_value(self, value, rule, at):
        types = rule.get("type", list(TYPES))
        types = types if isinstance(types, list) else [types]
        if not any(isinstance(value, TYPES[t]) and (t == "boolean" or not isinstance(value, bool))
                for t in types):
            yield f"{at}: {value!r} is none of {types}"
        elif isinstance(value, str) and not re.search(rule.get("pattern", ""), value):
            yield f"{at}: {value!r} is not {rule['pattern']}"
        elif isinstance(value, (int, float)) and not (rule.get("minimum", value) <= value <=
                rule.get("maximum", value)):
            yield f"{at}: {value} is out of range"
        if value not in rule.get("enum", [value]) or value != rule.get("const", value):
            yield f"{at}: {value!r} is not one of those"
        if "anyOf" in rule and all(self.errors(value, r, at) for r in rule["anyOf"]):
            yield f"{at}: fits nothing: {[self.errors(value, r, at) for r in rule['anyOf']]}"

    def of_object(self, value, rule, at):
        known = rule.get("properties", {})
        found = [f"{at}: has no {key}" for key in rule.get("required", ()) if key not in value]
        for key, item in value.items():
            found += self.errors(item, known.get(key, rule.get("additionalProperties", True)),
                f"{at}.{key}")
        return found
