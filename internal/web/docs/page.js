// Starts Swagger UI on this server's own description of its API. Nothing is asked
// of anybody else: without a validator there is no badge from swagger.io.
addEventListener('DOMContentLoaded', () => {
  SwaggerUIBundle({
    url: 'openapi.json',
    dom_id: '#page',
    validatorUrl: null,
    deepLinking: true,
    docExpansion: 'list',
    operationsSorter: (a, b) => a.get('path').length - b.get('path').length, // what is asked for most is shortest
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    tryItOutEnabled: true,
    syntaxHighlight: { theme: 'tomorrow-night' },
  });
  // Fields that it gives no name, for those who hear the page.
  const names = { '.body-param textarea': 'Request body', '.examples-select-element': 'Example' };
  new MutationObserver(() => {
    for (const [selector, name] of Object.entries(names)) {
      for (const field of document.querySelectorAll(`${selector}:not([aria-label])`)) field.setAttribute('aria-label', name);
    }
    for (const box of document.querySelectorAll('.microlight:not([tabindex])')) box.tabIndex = 0; // it scrolls
  }).observe(document.body, { childList: true, subtree: true });
});
