package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tutti/fanout"
	"tutti/internal/hostlist"
	"tutti/internal/phrase"
	"tutti/inventory"
	"tutti/scheduler"
	"tutti/store"
)

// Resting are the hosts of a history that are in maintenance now.
func Resting(ctx context.Context, s store.Store, now time.Time) ([]store.Rest, error) {
	return s.Maintenance().Rests(ctx, now)
}

// leaveOut leaves the hosts in maintenance out, and says so in a warning. An error wraps
// [scheduler.ErrMaintenance] if none is left.
func (s *Selection) leaveOut(resting []store.Rest) error {
	if len(resting) == 0 {
		return nil
	}
	why := make(map[string]string, len(resting))
	for i := range resting {
		why[resting[i].Host] = restText(&resting[i])
	}
	var names []string
	reasons := make(map[string]bool)
	left := slices.DeleteFunc(slices.Clone(s.Hosts), func(h *inventory.Host) bool {
		reason, rests := why[h.Name]
		if rests {
			names, reasons[reason] = append(names, h.Name), true
		}
		return rests
	})
	if len(names) == 0 {
		return nil
	}
	text := hostlist.Fold(names)
	if len(reasons) == 1 {
		text += ": " + why[names[0]]
	}
	if len(left) == 0 {
		return &maintenanceError{fmt.Sprintf("all hosts are in maintenance (%s)", text)}
	}
	s.Hosts = left
	s.Warnings = append(slices.Clip(s.Warnings), fmt.Sprintf("%s in maintenance left out (%s)", phrase.Count(len(names), "host"), text))
	return nil
}

// restText says why a host is in maintenance, and until when.
func restText(r *store.Rest) string {
	words := []string{"by " + r.By}
	if r.Note != "" {
		words = []string{r.Note, "by " + r.By}
	}
	if !r.Until.IsZero() {
		words = append(words, "until "+fanout.FormatTime(r.Until))
	}
	return strings.Join(words, ", ")
}

// A maintenanceError says that no host is left that is not in maintenance.
type maintenanceError struct{ text string }

func (e *maintenanceError) Error() string   { return e.text }
func (e *maintenanceError) Unwrap() []error { return []error{scheduler.ErrMaintenance} }

// restingOf are the hosts in maintenance of a launch's history, as far as there is one.
func (l *Launch) restingOf(ctx context.Context) ([]store.Rest, error) {
	s, err := l.History.ForReading(ctx)
	if errors.Is(err, store.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return Resting(ctx, s, time.Now())
}
