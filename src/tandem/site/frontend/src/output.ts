// A job's output as it grows: text, appended; the end is followed unless somebody scrolls up. A connection that is lost,
// since a portal node died, is made again and goes on where it was.

import { amount } from "./amount";

const MOST_SHOWN = 1 << 20;
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 15000;
const AT_END = 48;

interface Text {
  text: string;
  size: number;
  skipped: number | null;
}

function part<T extends HTMLElement>(root: HTMLElement, mark: string): T {
  const found = root.querySelector<T>(`[data-output-${mark}]`);
  if (!found) throw new Error(`the output has no ${mark}`);
  return found;
}

class Output {
  private readonly text: HTMLElement;
  private readonly note: HTMLElement;
  private readonly empty: HTMLElement;
  private readonly follow: HTMLInputElement;
  private readonly followLabel: HTMLElement;
  private readonly download: HTMLAnchorElement;
  private readonly task: HTMLInputElement | null;
  private readonly tabs: HTMLElement[];
  private source: EventSource | null = null;
  private file = "";
  private offset = "";
  private shown = 0;
  private skipped = "";
  private over = false;
  private pause = FIRST_PAUSE;
  private timer = 0;

  constructor(private readonly root: HTMLElement) {
    this.text = part(root, "text");
    this.note = part(root, "note");
    this.empty = part(root, "empty");
    this.follow = part(root, "follow");
    this.followLabel = part(root, "follow-label");
    this.download = part(root, "download");
    this.task = root.querySelector("[data-output-task]");
    this.tabs = [...root.querySelectorAll<HTMLElement>("[role=tab]")];
  }

  run(): void {
    for (const tab of this.tabs) {
      tab.addEventListener("click", () => this.choose(tab));
      tab.addEventListener("keydown", (event) => this.step(event, tab));
    }
    this.task?.addEventListener("change", () => this.open());
    this.follow.addEventListener("change", () => this.scroll());
    this.text.addEventListener("scroll", () => {
      const below = this.text.scrollHeight - this.text.scrollTop - this.text.clientHeight;
      this.follow.checked = below < AT_END;
    });
    // A page that nobody looks at needs no connection.
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.connect()));
    window.addEventListener("pagehide", () => this.close());
    this.open();
  }

  private chosen(): HTMLElement | undefined {
    return this.tabs.find((tab) => tab.getAttribute("aria-selected") === "true") ?? this.tabs[0];
  }

  private choose(chosen: HTMLElement): void {
    for (const tab of this.tabs) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
    }
    this.text.setAttribute("aria-labelledby", chosen.id);
    this.open();
  }

  private step(event: KeyboardEvent, from: HTMLElement): void {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const next = this.tabs.at((this.tabs.indexOf(from) + by) % this.tabs.length);
    if (!next) return;
    event.preventDefault();
    next.focus();
    this.choose(next);
  }

  /** Begin with the chosen file, from nothing. */
  private open(): void {
    const tab = this.chosen();
    if (!tab) return;
    this.close();
    this.file = this.task ? (tab.dataset.pattern ?? "").replace("*", this.task.value) : (tab.dataset.file ?? "");
    this.offset = "";
    this.over = false;
    this.follow.checked = true;
    this.begin(0);
    this.say("");
    this.download.href = `${this.root.dataset.output?.replace(/output$/, "files/")}${encodeURIComponent(this.file)}`;
    this.connect();
  }

  private connect(): void {
    if (this.source || this.over || document.hidden) return;
    const query = new URLSearchParams({ file: this.file });
    if (this.offset) query.set("from", this.offset);
    const source = new EventSource(`${this.root.dataset.output}?${query.toString()}`);
    this.source = source;
    const on = (kind: string, act: (event: MessageEvent<string>) => void): void => {
      source.addEventListener(kind, (event) => {
        this.pause = FIRST_PAUSE;
        act(event as MessageEvent<string>);
      });
    };
    on("text", (event) => {
      this.offset = event.lastEventId;
      this.append(JSON.parse(event.data) as Text);
    });
    on("silent", (event) => {
      const { why } = JSON.parse(event.data) as { why: string };
      this.say(`The output cannot be read now: ${why}${this.shown ? " Below is what was read before." : ""}`);
    });
    on("reading", () => this.say(this.skipped));
    on("end", () => {
      this.over = true;
      this.close();
      this.empty.textContent = "Nothing was written.";
      this.say(this.skipped);
    });
    on("signed-out", () => {
      this.over = true;
      this.close();
      this.say("You are signed out. Load the page again to go on.");
    });
    source.addEventListener("error", () => {
      // While it is "connecting" the browser tries again by itself; an answer that is no stream ends that.
      if (source.readyState !== EventSource.CLOSED || source !== this.source) return;
      this.close();
      this.timer = window.setTimeout(() => this.connect(), this.pause);
      this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
    });
  }

  private close(): void {
    window.clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  private begin(skipped: number): void {
    this.text.replaceChildren();
    this.shown = 0;
    this.show(false);
    this.skipped = skipped ? `The first ${amount(skipped)} are not shown here: download the file to see all of it.` : "";
  }

  private append(fresh: Text): void {
    if (fresh.skipped !== null) {
      this.begin(fresh.skipped);
      this.say(this.skipped);
    }
    this.show(true);
    this.download.title = amount(fresh.size);
    this.text.append(fresh.text);
    this.shown += fresh.text.length;
    while (this.shown > MOST_SHOWN && this.text.childNodes.length > 1) {
      const first = this.text.firstChild;
      this.shown -= first?.textContent?.length ?? 0;
      first?.remove();
      this.skipped = "The beginning is no longer shown here: download the file to see all of it.";
      this.say(this.skipped);
    }
    this.scroll();
  }

  private show(something: boolean): void {
    for (const shown of [this.text, this.download, this.followLabel]) shown.hidden = !something;
    this.empty.hidden = something;
  }

  private scroll(): void {
    if (this.follow.checked) this.text.scrollTop = this.text.scrollHeight;
  }

  private say(words: string): void {
    if (this.note.textContent !== words) this.note.textContent = words;
    this.note.hidden = !words;
  }
}

export function showOutput(): void {
  for (const root of document.querySelectorAll<HTMLElement>("[data-output]")) new Output(root).run();
}
