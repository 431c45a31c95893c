// All hosts of a run in one list, of which only the rows are made that can be seen.
const height = 34, spare = 8;
const words = { connecting: "running", retrying: "running" };
const grouped = new Intl.NumberFormat("en-US");

export class HostList {
  static of(box, run) { return box ? new HostList(box, run) : null; }

  constructor(box, run) {
    this.box = box;
    this.run = run;
    this.body = box.querySelector(".rows");
    this.names = [];
    this.rows = []; // a host's newest row
    this.made = new Map(); // the rows that there are, by the place of their host
    this.filter = { host: box.dataset.host, outcome: box.dataset.outcome, state: box.dataset.state };
    box.querySelector(".view").addEventListener("scroll", () => this.later(), { passive: true });
    new ResizeObserver(() => this.later()).observe(box.querySelector(".view"));
  }

  name(first, of, hosts) {
    this.of = of;
    hosts.forEach((host, i) => { this.names[first + i] = host; });
    if (first + hosts.length >= of) this.begin();
  }

  // begin shows the list in the place of the pages.
  begin() {
    this.ready = true;
    this.box.hidden = false;
    for (const page of document.querySelectorAll("[data-paged]")) page.hidden = true;
    this.changed = true;
    this.later();
  }

  take(rows) {
    for (const row of rows) {
      this.rows[row[0]] = row;
      this.made.get(row[0])?.remove();
      this.made.delete(row[0]);
    }
    this.changed = true;
    this.later();
  }

  later() { this.frame ||= requestAnimationFrame(() => { this.frame = 0; this.draw(); }); }

  stateOf(i) { const s = this.rows[i]?.[1] ?? "waiting"; return words[s] ?? s; }

  // fits reports whether a host is one that the filter of the page is for.
  fits(i) {
    const { host, outcome, state } = this.filter, is = this.stateOf(i), raw = this.rows[i]?.[1] ?? "waiting";
    if (host && !this.names[i].includes(host)) return false;
    if (outcome && is !== outcome) return false;
    if (!state) return true;
    const open = ["waiting", "running"].includes(is);
    return state === "ended" ? !open : state === "retrying" ? raw === "retrying" : is === state && raw !== "retrying";
  }

  draw() {
    if (!this.ready) return;
    if (this.changed) {
      this.changed = false;
      const some = [];
      for (let i = 0; i < this.names.length; i++) if (this.fits(i)) some.push(i);
      this.some = some;
      this.body.style.height = `${some.length * height}px`;
      const table = this.box.querySelector("[role=table]");
      if (table.getAttribute("aria-rowcount") !== String(some.length + 1)) table.setAttribute("aria-rowcount", String(some.length + 1));
      this.box.querySelector(".says").textContent = some.length === this.names.length ? `${grouped.format(some.length)} hosts` : `${grouped.format(some.length)} of ${grouped.format(this.names.length)} hosts`;
    }
    const view = this.box.querySelector(".view");
    const first = Math.max(0, Math.floor(view.scrollTop / height) - spare), last = Math.min(this.some.length, Math.ceil((view.scrollTop + view.clientHeight) / height) + spare);
    const wanted = new Set(this.some.slice(first, last));
    for (const [i, row] of this.made) {
      if (wanted.has(i)) continue;
      row.remove();
      this.made.delete(i);
    }
    for (let at = first; at < last; at++) {
      const i = this.some[at];
      let row = this.made.get(i);
      if (!row) this.made.set(i, row = this.make(i));
      if (row.place === at) continue;
      row.place = at;
      row.style.transform = `translateY(${at * height}px)`;
      row.setAttribute("aria-rowindex", String(at + 2));
      this.body.append(row);
    }
  }

  make(i) {
    const row = this.box.querySelector("template").content.firstElementChild.cloneNode(true);
    const [, , exit, attempt, ms, bytes] = this.rows[i] ?? [], state = this.stateOf(i);
    const link = row.querySelector("a"), badge = row.querySelector(".badge");
    link.textContent = this.names[i];
    link.href = `${document.documentElement.dataset.base}/runs/${this.run}/hosts/${encodeURIComponent(this.names[i])}`;
    badge.classList.add(state);
    badge.querySelector("use").setAttribute("href", `#s-${state}`);
    badge.append(state);
    const texts = [exit != null ? `exit ${exit}` : "", attempt > 1 ? `attempt ${attempt}` : "", ms ? took(ms) : "", bytes ? `${grouped.format(bytes)} bytes` : ""];
    row.querySelectorAll("[data-text]").forEach((cell, n) => { cell.textContent = texts[n]; });
    return row;
  }
}

const took = (ms) => (ms < 1000 ? `${ms} ms` : ms < 60000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60000)} min`);
