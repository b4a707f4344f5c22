// An application's form: paths picked from the cluster, hosts ticked in a list, and one job however often it is sent.

function input(id: string | undefined): HTMLInputElement | null {
  const found = id ? document.getElementById(id) : null;
  return found instanceof HTMLInputElement ? found : null;
}

/** The names in a list of hosts; what stands in brackets, as in node[1-3,7], is one of them. */
function hostNames(text: string): string[] {
  return text.split(/[\s,]+(?![^[]*\])/).filter(Boolean);
}

function showHosts(list: HTMLElement): void {
  const chosen = new Set(hostNames(input(list.dataset.hostsFor)?.value ?? ""));
  for (const box of list.querySelectorAll<HTMLInputElement>("[data-host]")) box.checked = chosen.has(box.dataset.host ?? "");
}

function tickHost(box: HTMLInputElement, list: HTMLElement): void {
  const field = input(list.dataset.hostsFor);
  const host = box.dataset.host ?? "";
  if (!field) return;
  const others = hostNames(field.value).filter((name) => name !== host);
  field.value = (box.checked ? [...others, host] : others).join(",");
}

function pick(button: HTMLElement): void {
  const field = input(button.dataset.pickFor);
  button.closest("dialog")?.close();
  if (!field) return;
  field.value = button.dataset.pick ?? "";
  field.focus();
}

function allHosts(): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>("[data-hosts-for]")];
}

/** What only looks at the form sends the name of the file that it would upload, and not the file. */
function nameTheUpload(event: Event): void {
  const asked = (event as CustomEvent<{ elt: Element; parameters: Record<string, unknown> }>).detail;
  const file = asked.elt.id === "see-script" ? input("id_input_upload")?.files?.[0] : undefined;
  if (file) asked.parameters["input_upload_name"] = file.name;
}

export function runSubmission(): void {
  const form = document.querySelector<HTMLFormElement>("form[data-submit-once]");
  if (!form) return;
  allHosts().forEach(showHosts);
  document.addEventListener("htmx:afterSettle", () => allHosts().forEach(showHosts));
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-pick]") : null;
    if (button) pick(button);
  });
  document.addEventListener("htmx:configRequest", nameTheUpload);
  form.addEventListener("change", (event) => {
    const box = event.target;
    if (!(box instanceof HTMLInputElement)) return;
    const list = box.closest<HTMLElement>("[data-hosts-for]");
    if (list && box.dataset.host) tickHost(box, list);
    else allHosts().filter((hosts) => hosts.dataset.hostsFor === box.id).forEach(showHosts);
  });
  form.addEventListener("submit", (event) => {
    // The form carries a key of its own as well: what is sent twice all the same makes one job.
    if (form.dataset.sent !== undefined) event.preventDefault();
    form.dataset.sent = "";
    form.querySelector("[type=submit]")?.setAttribute("aria-busy", "true");
  });
  // A page that the browser kept and shows again can be sent again.
  window.addEventListener("pageshow", () => {
    delete form.dataset.sent;
    form.querySelector("[type=submit]")?.removeAttribute("aria-busy");
  });
}
