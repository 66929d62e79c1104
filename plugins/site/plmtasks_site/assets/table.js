// Tables that sort, filter and page. Without this script they are ordinary tables with all their rows.
"use strict";

const FEW = 5;  // fewer rows are seen at a glance, and have no filters

for (const table of document.querySelectorAll("table[data-noun]")) enhance(table);

function enhance(table) {
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...table.tBodies[0].rows];
  const texts = rows.map((row) => [...row.cells].map((cell) => cell.textContent.trim()));
  const key = (name) => `${table.id}.${name}`;
  const name = (head) => (head.dataset.filter || head.dataset.search || head.textContent).trim().toLowerCase().replace(/\W+/g, "-");
  const group = (i, column) => rows[i].cells[column].dataset.group ?? texts[i][column];
  const size = Number(table.dataset.page) || rows.length;
  const tools = plmtasks.make("form", { class: "tools", "aria-label": `Filter: ${table.caption.textContent}` });
  const status = plmtasks.make("p", { class: "note", role: "status" });
  const pager = plmtasks.make("nav", { class: "pager", "aria-label": `Pages of: ${table.caption.textContent}` });
  const [previous, place, next] = ["button", "span", "button"].map((tag) => plmtasks.make(tag, tag === "button" ? { type: "button" } : {}));
  const filters = [];
  let page = 1;
  previous.textContent = "Previous";
  next.textContent = "Next";
  pager.append(previous, place, next);
  tools.addEventListener("submit", (event) => event.preventDefault());

  heads.forEach((head, column) => {
    const button = plmtasks.make("button", { type: "button" }, ...head.childNodes);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      // the better end first, then the other
      const first = head.dataset.better === "low" || !head.classList.contains("n") ? "ascending" : "descending";
      const other = first === "ascending" ? "descending" : "ascending";
      const next = head.getAttribute("aria-sort") === first ? other : first;
      plmtasks.go({ [key("sort")]: column, [key("order")]: next, [key("page")]: "" });
    });
    if (rows.length < FEW) return;
    if (head.dataset.search) addFilter(head, column, plmtasks.make("input", { type: "search", autocomplete: "off" }), `Search ${head.dataset.search.toLowerCase()}`);
    if (head.dataset.filter) {
      const values = [...new Set(rows.map((_, i) => group(i, column)))].sort();
      if (values.length < 2) return;
      const select = plmtasks.make("select", {}, new Option("all", ""), ...values.map((value) => new Option(value, value)));
      addFilter(head, column, select, head.dataset.filter);
    }
  });

  function addFilter(head, column, input, label) {
    const state = key(name(head));
    tools.append(plmtasks.make("label", {}, label, input));
    input.addEventListener("input", () => plmtasks.go({ [state]: input.value, [key("page")]: "" }));
    filters.push({ column, input, state });
  }

  previous.addEventListener("click", () => plmtasks.go({ [key("page")]: page - 1 > 1 ? page - 1 : "" }));
  next.addEventListener("click", () => plmtasks.go({ [key("page")]: page + 1 }));

  function sorted(indices, state) {
    const column = Number(state.get(key("sort")) ?? NaN);
    const order = state.get(key("order"));
    heads.forEach((head, i) => { if (i === column) head.setAttribute("aria-sort", order); else head.removeAttribute("aria-sort"); });
    if (!(column in heads) || !["ascending", "descending"].includes(order)) return indices;
    const numeric = heads[column].classList.contains("n") || rows.some((row) => row.cells[column].dataset.value !== undefined);
    const value = (i) => {
      const text = rows[i].cells[column].dataset.value;
      return numeric ? (text === "" || text === undefined ? null : Number(text)) : texts[i][column];
    };
    const sign = order === "ascending" ? 1 : -1;
    return indices.sort((i, j) => {
      const [a, b] = [value(i), value(j)];
      if (a === null || b === null) return (a === null) - (b === null) || i - j;  // what is missing comes last, either way
      return sign * (numeric ? a - b : a.localeCompare(b)) || i - j;
    });
  }

  function show() {
    const state = plmtasks.state();
    let indices = rows.map((_, i) => i);
    for (const { column, input, state: name } of filters) {
      const wanted = state.get(name) ?? "";
      if (input.value !== wanted) input.value = wanted;
      if (!wanted) continue;
      const low = wanted.toLowerCase();
      indices = indices.filter((i) => (input.type === "search" ? texts[i][column].toLowerCase().includes(low) : group(i, column) === wanted));
    }
    indices = sorted(indices, state);
    const pages = Math.max(1, Math.ceil(indices.length / size));
    page = Math.min(pages, Math.max(1, Number(state.get(key("page"))) || 1));
    const shown = indices.slice((page - 1) * size, page * size);
    table.tBodies[0].replaceChildren(...shown.map((i) => rows[i]));
    const count = indices.length === rows.length ? `${rows.length}` : `${indices.length} of ${rows.length}`;
    status.textContent = `${count} ${table.dataset.noun}`;
    pager.hidden = pages === 1;
    place.textContent = `${(page - 1) * size + 1}–${(page - 1) * size + shown.length} of ${indices.length}`;
    previous.disabled = page === 1;
    next.disabled = page === pages;
  }

  const frame = table.closest(".scroll");
  if (filters.length) frame.before(tools, status);
  frame.after(pager);
  addEventListener("hashchange", show);
  show();
}
