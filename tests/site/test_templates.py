"""The content security policy forbids scripts and styles inside pages: no template may try."""

import re
from pathlib import Path

import pytest

import tandem

PACKAGE = Path(tandem.__file__).parent
TEMPLATES = sorted(PACKAGE.glob("**/templates/**/*.html"))
FORBIDDEN = {
    "a script in the page": re.compile(r"<script(?![^>]*\bsrc=)[^>]*>", re.IGNORECASE),
    "a stylesheet in the page": re.compile(r"<style\b", re.IGNORECASE),
    "a style attribute": re.compile(r"<[^>]*\sstyle\s*=", re.IGNORECASE),
    "an event handler": re.compile(r"<[^>]*\son[a-z]+\s*=", re.IGNORECASE),
    "htmx evaluating a script": re.compile(r"hx-on|hx-vars|[\"']js:|hx-trigger=\"[^\"]*\[", re.IGNORECASE),
    "an address that runs a script": re.compile(r"javascript:", re.IGNORECASE),
    "something of another host": re.compile(r"(?:src|href|action|hx-\w+)=[\"'](?:https?:)?//", re.IGNORECASE),
    "text that is not escaped": re.compile(r"\|safe\b|autoescape off|mark_safe"),
}
# Help texts are the portal's own words, with links and code in them.
# The balancer sends its own pages with a policy of their own, which names the one style by its hash.
MAY = {("site/field.html", "text that is not escaped"), ("templates/balancer.html", "a stylesheet in the page")}


def test_there_are_templates_to_look_at() -> None:
    assert len(TEMPLATES) > 15


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_template_holds_nothing_that_browsers_are_told_to_refuse(template: Path) -> None:
    text = re.sub(r"{#.*?#}|{% comment.*?endcomment %}", "", template.read_text(), flags=re.DOTALL)
    name = "/".join(template.parts[-2:])
    found = {what for what, pattern in FORBIDDEN.items() if pattern.search(text) and (name, what) not in MAY}
    assert not found


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_form_that_is_sent_by_a_browser_has_its_csrf_token(template: Path) -> None:
    for form in re.findall(r"<form\b.*?</form>", template.read_text(), flags=re.DOTALL | re.IGNORECASE):
        opening = form.partition(">")[0].lower()
        if 'method="post"' in opening or "hx-post" in opening:
            assert "{% csrf_token %}" in form
