/** A page that says one thing; plain HTML, because the content security policy allows nothing inline. */
export function messagePage(title: string, paragraphs: readonly string[]): string {
  const body = paragraphs.map((text) => `<p>${escape(text)}</p>`).join('\n');
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="color-scheme" content="light dark"><title>${escape(title)} - Certplane</title></head>
<body>
<main>
<h1>${escape(title)}</h1>
${body}
<p><a href="/">Certplane</a></p>
</main>
</body>
</html>
`;
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}
