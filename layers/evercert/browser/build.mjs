// Write the console's third-party scripts to the folder of the first argument: `node build.mjs FOLDER`.
//
// The first line of each script names the packages in it with their versions; LICENSES.txt has their licenses, and is
// written last, so that a folder with it is complete.

import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";

const LICENSE = /^(licen[cs]e|copyright|notice)/i;
const folder = process.argv[2];
await mkdir(folder, { recursive: true });

/** Return the folder of the package below node_modules that contains the file. */
function packageFolder(file) {
  const parts = file.split("/");
  const last = parts.lastIndexOf("node_modules");
  return parts.slice(0, last + (parts[last + 1].startsWith("@") ? 3 : 2)).join("/");
}

async function describe(folder) {
  const { name, version, license } = JSON.parse(await readFile(path.join(folder, "package.json"), "utf8"));
  const files = (await readdir(folder)).filter((file) => LICENSE.test(file)).sort();
  if (files.length === 0) throw new Error(`${name} ${version} has no license file`);
  const texts = await Promise.all(files.map((file) => readFile(path.join(folder, file), "utf8")));
  return { title: `${name} ${version}`, license, text: texts.map((text) => text.trim()).join("\n\n") };
}

const bundle = await build({
  entryPoints: ["keys.js"],
  bundle: true,
  format: "esm",
  platform: "browser",
  target: "es2022",
  minify: true,
  legalComments: "none", // LICENSES.txt has them
  charset: "ascii",
  metafile: true,
  write: false,
});
const inputs = Object.values(bundle.metafile.outputs).flatMap((output) => Object.entries(output.inputs));
const used = inputs.filter(([file, { bytesInOutput }]) => file.includes("node_modules/") && bytesInOutput > 0);
const folders = [...new Set(used.map(([file]) => packageFolder(file)))].sort();
const libraries = await Promise.all(folders.map(describe));
const htmx = await describe("node_modules/htmx.org");

const header = (packages) => `/*! ${packages.map(({ title }) => title).join(", ")} */\n`;
const script = await readFile("node_modules/htmx.org/dist/htmx.min.js", "utf8");
await writeFile(path.join(folder, "htmx.js"), header([htmx]) + script);
await writeFile(path.join(folder, "keys.js"), header(libraries) + bundle.outputFiles[0].text);

const sections = [htmx, ...libraries].map(({ title, license, text }) => `${title} (${license})\n\n${text}\n`);
await writeFile(path.join(folder, "LICENSES.txt"), sections.join(`\n${"-".repeat(72)}\n\n`));
