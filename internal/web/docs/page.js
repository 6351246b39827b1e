// Starts Swagger UI on this server's own description of its API. Nothing is asked
// of anybody else: without a validator there is no badge from swagger.io.
addEventListener('DOMContentLoaded', () => {
  SwaggerUIBundle({
    url: 'openapi.json',
    dom_id: '#page',
    validatorUrl: null,
    deepLinking: false, // links within buttons, which no keyboard can tell apart
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
    for (const heading of document.querySelectorAll('.swagger-ui :is(h3, h4, h5):not([aria-level])')) {
      heading.ariaLevel = heading.tagName[1] - 1; // it leaves out the second rank
    }
    // Landmarks: a name each for what is beside the main one, none within it.
    for (const [selector, name] of Object.entries({ '.information-container': 'About', '.scheme-container': 'Authorization', 'section.models': 'Schemas' })) {
      for (const part of document.querySelectorAll(`${selector}:not([role])`)) [part.role, part.ariaLabel] = ['region', name];
    }
    for (const part of document.querySelectorAll('#page main [role=region]')) part.role = 'group';
    for (const box of document.querySelectorAll('.microlight:not([tabindex])')) box.tabIndex = 0; // it scrolls
  }).observe(document.body, { childList: true, subtree: true });
});
