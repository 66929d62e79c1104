// Examples and what was predicted of them: how they are loaded and shown, on the pages of runs and of pairs.
"use strict";

plmtasks.loaded = new Map();  // name → rows so far
plmtasks.loading = new Map();  // name → promise of all rows

plmtasks.put = (name, value) => plmtasks.loaded.set(name, [...(plmtasks.loaded.get(name) ?? []), ...value]);

// All rows of that name, which lie in so many scripts of a folder.
plmtasks.load = (folder, name, parts) => {
  const script = (path) => new Promise((done, failed) => {
    const element = plmtasks.make("script", { src: path.split("/").map(encodeURIComponent).join("/") });
    element.addEventListener("load", () => done());
    element.addEventListener("error", () => failed(new Error(`${path} cannot be loaded.`)));
    document.head.append(element);
  });
  if (!plmtasks.loading.has(name)) {
    plmtasks.loading.set(name, (async () => {
      for (let i = 0; i < parts; i++) await script(`${folder}${name}-${i}.js`);
      return plmtasks.loaded.get(name) ?? [];
    })());
  }
  return plmtasks.loading.get(name);
};

plmtasks.text = (value) => (typeof value === "string" ? value : value === null || value === undefined ? "–" : JSON.stringify(value));

plmtasks.isSpan = (value) => Array.isArray(value) && value.length === 3 && typeof value[0] === "string" && Number.isInteger(value[1]) && Number.isInteger(value[2]);

// A reference or a prediction as a person reads it: spans with their words, several texts one after another.
plmtasks.told = (value, inputs) => {
  const texts = Array.isArray(value?.text) ? value.text : value;
  if (Array.isArray(texts)) {
    if (!texts.length) return "–";
    if (texts.every((one) => typeof one === "string")) return [...new Set(texts)].join(" | ");
    if (texts.every(plmtasks.isSpan) && Array.isArray(inputs.words)) {
      return texts.map(([label, start, end]) => `${label} “${inputs.words.slice(start, end).join(" ")}”`).join("; ");
    }
  }
  return plmtasks.text(value);
};

// The inputs as a person reads them, name and text: a sentence's words as a sentence, the word that is asked about between stars.
plmtasks.inputs = (inputs) => {
  if (!Array.isArray(inputs.words)) return Object.entries(inputs).map(([name, value]) => [name, plmtasks.text(value)]);
  const sentence = inputs.words.map((word, i) => (i === inputs.predicate ? `*${word}*` : word)).join(" ");
  const others = Object.entries(inputs).filter(([name]) => !["words", "predicate", "number"].includes(name));
  return [["words", sentence], ...others.map(([name, value]) => [name, plmtasks.text(value)])];
};

// The labels that a reference or a prediction has.
plmtasks.labels = (value) => (typeof value === "string" ? [value] : Array.isArray(value) ? value.map((one) => (plmtasks.isSpan(one) ? one[0] : one)) : []);

// Shows those that were found, so many a page; item makes one of them.
plmtasks.page = (found, state, item, size) => {
  const get = (id) => document.getElementById(id);
  const pages = Math.max(1, Math.ceil(found.length / size));
  const page = Math.min(pages, Math.max(1, Number(state.get("page")) || 1));
  const shown = found.slice((page - 1) * size, page * size);
  const turn = (to) => {
    plmtasks.go({ page: to > 1 ? to : "" });
    get("status").scrollIntoView();
  };
  get("examples").replaceChildren(...shown.map(item));
  get("pager").hidden = pages === 1;
  get("place").textContent = `${(page - 1) * size + 1}–${(page - 1) * size + shown.length} of ${found.length}`;
  get("previous").disabled = page === 1;
  get("next").disabled = page === pages;
  get("previous").onclick = () => turn(page - 1);
  get("next").onclick = () => turn(page + 1);
};
