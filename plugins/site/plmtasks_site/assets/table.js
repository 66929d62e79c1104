// Tables that sort, filter, page, choose their columns and give them away as files. Without this script they are ordinary
// tables with all their rows.
"use strict";

const FEW = 5;  // fewer rows are seen at a glance, and have no filters
const MANY = 6;  // folded columns that are named; the menu has them all

for (const table of document.querySelectorAll("table[data-noun]")) enhance(table);

function enhance(table) {
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...table.tBodies[0].rows];
  const titles = heads.map((head) => head.textContent.trim().replace(/ ↓$/, ""));
  const texts = rows.map((row) => [...row.cells].map((cell) => cell.textContent.trim().replace(/\s+/g, " ")));
  const key = (name) => `${table.id}.${name}`;
  const slug = (text) => text.trim().toLowerCase().replace(/\W+/g, "-");
  const word = (i, column) => rows[i].cells[column].dataset.text ?? texts[i][column];
  const group = (i, column) => rows[i].cells[column].dataset.group ?? word(i, column);
  const numeric = heads.map((head, column) => head.classList.contains("n") || rows.some((row) => row.cells[column].dataset.value !== undefined));
  const size = Number(table.dataset.page) || rows.length;
  const frame = table.closest(".scroll");
  const caption = table.caption.textContent;
  const tools = plmtasks.make("form", { class: "tools", "aria-label": `Filter: ${caption}` });
  const status = plmtasks.make("p", { class: "note", role: "status" });
  const pager = plmtasks.make("nav", { class: "pager", "aria-label": `Pages of: ${caption}` });
  const [previous, place, next] = ["button", "span", "button"].map((tag) => plmtasks.make(tag, tag === "button" ? { type: "button" } : {}));
  const filters = [];
  let page = 1;
  let found = [];  // the rows that are left, on all pages
  previous.textContent = "Previous";
  next.textContent = "Next";
  pager.append(previous, place, next);
  tools.addEventListener("submit", (event) => event.preventDefault());

  heads.forEach((head, column) => {
    const button = plmtasks.make("button", { type: "button" }, ...head.childNodes);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const first = better(column);
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

  function better(column) {  // the better end comes first
    const head = heads[column];
    return head.dataset.better === "low" || !numeric[column] ? "ascending" : "descending";
  }

  function addFilter(head, column, input, label) {
    const state = key(slug(head.dataset.filter || head.dataset.search));
    tools.append(plmtasks.make("label", {}, label, input));
    input.addEventListener("input", () => plmtasks.go({ [state]: input.value, [key("page")]: "" }));
    filters.push({ column, input, state });
  }

  previous.addEventListener("click", () => plmtasks.go({ [key("page")]: page - 1 > 1 ? page - 1 : "" }));
  next.addEventListener("click", () => plmtasks.go({ [key("page")]: page + 1 }));

  // ── columns: those that are chosen in the address, or else those that are not folded and have room ──

  const folds = heads.map((head) => head.dataset.fold ?? "");
  const boxes = heads.map(() => plmtasks.make("input", { type: "checkbox" }));
  const note = plmtasks.make("p", { class: "note" });
  const menu = plmtasks.make("details", { class: "menu" }, plmtasks.make("summary", {}, "Columns and files"));
  const panel = plmtasks.make("div", { class: "panel" });
  const choice = plmtasks.make("fieldset", {}, plmtasks.make("legend", {}, "Columns"));
  boxes.forEach((box, column) => {
    if (heads[column].dataset.keep !== undefined || column === 0) return;
    const why = folds[column] ? [" ", plmtasks.make("span", { class: "quiet" }, folds[column])] : [];
    choice.append(plmtasks.make("label", {}, box, ` ${titles[column]}`, ...why));
    box.addEventListener("change", () => {
      const names = heads.map((_, i) => i).filter((i) => !kept(i) && boxes[i].checked).map((i) => slug(titles[i]));
      plmtasks.go({ [key("columns")]: names.join(",") || "none" });
    });
  });
  const reset = plmtasks.make("button", { type: "button" }, "As at first");
  reset.addEventListener("click", () => plmtasks.go({ [key("columns")]: "" }));
  choice.append(reset);
  const files = plmtasks.make("div", { class: "files" }, "What is shown, as a file: ");
  for (const [form, write] of [["CSV", csv], ["JSON", json]]) {
    const button = plmtasks.make("button", { type: "button", "aria-label": `Download ${form}: ${caption}` }, form);
    button.addEventListener("click", () => save(form.toLowerCase(), write()));
    files.append(button);
  }
  panel.append(files, choice);
  menu.append(panel);
  addEventListener("click", (event) => { if (!menu.contains(event.target)) menu.open = false; });
  menu.addEventListener("keydown", (event) => { if (event.key === "Escape") { menu.open = false; menu.firstElementChild.focus(); } });

  function kept(column) { return heads[column].dataset.keep !== undefined || column === 0; }

  function reveal(column, on) {
    if (heads[column].hidden === !on) return;
    heads[column].hidden = !on;
    for (const row of rows) row.cells[column].hidden = !on;
  }

  function arrange(state) {
    const told = state.get(key("columns"));
    const names = (told ?? "").split(",");
    const lacking = [];
    heads.forEach((_, column) => reveal(column, kept(column) || (told ? names.includes(slug(titles[column])) : !folds[column])));
    for (let column = heads.length - 1; !told && column > 0 && frame.scrollWidth > frame.clientWidth + 1; column--) {
      if (kept(column) || heads[column].hidden) continue;
      reveal(column, false);
      lacking.unshift(titles[column]);
    }
    boxes.forEach((box, column) => { box.checked = !heads[column].hidden; });
    const reasons = new Map();
    if (lacking.length) reasons.set("for want of room", lacking);
    if (!told) folds.forEach((why, column) => { if (why) reasons.set(why, [...(reasons.get(why) ?? []), titles[column]]); });
    reasons.delete("beside the model");
    const few = (names) => (names.length <= MANY ? names.join(", ") : `${names.slice(0, MANY - 1).join(", ")} and ${names.length - MANY + 1} more`);
    const said = [...reasons].map(([why, columns]) => `${few(columns)} (${why})`);
    note.textContent = said.length ? `Folded away: ${said.join("; ")}.` : "";
    note.hidden = !said.length;
  }

  // ── files: the rows that are left, in their order, with the columns that are shown and what scores rest on ──

  function shownColumns() {
    return heads.map((_, i) => i).filter((i) => !heads[i].hidden || heads[i].dataset.always !== undefined || /^(family|protocol)$/.test(titles[i]));
  }

  function cell(i, column) {
    const { value, low, high, unit } = rows[i].cells[column].dataset;
    // ranks that are left open are no number: 1–3
    if (value === undefined || /^\d+–\d+$/.test(texts[i][column])) return word(i, column);
    const number = value === "" ? null : Number(value);
    const of = unit === undefined ? {} : { score: unit };
    return low === undefined && unit === undefined ? number : { ...of, value: number, low: low === undefined ? null : Number(low), high: high === undefined ? null : Number(high) };
  }

  function records() {
    const marked = rows.some((row) => row.querySelector("[data-marks]"));
    return found.map((i) => ({
      ...Object.fromEntries(shownColumns().map((column) => [titles[column], cell(i, column)])),
      ...(marked ? { marks: (rows[i].querySelector("[data-marks]").dataset.marks) } : {}),
    }));
  }

  function json() {
    return JSON.stringify(records(), null, 1) + "\n";
  }

  function csv() {
    const flat = records().map((record) => Object.fromEntries(Object.entries(record).flatMap(([name, value]) =>
      (value !== null && typeof value === "object" ? Object.entries(value).map(([part, x]) => [part === "value" ? name : `${name} ${part}`, x]) : [[name, value]]))));
    const names = [...new Set(flat.flatMap(Object.keys))];
    // no spreadsheet takes a cell for a formula: OWASP's way, an apostrophe in front
    const plain = (value) => (typeof value === "string" ? value.replace(/^[=+\-@\t\r]/, "'$&") : value ?? "");
    const quoted = (value) => { const text = String(plain(value)); return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text; };
    return [names, ...flat.map((record) => names.map((name) => record[name]))].map((line) => line.map(quoted).join(",") + "\n").join("");
  }

  function save(form, text) {
    const where = location.pathname.split("/").pop().replace(/\.html$/, "") || "index";
    const address = URL.createObjectURL(new Blob([text], { type: form === "csv" ? "text/csv" : "application/json" }));
    plmtasks.make("a", { href: address, download: `${where}-${table.id}.${form}` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  }

  // ── what is shown ──

  const sortedAtFirst = heads.findIndex((head, i) => table.dataset.sort && [titles[i], ...(head.dataset.names ?? "").split(" ")].includes(table.dataset.sort));

  function sorted(indices, state) {
    const told = state.get(key("sort"));
    const column = told !== null ? Number(told) : sortedAtFirst;
    const order = told !== null ? state.get(key("order")) : column in heads ? better(column) : "";
    heads.forEach((head, i) => { if (i === column) head.setAttribute("aria-sort", order); else head.removeAttribute("aria-sort"); });
    if (!(column in heads) || !["ascending", "descending"].includes(order)) return indices;
    const value = (i) => {
      const text = rows[i].cells[column].dataset.value;
      return numeric[column] ? (text === "" || text === undefined ? null : Number(text)) : word(i, column);
    };
    const sign = order === "ascending" ? 1 : -1;
    return indices.sort((i, j) => {
      const [a, b] = [value(i), value(j)];
      if (a === null || b === null) return (a === null) - (b === null) || i - j;  // what is missing comes last, either way
      return sign * (numeric[column] ? a - b : a.localeCompare(b)) || i - j;
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
      const text = (i) => `${texts[i][column]} ${rows[i].cells[column].dataset.marks ?? ""}`.toLowerCase();
      indices = indices.filter((i) => (input.type === "search" ? text(i).includes(low) : group(i, column) === wanted));
    }
    found = sorted(indices, state);
    const pages = Math.max(1, Math.ceil(found.length / size));
    page = Math.min(pages, Math.max(1, Number(state.get(key("page"))) || 1));
    const shown = found.slice((page - 1) * size, page * size);
    table.tBodies[0].replaceChildren(...shown.map((i) => rows[i]));
    const count = found.length === rows.length ? `${rows.length}` : `${found.length} of ${rows.length}`;
    status.textContent = `${count} ${table.dataset.noun}`;
    pager.hidden = pages === 1;
    place.textContent = `${(page - 1) * size + 1}–${(page - 1) * size + shown.length} of ${found.length}`;
    previous.disabled = page === 1;
    next.disabled = page === pages;
    arrange(state);
  }

  if (filters.length) frame.before(tools, status);
  frame.before(plmtasks.make("div", { class: "corner" }, menu));
  frame.after(pager, note);
  addEventListener("hashchange", show);
  let width = frame.clientWidth;
  new ResizeObserver(() => { if (frame.clientWidth !== width) { width = frame.clientWidth; arrange(plmtasks.state()); } }).observe(frame);
  show();
}

// ── notes: what a number beside a model means, where one points at it or touches it ──

{
  const tip = plmtasks.make("div", { class: "tip", role: "tooltip", hidden: "" });
  const hide = () => { tip.hidden = true; };
  const tell = (ref) => {
    tip.textContent = ref.getAttribute("aria-label").replace(/^\d+: /, "");
    tip.hidden = false;
    const at = ref.getBoundingClientRect();
    tip.style.left = `${Math.max(8, Math.min(at.left, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${at.bottom + 6 + tip.offsetHeight > innerHeight ? at.top - tip.offsetHeight - 6 : at.bottom + 6}px`;
  };
  document.body.append(tip);
  for (const ref of document.querySelectorAll("a.ref")) {
    for (const moment of ["mouseenter", "focus"]) ref.addEventListener(moment, () => tell(ref));
    for (const moment of ["mouseleave", "blur"]) ref.addEventListener(moment, hide);
    // the address keeps the view, so that a note is told here, and not gone to
    ref.addEventListener("click", (event) => { event.preventDefault(); tell(ref); });
  }
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  addEventListener("scroll", hide, { passive: true, capture: true });
}
