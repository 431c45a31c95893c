package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// A report is everything that was measured.
type report struct {
	options       options
	sizes         sizes
	peers         []peer
	lines         []line
	cold          coldRace
	table         []scaleRow
	before, after surroundings
}

// verdict is nil if all lines were measured and hold.
func (r *report) verdict() error {
	var failing []string
	var errs []error
	for _, l := range r.lines {
		switch l.verdict() {
		case "error":
			errs = append(errs, fmt.Errorf("line %s: %w", l.id, l.err))
		case "FAILS":
			failing = append(failing, l.id)
		}
	}
	if len(failing) > 0 {
		errs = append(errs, fmt.Errorf("%d of %d lines do not hold: %s", len(failing), len(r.lines), strings.Join(failing, ", ")))
	}
	return errors.Join(errs...)
}

// write writes RESULTS.md and its charts.
func (r *report) write(dir string) error {
	charts, err := r.charts(dir)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "RESULTS.md"), r.markdown(charts), 0o644) // it is for everybody
}

func (r *report) markdown(charts []chart) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Measurements\n\nWritten by `make bench`; [doc.go](doc.go) says how. Medians of %d runs, at most 3 of the long ones.\n\n", r.options.repeat)
	if r.options.quick || r.options.force || r.options.size > 0 {
		b.WriteString("**These numbers are from a quick, a forced or a small run and mean nothing.**\n\n")
	}
	for _, fact := range r.machine() {
		fmt.Fprintf(&b, "- %s\n", fact)
	}
	section := ""
	for _, l := range r.lines {
		if l.section != section {
			section = l.section
			fmt.Fprintf(&b, "\n## %s\n\n| line | | value | bar | what | behind it |\n|---|---|---|---|---|---|\n", section)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", l.id, l.verdict(), l.got(), l.bar, cell(l.what), cell(l.remark()))
	}
	r.contenders(&b)
	r.growth(&b)
	for _, c := range charts {
		fmt.Fprintf(&b, "\n![%s](%s)\n", c.title, c.file)
	}
	return b.Bytes()
}

// cell makes text fit into a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// contenders is the table of the cold run.
func (r *report) contenders(b *bytes.Buffer) {
	if r.cold.tutti.wall == 0 {
		return
	}
	fmt.Fprintf(b, "\n## A short command on %d hosts\n\n| program | wall | CPU | RSS of the largest process |\n|---|---|---|---|\n", r.sizes.hosts)
	for _, c := range r.cold.all() {
		fmt.Fprintf(b, "| %s | %.2f s | %.2f s | %.0f MiB |\n", c.name, c.wall.Seconds(), c.cpu.Seconds(), mib(c.rss))
	}
}

// all are the contenders, the peers with their fan-outs.
func (r coldRace) all() []peerUsage {
	all := []peerUsage{{usage: r.bare, name: "bare client"}, {usage: r.tutti, name: "tutti"}}
	for _, p := range r.peers {
		p.name = p.String()
		all = append(all, p)
	}
	return all
}

// growth is the table over numbers of hosts.
func (r *report) growth(b *bytes.Buffer) {
	if len(r.table) == 0 {
		return
	}
	b.WriteString("\n## More and more hosts\n\n| hosts | wall | CPU | RSS | bare client: wall | CPU | RSS |")
	peers := r.table[0].peers
	for _, p := range peers {
		fmt.Fprintf(b, " %v: wall | CPU |", p)
	}
	fmt.Fprintf(b, "\n|%s\n", strings.Repeat("---|", 7+2*len(peers)))
	for _, row := range r.table {
		fmt.Fprintf(b, "| %d |", row.hosts)
		for _, u := range []usage{row.tutti, row.bare} {
			fmt.Fprintf(b, " %.2f s | %.2f s | %.0f MiB |", u.wall.Seconds(), u.cpu.Seconds(), mib(u.rss))
		}
		for _, p := range row.peers {
			if p.wall == 0 {
				b.WriteString(" – | – |")
				continue
			}
			fmt.Fprintf(b, " %.2f s | %.2f s |", p.wall.Seconds(), p.cpu.Seconds())
		}
		b.WriteByte('\n')
	}
	if len(peers) > 0 {
		fmt.Fprintf(b, "\nThe peers ran once each. One has no numbers where it failed, or would, going by the row above, have taken longer than %v.\n", peerTime)
	}
}

// machine are facts about where and with what this was measured.
func (r *report) machine() []string {
	facts := []string{
		"date: " + time.Now().UTC().Format(time.DateOnly),
		fmt.Sprintf("machine: %s, %d processors shared by client and fleet, %s", processor(), runtime.NumCPU(), memory()),
		fmt.Sprintf("system: %s, %s", firstLine("/proc/sys/kernel/osrelease"), runtime.Version()),
		"before: " + r.before.String(),
		"after: " + r.after.String(),
	}
	for _, p := range r.peers {
		facts = append(facts, p.name+": "+version(p))
	}
	return facts
}

func firstLine(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

// processor is its name.
func processor() string { return field("/proc/cpuinfo", "model name") }

// memory is how much the machine has.
func memory() string {
	var kib int64
	if _, err := fmt.Sscan(field("/proc/meminfo", "MemTotal"), &kib); err != nil {
		return "unknown memory"
	}
	return fmt.Sprintf("%d GiB", (kib+1<<19)>>20)
}

// field is the first value of a name in a file of names and values.
func field(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// version is that of the peer's package, where there are packages.
func version(p peer) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Version}", p.debian).Output()
	if err != nil {
		return "version unknown"
	}
	return string(out)
}
