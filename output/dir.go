package output

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"tutti/api/event"
	"tutti/fanout"
	"tutti/internal/safefile"
)

// The endings of a host's files.
const (
	outEnding    = ".out"
	errEnding    = ".err"
	resultEnding = ".json"
)

// Dir writes the output of each host to files of its own in one directory: HOST.out and
// HOST.err, byte for byte and of the last attempt, for each host whose command was
// sent, and HOST.json, the object of host_finished, for every host.
//
// A queue and a goroutine of its own stand between the run and the disk, so that a slow
// disk slows the hosts down; a failing disk stops the run.
type Dir struct {
	path  string
	names []string // by Target.Index
	queue *Writer
	files *hostFiles // of the queue's goroutine
}

var _ fanout.Sink = (*Dir)(nil)

// NewDir creates the directory path, if there is none, for the files of targets. If one
// of these files exists, it returns an error that wraps fs.ErrExist: nothing is ever
// overwritten. Other files stay.
func NewDir(path string, targets []fanout.Target) (*Dir, error) {
	root, err := safefile.OpenDir(path)
	if err != nil {
		return nil, err
	}
	names := fileNames(targets)
	if err := checkRoom(root, names); err != nil {
		_ = root.Close() // the other error counts
		return nil, err
	}
	return &Dir{path: path, names: names, queue: NewWriter(io.Discard), files: newHostFiles(root)}, nil
}

// checkRoom checks that files can be created in root, and that none of the hosts called
// names has some there.
func checkRoom(root *os.Root, names []string) error {
	probe := fmt.Sprintf(".tutti-probe~%d", os.Getpid()) // two runs may try at once
	f, err := root.OpenFile(probe, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Close(), root.Remove(probe)); err != nil {
		return err
	}
	there, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	ours := make(map[string]bool, 3*len(names))
	for _, name := range names {
		for _, ending := range []string{outEnding, errEnding, resultEnding} {
			ours[strings.ToLower(name+ending)] = true
		}
	}
	for _, file := range there {
		if ours[strings.ToLower(file.Name())] {
			return fmt.Errorf("%s holds results: %s: %w", root.Name(), file.Name(), fs.ErrExist)
		}
	}
	return nil
}

// Failed is closed when the first write has failed.
func (d *Dir) Failed() <-chan struct{} { return d.queue.Failed() }

// Err is the error of the first write that failed, nil so far.
func (d *Dir) Err() error { return d.queue.Err() }

// Handle queues the data of e. Its error is that of an earlier write.
func (d *Dir) Handle(_ context.Context, e fanout.Event) error {
	switch e.Kind {
	case fanout.TargetStarted:
		return d.do(e, nil, (*hostFiles).begin)
	case fanout.Output:
		return d.do(e, e.Hold(), func(f *hostFiles, name string) error {
			return f.write(name+streamEnding(e.Stream), e.Data)
		})
	case fanout.TargetRetrying:
		return d.do(e, nil, (*hostFiles).beginAgain)
	case fanout.TargetFinished:
		var object bytes.Buffer
		if err := WriteJSON(&object, event.NewHostFinished(e)); err != nil {
			return err
		}
		return d.do(e, nil, func(f *hostFiles, name string) error { return f.finish(name, object.Bytes()) })
	}
	return nil
}

// do queues work on the files of e's target.
func (d *Dir) do(e fanout.Event, done func(), work func(*hostFiles, string) error) error {
	name := d.names[e.Target.Index]
	return d.queue.queue(func(*bufio.Writer) error {
		if err := work(d.files, name); err != nil {
			return fmt.Errorf("write results to %s: %w", d.path, err)
		}
		return nil
	}, done)
}

// Close waits until everything is written, or ctx is done, and returns the first
// error. It may be called again.
func (d *Dir) Close(ctx context.Context) error {
	err := d.queue.Close(ctx)
	if ctx.Err() == nil { // else the goroutine may still be in a write
		d.files.close()
	}
	return err
}

func streamEnding(s fanout.Stream) string {
	if s == fanout.Stderr {
		return errEnding
	}
	return outEnding
}
