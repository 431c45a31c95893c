package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test's own program play the roles that bench starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// TestQuick runs every line in tiny, so that the harness cannot rot. What it
// measures means nothing.
func TestQuick(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("bench says itself that it runs on Linux only")
	}
	out, tmp := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", tmp)
	var stdout, stderr bytes.Buffer
	code := run([]string{"-quick", "-force", "-peers", "none", "-repeat", "1", "-out", out}, nil, &stdout, &stderr)
	if code != 0 {
		t.Fatalf("got exit code %d\n%s%s", code, &stdout, &stderr)
	}
	results, err := os.ReadFile(filepath.Join(out, "RESULTS.md"))
	if err != nil {
		t.Fatal(err)
	}
	absent := []string{"1.2", "1.3", "2.2"} // for want of peers
	if _, err := exec.LookPath("ssh"); err != nil || findSSHD() == "" {
		if findSSHD() == "" {
			absent = append(absent, "4.1")
		}
		for _, l := range sshdBulkLines {
			absent = append(absent, l.id)
		}
	}
	for _, s := range sections {
		for _, l := range s.lines {
			want := " tiny "
			if slices.Contains(absent, l.id) {
				want = " absent "
			}
			if !strings.Contains(line1(&stdout, l.id), want) {
				t.Errorf("line %s: got %q, want%sin it", l.id, line1(&stdout, l.id), want)
			}
			if !bytes.Contains(results, []byte("| "+l.id+" |"+want+"|")) {
				t.Errorf("line %s is not in RESULTS.md", l.id)
			}
		}
	}
	for _, name := range []string{"peers.svg", "scale-time.svg", "scale-memory.svg"} {
		chart, err := os.ReadFile(filepath.Join(out, name))
		if err != nil || !bytes.Contains(chart, []byte("<svg")) {
			t.Errorf("%s: got %d bytes, %v, want a picture", name, len(chart), err)
		}
		if !bytes.Contains(results, []byte("]("+name+")")) {
			t.Errorf("%s is not shown in RESULTS.md", name)
		}
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// line1 is the line of output that begins with id.
func line1(out *bytes.Buffer, id string) string {
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, id+" ") {
			return line
		}
	}
	return ""
}

func TestUse(t *testing.T) {
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{name: "unknown flag", args: []string{"-fast"}, code: 2, want: "-fast"},
		{name: "help", args: []string{"-h"}, code: 0, want: "PEERS"},
		{name: "word", args: []string{"5"}, code: 1, want: `unexpected word "5"`},
		{name: "no repeats", args: []string{"-repeat", "0"}, code: 1, want: "at least 1"},
		{name: "one host", args: []string{"-hosts", "1"}, code: 1, want: "from 2 to 10000"},
		{name: "no such line", args: []string{"-only", "17"}, code: 1, want: "from 1 to 10"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var stderr bytes.Buffer
			code := run(test.args, nil, io.Discard, &stderr)
			if code != test.code || !strings.Contains(stderr.String(), test.want) {
				t.Errorf("got %d and %q, want %d and %q in it", code, &stderr, test.code, test.want)
			}
		})
	}
}

func TestVerdict(t *testing.T) {
	tests := []struct {
		name string
		line line
		want string
	}{
		{name: "below", line: line{spec: spec{bar: times(1.25)}, reading: reading{value: 1.25}}, want: "holds"},
		{name: "above", line: line{spec: spec{bar: times(1.25)}, reading: reading{value: 1.26}}, want: "FAILS"},
		{name: "far enough", line: line{spec: spec{bar: atLeastTimes(6)}, reading: reading{value: 6}}, want: "holds"},
		{name: "too near", line: line{spec: spec{bar: atLeastTimes(6)}, reading: reading{value: 5.9}}, want: "FAILS"},
		{name: "no bar", line: line{reading: reading{value: 1e9}}, want: "report"},
		{name: "absent", line: line{spec: spec{bar: times(1)}, err: errAbsent}, want: "absent"},
		{name: "error", line: line{spec: spec{bar: times(1)}, err: io.EOF}, want: "error"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.line.verdict(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			test.line.id = "5.1"
			bad := test.want == "FAILS" || test.want == "error"
			if err := (&report{lines: []line{test.line}}).verdict(); (err != nil) != bad {
				t.Errorf("verdict of the run: got %v", err)
			}
		})
	}
}

