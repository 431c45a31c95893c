// Output that is longer than a page: a scroller as high as all of its lines, in which only
// those are that can be seen. The server has the lines, numbers them and makes them HTML.
import { pageAt } from "./live.mjs";

const step = 400; // lines of a window
const kept = 60; // windows
const rest = 120; // milliseconds without a step before windows are asked for
const most = 8000000; // pixels: elements end soon after 16 million
const grouped = new Intl.NumberFormat("en-US");

export function windowLog() {
  const log = document.getElementById("log");
  if (log?.dataset.long) new Log(log).begin();
}

class Log {
  constructor(log) {
    this.log = log;
    this.windows = new Map(); // by their number: an element, or a promise
    this.top = 0; // the first line that is seen, from 0
  }

  async begin() {
    let lines = 0;
    try {
      const answer = await fetch(this.log.dataset.count, { headers: { Accept: "application/json" } });
      lines = answer.ok ? (await answer.json()).lines ?? 0 : 0;
    } catch { /* the windows of the page stay */ }
    if (lines <= 0) return;
    this.lines = lines;
    this.layOut();
    const at = location.hash.match(/^#L(\d+)$/)?.[1] ?? this.log.dataset.long;
    this.go(Number(at) - 1);
    addEventListener("hashchange", () => { const n = location.hash.match(/^#L(\d+)$/)?.[1]; if (n) this.go(Number(n) - 1); });
  }

  layOut() {
    const log = this.log, line = log.querySelector("li");
    log.classList.add("windowed", "long");
    this.height = line.getBoundingClientRect().height || 18;
    for (const one of document.querySelectorAll(".windows")) one.hidden = true;
    const wrap = document.getElementById("wrap");
    if (wrap) wrap.closest("label").hidden = true; // lines have one height here
    this.space = document.createElement("div");
    this.space.className = "space";
    this.space.style.height = `${Math.min(most, this.lines * this.height)}px`;
    log.replaceChildren(this.space);
    this.said = document.getElementById("log-says");
    this.scroll = 0;
    log.addEventListener("scroll", () => this.scrolled(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(log);
  }

  get seen() { return this.log.clientHeight / this.height; }
  get last() { return Math.max(0, this.lines - this.seen); }
  get range() { return Math.max(1, this.log.scrollHeight - this.log.clientHeight); }

  // go makes a line the first that is seen, from 0.
  go(line) {
    this.top = Math.min(Math.max(0, line - 2), this.last);
    this.settle();
    this.draw();
  }

  // settle puts the scroller where the lines are, of all of them.
  settle() {
    this.scroll = this.last ? Math.round(this.top / this.last * this.range) : 0;
    this.log.scrollTop = this.scroll;
  }

  // scrolled takes small steps as they are, and long ones as a part of the whole.
  scrolled() {
    const now = this.log.scrollTop, by = now - this.scroll;
    if (by === 0) return;
    this.scroll = now;
    if (now <= 0) this.top = 0;
    else if (now >= this.range - 1) this.top = this.last;
    else if (Math.abs(by) < 2 * this.log.clientHeight) this.top = Math.min(this.last, Math.max(0, this.top + by / this.height));
    else this.top = now / this.range * this.last;
    this.frame ||= requestAnimationFrame(() => { this.frame = 0; this.draw(); });
    clearTimeout(this.idle);
    this.idle = setTimeout(() => { this.settle(); this.draw(); }, 250);
  }

  draw() {
    const first = Math.floor(this.top / step), last = Math.floor(Math.min(this.lines - 1, this.top + this.seen) / step);
    const wanted = new Set();
    for (let n = first; n <= last; n++) {
      wanted.add(n);
      const window = this.windows.get(n);
      if (!window) { this.wanted = wanted; this.soon(); continue; }
      if (window instanceof Promise) continue;
      this.windows.delete(n);
      this.windows.set(n, window); // it was used last
      window.style.transform = `translateY(${Math.round(this.scroll + (n * step - this.top) * this.height)}px)`;
      if (!window.isConnected) this.log.append(window);
    }
    for (const [n, window] of this.windows) if (!wanted.has(n) && window.isConnected) window.remove();
    const from = Math.floor(this.top) + 1, to = Math.min(this.lines, Math.floor(this.top + this.seen));
    if (this.said) this.said.textContent = `Lines ${grouped.format(from)} to ${grouped.format(to)} of ${grouped.format(this.lines)}`;
  }

  // soon asks for the windows that are still wanted once the lines stand still: who scrolls
  // through a million lines does not ask for them.
  soon() {
    clearTimeout(this.asking);
    this.asking = setTimeout(() => { for (const n of this.wanted) if (!this.windows.has(n)) this.load(n); }, this.begun ? rest : 0);
    this.begun = true;
  }

  load(n) {
    const address = new URL(this.log.dataset.page, location.href);
    address.searchParams.set("from", String(n * step + 1));
    address.searchParams.set("lines", String(step));
    const loading = pageAt(address).then((page) => {
      const lines = document.createElement("ol");
      lines.start = n * step + 1;
      for (const line of page?.querySelectorAll("#log li") ?? []) lines.append(document.adoptNode(line));
      if (this.log.dataset.hit) lines.querySelector(`#L${this.log.dataset.hit}`)?.classList.add("hit");
      this.windows.set(n, lines);
      for (const [old] of this.windows) {
        if (this.windows.size <= kept) break;
        this.windows.get(old).remove?.();
        this.windows.delete(old);
      }
      this.draw();
    }).catch(() => { this.windows.delete(n); }); // the next step asks again
    this.windows.set(n, loading);
  }
}
