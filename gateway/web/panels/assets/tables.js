// Names each cell after its column, so that a narrow screen can show every row as a card of its own.
const ROLES = { TABLE: "table", THEAD: "rowgroup", TBODY: "rowgroup", TR: "row", TD: "cell" };

function label(table) {
  const names = [...table.tHead?.rows[0]?.cells ?? []].map((cell) => cell.innerText.trim());
  if (!names.length) return;
  for (const row of [...table.tBodies].flatMap((body) => [...body.rows])) {
    for (const cell of row.cells) {
      cell.dataset.label = names[cell.cellIndex] ?? "";
      cell.toggleAttribute("data-empty", !cell.innerHTML.trim());
    }
  }
  // Blocks instead of rows would take the meaning of a table away.
  for (const element of [table, ...table.querySelectorAll("thead, tbody, tr, td")]) element.role = ROLES[element.tagName];
  for (const cell of table.querySelectorAll("th")) cell.role = cell.scope === "row" ? "rowheader" : "columnheader";
  table.classList.add("cards-when-narrow");
}

function labelAll(root) {
  for (const table of root.querySelectorAll("table")) label(table);
}

labelAll(document);
document.addEventListener("rows-changed", (event) => labelAll(event.target));
