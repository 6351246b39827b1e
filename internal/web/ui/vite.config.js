import { defineConfig } from 'vite'

// Everything goes into ../dist, which is committed and embedded. storybook.html
// draws every view from canned data; the page itself loads none of it.
export default defineConfig({
  base: './',
  build: {
    outDir: '../dist',
    emptyOutDir: true,
    target: 'es2022',
    cssTarget: ['chrome123', 'firefox121', 'safari17.5'],
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rollupOptions: { input: ['index.html', 'storybook.html'] },
  },
})
