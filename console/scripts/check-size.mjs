// Fails when the script of the first page is larger than it may be, or when the built page would break
// the Content-Security-Policy.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const MOST_BYTES = 200_000;
const assets = join("dist", "assets");
const scripts = readdirSync(assets).filter((name) => name.endsWith(".js"));
const bytes = scripts.reduce((sum, name) => sum + gzipSync(readFileSync(join(assets, name))).length, 0);
const index = readFileSync(join("dist", "index.html"), "utf8");
const inline = /<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon[a-z]+=/.exec(index);
console.log(`${bytes} bytes of script, compressed; at most ${MOST_BYTES}`);
if (bytes > MOST_BYTES) {
  console.error("too much script");
  process.exitCode = 1;
}
if (inline) {
  console.error(`index.html has something inline that the Content-Security-Policy blocks: ${inline[0]}`);
  process.exitCode = 1;
}
