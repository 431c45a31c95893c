package runner

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

func testSpool(tb testing.TB, from io.Reader) *spool {
	tb.Helper()
	s, err := newSpool(from)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// TestSpool: many readers, each at its own pace, get the whole of a stream that
// can be read only once, and so does one that comes late.
func TestSpool(t *testing.T) {
	want := bytes.Repeat([]byte("0123456789abcdef"), 200_000) // more than is read ahead
	s := testSpool(t, iotest.HalfReader(bytes.NewReader(want)))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			r := s.Open(t.Context())
			if i == 0 {
				r = iotest.HalfReader(r)
			}
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
				t.Errorf("got %d bytes, error %v, want %d", len(got), err, len(want))
			}
		})
	}
	wg.Wait()
	if got, err := io.ReadAll(s.Open(t.Context())); err != nil || !bytes.Equal(got, want) {
		t.Errorf("late: got %d bytes, error %v, want %d", len(got), err, len(want))
	}
	if info, err := s.file.Stat(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, error %v, want 0600", info.Mode(), err)
	}
	if _, err := os.Stat(s.file.Name()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got error %v, want a file without a name", err)
	}
}

// TestSpoolReadsNoFurther: an endless stream without a reader is not stored.
func TestSpoolReadsNoFurther(t *testing.T) {
	s := testSpool(t, endless{})
	r := s.Open(t.Context())
	if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	for more := true; more; { // until it stands still
		s.mu.Lock()
		more = s.size < s.wanted+readAhead
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if most := s.wanted + readAhead + 64<<10; s.size > most {
		t.Errorf("got %d bytes kept, want at most %d", s.size, most)
	}
}

// endless is a stream of zeros.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestSpoolBreaks(t *testing.T) {
	broken := errors.New("the disk is on fire")
	s := testSpool(t, io.MultiReader(strings.NewReader("some"), iotest.ErrReader(broken)))
	got, err := io.ReadAll(s.Open(t.Context()))
	if string(got) != "some" || !errors.Is(err, broken) {
		t.Errorf("got %q, error %v, want %q and %v", got, err, "some", broken)
	}
}

// TestSpoolWaits: a reader waits no longer than it is wanted.
func TestSpoolWaits(t *testing.T) {
	from, to := io.Pipe()
	defer func() { _ = to.Close() }()
	s := testSpool(t, from)
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("enough")
	cancel(stop)
	if _, err := s.Open(ctx).Read(make([]byte, 1)); !errors.Is(err, stop) {
		t.Errorf("got error %v, want %v", err, stop)
	}
	read := make(chan error, 1)
	go func() {
		_, err := s.Open(context.WithoutCancel(ctx)).Read(make([]byte, 1))
		read <- err
	}()
	_ = s.Close()
	if err := <-read; !errors.Is(err, os.ErrClosed) {
		t.Errorf("got error %v after close, want %v", err, os.ErrClosed)
	}
}

func TestInterpreter(t *testing.T) {
	tests := []struct{ script, want string }{
		{"#!/bin/sh\necho", "/bin/sh"},
		{"#!/bin/sh", "/bin/sh"},
		{"#! /bin/sh  -e x \n", "/bin/sh|-e x"},
		{"#!\t/usr/bin/env\tpython3 -u\n", "/usr/bin/env|python3 -u"},
		{"#!/usr/bin/env -S perl -w\n", "/usr/bin/env|-S perl -w"},
		{"#!/bin/sh -e\n\x00\xff", "/bin/sh|-e"},
		{"", ""},
		{"#!", ""},
		{"#!\n/bin/sh", ""},
		{" #!/bin/sh\n", ""},
		{"#!sh\n", ""},
		{"#!/bin/sh\r\n", ""},
		{"#!/bin/s\x00h\n", ""},
		{"\xef\xbb\xbf#!/bin/sh\n", ""},
		{"#!/" + strings.Repeat("x", 300) + "\n", ""},
	}
	for _, tt := range tests {
		got, err := interpreter(strings.NewReader(tt.script))
		if strings.Join(got, "|") != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("interpreter(%.40q) = %q, error %v, want %q", tt.script, got, err, tt.want)
		}
	}
}
