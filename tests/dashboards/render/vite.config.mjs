import { defineConfig } from 'vite';

const here = (file) => new URL(file, import.meta.url).pathname;

export default defineConfig({
  define: { 'process.env.NODE_ENV': '"production"', 'process.env': '{}', global: 'globalThis' },
  esbuild: { jsx: 'automatic' },
  resolve: {
    // The query editor and the telemetry are imported by what is drawn, but never run: a quarter of the build.
    alias: [
      {
        find: /^(monaco-editor|@monaco-editor\/react|monaco-promql|@grafana\/faro-web-sdk)(\/.*)?$/,
        replacement: here('./src/unused.js'),
      },
    ],
    dedupe: ['react', 'react-dom', 'rxjs', '@grafana/data', '@grafana/ui', '@grafana/runtime', '@grafana/schema'],
  },
  build: {
    outDir: '../../../build/render',
    emptyOutDir: true,
    chunkSizeWarningLimit: 20_000,
    reportCompressedSize: false,
    // It is read once, from this machine.
    minify: false,
    rollupOptions: { shimMissingExports: true },
  },
  logLevel: 'error',
});
