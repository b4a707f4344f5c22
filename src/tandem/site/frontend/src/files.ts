// The files room: files are sent one by one, as they are, with a line each that shows how far it is. A name that is taken
// already is asked about before anything is sent.

import { amount } from "./amount";

const AT_A_TIME = 2;

interface Target {
  content: string;
  taken: string;
}

interface Upload {
  file: File;
  target: Target;
  overwrite: boolean;
  request: XMLHttpRequest | null;
  row: HTMLElement;
  bar: HTMLProgressElement;
  state: HTMLElement;
  actions: HTMLElement;
}

const waiting: Upload[] = [];
const running = new Set<Upload>();

function element<K extends keyof HTMLElementTagNameMap>(kind: K, style: string, text = ""): HTMLElementTagNameMap[K] {
  const made = document.createElement(kind);
  if (style) made.className = style;
  if (text) made.textContent = text;
  return made;
}

function button(text: string, style: string, act: () => void): HTMLButtonElement {
  const made = element("button", `btn btn-small ${style}`, text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

function isolated(name: string): HTMLElement {
  const made = element("bdi", "entry-name", name);
  made.title = name;
  return made;
}

function changed(): void {
  document.body.dispatchEvent(new CustomEvent("files-changed"));
}

function panel(): HTMLElement | null {
  return document.getElementById("uploads");
}

function say(upload: Upload, words: string, live: "polite" | "off" = "polite"): void {
  upload.state.ariaLive = live;
  upload.state.textContent = words;
}

function remove(upload: Upload): void {
  upload.row.remove();
  const list = panel();
  if (list && !list.childElementCount) list.hidden = true;
}

function queue(file: File, target: Target, overwrite: boolean): void {
  const list = panel();
  if (!list) return;
  const row = element("div", "upload");
  const bar = element("progress", "upload-bar");
  bar.max = Math.max(file.size, 1);
  bar.value = 0;
  bar.setAttribute("aria-label", `Upload of ${file.name}`);
  const state = element("span", "upload-state");
  state.setAttribute("role", "status");
  const actions = element("span", "upload-actions");
  row.append(isolated(file.name), bar, state, actions);
  const upload: Upload = { file, target, overwrite, request: null, row, bar, state, actions };
  list.hidden = false;
  list.append(row);
  enqueue(upload);
}

function enqueue(upload: Upload): void {
  upload.row.classList.remove("upload-failed");
  say(upload, "waiting");
  upload.actions.replaceChildren(button("Cancel", "btn-quiet", () => cancel(upload)));
  waiting.push(upload);
  next();
}

function cancel(upload: Upload): void {
  const at = waiting.indexOf(upload);
  if (at >= 0) waiting.splice(at, 1);
  if (upload.request) upload.request.abort();
  else remove(upload);
}

function next(): void {
  while (running.size < AT_A_TIME) {
    const upload = waiting.shift();
    if (!upload) return;
    running.add(upload);
    send(upload);
  }
}

function ended(upload: Upload): void {
  running.delete(upload);
  upload.request = null;
  next();
  if (!running.size) changed();
}

function failed(upload: Upload, words: string): void {
  upload.row.classList.add("upload-failed");
  say(upload, words);
  upload.actions.replaceChildren(
    button("Try again", "btn-secondary", () => enqueue(upload)),
    button("Close", "btn-quiet", () => remove(upload)),
  );
}

function words(request: XMLHttpRequest): string {
  try {
    const problem = JSON.parse(request.responseText) as { detail?: string; title?: string };
    return problem.detail ?? problem.title ?? `The portal answered ${request.status}.`;
  } catch {
    return `The portal answered ${request.status}; nothing is known to be changed.`;
  }
}

function send(upload: Upload): void {
  const request = new XMLHttpRequest();
  upload.request = request;
  upload.bar.value = 0;
  request.open("PUT", `${upload.target.content}/${encodeURIComponent(upload.file.name)}${upload.overwrite ? "&overwrite=true" : ""}`);
  request.upload.addEventListener("progress", (event) => {
    upload.bar.value = event.loaded;
    const all = event.loaded >= upload.file.size;
    // Who listens is told how it ended, not of every piece: the bar says how far it is to who asks.
    say(upload, all ? "being written" : `${amount(event.loaded)} of ${amount(upload.file.size)}`, "off");
  });
  request.addEventListener("load", () => {
    if (request.status === 201) {
      upload.bar.value = upload.bar.max;
      say(upload, `uploaded, ${amount(upload.file.size)}`);
      upload.row.classList.add("upload-done");
      upload.actions.replaceChildren(button("Close", "btn-quiet", () => remove(upload)));
    } else {
      failed(upload, words(request));
    }
    ended(upload);
  });
  request.addEventListener("error", () => {
    failed(upload, "The connection broke. What was sent so far was not kept.");
    ended(upload);
  });
  request.addEventListener("abort", () => {
    remove(upload);
    ended(upload);
  });
  request.send(upload.file);
}

/** What the folder has already, of these names. */
async function taken(target: Target, names: string[]): Promise<Set<string>> {
  const body = new URLSearchParams(names.map((name) => ["name", name]));
  const headers = JSON.parse(document.body.getAttribute("hx-headers") ?? "{}") as Record<string, string>;
  const answer = await fetch(target.taken, { method: "POST", body, headers });
  if (!answer.ok) throw new Error(`The portal answered ${answer.status}.`);
  const said = (await answer.json()) as { taken?: string[]; failed?: string };
  if (!said.taken) throw new Error(said.failed ?? "The folder cannot be read.");
  return new Set(said.taken);
}

/** Asks what to do with names that are taken: replace, leave out, or nothing at all. */
function ask(names: string[]): Promise<"replace" | "skip" | "nothing"> {
  return new Promise((answer) => {
    const dialog = document.getElementById("files-dialog");
    const body = document.getElementById("files-dialog-body");
    if (!(dialog instanceof HTMLDialogElement) || !body) return answer("nothing");
    let chosen: "replace" | "skip" | "nothing" = "nothing";
    const choose = (choice: typeof chosen) => () => {
      chosen = choice;
      dialog.close();
    };
    const list = element("ul", "taken-names");
    for (const name of names) {
      const item = element("li", "");
      item.append(isolated(name));
      list.append(item);
    }
    const actions = element("div", "dialog-actions");
    const skip = button(names.length === 1 ? "Keep the old one" : "Keep the old ones", "btn-secondary", choose("skip"));
    actions.append(button("Replace", "btn-danger", choose("replace")), skip);
    body.replaceChildren(
      element("h2", "", names.length === 1 ? "This name is taken" : `${names.length} names are taken`),
      list,
      actions,
    );
    dialog.addEventListener("close", () => answer(chosen), { once: true });
    dialog.showModal();
    skip.focus();
  });
}

async function take(files: File[], target: Target): Promise<void> {
  for (const row of document.querySelectorAll(".upload-done")) row.remove();
  let overwrite = false;
  let existing = new Set<string>();
  try {
    existing = await taken(target, files.map((file) => file.name));
  } catch (error) {
    complain(error instanceof Error ? error.message : "The folder cannot be read.");
    return;
  }
  if (existing.size) {
    const choice = await ask([...existing]);
    if (choice === "nothing") return;
    overwrite = choice === "replace";
  }
  for (const file of files) if (overwrite || !existing.has(file.name)) queue(file, target, existing.has(file.name));
}

function complain(text: string): void {
  const list = panel();
  if (!list) return;
  const row = element("div", "upload upload-failed");
  const state = element("span", "upload-state", text);
  state.setAttribute("role", "alert");
  row.append(state, button("Close", "btn-quiet", () => row.remove()));
  list.hidden = false;
  list.append(row);
}

function chooser(): HTMLInputElement | null {
  return document.querySelector<HTMLInputElement>(".upload-input");
}

function targetOf(input: HTMLInputElement): Target {
  return { content: input.dataset.content ?? "", taken: input.dataset.taken ?? "" };
}

function acceptDrops(place: HTMLElement): void {
  const carriesFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
  place.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    place.classList.toggle("drop-here", chooser() !== null);
  });
  place.addEventListener("dragleave", (event) => {
    if (!(event.relatedTarget instanceof Node) || !place.contains(event.relatedTarget)) place.classList.remove("drop-here");
  });
  place.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    place.classList.remove("drop-here");
    const input = chooser();
    const items = [...(event.dataTransfer?.items ?? [])].filter((item) => item.kind === "file");
    const folders = items.filter((item) => item.webkitGetAsEntry()?.isDirectory);
    const files = items.filter((item) => !folders.includes(item)).map((item) => item.getAsFile());
    if (folders.length) complain("Folders are not taken: make one here, open it and drop files into it.");
    const real = files.filter((file) => file !== null);
    if (input && real.length) void take(real, targetOf(input));
  });
}

export function runFiles(): void {
  const place = document.querySelector<HTMLElement>("[data-drop]");
  if (!place) return;
  acceptDrops(place);
  place.addEventListener("change", (event) => {
    const input = event.target;
    if (!(input instanceof HTMLInputElement) || !input.classList.contains("upload-input") || !input.files?.length) return;
    const files = [...input.files];
    // So that the same file can be chosen again.
    input.value = "";
    void take(files, targetOf(input));
  });
  let focusWasLost = false;
  document.body.addEventListener("files-changed", () => {
    const dialog = document.getElementById("files-dialog");
    if (dialog instanceof HTMLDialogElement && dialog.open) {
      dialog.close();
      focusWasLost = true;
    }
  });
  document.addEventListener("htmx:afterSettle", () => {
    if (!focusWasLost || document.activeElement !== document.body) return;
    focusWasLost = false;
    document.getElementById("entries")?.focus();
  });
  window.addEventListener("beforeunload", (event) => {
    if (running.size) event.preventDefault();
  });
}
