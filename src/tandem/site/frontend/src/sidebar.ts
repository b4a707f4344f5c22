// The sidebar: narrow or wide on a desk, a drawer on a phone.

const root = document.documentElement;

function showState(toggle: HTMLElement): void {
  const narrow = root.dataset.sidebar === "narrow";
  toggle.setAttribute("aria-expanded", String(!narrow));
  toggle.title = narrow ? "Widen the sidebar" : "Collapse the sidebar";
}

function openDrawer(open: boolean): void {
  const sidebar = document.getElementById("sidebar");
  root.toggleAttribute("data-drawer", open);
  // What lies under an open drawer cannot be reached by the keyboard either.
  for (const behind of document.querySelectorAll(".main, .topbar, .skip-link")) behind.toggleAttribute("inert", open);
  if (open) sidebar?.querySelector<HTMLElement>("[data-drawer]")?.focus();
  else document.querySelector<HTMLElement>('[data-drawer="open"]')?.focus();
}

export function runSidebar(): void {
  const toggle = document.querySelector<HTMLElement>("[data-sidebar-toggle]");
  if (!toggle) return;
  showState(toggle);
  toggle.addEventListener("click", () => {
    const narrow = root.dataset.sidebar !== "narrow";
    if (narrow) root.dataset.sidebar = "narrow";
    else delete root.dataset.sidebar;
    try {
      localStorage.setItem("sidebar", narrow ? "narrow" : "wide");
    } catch {
      // Not remembered, then.
    }
    showState(toggle);
  });
  for (const button of document.querySelectorAll<HTMLElement>("button[data-drawer], .scrim")) {
    button.addEventListener("click", () => openDrawer(button.dataset.drawer === "open"));
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && root.hasAttribute("data-drawer")) openDrawer(false);
  });
  // A window that grew has no drawer: nothing may stay out of reach.
  window.matchMedia("(min-width: 768px)").addEventListener("change", (wide) => {
    if (wide.matches && root.hasAttribute("data-drawer")) openDrawer(false);
  });
}
