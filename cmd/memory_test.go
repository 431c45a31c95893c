package cmd

import (
	"runtime/debug"
	"testing"
)

func TestSpareMemory(t *testing.T) {
	const usual = 100
	tests := []struct {
		name    string
		targets int
		gogc    string
		want    int
	}{
		{"few targets", manyTargets - 1, "", usual},
		{"many targets", manyTargets, "", sparingPercent},
		{"many targets, and somebody has decided", manyTargets, "100", usual},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := debug.SetGCPercent(usual)
			spareMemory(tt.targets, func(string) string { return tt.gogc })
			if got := debug.SetGCPercent(before); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}
