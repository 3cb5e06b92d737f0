import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The platform serves the built files under a strict Content-Security-Policy: every script and
// style is a file of its own, and nothing is inlined as a data: URL.
export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2023",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  worker: { format: "es" },
  server: {
    // `npm run dev` beside a running platform; the login link's code works on this origin too.
    proxy: { "/v1": process.env["WINDLASS_URL"] ?? "http://127.0.0.1:7300" },
  },
});
