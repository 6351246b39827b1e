import { defineConfig } from 'vite'

// `vite build` writes the product into ../dist, which is committed and embedded.
// In the mode "stories" the page that draws every view goes beside it, into a
// directory that is not committed, for the browser tests and for design.
export default defineConfig(({ mode }) => {
  const stories = mode === 'stories'
  return {
    base: './',
    build: {
      outDir: stories ? '../../../bin/storybook' : '../dist',
      emptyOutDir: true,
      target: 'es2022',
      cssTarget: ['chrome123', 'firefox121', 'safari17.5'],
      modulePreload: { polyfill: false },
      assetsInlineLimit: 0,
      rollupOptions: { input: stories ? 'storybook.html' : 'index.html' },
    },
  }
})
