import { readFileSync } from 'node:fs';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

const control = 'http://127.0.0.1:8484';

/** The typeface's licence asks to travel with it. */
const fontLicence: Plugin = {
  name: 'font-licence',
  generateBundle() {
    const source = readFileSync(new URL(import.meta.resolve('@fontsource-variable/inter/LICENSE')), 'utf8');
    this.emitFile({ type: 'asset', fileName: 'assets/inter-licence.txt', source });
  },
};

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react(), fontLicence],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    // The first browsers with light-dark(), which the whole palette is written in.
    target: ['chrome123', 'firefox120', 'safari17.5'],
    // The content security policy allows files of this origin and nothing inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        // What seldom changes stays in the browser's cache when the page does.
        codeSplitting: {
          groups: [
            { name: 'react', test: /node_modules\/(?:react|react-dom|scheduler)\//, priority: 1 },
            { name: 'parts', test: /node_modules/ },
          ],
        },
      },
    },
  },
  server: {
    host: '127.0.0.1',
    // The control process checks Host and Origin, so it has to see its own.
    proxy: { '/api': { target: control, changeOrigin: true, headers: { origin: control } } },
  },
});
