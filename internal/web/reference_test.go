package web

import (
	"html"
	"os"
	"regexp"
	"strings"
	"testing"

	"serin/test/reference"
)

// TestErrorsPage: what is behind a problem's type is docs/reference/errors.md, as
// HTML; `make docs` writes it.
func TestErrorsPage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/reference/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	if err := reference.Page("internal/web/docs/errors.html", errorsPage(string(text))); err != nil {
		t.Error(err)
	}
}

const errorsHead = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>serin: errors</title>
    <link rel="icon" href="serin.svg" type="image/svg+xml">
    <link rel="stylesheet" href="page.css">
  </head>
  <body>
    <nav aria-label="serin">
      <a href="../">Dashboard</a>
      <a href="../docs">API</a>
      <a href="../openapi.json">OpenAPI 3.1</a>
    </nav>
    <main>
`

// errorsPage knows the Markdown that this page has: headings, paragraphs, one table,
// code, and links to other documents, which are not in the binary.
func errorsPage(markdown string) string {
	var b strings.Builder
	b.WriteString(errorsHead)
	for block := range strings.SplitSeq(strings.TrimSpace(markdown), "\n\n") {
		lines := strings.Split(html.EscapeString(block), "\n")
		for i, line := range lines {
			line = regexp.MustCompile(`\[([^\]]+)\]\([^)]+\)`).ReplaceAllString(line, "$1")
			lines[i] = regexp.MustCompile("`([^`]+)`").ReplaceAllString(line, "<code>$1</code>")
		}
		head, title := lines[0], strings.TrimLeft(lines[0], "# ")
		switch {
		case strings.HasPrefix(head, "# "):
			b.WriteString("<h1>" + title + "</h1>\n")
		case strings.HasPrefix(head, "## "):
			b.WriteString(`<h2 id="` + strings.NewReplacer("<code>", "", "</code>", "").Replace(title) + `">` + title + "</h2>\n")
			if len(lines) > 1 {
				b.WriteString(`<p class="facts">` + strings.Join(lines[1:], "<br>\n") + "</p>\n")
			}
		case strings.HasPrefix(head, "|"):
			b.WriteString("<table>\n")
			for i, line := range lines {
				cell := "td"
				if i == 0 {
					cell = "th"
				}
				if i != 1 {
					cells := strings.Split(strings.Trim(line, "| "), " | ")
					b.WriteString("<tr><" + cell + ">" + strings.Join(cells, "</"+cell+"><"+cell+">") + "</" + cell + "></tr>\n")
				}
			}
			b.WriteString("</table>\n")
		default:
			b.WriteString("<p>" + strings.Join(lines, "\n") + "</p>\n")
		}
	}
	return b.String() + "    </main>\n  </body>\n</html>\n"
}
