// A project as Hardhat makes one; its packages are those of the folder above.
import { fileURLToPath } from "node:url";
import hardhatToolboxViem from "@nomicfoundation/hardhat-toolbox-viem";
import { configVariable, defineConfig } from "hardhat/config";

export default defineConfig({
  plugins: [hardhatToolboxViem],
  solidity: {
    version: "0.8.37",
    // The compiler of this repository's own contracts; Hardhat would download one.
    path: fileURLToPath(
      new URL("../../../../contracts/node_modules/solc/soljson.js", import.meta.url),
    ),
    settings: { evmVersion: "osaka", optimizer: { enabled: true } },
  },
  networks: {
    windlass: {
      type: "http",
      url: configVariable("ENDPOINT"),
      accounts: [configVariable("OWNER_KEY"), configVariable("MEMBER_KEY")],
    },
  },
  // There are no blocks while nobody sends anything, so one confirmation is all that there may be.
  ignition: { requiredConfirmations: 1 },
});
