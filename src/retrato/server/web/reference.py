"""`/docs`: what the server can be asked, made from the OpenAPI document, with no script and nothing from elsewhere."""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse, Response

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; color-scheme: light dark }
h2 { margin-top: 2rem } details { border: 1px solid #8888; border-radius: 6px; margin: .4rem 0; padding: .4rem .7rem }
summary { cursor: pointer } code { font-size: .95em } b { display: inline-block; min-width: 4.5rem }
pre { overflow-x: auto } table { border-collapse: collapse } td, th { text-align: left; padding: .15rem .8rem .15rem 0 }
td { vertical-align: top }
"""


def reference(app: FastAPI) -> APIRouter:
    """Gives the page at `/docs`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/docs", response_class=HTMLResponse)
    def show() -> str:
        return reference_page(app.openapi())

    @router.get("/docs.css", response_class=Response)
    def style() -> Response:
        return Response(STYLE, media_type="text/css")

    return router


def reference_page(document: Mapping[str, Any]) -> str:
    """Gives the page for an OpenAPI document."""
    groups: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            groups.setdefault((said.get("tags") or ["others"])[0], []).append(_endpoint(document, path, method, said))
    sections = "".join(f"<h2>{escape(name)}</h2>{''.join(found)}" for name, found in groups.items())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<title>retrato: API</title><link rel="stylesheet" href="/docs.css"></head><body><h1>retrato</h1>'
        f"<p>{escape(document['info'].get('summary', ''))} Bodies and answers are JSON; errors are problem+json: one "
        'sentence in <code>detail</code>. For programs: <a href="/openapi.json">openapi.json</a>.</p>'
        f"{sections}</body></html>"
    )


def _endpoint(document: Mapping[str, Any], path: str, method: str, said: Mapping[str, Any]) -> str:
    rows = [
        f"<tr><td><code>{escape(each['name'])}</code></td><td>{escape(each['in'])}</td>"
        f"<td>{escape(_type(each.get('schema', {})))}</td><td>{escape(each.get('description', ''))}</td></tr>"
        for each in said.get("parameters", [])
    ]
    table = f"<table>{''.join(rows)}</table>" if rows else ""
    body = said.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return (
        f"<details><summary><b>{method.upper()}</b><code>{escape(path)}</code></summary>"
        f"<p>{escape(said.get('description') or said.get('summary', ''))}</p>{table}{_body(document, body)}</details>"
    )


def _body(document: Mapping[str, Any], schema: Mapping[str, Any] | None) -> str:
    """Gives a table of the body's fields; of a choice of bodies, one table each."""
    if schema is None:
        return ""
    schema = _found(document, schema)
    choices = schema.get("oneOf") or schema.get("anyOf")
    if choices:
        return "".join(_body(document, each) for each in choices if each.get("type") != "null")
    fields = schema.get("properties", {})
    if not fields:
        return "<p>Body: any object.</p>"
    rows = []
    for name, field in fields.items():
        found = _found(document, field)
        default = f" = {json.dumps(field['default'])}" if "default" in field else ""
        kind = found.get("title", "") if "properties" in found else _type(field)
        rows.append(
            f"<tr><td><code>{escape(name)}</code></td><td>{escape(kind + default)}</td>"
            f"<td>{escape(field.get('description', ''))}</td></tr>"
        )
        if "properties" in found:
            rows.append(f"<tr><td></td><td colspan=2>{_body(document, found)}</td></tr>")
    title = f"<p>{escape(schema.get('description', 'Body:'))}</p>"
    return f"{title}<table>{''.join(rows)}</table>"


def _found(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follows a `$ref`."""
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    found: Mapping[str, Any] = document["components"]["schemas"][name] if name else schema
    return found


def _type(schema: Mapping[str, Any]) -> str:
    """Gives a type in words, with its bounds."""
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return " | ".join(json.dumps(each) for each in schema.get("enum", [schema.get("const")]))
    said = [(sign, schema[key]) for key, sign in (("minimum", "≥"), ("maximum", "≤")) if key in schema]
    bounds = [f"{sign} {bound:g}" for sign, bound in said if bound < 2**53]  # above it is the number format's limit
    kind = schema.get("type") or str(schema.get("$ref", "anything")).rpartition("/")[2]
    return " ".join([str(kind), *bounds])
