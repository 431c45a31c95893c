package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"tutti/internal/quantity"
	"tutti/jobs"
	"tutti/output"
	"tutti/runner"
	"tutti/scheduler"
	"tutti/store"
)

// checkServe says what would keep jobs from running if they fired now, and who
// serves them.
func checkServe(ctx context.Context, std Streams, o *serveOptions) error {
	history := &runner.History{Path: o.history, Getenv: std.Getenv, Warn: std.warn, Obey: true}
	defer history.Close()
	s, err := history.ForRecording(ctx)
	if err != nil {
		return err
	}
	kept, err := s.Kept(ctx)
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
		return usagef("%d of %s would fail", bad, count(len(kept), "job"))
	}
	return nil
}

// sayChecked says what was found about a job.
func sayChecked(std Streams, k *scheduler.Kept, problems []string) error {
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
		fmt.Fprintf(&b, "  %s\n", strings.ReplaceAll(p, "\n", "\n  "))
	}
	_, err := io.WriteString(std.Out, output.Visible(b.String()))
	return err
}

// daemonsText says who serves the jobs.
func daemonsText(daemons []store.DaemonRow) string {
	if len(daemons) == 0 {
		return "no daemon is running\n"
	}
	var b strings.Builder
	for _, d := range daemons {
		fmt.Fprintf(&b, "daemon %d is running: process %d, since %s\n", d.ID, d.PID, d.Started.UTC().Format(time.RFC3339))
	}
	return b.String()
}

// checkKept is what would keep a job from being run here and now: its firing is
// prepared as far as it can be without a connection, and without a password.
func checkKept(ctx context.Context, std Streams, history *runner.History, k *scheduler.Kept) []string {
	if k.Broken != nil {
		return []string{"it cannot be read: " + k.Broken.Error()}
	}
	var problems []string
	add := func(err error) {
		if err != nil {
			problems = append(problems, strings.Join(append([]string{err.Error()}, hintLines(err)...), "\n"))
		}
	}
	if err := k.Validate(jobs.Rules(time.Time{})); err != nil {
		add(err)
		return problems // the rest would say the same again
	}
	add(checkSecretFile(k.Notify.SecretFile))
	add(checkFiring(ctx, std, history, k))
	return problems
}

func hintLines(err error) []string {
	var lines []string
	for _, h := range hints(err) {
		lines = append(lines, "hint: "+h)
	}
	return lines
}

// checkFiring prepares a firing of the job, and says what is odd about it.
func checkFiring(ctx context.Context, std Streams, history *runner.History, k *scheduler.Kept) error {
	l := unattended(std, history, slog.New(slog.DiscardHandler))
	l.Warn = func(text string) { std.warn("job " + k.Name + ": " + text) }
	return l.Check(ctx, k)
}

// unattended is a launch of a firing that nobody looks at.
func unattended(std Streams, history *runner.History, log *slog.Logger) *runner.Launch {
	l := runner.Unattended(std.env(), history, log)
	l.Words = selectionWords(std.Getenv)
	return l
}

// maxSecretFile is far more than a key has that signs messages.
const maxSecretFile = 4 << 10

// checkSecretFile refuses a key that cannot be read, or that everybody can read.
func checkSecretFile(path string) error {
	if path == "" {
		return nil
	}
	if err := runner.CheckPlainFile("secret_file", path); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("secret_file: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("secret_file: %w", err)
	case info.Mode().Perm()&0o007 != 0:
		return hint(fmt.Errorf("secret_file: %s can be used by every user of this machine", path), "chmod 600 "+path)
	case info.Size() == 0 || info.Size() > maxSecretFile:
		return errors.New("secret_file: " + path + " does not hold a key: it has " + quantity.FormatSize(info.Size()))
	}
	return nil
}
