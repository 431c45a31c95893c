package fanout_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"tutti/fanout"
)

func TestParseShare(t *testing.T) {
	tests := []struct{ in, want string }{
		{"0", "0"},
		{"7", "7"},
		{" 7 ", "7"},
		{"10%", "10%"},
		{"12.5%", "12.5%"},
		{"0%", "0%"},
		{"100%", "100%"},
		{"", ""},
		{"-1", ""},
		{"1.5", ""},
		{"150%", ""},
		{"-1%", ""},
		{"%", ""},
		{"NaN%", ""},
		{"ten", ""},
		{"99999999999", ""},
	}
	for _, tt := range tests {
		got, err := fanout.ParseShare(tt.in)
		switch {
		case tt.want == "" && err == nil:
			t.Errorf("%q: got %s, want an error", tt.in, got)
		case tt.want != "" && (err != nil || got.String() != tt.want):
			t.Errorf("%q: got %s, %v, want %s", tt.in, got, err, tt.want)
		}
	}
}

// FuzzParseShare: a share that is taken is within its bounds, and is read again
// from its text.
func FuzzParseShare(f *testing.F) {
	for _, s := range []string{"0", "7", " 7 ", "12.5%", "100%", "150%", "-1", "NaN%", "+Inf%", "1e2%", "0x1p3%", "99999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		share, err := fanout.ParseShare(s)
		if err != nil {
			return
		}
		again, err := fanout.ParseShare(share.String())
		if share.Value < 0 || share.Percent && share.Value > 100 || err != nil || again != share {
			t.Errorf("%q: got %+v, and from its text %+v, %v", s, share, again, err)
		}
	})
}

func TestPolicyIsRecordedWhole(t *testing.T) {
	want := fanout.Policy{
		Fanout:   50,
		Deadline: time.Hour,
		Retry:    fanout.Retry{On: []fanout.Outcome{fanout.Unreachable, fanout.Lost}, Delay: time.Second},
		Batches:  []fanout.Share{{Value: 1}, {Value: 10, Percent: true}},
		Pause:    time.Minute,
		MaxFail:  &fanout.Share{Value: 2},
	}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got fanout.Policy
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v from %s, want %+v", got, data, want)
	}
}

func TestNamesReadBack(t *testing.T) {
	for _, o := range fanout.Outcomes() {
		if got, err := fanout.ParseOutcome(o.String()); err != nil || got != o {
			t.Errorf("outcome %s: got %s, %v", o, got, err)
		}
	}
	if _, err := fanout.ParseOutcome("perfect"); err == nil {
		t.Error("no error for an unknown outcome")
	}
	for s := fanout.StoppedNone; s <= fanout.StoppedSecretsGone; s++ {
		if got, err := fanout.ParseStopped(s.String()); err != nil || got != s {
			t.Errorf("stopped %s: got %s, %v", s, got, err)
		}
	}
	if _, err := fanout.ParseStopped("bored"); err == nil {
		t.Error("no error for an unknown reason")
	}
}

func TestRemoteCodeIsWhatSSHWouldGive(t *testing.T) {
	exit := func(e fanout.Exit) fanout.Report { return fanout.Report{Exit: &e, Started: true} }
	tests := []struct {
		name   string
		report fanout.Report
		want   int
	}{
		{"ok", exit(fanout.Exit{}), 0},
		{"code", exit(fanout.Exit{Code: 3}), 3},
		{"a code that does not fit", exit(fanout.Exit{Code: math.MaxUint32}), 255},
		{"256", exit(fanout.Exit{Code: 256}), 255},
		{"signal", exit(fanout.Exit{Signal: "TERM"}), 143},
		{"a signal of many numbers", exit(fanout.Exit{Signal: "USR1"}), 255},
		{"a foreign signal", exit(fanout.Exit{Signal: "SIG@example.com"}), 255},
		{"never started", fanout.Report{Failure: &fanout.Failure{Op: fanout.OpDial}}, 255},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s fanout.Summary
			s.Add(fanout.Result{Outcome: tt.report.Outcome(), Report: tt.report})
			if s.RemoteCode != tt.want {
				t.Errorf("got %d, want %d", s.RemoteCode, tt.want)
			}
		})
	}
}
