"""Every address of the portal, read from its URL maps, so that no test can forget a new one."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

PAGES, STREAMS = "tandem.site.urls", "tandem.site.stream_urls"
PART = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True, slots=True, order=True)
class Route:
    """A line of a URL map as it stands there, `/jobs/<uuid:job_id>/`, and which map it is in."""

    text: str
    urlconf: str

    @property
    def parts(self) -> list[str]:
        """Names of what has to be filled in."""
        return PART.findall(self.text)

    def filled(self, samples: Mapping[str, object]) -> str:
        """The address with samples in it. What `pk` means depends on the route, so `<route>:pk` goes before `pk`."""
        return PART.sub(lambda part: str(samples.get(f"{self.text}:{part[1]}", samples.get(part[1]))), self.text)

    def missing_samples(self, samples: Mapping[str, object]) -> list[str]:
        """Parts for which nothing stands in."""
        return [part for part in self.parts if part not in samples and f"{self.text}:{part}" not in samples]


def routes_of(urlconf: str) -> list[Route]:
    """All routes of one map, sorted."""
    return sorted(set(_walk(get_resolver(urlconf), urlconf, "/")))


def _walk(resolver: Any, urlconf: str, start: str) -> Iterator[Route]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern, urlconf, start + str(pattern.pattern))
        elif isinstance(pattern, URLPattern) and pattern.name != "api-root":  # django-ninja's own, where nothing is
            # What django-ninja calls a `uuid` in its views is a `uuidstr` in its URL map.
            yield Route(start + str(pattern.pattern).replace("<uuidstr:", "<uuid:"), urlconf)
