package keeper

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"tutti/fanout"
	"tutti/ssh"
)

// answerTime is how long a keeper has to answer a hello.
const answerTime = 5 * time.Second

// Options are what a caller needs to know.
type Options struct {
	// Directory is where the keeper has its socket; see Directory.
	Directory string
	// Version of this program. A keeper of another version is not used.
	Version string
	// Program starts a keeper: it is run with the arguments Command, of which the first
	// is its name, and the directory, and calls ServeInherited. Empty: none is started.
	Program string
	Command []string
	// Environment of a keeper that is started.
	Environment []string
	// Most is how many idle connections there are at most; 0: as before, DefaultMost.
	Most int
	// KnownHosts, KillAfter and Drain are those of the client.
	KnownHosts       []string
	KillAfter, Drain time.Duration
	// Hint, Logger, Banner and Warn are those of the client.
	Hint   func(host string, cause fanout.Cause) string
	Logger *slog.Logger
	Banner func(host, text string)
	Warn   func(string)

	// patience replaces answerTime, byeTime and pingTime, if it is not 0.
	patience time.Duration
}

func (o *Options) warn(text string) {
	if o.Warn != nil {
		o.Warn(text)
	}
}

// An OtherVersionError is a keeper of another version of the program.
type OtherVersionError struct{ text string }

func (e *OtherVersionError) Error() string { return e.text }

// ErrNone is that no keeper runs.
var ErrNone = errors.New("no keeper is running")

// Dial connects to the keeper, which it starts if there is none, for the targets of client
// that want their connections to persist and that can go through a keeper. Targets are
// their indexes. The executor has the client, and closes it; after an error the caller
// still has it.
func Dial(ctx context.Context, client *ssh.Client, targets []int, opts Options) (*Executor, error) {
	lender := ssh.NewLender(client)
	h, places, endpoints, err := introduce(lender, targets, &opts)
	if err != nil {
		return nil, err
	}
	dir, err := openDirectory(opts.Directory)
	if err != nil {
		return nil, err
	}
	conn, from, err := greet(ctx, dir, &opts, h, endpoints)
	if isNone(err) && opts.Program != "" {
		conn, from, err = startAndGreet(ctx, dir, &opts, h, endpoints)
	}
	if err != nil {
		return nil, err
	}
	e := &Executor{
		direct: client, lender: lender, opts: opts, link: newLink(conn, from), places: places,
		attempts: map[uint32]*attempt{}, said: make(chan struct{}),
	}
	e.ctx, e.cancel = context.WithCancel(context.WithoutCancel(ctx))
	e.link.start(e.handle)
	e.link.wg.Go(e.watch)
	return e, nil
}

// introduce makes the hello for targets, and the messages with endpoints that follow it.
// Places are the targets by their place among them.
func introduce(lender *ssh.Lender, targets []int, opts *Options) (h *hello, places map[int]int, endpoints []byte, err error) {
	loan, err := lender.Lend(targets)
	if err != nil {
		return nil, nil, nil, err
	}
	known := slices.Clone(opts.KnownHosts) // the keeper works in another directory
	for i, file := range known {
		if known[i], err = filepath.Abs(file); err != nil {
			return nil, nil, nil, err
		}
	}
	places = make(map[int]int, len(targets))
	h = &hello{
		Version: opts.Version, Want: wantRun, Most: opts.Most, KnownHosts: known,
		KillAfter: opts.KillAfter, Drain: opts.Drain, Debug: opts.Logger != nil && opts.Logger.Enabled(context.Background(), slog.LevelDebug), Keys: loan.Keys,
	}
	for i := range loan.Endpoints {
		if body := encode(loan.Endpoints[i]); isFaithful(body) {
			places[targets[i]] = h.Endpoints
			endpoints = message{kindEndpoint, 0, body}.append(endpoints)
			h.Endpoints++
		}
	}
	for i := range loan.Bastions {
		endpoints = message{kindEndpoint, 0, encode(loan.Bastions[i])}.append(endpoints)
		h.Bastions++
	}
	return h, places, endpoints, nil
}

