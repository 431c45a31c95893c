package terminal

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

// What is no terminal has no size, and is the same as nothing.
func TestStreamsThatAreNone(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // the test is over
	defer w.Close() //nolint:errcheck // the test is over
	for name, stream := range map[string]io.Writer{"a buffer": &bytes.Buffer{}, "a pipe": w} {
		columns, rows := Size(stream)
		if Is(stream) || Same(stream, stream) || columns != 0 || rows != 0 || Width(stream) != 0 || InBackground(stream) {
			t.Errorf("%s was taken for a terminal", name)
		}
	}
}

// TestNull: only the null device itself is one, by whatever file it was opened.
func TestNull(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close() //nolint:errcheck // the test is over
	zero, err := os.Open("/dev/zero")
	if err != nil {
		t.Fatal(err)
	}
	defer zero.Close() //nolint:errcheck // the test is over
	if !Null(null) || Null(zero) || Null(io.Discard) {
		t.Errorf("got %v for the null device, %v for another, %v for a writer that is no file, want only the first", Null(null), Null(zero), Null(io.Discard))
	}
}

func TestReadSecret(t *testing.T) {
	broken := errors.New("the line was cut")
	tests := []struct {
		name string
		from io.Reader
		want string
		err  error
	}{
		{"a line", strings.NewReader("secret\nmore"), "secret", nil},
		{"as Windows ends it", strings.NewReader("secret\r\n"), "secret", nil},
		{"byte by byte", iotest.OneByteReader(strings.NewReader("secret\n")), "secret", nil},
		{"nothing", strings.NewReader("\n"), "", nil},
		{"without an end", strings.NewReader("secret"), "secret", nil},
		{"no line", strings.NewReader(""), "", io.EOF},
		{"too long", strings.NewReader(strings.Repeat("x", maxSecret+1)), "", errLongLine},
		{"broken", io.MultiReader(strings.NewReader("sec"), iotest.ErrReader(broken)), "", broken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readSecret(tt.from)
			if !errors.Is(err, tt.err) || string(got) != tt.want {
				t.Errorf("got %q, %v, want %q, %v", got, err, tt.want, tt.err)
			}
		})
	}
}
