package knownhosts

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	gossh "golang.org/x/crypto/ssh"
	goknownhosts "golang.org/x/crypto/ssh/knownhosts"
	"golang.org/x/sys/unix"

	"tutti/internal/safefile"
)

// errLocked is a known_hosts file that other processes kept locked all the time.
var errLocked = errors.New("another process keeps it locked")

// Target is the file that keys are written to; empty if there is none.
func (h *Files) Target() string {
	if len(h.files) == 0 {
		return ""
	}
	return h.files[0]
}

// addKnownHost adds key, unless another process has added one for this host in the
// meantime, and returns the resulting judgement.
func (h *Files) addKnownHost(ctx context.Context, n hostNames, key gossh.PublicKey, hash bool) (judgement, error) {
	f, unlock, err := h.lock(ctx)
	if err != nil {
		return judgement{}, err
	}
	defer unlock()
	h.refresh(f.File)
	blob := string(key.Marshal())
	if v := h.classify(n, blob); v.verdict != Unknown {
		return v, nil
	}
	names := n.written(func(string) bool { return false }) // the host would be known
	line := newLines(names, key, hash)
	if !endsLine(f.File) {
		line = "\n" + line
	}
	if _, err := f.WriteString(line); err != nil {
		return judgement{}, err
	}
	h.seen, _ = f.Stat() // if that fails the file is read again
	h.mu.Lock()
	for _, name := range names {
		h.known.names[name] = []*knownKey{{file: h.files[0], kind: key.Type(), blob: blob}}
	}
	h.mu.Unlock()
	return judgement{verdict: Known}, nil
}

// newLines are the lines that hold key for names: one, or with hash, where each
// name has a hash of its own, one for each.
func newLines(names []string, key gossh.PublicKey, hash bool) string {
	fields := []string{strings.Join(names, ",")}
	if hash {
		fields = make([]string, len(names))
		for i, name := range names {
			fields[i] = goknownhosts.HashHostname(name)
		}
	}
	var b strings.Builder
	for _, field := range fields {
		b.WriteString(field + " " + key.Type() + " " + encode(key.Marshal()) + "\n")
	}
	return b.String()
}

// lock opens and locks the file that keys are written to, against other processes and
// goroutines, until unlock is called. If the file was replaced while lock waited, it
// opens the new one; f has the name of the real file, behind any links.
func (h *Files) lock(ctx context.Context) (f *lockedFile, unlock func(), err error) {
	if len(h.files) == 0 {
		return nil, nil, errors.New("no file is given")
	}
	select {
	case h.learning <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	for {
		if f, err = openForAdding(h.files[0]); err != nil {
			break
		}
		if err = lock(ctx, f.File); err == nil && f.place.Current(f.File) {
			return f, func() {
				f.close() // writing has been checked, and the lock goes either way
				<-h.learning
			}, nil
		}
		f.close() // nothing was written
		if err != nil {
			break
		}
	}
	<-h.learning
	return nil, nil, err
}

// A lockedFile is a known_hosts file that is open for writing, and where it is.
type lockedFile struct {
	*os.File
	place *safefile.Place
}

func (f *lockedFile) close() {
	_ = f.Close()
	f.place.Close()
}

func openForAdding(file string) (*lockedFile, error) {
	if _, err := safefile.MkdirAll(filepath.Dir(file)); err != nil {
		return nil, err
	}
	place, err := safefile.Find(file)
	if err != nil {
		return nil, err
	}
	var f *os.File
	if place.Path == os.DevNull { // which learns nothing, and must not be replaced
		f, err = os.OpenFile(os.DevNull, os.O_RDWR, 0)
	} else {
		f, err = place.Open(os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	}
	if err != nil {
		place.Close()
		return nil, err
	}
	return &lockedFile{File: f, place: place}, nil
}

// refresh reads the files again if the one that is open as f has changed.
func (h *Files) refresh(f *os.File) {
	now, err := f.Stat()
	if err == nil && h.seen != nil && os.SameFile(now, h.seen) &&
		now.Size() == h.seen.Size() && now.ModTime().Equal(h.seen.ModTime()) {
		return
	}
	h.load(os.ReadFile) // it is ours
}

// wholeTime is how long a reader waits for another process to finish its write.
const wholeTime = 100 * time.Millisecond

// readWhole reads a file to which another process may be adding a line; it never
// returns half of that line.
func readWhole(file string) ([]byte, error) { return readUnlocked(file, wholeTime) }

// readUnlocked reads a file once no process holds its lock, or when patience
// is over.
func readUnlocked(file string, patience time.Duration) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < patience; <-tick.C {
		if !errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK) {
			break
		}
	}
	return io.ReadAll(f)
}

// lock locks the file for this process. It polls, because a blocking lock would not end
// with ctx.
func lock(ctx context.Context, f *os.File) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errLocked
		}
	}
}

// endsLine reports whether the content of f is empty or ends with a newline.
func endsLine(f *os.File) bool {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || end == 0 {
		return true
	}
	last := make([]byte, 1)
	_, err = f.ReadAt(last, end-1)
	return err != nil || last[0] == '\n'
}
