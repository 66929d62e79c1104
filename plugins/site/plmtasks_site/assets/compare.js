// Two runs of one task: what the tests say, and the examples on which they differ.
"use strict";

let known = null;  // of pairs.js
let pair = null;  // what is shown: {a, b, table, examples, first, second, differing}

const rowsPut = plmtasks.put;
plmtasks.put = (name, value) => {
  if (name === "pairs") known = value;
  else rowsPut(name, value);
};

const get = (id) => document.getElementById(id);
const text = plmtasks.text;
const load = (name, parts) => plmtasks.load(known.data, name, parts);

async function show() {
  if (!known) {
    get("status").textContent = "The data of this page are not there: its folder data/ belongs to it.";
    return;
  }
  const state = plmtasks.state();
  const runs = new Map(known.runs.map((run) => [run.key, run]));
  const a = runs.get(state.get("a")) ?? known.runs[0];
  const b = runs.get(state.get("b")) ?? known.runs.find((run) => run !== a && run.table === a.table) ?? a;
  // the address names both, so that it shows the same when ranks have changed
  if (state.get("a") !== a.key || state.get("b") !== b.key) { plmtasks.go({ a: a.key, b: b.key }); return; }
  get("a").value = a.key;
  get("b").value = b.key;
  for (const id of ["q", "show"]) if (get(id).value !== (state.get(id) ?? "")) get(id).value = state.get(id) ?? "";
  get("difference").textContent = said(a, b);
  if (pair?.a !== a || pair?.b !== b) {
    get("examples").replaceChildren();
    get("pager").hidden = true;
    get("wrong").textContent = "";
    const why = whyNot(a, b);
    get("status").textContent = why || "The predictions are being loaded …";
    if (why) { pair = null; return; }
    const table = known.tables[a.table];
    try {
      const [examples, first, second] = await Promise.all([load(table.examples, table.parts), load(a.key, a.parts), load(b.key, b.parts)]);
      if (get("a").value !== a.key || get("b").value !== b.key) return;  // others were chosen meanwhile
      pair = { a, b, table, examples, first, second, differing: examples.map((_, i) => i).filter((i) => text(first[i][0]) !== text(second[i][0])) };
    } catch (error) {
      get("status").textContent = error.message;
      return;
    }
    listSlices();
  }
  list(plmtasks.state());
}

function whyNot(a, b) {
  if (a === b) return "Both are the same run: choose another.";
  if (a.table !== b.table) return `These two are not compared: ${known.tables[Math.max(a.table, b.table)].apart}.`;
  if (known.hidden) return "These pages show no examples.";
  const missing = [a, b].find((run) => !run.parts);
  return missing ? `The predictions of ${missing.model} (${missing.folder}) are not there, or are of other examples.` : "";
}

function said(a, b) {
  const table = known.tables[a.table];
  if (a === b || a.table !== b.table) return "";
  const number = (x, digits) => (x > 0 ? "+" : "") + x.toFixed(digits).replace("-", "−");
  const found = known.differences.find(([x, y]) => (x === a.key && y === b.key) || (x === b.key && y === a.key));
  if (!found) {
    return `${a.model} less ${b.model}: this pair was not tested; at a terminal: plmtasks compare ${quoted(b.folder)} ${quoted(a.folder)}`;
  }
  const sign = found[0] === a.key ? 1 : -1;
  const [value, ...ends] = found.slice(2, 5).map((x) => sign * x);
  const [low, high] = ends.sort((x, y) => x - y);
  const p = found[5] < 0.001 ? "p < 0.001" : `p = ${found[5].toFixed(3)}`;
  const direction = table.higher ? "more is better" : "less is better";
  return `${a.model} less ${b.model}: ${number(value, 2)} ${table.unit} of ${table.main} (${direction}), 95 % interval ${number(low, 2)} to ${number(high, 2)}, ${p} by a paired bootstrap, not corrected for other pairs.`;
}

const quoted = (path) => (/^[\w@%+=:,.\/-]+$/.test(path) ? path : `'${path.replaceAll("'", `'"'"'`)}'`);

function listSlices() {
  const names = [...new Set(pair.examples.flatMap((example) => example[3]))].sort();
  get("slice").replaceChildren(new Option("all", ""), ...names.map((name) => new Option(name, name)));
  get("slice").closest("label").hidden = !names.length;
}

function list(state) {
  const { table, examples, first, second, differing } = pair;
  const wanted = (state.get("q") ?? "").toLowerCase();
  const kind = state.get("show") ?? "";
  const slice = state.get("slice") ?? "";
  get("slice").value = slice;
  const better = (i) => {
    const [x, y] = [first[i][1], second[i][1]];
    if (x === null || y === null) return "";
    return x === y ? "same" : (x > y) === table.higher ? "a" : "b";
  };
  const isWrong = { "both-wrong": [false, false], "a-wrong": [false, true], "b-wrong": [true, false] }[kind];
  const among = isWrong ? examples.map((_, i) => i).filter((i) => first[i][2] === isWrong[0] && second[i][2] === isWrong[1]) : differing;
  const found = among.filter((i) => (isWrong || !kind || better(i) === kind) && (!slice || examples[i][3].includes(slice))
    && (!wanted || [examples[i], first[i][0], second[i][0]].some((value) => JSON.stringify(value).toLowerCase().includes(wanted)
      || text(value).toLowerCase().includes(wanted))));
  const few = found.length === among.length ? `${among.length}` : `${found.length} of ${among.length}`;
  get("status").textContent = `${few} ${isWrong ? "examples" : "differing predictions"}; ${examples.length} examples in all.`;
  const count = (x, y) => examples.filter((_, i) => first[i][2] === x && second[i][2] === y).length;
  get("wrong").textContent = `Both are wrong on ${count(false, false)} examples, the first alone on ${count(false, true)}, the second alone on ${count(true, false)}; both are right on ${count(true, true)}.`;
  plmtasks.page(found, state, (i) => item(i, better(i)), 20);
}

function item(i, better) {
  const { a, b, table, examples, first, second } = pair;
  const [id, inputs, reference, slices] = examples[i];
  const facts = plmtasks.make("dl");
  const add = (name, value, winner) => facts.append(plmtasks.make("dt", {}, name), plmtasks.make("dd", winner ? { class: "wins" } : {}, value));
  const score = (value) => (value === null ? "" : ` (${table.main} ${Number(value.toFixed(2))})`);
  for (const [name, value] of plmtasks.inputs(inputs)) add(name, value);
  add("reference", plmtasks.told(reference, inputs));
  add(`first: ${a.model}${score(first[i][1])}`, plmtasks.told(first[i][0], inputs), better === "a");
  add(`second: ${b.model}${score(second[i][1])}`, plmtasks.told(second[i][0], inputs), better === "b");
  return plmtasks.make("li", {}, plmtasks.make("h3", {}, [id, ...slices].join(" · ")), facts);
}

for (const id of ["a", "b", "q", "show", "slice"]) get(id).addEventListener("input", () => plmtasks.go({ [id]: get(id).value, page: "" }));
for (const id of ["choice", "filters"]) get(id).addEventListener("submit", (event) => event.preventDefault());
get("swap").addEventListener("click", () => plmtasks.go({ a: get("b").value, b: get("a").value, page: "" }));
addEventListener("hashchange", show);
addEventListener("DOMContentLoaded", show);
