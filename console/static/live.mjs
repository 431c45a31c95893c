// Streams. What is shown is never older than it looks: when a stream is lost, a bar says
// since when, until there is one again.
import { Grid } from "./grid.mjs";
import { HostList } from "./list.mjs";

const base = document.documentElement.dataset.base;
const stale = document.getElementById("stale");

// The one policy of this site: it makes documents of this server's own pages only, whose
// templates have escaped all that is not ours. Nothing else is ever made HTML.
const policy = globalThis.trustedTypes?.createPolicy("tutti", { createHTML: (page) => page }) ?? { createHTML: (page) => page };

// pageAt is a page of this server as a document; null if one has to log in first.
export async function pageAt(address) {
  const answer = await fetch(address, { headers: { Accept: "text/html" }, redirect: "manual", cache: "no-store" });
  if (answer.type === "opaqueredirect" || answer.status === 401) { location.reload(); return null; }
  if (!answer.ok) throw new Error(String(answer.status));
  return new DOMParser().parseFromString(policy.createHTML(await answer.text()), "text/html");
}

// refresh asks for this page again, and takes over the parts that live.
export async function refresh() {
  const page = await pageAt(location.href);
  if (!page) return;
  for (const now of document.querySelectorAll("[data-live]")) {
    const next = page.getElementById(now.id);
    if (!next || next.isEqualNode(now)) continue;
    keepOpen(now, next);
    take(now, next);
  }
  document.dispatchEvent(new Event("tutti:refreshed"));
}

// take puts what is new in the place of what differs. Of parts that have as many parts of
// their own, those that are the same stay: there is less to lay out.
function take(now, next) {
  const was = [...now.children], are = [...next.children];
  if (was.length > 1 && was.length === are.length && now.cloneNode(false).isEqualNode(next.cloneNode(false))) {
    was.forEach((one, i) => { if (!one.isEqualNode(are[i])) put(one, are[i]); });
    return;
  }
  put(now, next);
}

function put(now, next) {
  const focused = now.contains(document.activeElement) ? pathTo(now, document.activeElement) : null;
  now.replaceWith(document.adoptNode(next));
  if (focused) followPath(next, focused)?.focus();
}

// What a person has opened or closed stays so, by the hosts of the group.
function keepOpen(now, next) {
  const was = new Map([...now.querySelectorAll("details")].map((d) => [nameOf(d), d.open]));
  for (const d of next.querySelectorAll("details")) if (was.has(nameOf(d))) d.open = was.get(nameOf(d));
}
const nameOf = (d) => `${d.className} ${d.querySelector(".why")?.textContent ?? ""} ${d.querySelector("pre")?.textContent ?? ""}`;

function pathTo(root, node) {
  const path = [];
  for (let n = node; n !== root; n = n.parentElement) path.unshift([...n.parentElement.children].indexOf(n));
  return path;
}
function followPath(root, path) {
  let n = root;
  for (const i of path) n = n?.children[i];
  return n;
}

// A Stream is an EventSource while the page is seen. It opens again by itself, after
// longer and longer, also where a browser gives up.
class Stream {
  constructor(path, handlers) {
    this.path = path;
    this.handlers = handlers;
    this.tries = 0;
    this.open();
    document.addEventListener("visibilitychange", () => { if (document.hidden) this.pause(); else if (!this.source && !this.over) this.open(); });
    addEventListener("pagehide", () => this.pause());
  }

  open() {
    clearTimeout(this.timer);
    this.source = new EventSource(base + this.path);
    this.source.onopen = () => { this.tries = 0; this.since = null; stale.hidden = true; this.handlers.open?.(); };
    this.source.onerror = () => this.lost();
    for (const [name, take] of Object.entries(this.handlers)) {
      if (name !== "open") this.source.addEventListener(name, (event) => take(JSON.parse(event.data)));
    }
  }

  lost() {
    if (this.over || document.hidden) return;
    this.tries++;
    this.since ??= new Date();
    stale.textContent = `Not live since ${this.since.toLocaleTimeString("en-GB")}: trying again (${this.tries}). What is shown may be old.`;
    stale.hidden = false;
    if (this.source?.readyState !== EventSource.CLOSED) return; // the browser tries by itself
    this.source = null;
    this.timer = setTimeout(() => this.open(), Math.min(30000, 1000 * 2 ** this.tries));
  }

  pause() { clearTimeout(this.timer); this.source?.close(); this.source = null; }
  end() { this.over = true; this.pause(); stale.hidden = true; }
}

// soon runs f at most once in a while, and once more if it was asked for meanwhile.
function soon(f, pause) {
  let timer = null, again = false;
  const run = async () => {
    again = false;
    try { await f(); } catch { /* the next event tries again */ }
    timer = again ? setTimeout(run, pause) : null;
    if (!timer) last = Date.now();
  };
  let last = 0;
  return () => {
    if (timer) { again = true; return; }
    timer = setTimeout(run, Math.max(0, pause - (Date.now() - last)));
  };
}

const grouped = new Intl.NumberFormat("en-US");
const order = ["ok", "failed", "timeout", "lost", "unreachable", "canceled", "skipped", "running", "waiting"];

function fold(counts) {
  const all = { ...counts };
  all.running = (counts.running ?? 0) + (counts.retrying ?? 0) + (counts.connecting ?? 0);
  return all;
}

