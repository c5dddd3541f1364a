import { defineConfig } from "vite";

// `npm run dev` shows the page while it is written, and asks a running `graticule serve` for everything else.
const server = process.env.GRATICULE ?? "http://127.0.0.1:8765";

export default defineConfig({
  build: {
    outDir: "../src/graticule/serving/static",
    emptyOutDir: true,
    target: "es2023",
    // The page's security policy has no room for what is written inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1500,
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  server: { proxy: { "/v1": server, "/healthz": server } },
});
