package output

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"tutti/fanout"
)

const (
	// frameInterval is the time between two frames of the bar.
	frameInterval = 100 * time.Millisecond
	// barDelay is how long a run has to take before it gets a bar.
	barDelay = time.Second
	// lineInterval is the time between two status lines.
	lineInterval = 30 * time.Second
	// widestBar bounds the bar proper, in columns; narrowestBar is where it is
	// left out.
	widestBar, narrowestBar = 30, 6
	// defaultWidth is assumed if the terminal reports no width.
	defaultWidth = 80
)

// A ProgressMode is how a Progress shows itself.
type ProgressMode int

const (
	// ProgressNone shows nothing; Status still answers.
	ProgressNone ProgressMode = iota
	// ProgressLines prints a line every 30 seconds.
	ProgressLines
	// ProgressBar keeps a bar below the output, in runs of over a second. The
	// stream must end on a terminal that can redraw a line.
	ProgressBar
)

// ProgressOptions say how a Progress looks.
type ProgressOptions struct {
	Mode ProgressMode
	// Stderr is where it is shown. Nothing else may write to that terminal but
	// this Writer and its pair.
	Stderr *Writer
	// Width returns the columns of the terminal, or less than 1 where they are
	// not known; it is asked for every frame. Nil: not known.
	Width func() int
	// Hidden reports that another process group has the terminal at the moment, as
	// when tutti runs in the background: no bar is drawn then. Nil: never.
	Hidden func() bool
	// Fold writes a list of names briefly. Nil: with commas.
	Fold func(names []string) string
}

// Progress shows the progress of a run. Handle starts a goroutine with the run, and
// Close waits for it. Any goroutine may call Status.
type Progress struct {
	opts ProgressOptions
	stop chan struct{}
	ui   sync.WaitGroup

	mu    sync.Mutex // guards what follows
	begun time.Time  // zero before the run
	ended bool
	tally tally
}

var _ fanout.Sink = (*Progress)(nil)

// NewProgress returns a Progress; it shows nothing before the run starts.
func NewProgress(opts ProgressOptions) *Progress {
	return &Progress{opts: opts, stop: make(chan struct{})}
}

// Handle counts e; it never fails.
func (p *Progress) Handle(_ context.Context, e fanout.Event) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e.Kind {
	case fanout.RunStarted:
		p.begun = time.Now()
		p.tally = newTally(e.Plan)
		p.start()
	case fanout.RunFinished:
		p.ended = true
		p.clear()
	default:
		p.tally.note(e)
	}
	return nil
}

// Close takes the bar off the screen and ends the goroutine. It may be called
// again.
func (p *Progress) Close() error {
	p.mu.Lock()
	p.clear()
	p.ended = true
	if p.stop != nil {
		close(p.stop)
		p.stop = nil
	}
	p.mu.Unlock()
	p.ui.Wait()
	return nil
}

// Status is the progress of the run in a few lines: how many hosts are done, and which
// are not. It is empty before the run starts.
func (p *Progress) Status() string {
	p.mu.Lock()
	begun, now := p.begun, p.tally.clone()
	p.mu.Unlock()
	if begun.IsZero() {
		return ""
	}
	return now.status(time.Since(begun), p.opts.Fold) // folding many names takes time
}

// start starts the goroutine that shows the progress; p.mu is held.
func (p *Progress) start() {
	stop := p.stop
	if stop == nil {
		return
	}
	switch p.opts.Mode {
	case ProgressLines:
		p.ui.Go(func() { every(lineInterval, stop, p.printLine) })
	case ProgressBar:
		p.ui.Go(func() { every(frameInterval, stop, p.drawFrame) })
	}
}

// every calls f at each interval until stop is closed.
func every(interval time.Duration, stop <-chan struct{}, f func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			f()
		case <-stop:
			return
		}
	}
}

func (p *Progress) printLine() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	// The sinks with more to write notice a closed stderr.
	_ = p.opts.Stderr.line([]byte(p.tally.line(time.Since(p.begun)) + "\n"))
}

func (p *Progress) drawFrame() {
	p.mu.Lock()
	defer p.mu.Unlock()
	elapsed := time.Since(p.begun)
	if p.ended || elapsed < barDelay {
		return
	}
	if p.opts.Hidden != nil && p.opts.Hidden() {
		p.opts.Stderr.leave() // to erase it would erase what is typed there now
		return
	}
	width := 0
	if p.opts.Width != nil {
		width = p.opts.Width()
	}
	if width < 1 {
		width = defaultWidth
	}
	done, total := p.tally.share()
	p.opts.Stderr.show(frame(done, total, p.tally.brief(elapsed), width))
}

// clear takes the bar off the screen; p.mu is held.
func (p *Progress) clear() {
	if p.opts.Mode == ProgressBar {
		p.opts.Stderr.show("")
	}
}

// frame is the bar with a text after it, in less than width columns: the last
// one stays free, since some terminals wrap there. A narrow terminal gets the
// text without the bar, or its beginning.
func frame(done, total int, text string, width int) string {
	const around = len(" 100% [] ") + 1
	columns := min(widestBar, width-1-around-len(text))
	if total < 1 || columns < narrowestBar {
		return text[:max(0, min(len(text), width-1))]
	}
	// Each frame has a new bar, since its width follows the terminal.
	// It draws into a string: only the Writer knows when the screen is free.
	bar := progressbar.NewOptions(total,
		progressbar.OptionSetWriter(io.Discard),
		progressbar.OptionSetWidth(columns),
		progressbar.OptionSetTheme(progressbar.ThemeASCII),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionShowDescriptionAtLineEnd(),
		progressbar.OptionSetDescription(text),
	)
	if err := bar.Set(done); err != nil {
		return text
	}
	if err := bar.RenderBlank(); err != nil {
		return text
	}
	return strings.TrimRight(strings.TrimPrefix(bar.String(), "\r"), " ")
}

// secondsText is d for a text that is renewed all the time: whole seconds.
func secondsText(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%ds", int(d.Seconds()))
	}
	return durationText(d)
}
