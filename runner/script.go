package runner

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"os"
	"strings"

	"tutti/fanout"
	"tutti/internal/fault"
	"tutti/internal/filekind"
	"tutti/store"
)

// ReadScript copies a script, - being stdin, so that every host gets the same even if
// the file changes. The caller labels it, and closes its source.
func ReadScript(ctx context.Context, stdin io.Reader, name string) (*fanout.Script, error) {
	from := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fault.Usage(err)
		}
		defer func() { _ = f.Close() }() // it was only read
		if info, err := f.Stat(); err == nil && info.IsDir() {
			return nil, fault.Usagef("%s is a directory, not a script", name)
		}
		from = f
	}
	return scriptFrom(ctx, from, name, "")
}

// scriptOfText is a script that was submitted.
func scriptOfText(ctx context.Context, q *store.QueuedScript) (*fanout.Script, error) {
	script, err := scriptFrom(ctx, bytes.NewReader(q.Text), "-", q.Interpreter)
	if err == nil {
		script.Label, script.Args = q.Label, q.Args
	}
	return script, err
}

// scriptFrom copies a script of that name. by is the program that interprets it, with at
// most one argument; empty: the one that its first line names.
func scriptFrom(ctx context.Context, from io.Reader, name, by string) (*fanout.Script, error) {
	s, err := newSpool(from)
	if err != nil {
		return nil, err
	}
	s.want(math.MaxInt64 - readAhead) // all of it, and now
	sum := sha256.New()
	size, err := io.Copy(sum, s.Open(ctx))
	if err != nil {
		_ = s.Close()
		return nil, fault.Usagef("read the script %s: %w", name, err)
	}
	script := &fanout.Script{Source: s, Size: size, SHA256: hex.EncodeToString(sum.Sum(nil)), Name: Absolute(name)}
	var head io.ReaderAt = s.file
	if by != "" {
		head = strings.NewReader("#!" + by + "\n")
	}
	if script.Interpreter, err = interpreter(head); err != nil {
		defer func() { _ = s.Close() }()
		if kind := s.kind(); kind != nil {
			return nil, fault.Usagef("script %s: %w", name, kind)
		}
		return nil, fault.Hint(fault.Usagef("script %s: %w", name, err), "the first line names the interpreter, such as #!/bin/sh or #!/usr/bin/env python3")
	}
	return script, nil
}

// CloseScript releases the copy of task's script, if it has one. The task must not be
// running any more.
func CloseScript(task fanout.Task) {
	if script, ok := task.Action.(*fanout.Script); ok {
		_ = script.Source.Close() // it was only read
	}
}

// kind returns an error that names what a spool that has been read holds instead of a
// script: a key, a certificate.
func (s *spool) kind() error {
	head := make([]byte, 64<<10)
	n, err := s.file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil // the other mistake is reported
	}
	return filekind.Check(head[:n])
}

// maxFirstLine is how long a #! line may be, the lowest limit of the supported systems.
const maxFirstLine = 255

// interpreter parses the #! line as the system does: all that follows the path is one
// argument.
func interpreter(script io.ReaderAt) ([]string, error) {
	head := make([]byte, maxFirstLine+1)
	n, err := script.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	line, _, whole := bytes.Cut(head[:n], []byte("\n"))
	rest, ok := bytes.CutPrefix(line, []byte("#!"))
	switch {
	case !ok:
		return nil, errors.New("it does not begin with #! and a program")
	case !whole && n > maxFirstLine:
		return nil, errors.New("its #! line is too long")
	case bytes.ContainsRune(rest, '\r'):
		return nil, errors.New("it has Windows line endings (CRLF), which break its #! line")
	case bytes.IndexByte(rest, 0) >= 0:
		return nil, errors.New("its #! line contains a NUL byte")
	}
	path, arg, _ := strings.Cut(strings.Trim(string(rest), " \t"), " ")
	if tab := strings.IndexByte(path, '\t'); tab >= 0 {
		path, arg = path[:tab], path[tab:]+" "+arg
	}
	if !strings.HasPrefix(path, "/") {
		return nil, errors.New("its #! line does not name an absolute path")
	}
	if arg = strings.Trim(arg, " \t"); arg != "" {
		return []string{path, arg}, nil
	}
	return []string{path}, nil
}
