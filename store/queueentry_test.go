package store_test

import (
	"errors"
	"slices"
	"testing"

	"tutti/store"
)

// TestQueueOrder: the highest priority is first, then the oldest.
func TestQueueOrder(t *testing.T) {
	entries := []store.QueueEntry{{Run: 1}, {Run: 2, Priority: 5}, {Run: 3, Priority: -1}, {Run: 4, Priority: 5}, {Run: 5}}
	slices.SortFunc(entries, store.InOrder)
	var got []int64
	for _, e := range entries {
		got = append(got, e.Run)
	}
	if want := []int64{2, 4, 1, 5, 3}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestQueueClaims: a run is one daemon's at a time, and a claim that has ended is worth
// nothing.
func TestQueueClaims(t *testing.T) {
	free := store.QueueEntry{Run: 1}
	first, err := free.ClaimBy(7)
	if err != nil || first.Owner != 7 || first.Claim != 1 {
		t.Fatalf("got %+v, %v, want it claimed by 7", first, err)
	}
	if _, err := first.ClaimBy(8); !errors.Is(err, store.ErrTaken) {
		t.Errorf("claimed twice: got %v", err)
	}
	back, err := first.Release(first)
	if err != nil || back.Owner != 0 || back.Deaths != 0 {
		t.Errorf("got %+v, %v, want it free", back, err)
	}
	if _, err := back.Release(first); !errors.Is(err, store.ErrTaken) {
		t.Errorf("released twice: got %v", err)
	}
	second, err := back.ClaimBy(7)
	if err != nil || second.Claim != 2 || !errors.Is(second.Held(first), store.ErrTaken) || second.Held(second) != nil {
		t.Errorf("got %+v, %v, want a claim of its own", second, err)
	}
	secret := store.QueueEntry{Run: 2, Secrets: 7}
	if _, err := secret.ClaimBy(8); !errors.Is(err, store.ErrTaken) {
		t.Errorf("without its secrets: got %v", err)
	}
	if _, err := secret.ClaimBy(7); err != nil {
		t.Errorf("with its secrets: got %v", err)
	}
}

// TestQueueSurvives: what the end of daemons does to a run.
func TestQueueSurvives(t *testing.T) {
	for _, tt := range []struct {
		name  string
		entry store.QueueEntry
		alive []int64
		want  store.QueueEntry
		fate  store.Fate
	}{
		{"it has no owner", store.QueueEntry{}, nil, store.QueueEntry{}, store.FateNone},
		{"its owner is alive", store.QueueEntry{Owner: 7, Claim: 1}, []int64{7}, store.QueueEntry{Owner: 7, Claim: 1}, store.FateNone},
		{"its owner died", store.QueueEntry{Owner: 7, Claim: 1}, []int64{8}, store.QueueEntry{Claim: 1, Deaths: 1}, store.FateAgain},
		{"the second died", store.QueueEntry{Owner: 7, Deaths: 1}, nil, store.QueueEntry{Deaths: 2}, store.FateAgain},
		{"the third died", store.QueueEntry{Owner: 7, Deaths: 2}, nil, store.QueueEntry{Deaths: 3}, store.FatePoisoned},
		{"the third died, and its secrets", store.QueueEntry{Owner: 7, Secrets: 7, Deaths: 2}, nil, store.QueueEntry{Secrets: 7, Deaths: 3}, store.FatePoisoned},
		{"its secrets are safe", store.QueueEntry{Secrets: 7}, []int64{7}, store.QueueEntry{Secrets: 7}, store.FateNone},
		{"its secrets are gone", store.QueueEntry{Secrets: 7}, []int64{8}, store.QueueEntry{Secrets: 7}, store.FateSecretsGone},
		{"its owner and its secrets", store.QueueEntry{Secrets: 7, Owner: 7}, nil, store.QueueEntry{Secrets: 7, Deaths: 1}, store.FateSecretsGone},
	} {
		got, fate := tt.entry.Survive(func(daemon int64) bool { return slices.Contains(tt.alive, daemon) })
		if got != tt.want || fate != tt.fate {
			t.Errorf("%s: got %+v, %d, want %+v, %d", tt.name, got, fate, tt.want, tt.fate)
		}
	}
}

func TestQueueWaits(t *testing.T) {
	for _, tt := range []struct {
		entry   store.QueueEntry
		serving bool
		want    store.Wait
	}{
		{store.QueueEntry{}, true, store.WaitTurn},
		{store.QueueEntry{}, false, store.WaitDaemon},
		{store.QueueEntry{Secrets: 7}, true, store.WaitSecrets},
		{store.QueueEntry{Secrets: 7, Owner: 7}, true, store.WaitStart},
	} {
		if got := tt.entry.Waits(tt.serving); got != tt.want {
			t.Errorf("%+v, serving %t: got %s, want %s", tt.entry, tt.serving, got, tt.want)
		}
	}
}
