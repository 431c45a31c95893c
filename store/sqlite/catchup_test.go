package sqlite

import (
	"fmt"
	"testing"

	"tutti/scheduler"
	"tutti/store"
)

// All that are caught up are run, oldest first: one after the other, and under
// allow as many at once as may. What is on time is decided against them.
func TestCatchUpInOrder(t *testing.T) {
	tests := []struct {
		overlap scheduler.Overlap
		most    int
		decided []string
		turns   [][]string // what may begin when all before have ended
	}{
		{
			scheduler.OverlapSkip, 1,
			[]string{"1 run", "2 queued", "3 queued", "4 skipped"},
			[][]string{{"1 run"}, {"2 run"}, {"3 run"}, nil},
		},
		{
			scheduler.OverlapQueue, 1,
			[]string{"1 run", "2 queued", "3 queued", "4 skipped"},
			[][]string{{"1 run"}, {"2 run"}, {"3 run"}, nil},
		},
		{
			scheduler.OverlapReplace, 1,
			[]string{"1 run", "2 queued", "3 queued", "4 skipped"},
			[][]string{{"1 run"}, {"2 run"}, {"3 run"}, nil},
		},
		{
			scheduler.OverlapAllow, 2,
			[]string{"1 run", "2 run", "3 queued", "4 skipped"},
			[][]string{{"1 run", "2 run"}, {"3 run"}, nil},
		},
	}
	for _, tt := range tests {
		t.Run(tt.overlap.String(), func(t *testing.T) {
			s := openTest(t, tempPath(t))
			d := joinTest(t, s)
			j := testJob("backup")
			j.Overlap, j.MaxRunning = tt.overlap, tt.most
			k := addJob(t, s, j)
			d.tick(minute(4))
			assignments, err := d.Decide(t.Context(), scheduler.Decisions{
				Job: k, CaughtUp: firingsAt(1, 2, 3), Firings: firingsAt(4), Cursor: minute(4),
			})
			if err != nil {
				t.Fatal(err)
			}
			checkStrings(t, "decided", told(assignments), tt.decided...)
			for i, want := range tt.turns {
				assignments := claim(t, d, minute(5))
				checkStrings(t, fmt.Sprintf("turn %d", i+1), told(assignments), want...)
				var begun []*store.Recorder
				for _, x := range assignments {
					begun = append(begun, beginAssigned(t, d, x))
				}
				checkStrings(t, "while they run", told(claim(t, d, minute(5))))
				for _, r := range begun {
					finish(t, r, 0, 0)
				}
			}
			checkInt(t, s.r, "SELECT count(*) FROM firings WHERE caught_up", 3)
		})
	}
}
