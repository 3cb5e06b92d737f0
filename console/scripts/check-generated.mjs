// Fails when src/api/schema.d.ts is not what openapi.json gives: run `npm run generate`.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const committed = "src/api/schema.d.ts";
const { scripts } = JSON.parse(readFileSync("package.json", "utf8"));
const directory = mkdtempSync(join(tmpdir(), "windlass-schema-"));
try {
  const fresh = join(directory, "schema.d.ts");
  const [command, ...args] = scripts.generate.replace(committed, fresh).split(" ");
  execFileSync(join("node_modules", ".bin", command), args, { stdio: ["ignore", "ignore", "inherit"] });
  if (readFileSync(fresh, "utf8") !== readFileSync(committed, "utf8")) {
    console.error(`${committed} is not what openapi.json gives: run \`npm run generate\` and commit it`);
    process.exitCode = 1;
  }
} finally {
  rmSync(directory, { recursive: true });
}
