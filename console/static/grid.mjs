// A grid of all hosts of a run: a cell for each, on a canvas, with a shape as well as a
// colour. The groups say the same to who cannot see it.
const cell = 10, gap = 2, step = cell + gap;
const slice = 12; // milliseconds that a frame may take
const names = ["waiting", "ok", "failed", "timeout", "lost", "unreachable", "canceled", "skipped", "running"];
const words = { connecting: "running", retrying: "running" };

export class Grid {
  static of(details, run) { return details ? new Grid(details, run) : null; }

  constructor(details, run) {
    this.run = run;
    this.details = details;
    this.canvas = details.querySelector("canvas");
    this.said = details.querySelector("#cell");
    this.names = [];
    this.rows = []; // a host's newest row
    this.dirty = new Set();
    this.chosen = -1;
    details.hidden = false;
    details.open = innerWidth > 720; // on a phone it would be screens long
    details.addEventListener("toggle", () => this.layOut());
    new ResizeObserver(() => this.layOut()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.ink = this.stamps = null; this.all(); });
    this.canvas.addEventListener("mousemove", (e) => this.choose(this.at(e)));
    this.canvas.addEventListener("click", (e) => { this.choose(this.at(e)); this.open(); });
    this.canvas.addEventListener("keydown", (e) => this.key(e));
    this.canvas.addEventListener("focus", () => { if (this.chosen < 0) this.choose(0); });
  }

  // name takes the names of some hosts, in the order of the plan.
  name(first, of, hosts) {
    this.of = of;
    hosts.forEach((host, i) => { this.names[first + i] = host; });
    if (first + hosts.length >= of) this.layOut();
  }

  // take takes rows of hosts that changed.
  take(rows) {
    for (const row of rows) {
      this.rows[row[0]] = row;
      this.dirty.add(row[0]);
    }
    this.later();
  }

  later() { this.frame ||= requestAnimationFrame(() => { this.frame = 0; this.draw(); }); }
  all() { this.whole = true; for (let i = 0; i < this.names.length; i++) this.dirty.add(i); this.later(); }

  layOut() {
    const width = this.canvas.clientWidth;
    if (!this.details.open || width === 0 || this.names.length === 0) return;
    const columns = Math.max(1, Math.floor((width - gap) / step)), rows = Math.ceil(this.names.length / columns);
    const height = rows * step + gap, scale = devicePixelRatio || 1;
    if (this.columns === columns && this.height === height && this.scale === scale) return this.all();
    Object.assign(this, { columns, height, scale });
    this.canvas.width = width * scale;
    this.canvas.height = height * scale;
    this.canvas.style.height = `${height}px`;
    this.ink = this.stamps = null;
    this.all();
  }

  colours() {
    const probe = document.createElement("span");
    document.body.append(probe);
    const of = (name) => { probe.style.color = `var(--${name})`; return getComputedStyle(probe).color; };
    const ink = { page: of("page"), line: of("edge"), text: of("text") };
    for (const s of names) ink[s] = [of(s), of(`${s}-soft`)];
    probe.remove();
    return ink;
  }

  draw() {
    if (!this.details.open || !this.columns) return;
    this.ink ??= this.colours();
    this.stamps ??= this.cut();
    const c = this.canvas.getContext("2d", { alpha: false });
    c.setTransform(1, 0, 0, 1, 0, 0);
    if (this.whole) {
      c.fillStyle = this.ink.page;
      c.fillRect(0, 0, this.canvas.width, this.canvas.height);
      this.whole = false;
    }
    const size = Math.round(step * this.scale), scale = this.scale, begun = performance.now();
    for (const i of this.dirty) {
      this.dirty.delete(i);
      const x = (i % this.columns) * step * scale, y = Math.floor(i / this.columns) * step * scale;
      c.drawImage(this.stamps, (names.indexOf(this.stateOf(i)) + 1 || 1) * size - size, 0, size, size, x, y, size, size);
      if (i === this.chosen) this.frameOf(c, x, y);
      if (performance.now() - begun > slice) { this.later(); return; } // what is left is for the next frame
    }
  }

  // cut draws a cell of each state once; the grid is made of copies.
  cut() {
    const stamps = document.createElement("canvas"), size = Math.round(step * this.scale);
    stamps.width = size * names.length;
    stamps.height = size;
    const c = stamps.getContext("2d", { alpha: false });
    c.fillStyle = this.ink.page;
    c.fillRect(0, 0, stamps.width, stamps.height);
    names.forEach((state, i) => {
      c.setTransform(this.scale, 0, 0, this.scale, i * size, 0);
      this.paint(c, state, gap, gap);
    });
    return stamps;
  }

  frameOf(c, x, y) {
    c.save();
    c.setTransform(this.scale, 0, 0, this.scale, x, y);
    c.strokeStyle = this.ink.text;
    c.lineWidth = 2;
    c.strokeRect(1, 1, step, step);
    c.restore();
  }

  stateOf(i) { const s = this.rows[i]?.[1] ?? "waiting"; return words[s] ?? s; }

  paint(c, state, x, y) {
    const [strong, soft] = this.ink[state];
    c.lineWidth = 1.6;
    c.strokeStyle = c.fillStyle = strong;
    switch (state) {
    case "ok": c.fillStyle = soft; c.fillRect(x, y, cell, cell); c.lineWidth = 1; c.globalAlpha = .35; c.strokeRect(x + .5, y + .5, cell - 1, cell - 1); c.globalAlpha = 1; break;
    case "running": c.fillRect(x, y, cell, cell); break;
    case "failed": this.lines(c, strong, soft, x, y, [[2, 2, 8, 8], [8, 2, 2, 8]]); break;
    case "unreachable": this.lines(c, strong, soft, x, y, [[2, 8, 8, 2]]); break;
    case "skipped": this.lines(c, strong, this.ink.page, x, y, [[2, 5, 8, 5]]); break;
    case "timeout": c.fillRect(x, y, cell, cell / 2); c.strokeRect(x + .8, y + .8, cell - 1.6, cell - 1.6); break;
    case "canceled": c.fillRect(x + 2, y + 2, cell - 4, cell - 4); c.strokeRect(x + .8, y + .8, cell - 1.6, cell - 1.6); break;
    case "lost": c.beginPath(); c.arc(x + cell / 2, y + cell / 2, cell / 2 - 1.2, 0, 7); c.stroke(); break;
    default: c.strokeStyle = this.ink.line; c.lineWidth = 1; c.strokeRect(x + 2.5, y + 2.5, cell - 5, cell - 5);
    }
  }

  lines(c, strong, soft, x, y, lines) {
    c.fillStyle = soft;
    c.fillRect(x, y, cell, cell);
    c.strokeStyle = strong;
    c.strokeRect(x + .8, y + .8, cell - 1.6, cell - 1.6);
    c.beginPath();
    for (const [a, b, d, e] of lines) { c.moveTo(x + a, y + b); c.lineTo(x + d, y + e); }
    c.stroke();
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left - gap) / step), row = Math.floor((event.clientY - box.top - gap) / step);
    return column < 0 || column >= this.columns ? -1 : row * this.columns + column;
  }

  choose(i) {
    if (i < 0 || i >= this.names.length || i === this.chosen) return;
    const was = this.chosen;
    this.chosen = i;
    for (const one of [was, i]) if (one >= 0) this.around(one);
    this.later();
    const row = this.rows[i], parts = [this.stateOf(i)];
    if (row?.[2] != null) parts.push(`exit ${row[2]}`);
    if (row?.[5]) parts.push(`${row[5]} bytes`);
    if (row?.[4]) parts.push(`${row[4]} ms`);
    this.said.textContent = `${this.names[i]}: ${parts.join(", ")}`;
  }

  // around marks a cell and its neighbours: the frame of a chosen one touches them.
  around(i) {
    for (const row of [-this.columns, 0, this.columns]) for (const column of [-1, 0, 1]) {
      const n = i + row + column;
      if (n >= 0 && n < this.names.length) this.dirty.add(n);
    }
    this.dirty.delete(i);
    this.dirty.add(i); // last, so that its frame is on top
  }

  key(event) {
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns };
    let to = this.chosen + (moves[event.key] ?? NaN);
    if (event.key === "Home") to = 0;
    if (event.key === "End") to = this.names.length - 1;
    if (event.key === "n" || event.key === "N") to = this.bad(event.key === "n" ? 1 : -1);
    if (event.key === "Enter") { event.preventDefault(); this.open(); return; }
    if (Number.isNaN(to)) return;
    event.preventDefault();
    this.choose(Math.min(this.names.length - 1, Math.max(0, to)));
  }

  // bad is the next host that is not ok, in a direction.
  bad(direction) {
    for (let i = this.chosen + direction; i >= 0 && i < this.names.length; i += direction) {
      if (!["ok", "running", "waiting"].includes(this.stateOf(i))) return i;
    }
    return this.chosen;
  }

  open() {
    const host = this.names[this.chosen];
    if (host) location.href = `${document.documentElement.dataset.base}/runs/${this.run}/hosts/${encodeURIComponent(host)}`;
  }
}
