package runner

import (
	"runtime/debug"
	"testing"

	"tutti/fanout"
)

// usual is the collector's percentage where nothing changes it.
const usual = 100

// percentAfter is the percentage that f leaves; it is put back.
func percentAfter(f func()) int {
	before := debug.SetGCPercent(usual)
	f()
	return debug.SetGCPercent(before)
}

func TestSpareMemory(t *testing.T) {
	tests := []struct {
		name    string
		targets int
		gogc    string
		want    int
	}{
		{"few targets", manyTargets - 1, "", usual},
		{"many targets", manyTargets, "", sparingPercent},
		{"very many targets", hugeTargets, "", hugePercent},
		{"many targets, and GOGC is set", manyTargets, "100", usual},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := percentAfter(func() { spareMemory(tt.targets, func(string) string { return tt.gogc }) })
			if got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestSpareTime(t *testing.T) {
	tests := []struct {
		name    string
		targets int
		gogc    string
		want    int
	}{
		{"a few targets", floodTargets - 1, "", fewPercent},
		{"some targets", floodTargets, "", somePercent},
		{"many targets", manyTargets, "", usual},
		{"a few targets, and GOGC is set", 1, "50", usual},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := percentAfter(func() { spareTime(tt.targets, func(string) string { return tt.gogc }) })
			if got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

// TestFloodGauge: much output of many targets spares memory, and neither alone does.
func TestFloodGauge(t *testing.T) {
	tests := []struct {
		name           string
		targets, bytes int
		gogc           string
		want           int
	}{
		{"many say little", floodTargets, floodBytes - 1, "", usual},
		{"few say much", floodTargets - 1, floodBytes, "", usual},
		{"many say much", floodTargets, floodBytes, "", sparingPercent},
		{"very many say much", hugeTargets, floodBytes, "", hugePercent},
		{"many say much, and GOGC is set", floodTargets, floodBytes, "off", usual},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := debug.SetGCPercent(usual)
			g := &floodGauge{getenv: func(string) string { return tt.gogc }}
			events := []fanout.Event{{Kind: fanout.RunStarted, Plan: &fanout.Plan{Targets: make([]fanout.Target, tt.targets)}}}
			for left := tt.bytes; left > 0; left -= 1 << 20 {
				events = append(events, fanout.Event{Kind: fanout.Output, Data: make([]byte, min(left, 1<<20))})
			}
			for _, e := range events {
				if err := g.Handle(t.Context(), e); err != nil {
					t.Error(err)
				}
			}
			if got := debug.SetGCPercent(before); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}
