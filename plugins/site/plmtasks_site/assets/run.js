// The examples of one run: right and wrong, the most confident errors first. They are loaded when somebody comes to them.
"use strict";

{
  const get = (id) => document.getElementById(id);
  const { kind, folder, main, higher, ...names } = get("examples-section").dataset;
  const CHOICES = ["q", "show", "reference", "prediction"];
  const LABELLED = ["label", "labels", "spans"].includes(kind);
  let rows = null;  // [id, inputs, reference, slices, prediction, score, right, confidence]
  let order = [];

  const without = (spans, others) => (spans ?? []).filter((one) => !(others ?? []).some((other) => String(one) === String(other)));

  async function open() {
    if (rows) return;
    rows = [];
    get("status").textContent = "The examples are being loaded …";
    try {
      const [examples, answers] = await Promise.all([
        plmtasks.load(folder, names.examples, Number(names.examplesParts)), plmtasks.load(folder, names.answers, Number(names.answersParts)),
      ]);
      rows = examples.map((example, i) => [...example.slice(0, 4), ...(answers[i] ?? [null, null, null, null])]);
    } catch (error) {
      get("status").textContent = error.message;
      return;
    }
    // what was predicted most surely comes first, and where nobody told how sure it was, what has the worst score
    const worse = (i) => (rows[i][5] === null ? 0 : higher ? rows[i][5] : -rows[i][5]);
    order = rows.map((_, i) => i).sort((i, j) => (rows[j][7] ?? -1) - (rows[i][7] ?? -1) || worse(i) - worse(j) || i - j);
    for (const [id, column] of [["reference", 2], ["prediction", 4]]) {
      const found = LABELLED ? [...new Set(rows.flatMap((row) => plmtasks.labels(row[column])))].sort() : [];
      get(id).append(...found.map((label) => new Option(label, label)));
      get(id).closest("label").hidden = !found.length;
    }
    get("example-filters").hidden = false;
    show();
  }

  function show() {
    const state = plmtasks.state();
    if (!rows?.length) return;
    const chosen = Object.fromEntries(CHOICES.map((id) => [id, state.get(id) ?? (id === "show" ? "wrong" : "")]));
    for (const id of CHOICES) if (get(id).value !== chosen[id]) get(id).value = chosen[id];
    const wanted = chosen.q.toLowerCase();
    const found = order.map((i) => rows[i]).filter((row) => {
      const [id, inputs, reference, , prediction, , right] = row;
      if (chosen.show !== "all" && right !== (chosen.show === "right")) return false;
      if (chosen.reference && !plmtasks.labels(reference).includes(chosen.reference)) return false;
      if (chosen.prediction && !plmtasks.labels(prediction).includes(chosen.prediction)) return false;
      const texts = [id, ...plmtasks.inputs(inputs).map(([, text]) => text), plmtasks.told(reference, inputs), plmtasks.told(prediction, inputs)];
      return !wanted || texts.some((text) => text.toLowerCase().includes(wanted));
    });
    get("status").textContent = `${found.length} of ${rows.length} examples`;
    plmtasks.page(found, state, item, 10);
  }

  function item([id, inputs, reference, slices, prediction, score, right, confidence]) {
    const facts = plmtasks.make("dl");
    const add = (name, value) => facts.append(plmtasks.make("dt", {}, name), plmtasks.make("dd", {}, value));
    for (const [name, value] of plmtasks.inputs(inputs)) add(name, value);
    const told = [];
    if (confidence !== null) told.push(`confidence ${confidence.toFixed(2)}`);
    if (score !== null && kind !== "label") told.push(`${main} ${Number(score.toFixed(2))}`);
    if (kind === "spans" && right === false) {
      add("missed", plmtasks.told(without(reference, prediction), inputs));
      add("invented", plmtasks.told(without(prediction, reference), inputs));
    } else {
      add("reference", plmtasks.told(reference, inputs));
      add("prediction", plmtasks.told(prediction, inputs));
    }
    const verdict = plmtasks.make("span", { class: "verdict" }, [right === null ? "skipped" : right ? "right" : "wrong", ...told].join(", "));
    return plmtasks.make("li", {}, plmtasks.make("h3", {}, verdict, [id, ...slices].join(" · ")), facts);
  }

  for (const id of CHOICES) get(id).addEventListener("input", () => plmtasks.go({ [id]: get(id).value, page: "" }));
  get("example-filters").addEventListener("submit", (event) => event.preventDefault());
  for (const link of document.querySelectorAll(".confused a")) link.addEventListener("click", (event) => {
    event.preventDefault();
    const asked = new URLSearchParams(link.getAttribute("href").slice(1));
    plmtasks.go({ show: "all", reference: asked.get("reference"), prediction: asked.get("prediction"), page: "", q: "" });
    get("examples-title").scrollIntoView();
    open();
  });
  addEventListener("hashchange", show);
  new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) open(); }, { rootMargin: "600px" }).observe(get("examples-section"));
}
