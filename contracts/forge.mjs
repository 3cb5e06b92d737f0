// Where npm put forge's program: under test, since who only builds does not need it. Its package `@foundry-rs/forge` would swallow the exit code.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { folder } from "./compile.mjs";

const packages = join(folder, "test", "node_modules", "@foundry-rs");
const [name] = readdirSync(packages).filter((each) => each.startsWith("forge-"));
export const forge = join(packages, name, "bin", "forge");
