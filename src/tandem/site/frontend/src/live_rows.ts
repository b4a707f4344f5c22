// Rows of a list that change in place: nothing moves, and only what changed is asked for.
//
// <div hx-ext="sse" sse-connect="…" data-live-rows="address"> holds rows <tr id="…" data-job="id id …">. When jobs
// change, `address?id=…&id=…` answers with their rows, each marked `hx-swap-oob`. Jobs that are in no row are news for
// `[data-newer]`, which gets the event `newer`. What listens for `jobs-changed from:body` is told too.
import htmx from "htmx.org";

const PAUSE = 1000;
const ALL_AGAIN = 60_000;
// An address has its limits; what is left over is asked for next.
const AT_ONCE = 50;

// Of a page of one job the message is `job`. `more`: so many changed that they are not all named.
interface Told {
  jobs: string[];
  more?: boolean;
}

interface Swap {
  serverResponse: string;
  requestConfig: { elt: HTMLElement };
}

class LiveRows {
  private readonly changed = new Set<string>();
  private unnamed = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly root: HTMLElement) {}

  // With `more`, others changed that are not named: it may be any of the rows, and jobs that are in none.
  tell(ids: Iterable<string>, more = false): void {
    for (const id of more ? [...this.shown(), ...ids] : ids) this.changed.add(id);
    this.unnamed ||= more;
    // Many changes at once are one question, and none of them is forgotten.
    this.timer ??= setTimeout(() => void this.flush(), PAUSE / 4);
  }

  all(): void {
    this.tell(this.shown());
  }

  private shown(): string[] {
    return [...this.root.querySelectorAll<HTMLElement>("[data-job]")].flatMap((row) => (row.dataset.job ?? "").split(" "));
  }

  private async flush(): Promise<void> {
    const ids = [...this.changed];
    const more = this.unnamed;
    this.changed.clear();
    this.unnamed = false;
    if (this.root.isConnected && (ids.length || more)) {
      const shown = new Set(this.shown());
      htmx.trigger(document.body, "jobs-changed", {});
      const newer = this.root.querySelector("[data-newer]");
      if (newer && (more || ids.some((id) => !shown.has(id)))) htmx.trigger(newer, "newer", {});
      const rows = ids.filter((id) => shown.has(id));
      for (const id of rows.splice(AT_ONCE)) this.changed.add(id);
      const address = this.root.dataset.liveRows;
      if (address && rows.length) {
        const query = new URLSearchParams(rows.map((id) => ["id", id]));
        try {
          await htmx.ajax("get", `${address}?${query}`, { source: this.root, target: this.root, swap: "none" });
        } catch {
          // The list is marked as stale (see failures.ts); all of it is asked for again within a minute.
        }
      }
    }
    this.timer = setTimeout(() => {
      this.timer = undefined;
      if (this.changed.size) this.tell([]);
    }, PAUSE);
  }
}

export function keepRowsLive(): void {
  const sources = new WeakSet<EventSource>();
  const lists = new WeakMap<HTMLElement, LiveRows>();

  function listOf(root: HTMLElement): LiveRows {
    const known = lists.get(root) ?? new LiveRows(root);
    lists.set(root, known);
    return known;
  }

  function everyList(): void {
    for (const root of document.querySelectorAll<HTMLElement>("[data-live-rows]")) listOf(root).all();
  }

  document.addEventListener("htmx:sseOpen", (event) => {
    const root = event.target;
    const { source } = (event as CustomEvent<{ source: EventSource }>).detail;
    if (!(root instanceof HTMLElement) || root.dataset.liveRows === undefined || sources.has(source)) return;
    sources.add(source);
    const told = (message: MessageEvent<string>): void => {
      const { jobs, more } = JSON.parse(message.data) as Told;
      listOf(root).tell(jobs, more);
    };
    source.addEventListener("jobs", told);
    source.addEventListener("job", told);
    source.addEventListener("signed-out", () => listOf(root).all());
  });
  // Filters may have made another list of it since these rows were asked for: those that are gone have no place.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const swap = (event as CustomEvent<Swap>).detail;
    if (!swap.requestConfig.elt.dataset.liveRows) return;
    const answer = document.createElement("template");
    answer.innerHTML = swap.serverResponse;
    for (const row of answer.content.querySelectorAll("[hx-swap-oob]")) {
      if (!document.getElementById(row.id)) row.remove();
    }
    swap.serverResponse = answer.innerHTML;
  });
  document.addEventListener("again", everyList);
  setInterval(everyList, ALL_AGAIN);
}
