package serve

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"tutti/cmd/internal/cli"
	"tutti/daemon"
	"tutti/internal/fault"
	"tutti/internal/phrase"
	"tutti/internal/sanitize"
	"tutti/runner"
	"tutti/scheduler"
)

// checkServe reports what would keep jobs from running if they fired now, and which
// daemons serve them.
func checkServe(ctx context.Context, std cli.Streams, o *serveOptions) error {
	history := &runner.History{Path: o.history, Getenv: std.Getenv, Warn: std.Warn, Obey: true}
	defer history.Close()
	s, err := history.ForRecording(ctx)
	if err != nil {
		return err
	}
	kept, err := s.ListJobs(ctx)
	if err != nil {
		return err
	}
	daemons, err := s.Daemons(ctx)
	if err != nil {
		return err
	}
	bad := 0
	for i := range kept {
		problems := checkKept(ctx, std, history, &kept[i])
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := sayChecked(std, &kept[i], problems); err != nil {
			return err
		}
		bad += min(1, len(problems))
	}
	if _, err := io.WriteString(std.Out, daemonsText(daemons)); err != nil {
		return err
	}
	if bad > 0 {
		return fault.Usagef("%d of %s would fail", bad, phrase.Count(len(kept), "job"))
	}
	return nil
}

// checkKept is what would keep a job from being run here and now.
func checkKept(ctx context.Context, std cli.Streams, history *runner.History, k *scheduler.StoredJob) []error {
	l := runner.UnattendedLaunch(std.Env(), history, slog.New(slog.DiscardHandler))
	l.Hint = cli.Remedies(std.Getenv)
	l.Warn = func(text string) { std.Warn("job " + k.Name + ": " + text) }
	return daemon.Check(ctx, l, k)
}

// sayChecked says what was found about a job.
func sayChecked(std cli.Streams, k *scheduler.StoredJob, problems []error) error {
	var b strings.Builder
	state := "ok"
	switch {
	case len(problems) > 0:
		state = "would fail"
	case k.Paused:
		state = "ok, paused"
	}
	fmt.Fprintf(&b, "job %s: %s\n", k.Name, state)
	for _, p := range problems {
		fmt.Fprintf(&b, "  %s\n", strings.ReplaceAll(explain(p), "\n", "\n  "))
	}
	_, err := io.WriteString(std.Out, sanitize.Visible(b.String()))
	return err
}

// daemonsText says which daemons serve the jobs.
func daemonsText(daemons []scheduler.Controller) string {
	if len(daemons) == 0 {
		return "no daemon is running\n"
	}
	var b strings.Builder
	for _, d := range daemons {
		fmt.Fprintf(&b, "daemon %d is running: process %d, since %s\n", d.ID, d.PID, d.Started.UTC().Format(time.RFC3339))
	}
	return b.String()
}

// explain is an error with its hints, each on a line.
func explain(err error) string {
	lines := []string{cli.Wording.Text(err)}
	for _, h := range cli.Hints(err) {
		lines = append(lines, "hint: "+h)
	}
	return strings.Join(lines, "\n")
}