// A segment of the bar can be seen however few hosts it stands for.
function drawBar(counts) {
  const bar = document.querySelector(".bar");
  const some = order.filter((s) => counts[s] > 0), total = some.reduce((n, s) => n + counts[s], 0);
  if (!bar || total === 0) return;
  const widths = some.map((s) => Math.max(12, Math.floor(1000 * counts[s] / total)));
  const wide = widths.indexOf(Math.max(...widths));
  widths[wide] += 1000 - widths.reduce((a, b) => a + b, 0);
  const have = new Map([...bar.children].map((r) => [r.getAttribute("class"), r]));
  let x = 0;
  some.forEach((state, i) => {
    let rect = have.get(state);
    if (!rect) {
      rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      rect.setAttribute("class", state);
      rect.setAttribute("height", "12");
    }
    have.delete(state);
    rect.setAttribute("x", String(x));
    rect.setAttribute("width", String(widths[i]));
    bar.append(rect);
    x += widths[i];
  });
  for (const rect of have.values()) rect.remove();
}

// What ended in the last seconds, and how long the rest takes at that pace.
const samples = [];
function drawRate(all) {
  const at = document.getElementById("rate");
  if (!at) return;
  const left = (all.waiting ?? 0) + (all.running ?? 0), now = performance.now();
  samples.push([now, order.slice(0, 7).reduce((n, s) => n + (all[s] ?? 0), 0)]);
  while (samples.length > 2 && now - samples[0][0] > 10000) samples.shift();
  const seconds = (now - samples[0][0]) / 1000, rate = (samples.at(-1)[1] - samples[0][1]) / seconds;
  if (left === 0 || seconds < 1 || rate <= 0) { at.textContent = ""; return; }
  const rest = left / rate;
  at.textContent = `${rate < 10 ? rate.toFixed(1) : grouped.format(Math.round(rate))} hosts a second, about ${rest < 90 ? `${Math.ceil(rest)} s` : `${Math.ceil(rest / 60)} min`} left`;
}

let saidAt = 0;
function drawCounts(counts) {
  const all = fold(counts);
  drawRate(all);
  for (const badge of document.querySelectorAll("#counts [data-state]")) {
    const n = all[badge.dataset.state] ?? 0;
    badge.classList.toggle("none", n === 0);
    badge.querySelector(".n").textContent = grouped.format(n);
  }
  drawBar(all);
  const said = document.getElementById("said");
  if (said && Date.now() - saidAt > 5000) {
    saidAt = Date.now();
    said.textContent = order.filter((s) => all[s] > 0).map((s) => `${grouped.format(all[s])} ${s}`).join(", ");
  }
}

// watchRun follows the run that the page is about.
export function watchRun() {
  const at = document.getElementById("live");
  if (!at) return;
  const views = [Grid.of(document.getElementById("grid"), at.dataset.run), HostList.of(document.getElementById("all"), at.dataset.run)].filter(Boolean);
  const over = at.dataset.state === "finished" || at.dataset.state === "interrupted";
  if (over && views.length === 0) return;
  const again = soon(refresh, 1000);
  let counts = null, frame = 0;
  const states = ({ hosts, counts: now }) => {
    for (const view of views) view.take(hosts);
    counts = now;
    frame ||= requestAnimationFrame(() => { frame = 0; drawCounts(counts); });
    if (!over) again();
  };
  const stream = new Stream(`/api/v1/runs/${at.dataset.run}/events`, {
    hosts: ({ first, of, hosts }) => { for (const view of views) view.name(first, of, hosts); },
    snapshot: states,
    delta: states,
    end: () => { stream.end(); if (!over) refresh().catch(() => location.reload()); },
  });
}

// watchOutput follows what a host writes, for as long as it does.
export function watchOutput() {
  const log = document.getElementById("log");
  if (!log) return;
  const wrap = document.getElementById("wrap"), follow = document.getElementById("follow");
  const kept = localStorage.getItem("wrap");
  if (wrap) {
    wrap.closest("label").hidden = false;
    wrap.checked = kept !== "off";
    const set = () => { document.getElementById("log").classList.toggle("long", !wrap.checked); localStorage.setItem("wrap", wrap.checked ? "on" : "off"); };
    wrap.addEventListener("change", set);
    set();
  }
  if (log.dataset.open !== "true") return;
  const toEnd = () => { if (follow?.checked) scrollTo(0, document.body.scrollHeight); };
  const again = soon(async () => { await refresh(); toEnd(); }, 1000);
  follow?.addEventListener("change", toEnd);
  const at = `/api/v1/runs/${log.dataset.run}/events?hosts=${encodeURIComponent(log.dataset.host)}&output=tail`;
  const stream = new Stream(at, { output: again, gap: again, delta: again, end: () => { stream.end(); refresh().catch(() => location.reload()); } });
}

// watchLists follows what happens, for pages with lists that it changes.
export function watchLists() {
  const lists = [...document.querySelectorAll("[data-live]")].filter((e) => e.dataset.live);
  if (lists.length === 0) return;
  const again = soon(refresh, 1000);
  const handlers = { reset: again };
  for (const list of lists) for (const name of list.dataset.live.split(" ")) handlers[name] = again;
  let opened = false;
  handlers.open = () => { if (opened) again(); opened = true; };
  new Stream("/api/v1/events", handlers);
}