// greet connects to the keeper in dir and says hello.
func greet(ctx context.Context, dir string, opts *Options, h *hello, more []byte) (net.Conn, *bufio.Reader, error) {
	conn, err := connect(dir)
	if err != nil {
		return nil, nil, err
	}
	w, from, err := exchange(ctx, conn, cmp.Or(opts.patience, answerTime), h, more)
	if err == nil && w.Error != "" {
		err = errors.New(w.Error)
		if w.Other {
			err = &OtherVersionError{w.Error}
		}
	}
	if err != nil {
		_ = conn.Close() // nothing is under way
		return nil, nil, err
	}
	return conn, from, nil
}

// exchange says hello on conn and waits for the welcome.
func exchange(ctx context.Context, conn net.Conn, patience time.Duration, h *hello, more []byte) (*welcome, *bufio.Reader, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(patience)) // if it fails so does what follows
	from := bufio.NewReaderSize(conn, 64<<10)
	_, err := conn.Write(append(message{kindHello, 0, encode(h)}.append(nil), more...))
	var m message
	if err == nil || isHangUp(err) { // it may have said why before it hung up
		m, err = read(from)
	}
	w := new(welcome)
	if err == nil {
		err = m.decode(w)
	}
	switch {
	case ctx.Err() != nil:
		return nil, nil, context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, nil, errSilent
	case err != nil:
		return nil, nil, err
	}
	return w, from, conn.SetDeadline(time.Time{})
}

// isNone reports whether err says that there is no keeper, or none any more.
func isNone(err error) bool {
	if err == nil || errors.Is(err, errSilent) || errors.As(err, new(*OtherVersionError)) {
		return false
	}
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) || isHangUp(err)
}

// startAndGreet starts a keeper, unless another process has done so by now.
func startAndGreet(ctx context.Context, dir string, opts *Options, h *hello, more []byte) (net.Conn, *bufio.Reader, error) {
	unlock, err := lock(dir)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	if conn, from, err := greet(ctx, dir, opts, h, more); !isNone(err) {
		return conn, from, err
	}
	if err := start(dir, opts); err != nil {
		return nil, nil, fmt.Errorf("start the process that keeps connections: %w", err)
	}
	return greet(ctx, dir, opts, h, more)
}

// start starts a keeper in the background: in a session of its own, in the root
// directory, without a terminal, and with the socket and nothing else of this process's.
func start(dir string, opts *Options) error {
	l, err := listen(dir)
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }() // the keeper has it
	socket, err := l.File()
	if err != nil {
		return err
	}
	defer func() { _ = socket.Close() }() // likewise
	cmd := exec.Command(opts.Program)     //nolint:gosec,noctx // this program; it outlives the caller
	cmd.Args = append(opts.Command[:len(opts.Command):len(opts.Command)], dir)
	cmd.Dir, cmd.Env = "/", opts.Environment
	cmd.ExtraFiles = []*os.File{socket}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // so that no zombie is left while this process lives
	return nil
}

// ServeInherited is Serve in a process that Dial has started, whose last argument was dir.
func ServeInherited(ctx context.Context, dir, version string) error {
	const socketFile = 3 // the first after the standard ones
	f := os.NewFile(socketFile, socketName)
	if f == nil {
		return errors.New("the keeper has no socket: it is started by commands that need it")
	}
	l, err := net.FileListener(f)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return err
	}
	unix, ok := l.(*net.UnixListener)
	if !ok {
		return errors.New("what the keeper was given is no socket")
	}
	unix.SetUnlinkOnClose(false)
	return Serve(ctx, unix, dir, version)
}

// List asks the keeper in dir what it holds; the error is ErrNone if there is none.
func List(ctx context.Context, dir string) (State, error) {
	w, err := askOnce(ctx, dir, &hello{Want: wantList})
	if err != nil {
		return State{}, err
	}
	return w.State, nil
}

// Stop ends idle connections to places and returns how many; nil: all, and the keeper as
// soon as its commands have ended. The error is ErrNone if there is no keeper.
func Stop(ctx context.Context, dir string, places []Place) (ended int, left State, err error) {
	w, err := askOnce(ctx, dir, &hello{Want: wantStop, Match: places})
	if err != nil {
		return 0, State{}, err
	}
	return w.Ended, w.State, nil
}

func askOnce(ctx context.Context, dir string, h *hello) (*welcome, error) {
	if err := checkPrivate(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	} else if err != nil {
		return nil, err
	}
	conn, err := connect(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // all was said
	w, _, err := exchange(ctx, conn, answerTime, h, nil)
	if isHangUp(err) {
		return nil, ErrNone
	}
	return w, err
}
