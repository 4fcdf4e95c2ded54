import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const control = 'http://127.0.0.1:8484';

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
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
