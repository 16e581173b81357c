"""A Sphinx extension that adds the library's source to the book, one highlighted page for each module.

Every definition is an anchor, so that `source/lib.effects.measuring.html#measure` is the place of
`measure`. Nothing is imported to make the pages and nothing in a docstring is interpreted."""

import ast
import html
from collections.abc import Iterator
from typing import Any

from sphinx.application import Sphinx

from lib.book import library


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx, which asks for the pages once it has written its own."""
    app.connect("html-collect-pages", _pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    for module, path in library.modules().items():
        code = path.read_text(encoding="utf-8")
        builder: Any = app.builder  # of HTML, which has a highlighter
        highlighted = builder.highlighter.highlight_block(code, "python", linenos=False)
        yield library.page(module), {"title": module, "body": body(module, code, highlighted)}, "page.html"


def body(module: str, code: str, highlighted: str) -> str:
    """A module's page: its name, its idea in the first sentence, its source with an anchor before each definition."""
    before, inside, after = library.parted(highlighted)
    lines = inside.split("\n")
    for name, line in library.definitions(module).items():
        lines[line - 1] = f'<span class="definition" id="{html.escape(name)}"></span>{lines[line - 1]}'
    idea = html.escape((ast.get_docstring(ast.parse(code)) or "").partition("\n\n")[0])
    head = f"<h1><code>{module}</code></h1>\n<p>{idea}</p>\n"
    block = f'<div class="highlight-python notranslate {library.LISTING}">'
    return head + block + before + "\n".join(lines) + after + "</div>"
