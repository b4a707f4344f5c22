// Runs before anything is painted: the page appears at once in the system's theme and with the sidebar as it was left.
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function followSystem(): void {
  document.documentElement.dataset.bsTheme = dark.matches ? "dark" : "light";
}

followSystem();
dark.addEventListener("change", followSystem);

try {
  if (localStorage.getItem("sidebar") === "narrow") document.documentElement.dataset.sidebar = "narrow";
} catch {
  // A browser may forbid the storage: the sidebar is wide then.
}

export {};
