// Sorting by column (rows without a value stay last), for readers with a script-enabled viewer; the page is complete without it.
"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  if (body.rows.length < 2) continue;
  const valueOf = (row, column) => row.cells[column].dataset.exact ?? row.cells[column].textContent.trim();
  const isMissing = (value) => value === "" || value === "\u2013";
  const compare = (first, second, sign) => {
    if (isMissing(first) || isMissing(second)) return isMissing(first) - isMissing(second);
    const [a, b] = [Number(first), Number(second)];
    if (!Number.isNaN(a) && !Number.isNaN(b)) return sign * (a - b);
    return sign * first.localeCompare(second, "en", { numeric: true });
  };
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = heading.title;
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const descending = heading.getAttribute("aria-sort") === "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const sign = descending ? -1 : 1;
      const rows = [...body.rows].sort((a, b) => compare(valueOf(a, column), valueOf(b, column), sign));
      body.append(...rows);
      const order = descending ? "descending" : "ascending";
      document.getElementById("sorted").textContent = `Sorted by ${button.textContent}, ${order}`;
    });
  });
}
