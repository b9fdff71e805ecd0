// Single-key shortcuts, the help dialog, and messages for screen readers. Each shortcut activates an element of the page.
"use strict";
(() => {
  const STORED = "poet-keys";
  const isOn = () => localStorage.getItem(STORED) !== "off";
  const isField = (element) => element instanceof HTMLElement && element.matches("input:not([type=checkbox]), select, textarea");
  const says = (text) => { document.getElementById("says").textContent = text; };
  let began = "";

  const use = (element) => {
    if (element.matches("input")) { element.focus(); element.select(); } else { element.click(); }
  };

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && isField(event.target)) { event.target.blur(); return; }
    const isTyping = isField(event.target) || event.ctrlKey || event.metaKey || event.altKey || event.repeat;
    if (isTyping || !isOn() || document.querySelector("dialog[open]")) { return; }
    const key = began ? `${began} ${event.key}` : event.key;
    const found = [...document.querySelectorAll("[data-key]")].find((each) => each.dataset.key === key && !each.disabled);
    began = !began && event.key === "g" ? "g" : "";
    if (found) { event.preventDefault(); use(found); }
  });

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) { document.getElementById(opener.dataset.opens).showModal(); }
  });

  const start = () => {
    const box = document.getElementById("keys-on");
    if (box) {
      box.checked = isOn();
      box.addEventListener("change", () => localStorage.setItem(STORED, box.checked ? "on" : "off"));
    }
  };

  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target.id !== "main") { return; }
    const told = document.querySelector("[data-says]");
    if (told) { says(told.dataset.says); }
    document.getElementById("main").focus({ preventScroll: true });
  });

  // show the problem page of a refused request
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.xhr.status >= 400 && event.detail.target.id === "main") { event.detail.shouldSwap = true; }
  });

  document.addEventListener("htmx:sendError", () => says("The server is not reachable"));
  start();
})();
