// How long the runs of a job took, over time: what the picture of the page says without
// scripts, drawn by uPlot, with a mark for each outcome.
const seconds = (ms) => ms / 1000;

const said = () => document.querySelector("figure[data-durations]")?.dataset.durations;

export function drawChart() {
  const at = document.getElementById("plot");
  if (!at || !globalThis.uPlot) return;
  const chart = new Chart(at);
  document.addEventListener("tutti:refreshed", () => { if (said() !== chart.said) chart.draw(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart.draw());
  new ResizeObserver(() => chart.resize()).observe(at);
}

class Chart {
  constructor(at) {
    this.at = at;
    this.draw();
  }

  draw() {
    this.plot?.destroy();
    this.plot = null;
    this.said = said();
    this.at.hidden = !this.said;
    if (!this.said) return;
    const all = JSON.parse(this.said);
    this.runs = all.runs;
    const times = this.runs.map((r) => r.at), took = this.runs.map((r) => seconds(r.ms));
    const level = (ms) => this.runs.map(() => seconds(ms));
    this.ink = colours();
    this.width = this.at.clientWidth;
    this.plot = new uPlot(this.options(), [times, took, level(all.p50), level(all.p95)], this.at);
    this.plot.over.addEventListener("click", () => {
      const run = this.runs[this.plot.cursor.idx ?? -1];
      if (run) location.href = `${document.documentElement.dataset.base}/runs/${run.run}`;
    });
  }

  resize() {
    const width = this.at.clientWidth;
    if (!this.plot || width === this.width || width === 0) return;
    this.width = width;
    this.plot.setSize({ width, height: height(width) });
  }

  options() {
    const zone = document.documentElement.dataset.zone, ink = this.ink;
    const axis = { stroke: ink.dim, grid: { stroke: ink.line, width: 1 }, ticks: { stroke: ink.line, width: 1 }, font: "12px system-ui, sans-serif" };
    const line = (label, colour, dash) => ({ label, stroke: colour, width: 1, dash, points: { show: false }, value: (_, v) => words(v) });
    return {
      width: this.width, height: height(this.width), ms: 1,
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), zone),
      scales: { x: { range: (_, low, high) => [low - (high - low) * .03, high + (high - low) * .03] }, y: { range: (_, low, high) => [0, Math.max(high, .001) * 1.08] } },
      cursor: { y: false, drag: { x: false, y: false } },
      axes: [
        { ...axis, values: (_, splits) => splits.map((s) => moment(s, zone, splits.at(-1) - splits[0])) },
        { ...axis, size: 64, values: (_, splits) => splits.map(words) },
      ],
      series: [
        { label: "started", value: (u, v) => this.started(u, v, zone) },
        { label: "took", stroke: ink.text, paths: () => null, points: { show: false }, value: (_, v) => words(v) },
        line("p50", ink.dim, [4, 3]), line("p95", ink.timeout, [2, 3]),
      ],
      hooks: { draw: [(u) => this.marks(u)] },
    };
  }

  started(u, at, zone) {
    const run = this.runs[u.cursor.idx ?? -1];
    return at == null || !run ? "–" : `${moment(at, zone, 0)} run ${run.run}, ${run.state}`;
  }

  // marks draws a run: a dot if it was ok, a cross if it failed, a ring else.
  marks(u) {
    const c = u.ctx, r = 4 * devicePixelRatio;
    c.save();
    c.setLineDash([]); // it is that of the last line
    c.lineWidth = 1.8 * devicePixelRatio;
    for (const run of this.runs) {
      const x = u.valToPos(run.at, "x", true), y = u.valToPos(seconds(run.ms), "y", true);
      c.strokeStyle = c.fillStyle = this.ink[run.state] ?? this.ink.text;
      c.beginPath();
      if (run.state === "failed") {
        c.moveTo(x - r, y - r); c.lineTo(x + r, y + r); c.moveTo(x + r, y - r); c.lineTo(x - r, y + r);
        c.stroke();
      } else {
        c.arc(x, y, r, 0, 7);
        if (run.state === "ok") c.fill(); else c.stroke();
      }
    }
    c.restore();
  }
}

const height = (width) => (width < 500 ? 180 : 220);

// words are a duration as pages write it.
function words(s) {
  if (s == null) return "–";
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 60) return `${+s.toFixed(s < 10 ? 1 : 0)} s`;
  if (s < 3600) return `${+(s / 60).toFixed(1)} min`;
  return `${+(s / 3600).toFixed(1)} h`;
}

// moment is a time within a span, in seconds: the hour of it, or its day. A span of 0 has
// both.
function moment(at, zone, span) {
  const day = { day: "numeric", month: "short" }, hour = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const how = span === 0 ? { ...day, ...hour } : span > 2 * 86400 ? day : hour;
  return new Intl.DateTimeFormat("en-GB", { ...how, timeZone: zone }).format(new Date(at * 1000));
}

function colours() {
  const probe = document.createElement("span"), ink = {};
  document.body.append(probe);
  for (const name of ["text", "dim", "line", "ok", "failed", "timeout", "lost", "running", "waiting", "skipped"]) {
    probe.style.color = `var(--${name})`;
    ink[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return ink;
}
