import { buildModule } from "@nomicfoundation/hardhat-ignition/modules";

export default buildModule("Registry", (module) => {
  const registry = module.contract("Registry");
  const first = module.call(registry, "register", ["ignition"]);
  module.call(registry, "close", [], { after: [first] });
  return { registry };
});
