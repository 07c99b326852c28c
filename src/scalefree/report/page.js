"use strict";
// In a sorted table: numbers by size with missing ones last, words by the alphabet, ties in the order of the page.
const compare = (column, sign) => (a, b) => {
  const [x, y] = [a.cells[column], b.cells[column]];
  if (x.dataset.value === undefined) return sign * x.textContent.localeCompare(y.textContent, "en");
  const empty = (x.dataset.value === "") - (y.dataset.value === "");
  return empty || sign * (number(x) - number(y) || 0);
};
const number = (cell) => Number(cell.dataset.value.replace("inf", "Infinity"));

// A table whose headings sort it: upwards, downwards, as it was.
for (const table of document.querySelectorAll("table.sortable")) {
  const rows = [...table.tBodies[0].rows];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const next = { none: "ascending", ascending: "descending", descending: "none" }[head.getAttribute("aria-sort") ?? "none"];
    for (const other of heads) other.removeAttribute("aria-sort");
    if (next !== "none") head.setAttribute("aria-sort", next);
    table.tBodies[0].append(...(next === "none" ? rows : [...rows].sort(compare(column, next === "ascending" ? 1 : -1))));
  }));
}

// The table of runs: filtered and sorted as the address says, and the address as its controls say.
// #filter=adamw&optimizer=adamw&depth=20&bn=no&status=diverged&experiment=depth&sort=-error
(() => {
  const table = document.getElementById("runs-table");
  if (!table) return;
  const form = document.getElementById("runs-form");
  const shown = document.getElementById("runs-shown");
  const rows = [...table.tBodies[0].rows];
  const texts = new Map(rows.map((row) => [row, [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase()]));
  const heads = [...table.tHead.rows[0].cells];
  const controls = [...form.elements].filter((control) => control.name);
  let sort = "";

  const answers = (row, control) => {
    if (control.name === "filter") {
      return control.value.toLowerCase().split(/\s+/).every((word) => texts.get(row).includes(word));
    }
    return control.value === "" || row.dataset[control.name].split(" ").includes(control.value);
  };

  const filterRows = () => {
    for (const row of rows) row.hidden = !controls.every((control) => answers(row, control));
    shown.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} runs`;
  };

  const sortRows = () => {
    const sign = sort.startsWith("-") ? -1 : 1;
    const column = heads.findIndex((head) => head.dataset.key === sort.replace("-", ""));
    heads.forEach((head, index) => {
      if (index === column) head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    });
    table.tBodies[0].append(...(column < 0 ? rows : [...rows].sort(compare(column, sign))));
  };

  const readAddress = () => {
    // An address without "=" names a section, and changes nothing here.
    if (!location.hash.includes("=")) return;
    const asked = new URLSearchParams(location.hash.slice(1));
    for (const control of controls) {
      control.value = asked.get(control.name) ?? "";
      // A select has no such option: show no rows rather than all.
      if (control.selectedIndex === -1) control.add(new Option(asked.get(control.name), asked.get(control.name), true, true));
    }
    sort = asked.get("sort") ?? "";
    filterRows();
    sortRows();
    document.getElementById("runs").scrollIntoView();
  };

  const writeAddress = () => {
    const entries = [...controls.map((control) => [control.name, control.value]), ["sort", sort]];
    const asked = new URLSearchParams(entries.filter(([, value]) => value !== ""));
    history.replaceState(null, "", `#${String(asked) || "runs"}`);
  };

  form.addEventListener("input", () => { filterRows(); writeAddress(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => { sort = ""; filterRows(); sortRows(); writeAddress(); }));
  heads.forEach((head) => head.querySelector("button").addEventListener("click", () => {
    const key = head.dataset.key;
    sort = sort === key ? `-${key}` : sort === `-${key}` ? "" : key;
    sortRows();
    writeAddress();
  }));
  addEventListener("hashchange", readAddress);
  form.hidden = false;
  filterRows();
  readAddress();
})();
