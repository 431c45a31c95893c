package cmd

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/pflag"

	"tutti/cmd/internal/cli"
	"tutti/fanout"
	"tutti/internal/safefile"
	"tutti/output"
)

// filesGrace is how long an interrupted command waits for a disk.
const filesGrace = 5 * time.Second

// fileOptions say which files a run writes, in addition to the history.
type fileOptions struct {
	outdir string
	junit  string
}

func (o *fileOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.outdir, "outdir", "", "write each host's output to `DIR`/HOST.out and HOST.err, and its result to HOST.json; existing files are not overwritten")
	f.StringVar(&o.junit, "junit", "", "write a JUnit report to `FILE`, for GitHub, GitLab, Jenkins")
}

// runFiles are the sinks that write files.
type runFiles struct {
	dir   *output.Dir   // nil without --outdir
	junit *output.JUnit // nil without --junit
}

// openFiles finds out whether the files of o can be written, and makes the
// directory. What is wrong with them is a mistake of the user: nothing has
// connected yet.
func openFiles(o *fileOptions, targets []fanout.Target) (*runFiles, error) {
	files := &runFiles{}
	made := false
	if o.outdir != "" {
		_, missing := os.Lstat(o.outdir)
		dir, err := output.NewDir(o.outdir, targets)
		if errors.Is(err, fs.ErrExist) {
			return nil, hint(usagef("--outdir: %w", err), "name a new directory, or move the old results away")
		}
		if err != nil {
			return nil, usagef("--outdir: %w", err)
		}
		files.dir, made = dir, missing != nil
	}
	if o.junit != "" { // which may be in the new directory
		if err := errors.Join(cli.CheckStandard(o.junit), safefile.CheckReplace(o.junit)); err != nil {
			_ = files.close(context.Background()) // nothing is queued
			if made {
				_ = os.Remove(o.outdir) // it is empty, or another process uses it
			}
			return nil, usagef("--junit: %w", err)
		}
		files.junit = output.NewJUnit(o.junit)
	}
	return files, nil
}

// sinks are those that there are.
func (f *runFiles) sinks() []fanout.Sink {
	var sinks []fanout.Sink
	if f.dir != nil {
		sinks = append(sinks, f.dir)
	}
	if f.junit != nil {
		sinks = append(sinks, f.junit)
	}
	return sinks
}

// failed is closed when a file can no longer be written; nil without files.
func (f *runFiles) failed() <-chan struct{} {
	if f == nil || f.dir == nil {
		return nil
	}
	return f.dir.Failed()
}

// err is why a file can no longer be written; nil if it can.
func (f *runFiles) err() error {
	if f == nil || f.dir == nil {
		return nil
	}
	return f.dir.Err()
}

// close waits until everything is written, for an interrupted command not for
// ever. It may be called again.
func (f *runFiles) close(ctx context.Context) error {
	if f == nil {
		return nil
	}
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), filesGrace)
		defer cancel()
	}
	var errs []error
	if f.dir != nil {
		errs = append(errs, f.dir.Close(ctx))
	}
	if f.junit != nil {
		errs = append(errs, f.junit.Close())
	}
	return errors.Join(errs...)
}
