package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"tutti/cmd/internal/cli"
	"tutti/cmd/internal/interrupt"
	"tutti/fanout"
	"tutti/internal/hostlist"
	"tutti/internal/sanitize"
	"tutti/internal/terminal"
	"tutti/output"
	"tutti/runner"
)

// flushGrace is how long an interrupted command waits for its reader.
const flushGrace = time.Second

// farewellTime bounds the last message of a program that quits at once.
const farewellTime = 200 * time.Millisecond

// A screen is where a run is shown: the queues in front of stdout and stderr,
// and the sinks that fill them.
type screen struct {
	out, err *output.Writer
	opts     output.Options
	o        *outputOptions

	// canRedraw says that stderr is a terminal that can redraw a line, and
	// width how wide it is at the moment.
	canRedraw bool
	width     func() int
	// hidden says that the terminal has another job in front.
	hidden func() bool
	// interrupts are the signals that stop a run in stages, and exit the rule of
	// its exit code.
	interrupts *interrupt.Interrupter
	exit       string
	// checksInput: data that waits on in is refused if no flag reads it. ignoresInput
	// says that the run that has started does not read it.
	in                        io.Reader
	stdout                    io.Writer // what out writes to
	checksInput, ignoresInput bool
	inputChecked              bool
	// runID is the number of the run that has started; 0: none, or none on record.
	runID atomic.Int64
	// left is what an operator can do who leaves the run before its end; nil: repeat it.
	left func(run int64) string
	// reserve has the warnings that -q holds back.
	reserve reserve

	files    *runFiles // nil before a run, and without one
	closers  []io.Closer
	summary  *output.Summary
	progress *output.Progress
}

func newScreen(std Streams, o *outputOptions) *screen {
	s := &screen{o: o, exit: exitByClass, in: std.In, stdout: std.Out}
	outTerminal, errTerminal := terminal.Is(std.Out), terminal.Is(std.Err)
	if outTerminal && errTerminal {
		s.out, s.err = output.NewWriterPair(std.Out, std.Err)
	} else {
		s.out, s.err = output.NewWriter(std.Out), output.NewWriter(std.Err)
	}
	// The summary and the hosts' stderr may be lost; the results are on stdout.
	s.err.Tolerate()
	s.canRedraw = errTerminal && std.Getenv("TERM") != "dumb"
	s.width = func() int { return terminal.Width(std.Err) }
	s.hidden = func() bool { return terminal.InBackground(std.Err) }
	s.opts = output.Options{
		Stdout:         s.out,
		Stderr:         s.err,
		StdoutTerminal: outTerminal,
		StderrTerminal: errTerminal,
		StdoutNull:     terminal.Null(std.Out),
		OneTerminal:    terminal.Same(std.Out, std.Err),
		StdoutColor:    useColor(std, o.color.Word, outTerminal),
		StderrColor:    useColor(std, o.color.Word, errTerminal),
		Raw:            o.raw,
		NoPrefix:       o.noPrefix,
		Quiet:          o.quiet,
		Diff:           o.diff,
		Timestamps:     o.timestamps,
		Fold:           hostlist.Fold,
	}
	return s
}

// useColor decides for a stream. NO_COLOR, whatever its value, asks for none.
func useColor(std Streams, when string, terminal bool) bool {
	switch when {
	case "always":
		return true
	case "never":
		return false
	}
	return terminal && std.Getenv("NO_COLOR") == "" && std.Getenv("TERM") != "dumb"
}

var _ runner.View = (*screen)(nil)

// Begin makes the sinks on stdout and stderr, those that write files, and the progress.
func (s *screen) Begin(d *runner.Decision) ([]fanout.Sink, error) {
	if err := s.checkInput(d); err != nil {
		return nil, err
	}
	s.ignoresInput = s.checksInput && d.ReadsNothing()
	files, err := openFiles(&s.o.fileOptions, d.Plan.Targets)
	if err != nil {
		return nil, err
	}
	s.files = files
	sinks := append([]fanout.Sink{s.revealer()}, s.sinks(!d.Plan.Task.Runs(), s.Code)...)
	sinks = append(sinks, output.NewAlerts(s.opts, s.gathering()))
	return append(append(sinks, files.sinks()...), s.watch()), nil
}

// gathering is how the mode shows the output of a host.
func (s *screen) gathering() output.Gathering {
	switch s.o.mode.Word {
	case modeFold:
		return output.GatheringFold
	case modeHost:
		return output.GatheringHost
	}
	return output.GatheringNone
}

// revealer shows what -q holds back, once a host is not ok, and knows which run it
// is.
func (s *screen) revealer() fanout.Sink {
	return fanout.SinkFunc(func(_ context.Context, e fanout.Event) error {
		if e.Kind == fanout.RunStarted {
			s.runID.Store(e.RunID)
		}
		if e.Kind == fanout.TargetFinished && e.Result.Outcome != fanout.OK {
			s.reveal()
		}
		return nil
	})
}

// sinks are what shows a run, in the order in which they get the events. ping says
// that there is no command.
func (s *screen) sinks(ping bool, code func(fanout.Summary) int) []fanout.Sink {
	var sinks []fanout.Sink
	type closer interface {
		fanout.Sink
		io.Closer
	}
	add := func(c closer) {
		sinks = append(sinks, c)
		s.closers = append(s.closers, c)
	}
	switch s.o.mode.Word {
	case modeStream:
		if ping {
			if !s.opts.Quiet {
				sinks = append(sinks, pingLines(s.out))
			}
			break
		}
		add(output.NewStream(s.opts))
	case modeFold:
		add(output.NewFold(s.opts))
	case modeHost:
		add(output.NewBlocks(s.opts))
	case modeTable:
		add(output.NewResults(s.opts, s.o.order(), func() int { return terminal.Width(s.stdout) }))
	case modeJSON:
		add(output.NewJSON(s.out, code))
	}
	s.summary = output.NewSummary(s.opts)
	return append(sinks, s.summary)
}

