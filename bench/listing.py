"""A folder of 65,000 entries: until its first page is there, beside `ls` on the head node, which reads and sorts."""

from bench.finding import Browser
from bench.inside import CROWD, LS
from bench.lab import Lab, Requests
from bench.measure import Row, median, milliseconds, seconds_of

ENTRIES = 65_000
FOLDER = "crowd"


def crowded_folder(lab: Lab, token: str, rounds: int) -> list[Row]:
    """By name, as a folder opens; and by time, for which every entry has to be looked at."""
    lab.on_head(CROWD, FOLDER, str(ENTRIES))
    theirs = lab.on_head(LS, FOLDER, str(3 * rounds))
    rows = []
    with Requests(lab, token) as portal:
        for sort, target in (("name", "< 1 s"), ("-modified", "")):

            def first_page(sort: str = sort) -> object:
                return portal("GET", f"/files?path=~/{FOLDER}&sort={sort}")

            shown = portal("GET", f"/files?path=~/{FOLDER}&sort={sort}")
            if (shown["total"], len(shown["results"])) != (ENTRIES, 100):
                raise SystemExit(f"the folder shows {shown['total']} entries, {len(shown['results'])} on a page")
            ours = [seconds_of(first_page) for _ in range(3 * rounds)]
            words = f"`GET /api/v1/files`, {ENTRIES:,} entries: first page, sorted by {sort.removeprefix('-')}"
            rows.append(beside_ls(words, ours, theirs, target))
    browser = Browser(lab)
    shown = [seconds_of(lambda: browser.get(f"/files/folder?path=~/{FOLDER}")) for _ in range(3 * rounds)]
    rows.append(beside_ls(f"folder of {ENTRIES:,} entries: what the page shows first", shown, theirs, "< 1 s"))
    return rows


def beside_ls(what: str, ours: list[float], theirs: list[float], target: str) -> Row:
    """A line."""
    ratio = median(ours) / median(theirs)
    return Row(f"{what}, beside `ls`", milliseconds(ours), milliseconds(theirs), ratio, target)