func TestBusy(t *testing.T) {
	quiet := surroundings{load: 0.1, stretch: 1.01}
	if err := errors.Join(quiet.busy(), quiet.loaded()); err != nil {
		t.Errorf("a quiet machine: %v", err)
	}
	stretched := surroundings{load: 0.1, stretch: 1.5}
	if stretched.busy() == nil || stretched.loaded() == nil {
		t.Error("a stretched spin went unnoticed")
	}
	loaded := surroundings{load: 2, stretch: 1}
	if loaded.loaded() == nil {
		t.Error("a high load went unnoticed")
	}
	if err := loaded.busy(); err != nil {
		t.Errorf("our own load counts: %v", err)
	}
	if s := lookAround(t.Context()); s.stretch < 0.9 || s.speed <= 0 {
		t.Errorf("got %+v", s)
	}
}

func TestLines(t *testing.T) {
	tests := []struct {
		sizes  string
		length int
		lines  int
	}{
		{"2 10", 10, 5},
		{"80 100000", 100_000, 1250},
		{"100000 200000", 200_000, 2},
		{"1 0", 0, 0},
	}
	for _, test := range tests {
		var out bytes.Buffer
		if err := lines(&out, test.sizes); err != nil {
			t.Errorf("%s: %v", test.sizes, err)
		}
		if n := bytes.Count(out.Bytes(), []byte("\n")); out.Len() != test.length || n != test.lines {
			t.Errorf("%s: got %d bytes in %d lines, want %d in %d", test.sizes, out.Len(), n, test.length, test.lines)
		}
	}
	for _, sizes := range []string{"", "0 1", "x y", "5 -1"} {
		if err := lines(io.Discard, sizes); err == nil {
			t.Errorf("%q: no error", sizes)
		}
	}
}

// TestPeersInTable: a peer has numbers for what it can do.
func TestPeersInTable(t *testing.T) {
	second := usage{wall: time.Second, cpu: time.Second, rss: 1 << 20}
	slow := func(u usage) []peerUsage {
		return []peerUsage{{usage: second, name: "pdsh", fanout: 16}, {usage: u, name: "ansible raw", fanout: 64}}
	}
	r := &report{table: []scaleRow{
		{hosts: 10, bare: second, tutti: second, peers: slow(usage{wall: 20 * time.Second, cpu: 30 * time.Second})},
		{hosts: 100, bare: second, tutti: usage{wall: 2 * time.Second, cpu: time.Second, rss: 2 << 20}, peers: slow(usage{})},
	}}
	for _, test := range []struct {
		peer, hosts int
		tooLong     bool
	}{{0, 1000, false}, {0, 10_000, true}, {1, 1000, true}} {
		if got := expected(r.table, test.peer, test.hosts); (got > peerTime) != test.tooLong {
			t.Errorf("%v for %d hosts: got %v", r.table[0].peers[test.peer], test.hosts, got)
		}
	}
	if got := expected(nil, 0, 10); got != 0 {
		t.Errorf("first row: got %v", got)
	}
	var table bytes.Buffer
	r.growth(&table)
	for _, want := range []string{"pdsh -f 16: wall | CPU | ansible raw -f 64: wall | CPU |", " 20.00 s | 30.00 s |\n", " 1.00 s | 1.00 s | – | – |\n", "1m30s"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("got\n%s\nwant %q in it", &table, want)
		}
	}
	if n := strings.Count(table.String(), "\n|"); n != 4 {
		t.Errorf("got %d lines of a table, want 4", n)
	}
	if _, err := r.charts(t.TempDir()); err != nil {
		t.Error(err)
	}
}

func TestMedian(t *testing.T) {
	same := func(x int64) int64 { return x }
	for _, test := range []struct {
		in   []int64
		want int64
	}{{[]int64{7}, 7}, {[]int64{9, 1}, 1}, {[]int64{3, 9, 1}, 3}, {[]int64{1, 2, 3, 100}, 2}} {
		if got := median(test.in, same); got != test.want {
			t.Errorf("%v: got %d, want %d", test.in, got, test.want)
		}
	}
}

func TestChosen(t *testing.T) {
	got, err := chosen("3,5.1")
	if err != nil || len(got) != 2 || got[0].id != "3" || got[1].id != "5" {
		t.Errorf("got %v, %v", got, err)
	}
	for id, want := range map[string]bool{"3.2": true, "5.1": true, "5.2": false, "1.1": false} {
		if got := wanted(id, "3,5.1"); got != want {
			t.Errorf("%s: got %v", id, got)
		}
	}
}
