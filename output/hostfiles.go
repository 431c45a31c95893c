package output

import (
	"container/list"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// maxOpenFiles is how many files of a Dir are open at once. A run of ten
// thousand hosts has twice as many, and its connections need the descriptors.
const maxOpenFiles = 16

// hostFiles are the files that a Dir is writing. Those written least recently
// are closed, and opened again when there is more to write.
type hostFiles struct {
	root *os.Root
	// begun are the files of targets that have not finished, as they were made.
	begun map[string]os.FileInfo
	open  map[string]*list.Element // by name
	used  *list.List               // of openFile, the most recently used first
}

// An openFile is an element of hostFiles.used.
type openFile struct {
	name string
	*os.File
}

func newHostFiles(root *os.Root) *hostFiles {
	return &hostFiles{
		root:  root,
		begun: make(map[string]os.FileInfo),
		open:  make(map[string]*list.Element),
		used:  list.New(),
	}
}

// begin makes the empty files of a host whose command is about to be sent.
func (h *hostFiles) begin(host string) error {
	for _, ending := range []string{outEnding, errEnding} {
		if _, err := h.file(host + ending); err != nil {
			return err
		}
	}
	return nil
}

// beginAgain empties the files of a host for another attempt.
func (h *hostFiles) beginAgain(host string) error {
	for _, ending := range []string{outEnding, errEnding} {
		name := host + ending
		if h.begun[name] == nil {
			continue
		}
		f, err := h.file(name)
		if err != nil {
			return err
		}
		if err := f.Truncate(0); err != nil {
			return err
		}
	}
	return nil
}

func (h *hostFiles) write(name string, data []byte) error {
	f, err := h.file(name)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return err
}

// finish closes the files of a host and writes its result.
func (h *hostFiles) finish(host string, result []byte) error {
	var errs []error
	for _, ending := range []string{outEnding, errEnding} {
		delete(h.begun, host+ending)
		errs = append(errs, h.closeFile(h.open[host+ending]))
	}
	f, err := h.root.OpenFile(host+resultEnding, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	_, err = f.Write(result)
	return errors.Join(append(errs, err, f.Close())...)
}

// file returns the file called name, open at its end.
func (h *hostFiles) file(name string) (*os.File, error) {
	if e := h.open[name]; e != nil {
		h.used.MoveToFront(e)
		return e.Value.(openFile).File, nil
	}
	if h.used.Len() >= maxOpenFiles {
		if err := h.closeFile(h.used.Back()); err != nil {
			return nil, err
		}
	}
	f, err := h.openAtEnd(name)
	if err != nil {
		return nil, err
	}
	h.open[name] = h.used.PushFront(openFile{name, f})
	return f, nil
}

// openAtEnd creates the file called name, or opens the one that h created; it does
// not follow or write to any other file.
func (h *hostFiles) openAtEnd(name string) (*os.File, error) {
	const flags = os.O_WRONLY | os.O_APPEND | syscall.O_NOFOLLOW
	made := h.begun[name]
	if made == nil {
		f, err := h.root.OpenFile(name, flags|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		if h.begun[name], err = f.Stat(); err != nil {
			_ = f.Close() // the other error counts
			return nil, err
		}
		return f, nil
	}
	f, err := h.root.OpenFile(name, flags, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !os.SameFile(info, made) {
		err = fmt.Errorf("%s was replaced with another file", name)
	}
	if err != nil {
		_ = f.Close() // the other error counts
		return nil, err
	}
	return f, nil
}

// closeFile closes the file of e; nil has none.
func (h *hostFiles) closeFile(e *list.Element) error {
	if e == nil {
		return nil
	}
	f := h.used.Remove(e).(openFile)
	delete(h.open, f.name)
	return f.Close()
}

// close closes what is open. The writes have already reported any error.
func (h *hostFiles) close() {
	for h.used.Len() > 0 {
		_ = h.closeFile(h.used.Front())
	}
	_ = h.root.Close()
}
