// What every page has: the viewer's zone, keys, buttons that copy, forms that are sent
// once. Pages work without any of it.
import { watchLists, watchOutput, watchRun } from "./live.mjs";
import { windowLog } from "./log.mjs";
import { drawChart } from "./chart.mjs";
import { watchSelectors } from "./selector.mjs";

const root = document.documentElement;

// The server renders times in the zone that this cookie names.
function tellZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone || zone === root.dataset.zone) return;
  document.cookie = `tutti-zone=${zone};path=${root.dataset.base || "/"};max-age=31536000;samesite=lax`;
  const kept = document.cookie.includes("tutti-zone=");
  if (kept && sessionStorage.getItem("zone") !== zone && document.querySelector("time")) {
    sessionStorage.setItem("zone", zone); // once: a server that does not know it says UTC
    location.reload();
  }
}

function copyButtons() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      const was = button.lastChild.textContent;
      button.lastChild.textContent = " Copied";
      setTimeout(() => { button.lastChild.textContent = was; }, 2000);
    });
  }
}

// A form that starts something is sent once, however often it is clicked. Its key makes
// that certain on the server; this only shows it.
function sendOnce() {
  for (const form of document.querySelectorAll("form[data-once]")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) { event.preventDefault(); return; }
      form.dataset.sent = "1";
    });
  }
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });
}

const places = { r: "/runs", j: "/jobs", h: "/hosts", q: "/queue", c: "/calendar" };
let going = 0;

function chooseRow(step) {
  const rows = [...document.querySelectorAll("table.list tbody tr, details.group")];
  if (rows.length === 0) return;
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const row = rows[Math.min(rows.length - 1, Math.max(0, at + step))];
  (row.querySelector("summary") ?? row.querySelector("a") ?? row).focus();
}

function onKey(event) {
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || localStorage.getItem("keys") === "off") return;
  const at = event.target;
  if (at.closest("input, select, textarea, [contenteditable], canvas")) {
    if (event.key === "Escape") at.blur();
    return;
  }
  if (going && Date.now() - going < 1500) {
    going = 0;
    const link = document.querySelector(`nav a[href="${root.dataset.base}${places[event.key]}"]`);
    if (link) { event.preventDefault(); link.click(); }
    return;
  }
  if (event.key === "?") { location.href = `${root.dataset.base}/help`; return; }
  if (event.key === "g") { going = Date.now(); return; }
  if (event.key === "j") return chooseRow(1);
  if (event.key === "k") return chooseRow(-1);
  const named = [...document.querySelectorAll("[data-key]")].find((e) => e.dataset.key === event.key && e.checkVisibility());
  if (!named) return;
  event.preventDefault();
  if (named.matches("input, select, textarea")) named.focus(); else named.click();
}

// Keys can be switched off, for who speaks to the browser.
function keySwitch() {
  const box = document.getElementById("keys");
  if (!box) return;
  box.closest("label").hidden = false;
  box.checked = localStorage.getItem("keys") !== "off";
  box.addEventListener("change", () => localStorage.setItem("keys", box.checked ? "on" : "off"));
}

// A menu closes when something else is chosen.
function closeMenus() {
  const menu = document.querySelector("details.me");
  addEventListener("click", (event) => { if (menu.open && !menu.contains(event.target)) menu.open = false; });
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { menu.open = false; menu.querySelector("summary").focus(); }
  });
}

tellZone();
copyButtons();
sendOnce();
closeMenus();
keySwitch();
addEventListener("keydown", onKey);
watchRun();
watchOutput();
watchLists();
watchSelectors();
drawChart();
windowLog();
