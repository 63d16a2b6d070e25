import { defineConfig } from "vite";

export default defineConfig({
  root: import.meta.dirname,
  base: "./",
  // Within this repository, fusegrad is its source; elsewhere, leave this out and install the package.
  resolve: { tsconfigPaths: true },
  build: { target: "es2022", outDir: "dist", emptyOutDir: true },
});
