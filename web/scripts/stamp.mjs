// Writes beside the build what it was built from, and the licences of what it carries.

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const OUT = "../src/graticule/serving/static";
const NOT_SOURCES = new Set(["node_modules", "generated"]);

writeFileSync(join(OUT, "built-from.json"), `${JSON.stringify({ sha256: digest() })}\n`);
writeFileSync(join(OUT, "licences.txt"), licences());
console.log(`${OUT}: ${(size(OUT) / 1e6).toFixed(2)} MB`);

/** Of every source's name and bytes, in the order of names; tests/browser/test_build.py does the same. */
function digest() {
  const hash = createHash("sha256");
  for (const name of files(".").sort()) hash.update(`${name}\0`).update(readFileSync(name)).update("\0");
  return hash.digest("hex");
}

function files(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const name = folder === "." ? entry.name : `${folder}/${entry.name}`;
    if (NOT_SOURCES.has(entry.name)) return [];
    return entry.isDirectory() ? files(name) : [name];
  });
}

/** Of all packages that are bundled, and of the outlines. */
function licences() {
  const { packages } = JSON.parse(readFileSync("package-lock.json", "utf-8"));
  const carried = Object.keys(packages).filter((name) => name && (!packages[name].dev || name.endsWith("/world-atlas")));
  return carried.map((name) => {
    const file = existsSync(name) ? readdirSync(name).find((entry) => /^licen[cs]e/i.test(entry)) : undefined;
    const text = file ? readFileSync(join(name, file), "utf-8").trim() : `Licence: ${packages[name].license}`;
    return `${name.replace(/^.*node_modules\//, "")} ${packages[name].version}\n\n${text}\n`;
  }).join(`\n${"-".repeat(80)}\n\n`);
}

function size(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .map((entry) => (entry.isDirectory() ? size(join(folder, entry.name)) : statSync(join(folder, entry.name)).size))
    .reduce((a, b) => a + b, 0);
}
