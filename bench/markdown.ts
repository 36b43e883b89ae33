/** A table as Markdown, the first column to the left, the others to the right. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const [header, ...body] = rows;
  const rule = header.map((_, column) => column === 0 ? "---" : "---:");
  return [header, rule, ...body].map(line).join("\n");
}
