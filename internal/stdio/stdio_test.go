package stdio_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"tutti/internal/stdio"
)

// TestMain is also the process that is started with closed streams: its exit
// status says which it found closed.
func TestMain(m *testing.M) {
	if os.Getenv("STDIO_CHILD") == "" {
		os.Exit(m.Run())
	}
	code := 0
	for fd := range 3 {
		if stdio.Closed(fd) {
			code |= 1 << fd
		}
	}
	os.Exit(code)
}

func TestClosed(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for redirect, want := range map[string]int{
		"</dev/null >/dev/null 2>&1": 0,
		"<>/dev/null >&0 2>&0":       0,
		"<&- >/dev/null 2>/dev/null": 1,
		"</dev/null >&- 2>/dev/null": 2,
		"</dev/null >/dev/null 2>&-": 4,
		"<&- >&- 2>&-":               7,
	} {
		c := exec.Command("/bin/sh", "-c", fmt.Sprintf(`"$0" %s; exit $?`, redirect), self)
		c.Env = append(os.Environ(), "STDIO_CHILD=1")
		_ = c.Run() // the status is what it says
		if got := c.ProcessState.ExitCode(); got != want {
			t.Errorf("%s: got %d, want %d", redirect, got, want)
		}
	}
}