// watch is the sink that shows the progress of a run.
func (s *screen) watch() fanout.Sink {
	mode := output.ProgressNone
	switch {
	case s.o.progress.Word == "never", s.o.quiet && s.o.progress.Word == "auto":
	case s.canRedraw:
		mode = output.ProgressBar
	default:
		mode = output.ProgressLines
	}
	s.progress = output.NewProgress(output.ProgressOptions{
		Mode: mode, Stderr: s.err, Width: s.width, Hidden: s.hidden, Fold: hostlist.Fold,
	})
	s.closers = append(s.closers, s.progress)
	return s.progress
}

// Status is the progress of the run.
func (s *screen) Status() string { return s.progress.Status() }

// ShowLines shows lines of tutti's own before anything else that waits.
func (s *screen) ShowLines(lines string) { s.err.Interject(lines) }

// Mute shows no more output of the hosts on a terminal; files and pipes get all of it.
func (s *screen) Mute() {
	if s.opts.StdoutTerminal {
		s.out.Mute()
	}
	if s.opts.StderrTerminal {
		s.err.Mute()
	}
}

// Restore takes the progress off the terminal, before the program leaves a run behind.
func (s *screen) Restore() {
	s.Mute()
	if run := s.runID.Load(); run != 0 {
		if text := s.farewell(run); text != "" {
			s.ShowLines("hint: " + text + "\n")
		}
	}
	_ = s.progress.Close() // it does not fail
	ctx, cancel := context.WithTimeout(context.Background(), farewellTime)
	defer cancel()
	_ = s.err.Close(ctx) // who leaves at once does not wait for more
}

// farewell is what an operator can do who leaves a run before its end; empty: nothing.
func (s *screen) farewell(run int64) string {
	if s.left != nil {
		return s.left(run)
	}
	if s.opts.Again == nil {
		return ""
	}
	command := s.opts.Again(run)
	if command == "" {
		return ""
	}
	return command + " continues where this run stopped"
}

// Code is the exit code for sum, by the rule of --exit.
func (s *screen) Code(sum fanout.Summary) int {
	c := runner.ExitCode(sum, s.failure(), s.interrupts.Signal())
	if s.exit == exitByRemote && (c == runner.ExitFailed || c == runner.ExitUnreachable || c == runner.ExitStopped) {
		return sum.RemoteCode
	}
	return c
}

// Attend handles the signals in their stages, and stops the run when its reader has
// gone away, even while the hosts are silent.
func (s *screen) Attend(ctx context.Context) (context.Context, <-chan struct{}, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	unwatch := s.onFailure(func(err error) { cancel(fmt.Errorf("%w: %w", fanout.ErrSink, err)) })
	halt, unstage := s.interrupts.Stage(s)
	return ctx, halt, func() {
		unstage()
		unwatch()
		cancel(nil)
	}
}

// Finish closes the files, and prints the summary.
func (s *screen) Finish(ctx context.Context) error {
	s.warnOfArrived(ctx)
	err := s.files.close(ctx)
	if sayErr := s.lastWord(); err == nil {
		err = sayErr
	}
	return err
}

// lastWord prints the summary, when everything else is known.
func (s *screen) lastWord() error {
	if s.summary == nil || errors.Is(s.failure(), syscall.EPIPE) {
		return nil
	}
	return s.summary.Print()
}

// close shows what is queued, and waits for a reader until ctx ends.
func (s *screen) close(ctx context.Context) error {
	var errs []error
	errs = append(errs, s.files.close(ctx))
	for _, c := range s.closers {
		errs = append(errs, c.Close())
	}
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), flushGrace)
		defer cancel()
	}
	for _, w := range []*output.Writer{s.out, s.err} {
		// A reader that does not read is no error: the operator has left.
		if err := w.Close(ctx); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, fanout.ErrSignal) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// failure is why stdout or a file can no longer be written; nil if they can.
func (s *screen) failure() error {
	if err := s.out.Err(); err != nil {
		return err
	}
	return s.files.err()
}

// onFailure calls f when there is a failure, until stop is called.
func (s *screen) onFailure(f func(error)) (stop func()) {
	ended, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-s.out.Failed():
			f(s.out.Err())
		case <-s.files.failed():
			f(s.files.err())
		case <-ended:
		}
	}()
	return func() {
		close(ended)
		<-watched
	}
}

// say shows text of tutti's own on stderr.
func (s *screen) say(text string) {
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	// An error of stderr cannot be reported anywhere.
	_, _ = io.WriteString(s.err, text)
}

// warn shows a warning; with -q only if something is wrong with the run as well.
func (s *screen) warn(text string) { s.remark(cli.Warning(text)) }

// remark shows a line; errors are ignored.
func (s *screen) remark(line string) {
	if !s.opts.Quiet || !s.reserve.keep(line) {
		s.say(line)
	}
}

// reveal shows the held-back lines, and holds none back from now on.
func (s *screen) reveal() {
	for _, line := range s.reserve.release() {
		s.say(line)
	}
}

// banner shows what a host sends before a login.
func (s *screen) banner(host, text string) {
	for line := range strings.Lines(strings.TrimRight(text, "\r\n")) {
		s.remark("banner of " + sanitize.Visible(host) + ": " + sanitize.Visible(strings.TrimRight(line, "\r\n")))
	}
}

// logger logs each step if the flags ask for it.
func (s *screen) logger() *slog.Logger {
	if !s.o.verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
