// Makes what the portal's pages load: one stylesheet, two scripts, the icons in use, each named after its content.
//
// It runs in a directory that holds node_modules (see `make bundle`), so that none lies among the sources:
//   node build.mjs <sources: src/tandem> <node_modules> <output directory>
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import * as esbuild from "esbuild";
import { PurgeCSS } from "purgecss";

const [sources, modules, output] = process.argv.slice(2).map((word) => path.resolve(word));
const frontend = path.join(sources, "site", "frontend");
const fresh = `${output}.new`;

/** Every file below `directory` whose name ends with one of `endings`. */
async function filesBelow(directory, endings) {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && endings.some((ending) => entry.name.endsWith(ending)))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => !file.startsWith(output))
    .sort();
}

const pages = await filesBelow(sources, [".html", ".py", ".ts"]);
const texts = await Promise.all(pages.map((file) => readFile(file, "utf8")));

/** The names of the icons that templates (`{% icon "x" %}`), Python (`icon="x"`, `icon("x")`) or scripts ask for. */
function iconsInUse() {
  const found = new Set();
  for (const text of texts) {
    for (const [, name] of text.matchAll(/(?:\{%\s*icon\s+|\bicon=|\bicon\()"([a-z0-9-]+)"/g)) found.add(name);
  }
  return [...found].sort();
}

/** One SVG with a symbol for each icon. */
async function sprite() {
  const symbols = await Promise.all(
    iconsInUse().map(async (name) => {
      const file = path.join(modules, "@tabler", "icons", "icons", "outline", `${name}.svg`);
      const svg = await readFile(file, "utf8").catch(() => {
        throw new Error(`There is no icon "${name}" among Tabler's outline icons.`);
      });
      const shapes = svg.slice(svg.indexOf(">", svg.indexOf("<svg")) + 1, svg.lastIndexOf("</svg>")).replace(/\s*\n\s*/g, "");
      return `<symbol id="${name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round">${shapes}</symbol>`;
    }),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg">\n${symbols.join("\n")}\n</svg>\n`;
}

/** Tabler's stylesheet holds everything it can do: keep the rules that some page of ours can use. */
const purgeTabler = {
  name: "purge-tabler",
  setup(build) {
    build.onLoad({ filter: /@tabler[\\/]core[\\/].*\.css$/ }, async ({ path: file }) => {
      const [purged] = await new PurgeCSS().purge({
        content: texts.map((raw) => ({ raw, extension: "html" })),
        css: [{ raw: await readFile(file, "utf8") }],
        // Words of classes, as templates and scripts write them.
        defaultExtractor: (content) => content.match(/[\w-]+/g) ?? [],
        safelist: { standard: [/^data-bs-theme/, /^:/] },
        variables: false,
      });
      return { contents: purged.css.replace(/\/\*# sourceMappingURL=.*?\*\//g, ""), loader: "css" };
    });
  },
};

function hashed(name, content) {
  const digest = createHash("sha256").update(content).digest("hex").slice(0, 8).toUpperCase();
  const { name: stem, ext } = path.parse(name);
  return `${stem}-${digest}${ext}`;
}

await rm(fresh, { recursive: true, force: true });
await mkdir(fresh, { recursive: true });

const result = await esbuild.build({
  entryPoints: ["app.ts", "early.ts", "app.css"].map((name) => path.join(frontend, "src", name)),
  nodePaths: [modules],
  outdir: fresh,
  entryNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  bundle: true,
  minify: true,
  format: "iife",
  target: ["chrome123", "firefox121", "safari17.5"],
  legalComments: "eof",
  metafile: true,
  logLevel: "warning",
  plugins: [purgeTabler],
});

const manifest = {};
for (const [file, { entryPoint }] of Object.entries(result.metafile.outputs)) {
  if (entryPoint) manifest[path.basename(entryPoint).replace(/\.ts$/, ".js")] = path.basename(file);
}
const pictures = { "icons.svg": await sprite(), "favicon.svg": await readFile(path.join(frontend, "src", "favicon.svg"), "utf8") };
for (const [name, content] of Object.entries(pictures)) {
  manifest[name] = hashed(name, content);
  await writeFile(path.join(fresh, manifest[name]), content);
}

for (const name of Object.values(manifest)) {
  const content = await readFile(path.join(fresh, name));
  await writeFile(path.join(fresh, `${name}.gz`), gzipSync(content, { level: 9 }));
  await writeFile(
    path.join(fresh, `${name}.br`),
    brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
  );
  console.log(`${name.padEnd(28)} ${String(content.length).padStart(8)} bytes`);
}
await writeFile(path.join(fresh, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
await rm(output, { recursive: true, force: true });
await rename(fresh, output);
