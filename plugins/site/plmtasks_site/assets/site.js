// Every page: the theme, and the state of a view in the address's fragment, which is the one place where it is kept.
"use strict";

const plmtasks = {
  // A fragment without "=" is an ordinary anchor and no state.
  state() {
    const text = location.hash.slice(1);
    return new URLSearchParams(text.includes("=") ? text : "");
  },

  // Changes some of the state; empty values leave the address. "hashchange" brings all views up to date, as it does when
  // somebody edits the address.
  go(changes) {
    const state = plmtasks.state();
    for (const [name, value] of Object.entries(changes)) {
      if (value === "" || value === null) state.delete(name);
      else state.set(name, value);
    }
    const text = state.toString();
    history.replaceState(null, "", location.href.split("#")[0] + (text ? "#" + text : ""));
    dispatchEvent(new HashChangeEvent("hashchange"));
  },

  // An element with texts as texts, never as markup.
  make(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  },
};

{
  const themes = { "": "automatic", light: "light", dark: "dark" };
  const stored = () => { try { return localStorage.getItem("plmtasks-theme") || ""; } catch { return ""; } };
  let theme = stored() in themes ? stored() : "";
  const show = () => { if (theme) document.documentElement.dataset.theme = theme; else delete document.documentElement.dataset.theme; };
  show();

  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const name = () => { button.textContent = "Theme: " + themes[theme]; };
    button.hidden = false;
    name();
    button.addEventListener("click", () => {
      const names = Object.keys(themes);
      theme = names[(names.indexOf(theme) + 1) % names.length];
      try { localStorage.setItem("plmtasks-theme", theme); } catch { /* for this page alone, then */ }
      show();
      name();
    });
    document.querySelector(".skip").addEventListener("click", (event) => {
      event.preventDefault();
      document.getElementById("main").focus();
    });
    // what a point of a plot says to a screen reader, a pointer is told too
    for (const point of document.querySelectorAll(".plots [aria-label][aria-roledescription='point']")) {
      const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
      title.textContent = point.getAttribute("aria-label");
      point.append(title);
    }
  });
}
