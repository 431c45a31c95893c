package scheduler

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with a file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

// TestChanges shows what schedules do where the clock is set forward and back.
func TestChanges(t *testing.T) {
	tests := []struct {
		zone  string
		texts []string
		// from and for how long
		from  []string
		hours int
	}{
		{"America/New_York", []string{"0 * * * *", "30 2 * * *", "0,30 2 * * *", "30 1 * * *", "*/30 1-2 * * *"}, []string{"2026-03-08T05:00:00Z", "2026-11-01T04:00:00Z"}, 5},
		{"Australia/Lord_Howe", []string{"0 * * * *", "15 2 * * *", "45 1 * * *", "*/15 1 * * *"}, []string{"2026-04-04T13:00:00Z", "2026-10-03T14:00:00Z"}, 4},
		{"America/Sao_Paulo", []string{"0 * * * *", "30 0 * * *", "0 0 * * *", "30 23 * * *"}, []string{"2018-11-04T01:00:00Z", "2019-02-17T00:00:00Z"}, 5},
		{"America/Santiago", []string{"0 * * * *", "30 0 * * *", "30 23 * * *"}, []string{"2026-04-05T01:00:00Z", "2026-09-06T02:00:00Z"}, 5},
		{"Europe/Dublin", []string{"0 * * * *", "30 1 * * *"}, []string{"2026-03-29T00:00:00Z", "2026-10-24T23:00:00Z"}, 4},
		{"Pacific/Apia", []string{"0 */6 * * *", "30 2 * * *", "0 12 30 12 *", "0 0 31 * *"}, []string{"2011-12-29T12:00:00Z"}, 60},
		{"Africa/Casablanca", []string{"0 * * * *", "30 2 * * *"}, []string{"2026-02-14T23:00:00Z", "2026-03-21T23:00:00Z"}, 6},
	}
	for _, tt := range tests {
		t.Run(tt.zone, func(t *testing.T) {
			var b bytes.Buffer
			for _, from := range tt.from {
				start := utc(t, from).Add(-time.Second)
				until := start.Add(time.Duration(tt.hours) * time.Hour)
				for _, text := range tt.texts {
					fmt.Fprintf(&b, "%s\n", text)
					s := parse(t, tt.zone, text)
					for in := next(t, s, start); !in.At.After(until); in = next(t, s, in.At) {
						line := fmt.Sprintf("  %s  %s  %s", in.At.Format("2006-01-02 15:04 -0700"), in.At.UTC().Format("2006-01-02T15:04Z"), in.Shifted)
						b.WriteString(strings.TrimRight(line, " ") + "\n")
					}
					moved, err := s.Shifted(start, until)
					if err != nil {
						t.Fatal(err)
					}
					for _, in := range moved {
						fmt.Fprintf(&b, "  moved: %s\n", in.At.UTC().Format("2006-01-02T15:04Z"))
					}
				}
				b.WriteString("\n")
			}
			golden(t, strings.ReplaceAll(tt.zone, "/", "-")+".golden", b.Bytes())
		})
	}
}

// TestLeapYearsEnd: the time package ends a span before it begins.
func TestLeapYearsEnd(t *testing.T) {
	for _, name := range []string{"America/New_York", "Australia/Sydney", "Europe/Dublin"} {
		for _, y := range []int{2028, 2096} {
			start := time.Date(y, 12, 30, 0, 0, 0, 0, time.UTC)
			for _, text := range []string{"0 * * * *", "30 2 * * *"} {
				if _, err := walk(zone(t, name), text, start, start.AddDate(0, 0, 4)); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

func TestLoadZone(t *testing.T) {
	for _, name := range strings.Fields(zoneNames) {
		if _, err := LoadZone(name); err != nil {
			t.Error(err)
		}
	}
	tests := []struct{ name, want string }{
		{"", "empty time zone"},
		{"Local", "depends on the machine"},
		{"europe/berlin", `did you mean "Europe/Berlin"?`},
		{"Berlin", `did you mean "Europe/Berlin"?`},
		{"America/New York", `did you mean "America/New_York"?`},
		{"Europe/Brelin", `did you mean "Europe/Berlin"?`},
		{"PST", "the abbreviation is ambiguous"},
		{"UTC+2", "Etc/GMT-2"},
		{"+02:00", "Etc/GMT-2"},
		{"../../etc/passwd", "want a name such as"},
		{"x", "want a name"},
	}
	for _, tt := range tests {
		if _, err := LoadZone(tt.name); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestMachineZone(t *testing.T) {
	link := func(to string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(to), Mode: fs.ModeSymlink} }
	text := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	tests := []struct {
		name, tz string
		root     fstest.MapFS
		want     string // a zone, or what is in the error
		bad      bool
	}{
		{"variable", "Europe/Berlin", fstest.MapFS{"etc/timezone": text("Asia/Tokyo\n")}, "Europe/Berlin", false},
		{"variable with a path", ":/usr/share/zoneinfo/Europe/Berlin", nil, "Europe/Berlin", false},
		{"variable with rules", "CET-1CEST,M3.5.0,M10.5.0", nil, "$TZ: unknown time zone", true},
		{"link", "", fstest.MapFS{"etc/localtime": link("../usr/share/zoneinfo/Europe/Berlin")}, "Europe/Berlin", false},
		{"link with leap seconds", "", fstest.MapFS{"etc/localtime": link("/usr/share/zoneinfo/right/Asia/Tokyo")}, "Asia/Tokyo", false},
		{"copy and name", "", fstest.MapFS{"etc/localtime": text("TZif"), "etc/timezone": text("Asia/Tokyo\n")}, "Asia/Tokyo", false},
		{"copy without a name", "", fstest.MapFS{"etc/localtime": text("TZif")}, "cannot determine this machine's time zone", true},
		{"nothing", "", fstest.MapFS{}, "UTC", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := machineZone(func(string) string { return tt.tz }, tt.root)
			if tt.bad {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %q, %v, want %q", got, err, tt.want)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
	if name, err := MachineZone(os.Getenv); err == nil {
		zone(t, name)
	}
}
