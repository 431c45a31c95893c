package ssh

import (
	"runtime"
	"slices"
	"testing"

	"tutti/internal/fleet"
)

func TestOpenFiles(t *testing.T) {
	direct, program := Endpoint{Address: "a"}, Endpoint{Address: "b", ProxyCommand: "nc"}
	behind := Endpoint{Address: "c", Jumps: []Endpoint{{Address: "gate"}}}
	chained := Endpoint{Address: "d", Jumps: []Endpoint{{Address: "gate"}, {Address: "inner"}}}
	tunnelled := Endpoint{Address: "e", Jumps: []Endpoint{{Address: "far", ProxyCommand: "nc"}}}
	tests := []struct {
		name      string
		endpoints []Endpoint
		n, want   int
	}{
		{"none", nil, 10, 0},
		{"direct", []Endpoint{direct, direct, direct}, 2, 2},
		{"fewer than at once", []Endpoint{direct, direct, direct}, 10, 3},
		{"the dearest at once", []Endpoint{direct, program, direct}, 2, 5},
		{"behind a bastion", []Endpoint{behind, behind, chained}, 3, 1},
		{"behind a bastion that a program leads to", []Endpoint{tunnelled, tunnelled}, 2, 4},
		{"both", []Endpoint{direct, behind, direct}, 3, 3},
		{"a crowd behind a bastion", slices.Repeat([]Endpoint{behind}, 2*maxInUse+1), 2*maxInUse + 1, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := OpenFiles(tt.endpoints, tt.n); got != tt.want {
				t.Errorf("got %d files, want %d", got, tt.want)
			}
		})
	}
}

// TestOpenFilesTrue holds the numbers against what the system counts; the
// fleet has its own end of each connection in this process as well.
func TestOpenFilesTrue(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux lists open files")
	}
	const ofFleet = 1
	tests := []struct {
		name  string
		bench func() *bench
		fleet int // its files
		least int // of ours: old kernels have no file for a process
	}{
		{"direct", func() *bench { return newBench(t, []fleet.Host{{Name: "h"}}, nil) }, ofFleet, socketFiles},
		{"by a program", func() *bench { return proxyBench(t, fleet.Host{Name: "h"}, "RELAY") }, ofFleet, proxyFiles - 1},
		// The bastion's end of our connection, and both ends of the onward one.
		{"behind a bastion", func() *bench { return jumpBench(t, behindGate(1), nil) }, 3 * ofFleet, socketFiles},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// What earlier tests have left to the system may close meanwhile.
			eventually(t, "as many files are open as it says", func() bool {
				b := tt.bench()
				before := openFiles()
				if r := b.exec(t.Context(), 0, ""); r.Failure != nil {
					t.Fatal(r.Failure.Message)
				}
				got := openFiles() - before - tt.fleet
				return tt.least <= got && got <= OpenFiles(b.opts.Endpoints, 1)
			})
		})
	}
}
