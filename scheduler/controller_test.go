package scheduler

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A daemon that is held starts nothing, what it executes goes on, and its log says so once.
func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.add("job", "*/5 * * * *")
		r.takes["job"] = 3 * time.Minute
		var why atomic.Value
		why.Store("")
		r.daemon.Hold = func() string { return why.Load().(string) }
		r.start(t)
		pass(6 * time.Minute)
		why.Store("it drains")
		pass(10 * time.Minute)
		r.wantRows(t, "job", "01T00:05:00 run 01T00:05:00 ok")
		why.Store("")
		pass(8 * time.Minute)
		r.finish(t)
		if len(r.rows) < 2 || r.rows[len(r.rows)-1].begun.IsZero() {
			t.Errorf("got %+v, want it to run jobs again", r.rows)
		}
		r.wantLog(t, 1, `msg="the daemon starts nothing" reason="it drains"`)
		r.wantLog(t, 1, `msg="the daemon starts jobs again"`)
	})
}

func TestDiffering(t *testing.T) {
	c := func(serves bool, files ...string) Controller {
		x := Controller{Serves: serves}
		for _, f := range files {
			name, digest, _ := strings.Cut(f, "=")
			x.Said.Files = append(x.Said.Files, LocalFile{Name: name, Digest: digest})
		}
		return x
	}
	for _, tt := range []struct {
		name string
		all  []Controller
		want string
	}{
		{"none", nil, ""},
		{"alone", []Controller{c(true, "inventory=1")}, ""},
		{"the same", []Controller{c(true, "inventory=1", "known_hosts=2"), c(true, "inventory=1", "known_hosts=2")}, ""},
		{"another", []Controller{c(true, "inventory=1", "known_hosts=2"), c(true, "inventory=1", "known_hosts=3")}, "known_hosts"},
		{"unreadable", []Controller{c(true, "/s.sh=1"), c(true, "/s.sh=")}, "/s.sh"},
		{"one of two again", []Controller{c(true, "a=1"), c(true, "a=2"), c(true, "a=1")}, "a"},
		{"missing", []Controller{c(true, "b=1", "a=1"), c(true, "c=1")}, "a b c"},
		{"nothing said", []Controller{c(true, "a=1"), c(true)}, ""},
		{"no daemon", []Controller{c(true, "a=1"), c(false, "a=2")}, ""},
	} {
		if got := strings.Join(Differing(tt.all), " "); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
