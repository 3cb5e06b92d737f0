#!/usr/bin/env node
// Speaks as native solc does, over npm's: `forge` wants a compiler of that form, and one of another
// build would not give the bytes that are committed.
const { readFileSync } = require("node:fs");
const solc = require("solc");

if (process.argv.includes("--version")) {
  console.log("solc, the solidity compiler commandline interface");
  console.log(`Version: ${solc.version().replace("Emscripten.clang", "Linux.g++")}`);
} else if (process.argv.includes("--standard-json")) {
  process.stdout.write(solc.compile(readFileSync(0, "utf8")));
} else {
  console.error("only --version and --standard-json are answered");
  process.exitCode = 1;
}
