package fault

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

// An error gets the reader's words, however it is wrapped, and what it wraps is still
// found.
func TestWording(t *testing.T) {
	flags := Wording{
		Key:     func(k Key) string { return "--" + string(k) },
		Short:   func(s Short) string { return "-" + string(s[:1]) },
		Command: func(c Command) string { return "tutti " + string(c) },
		Advice:  map[string]string{"gone": "run %d has another"},
	}
	inner := Errorf("%s: %w", Key("run-id-file"), fs.ErrNotExist)
	tests := []struct {
		name         string
		err          error
		plain, flags string
		hints        []string
	}{
		{"no key", Usagef("x %d", 1), "x 1", "x 1", nil},
		{"a key", inner, "run_id_file: file does not exist", "--run-id-file: file does not exist", nil},
		{"a usage error", Usage(inner), "run_id_file: file does not exist", "--run-id-file: file does not exist", nil},
		{"wrapped by others", fmt.Errorf("a: %w", fmt.Errorf("b: %w, c", inner)), "a: b: run_id_file: file does not exist, c", "a: b: --run-id-file: file does not exist, c", nil},
		{"in a text with keys", Syntaxf("%s and %w", Short("env"), inner), "env and run_id_file: file does not exist", "-e and --run-id-file: file does not exist", nil},
		{"a command", Errorf("see %s", Command("job log")), "see job log", "see tutti job log", nil},
		{"several", errors.Join(inner, Syntaxf("%s", Key("limit"))), "run_id_file: file does not exist\nlimit", "--run-id-file: file does not exist\n--limit", nil},
		{"the same twice", errors.Join(Syntaxf("%s", Key("limit")), Syntaxf("%s", Key("limit"))), "limit\nlimit", "--limit\n--limit", nil},
		{"hints", Hintf(Hint(Advise(inner, "gone", 7), "second"), "%s first", Key("limit")), "run_id_file: file does not exist", "--run-id-file: file does not exist", []string{"--limit first", "second", "run 7 has another"}},
		{"advice without words", Advise(inner, "none"), "run_id_file: file does not exist", "--run-id-file: file does not exist", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.err.Error(); got != tt.plain {
				t.Errorf("got %q, want %q", got, tt.plain)
			}
			if got := (Wording{}).Text(tt.err); got != tt.plain {
				t.Errorf("without words: got %q, want %q", got, tt.plain)
			}
			if got := flags.Text(tt.err); got != tt.flags {
				t.Errorf("with words: got %q, want %q", got, tt.flags)
			}
			if got := flags.Hints(tt.err); !slices.Equal(got, tt.hints) {
				t.Errorf("hints: got %q, want %q", got, tt.hints)
			}
		})
	}
	kept := flags.Error(Syntaxf("%s 0", Key("limit")), "but why")
	for _, err := range []error{kept, fmt.Errorf("%w", kept)} {
		if got, want := flags.Text(err), "--limit 0; but why"; got != want || err.Error() != want || !errors.As(err, new(*UsageError)) {
			t.Errorf("got %q, %q, want %q", got, err.Error(), want)
		}
	}
	if flags.Error(nil) != nil {
		t.Error("no error has become one")
	}
	if !errors.Is(Usagef("x: %w", inner), fs.ErrNotExist) {
		t.Error("what is wrapped is not found")
	}
	if got := Hints(tests[8].err); !slices.Equal(got, []string{"limit first", "second"}) {
		t.Errorf("hints without words: got %q", got)
	}
}

// A typed error knows its advice; where it has none, its hint is taken.
type adviser struct{ code string }

func (e adviser) Error() string                     { return "no run" }
func (e adviser) Hint() string                      { return "a hint" }
func (e adviser) Advice() (code string, args []any) { return e.code, []any{7} }

func TestErrorsKnowTheirAdvice(t *testing.T) {
	w := Wording{Advice: map[string]string{"newest": "the newest is %d"}}
	for code, want := range map[string]string{"newest": "the newest is 7", "": "a hint", "not worded": ""} {
		got := strings.Join(w.Hints(fmt.Errorf("open: %w", adviser{code})), "|")
		if got != want {
			t.Errorf("%q: got %q, want %q", code, got, want)
		}
	}
}
